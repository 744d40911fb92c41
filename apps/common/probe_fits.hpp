// What the logistic regressions of tv_linear_probe record.
#pragma once

#include <cstdio>
#include <filesystem>

#include "common/probe.hpp"
#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/train/linear_probe.hpp"

namespace tv_app {

inline std::vector<double> penalties(Index count) {
  return count == 45 ? tinyvision::paper_lambdas() : tinyvision::log_spaced(5, -6, count);
}

inline Json fit_json(const tinyvision::LogisticRegressionFit& fit) {
  return {{"lambda", fit.lambda},
          {"C", fit.c},
          {"objective", fit.objective},
          {"gradient_norm", fit.gradient_norm},
          {"iterations", fit.iterations},
          {"evaluations", fit.evaluations},
          {"exact_evaluations", fit.exact_evaluations},
          {"hessian_products", fit.hessian_products},
          {"certificate", fit.certificate},
          {"relative_certificate", fit.relative_certificate},
          {"converged", fit.converged},
          {"stop", to_string(fit.stop)}};
}

/// `all_converged`, and a line on stdout where it is false.
inline void record_convergence(const ProbeTask& task, bool converged) {
  task.results["all_converged"] = converged;
  if (!converged) std::printf("NOT all fits reached the tolerance %g: see results.json\n", task.choice.tolerance);
}

inline std::string at_lambda(double lambda) {
  char text[32];
  std::snprintf(text, sizeof text, "at lambda %.3e", lambda);
  return text;
}

/// classifier.safetensors in --out.
inline void save_classifier(const ProbeTask& task, const tinyvision::LinearClassifier& classifier) {
  if (task.common.out.empty()) return;
  tinyvision::checkpoint::save_safetensors((std::filesystem::path(task.common.out) / "classifier.safetensors").string(),
                                           {{"weights", classifier.weights}, {"intercept", classifier.intercept}});
}

}  // namespace tv_app
