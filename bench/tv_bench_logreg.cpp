// Times the 45-value path of multinomial logistic regression, or of one-vs-rest binary ones.
//
//   tv_bench_logreg [--threads T] [--n N --d D --k K] [--tolerance E] [--every E] [--handover H]
//                   [--history M] [--logistic FILE] [--one-vs-rest]
// FILE is what bench/peers/sklearn_logreg.py --make writes: features, labels, lambdas; or what tv_features writes, for the
// paper's lambdas. Without one it makes features like ReLU outputs with a decaying spectrum. Prints a CSV: lambda, objective,
// gradient_norm, iterations, seconds, ...; the first line's seconds include the set-up, which is also printed as a comment.
// With --one-vs-rest every row shows its class and, where features are made, one row in two another one besides and one
// presence in thirty is difficult; a line is about all K problems: the most steps of one, evaluations and products of all,
// the largest relative certificate, how many converged.
#include <chrono>
#include <cstdio>
#include <string>

#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/core/random.hpp"
#include "tinyvision/optim/binary_logistic_regressions.hpp"

namespace {

using namespace tinyvision;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// relu(hidden * mixing + noise), where hidden = class centre + noise has a spectrum (1 + j)^-0.7. `presence`: with a second
/// class in one row of two.
void make_problem(Index n, Index d, Index k, Tensor& features, std::vector<Index>& labels,
                  std::vector<std::int8_t>* presence) {
  const Index latent = std::min<Index>(256, d);
  const auto normals = [](Index count, std::uint64_t step) {
    const Random random(7, Stream::test, step);
    std::vector<float> v(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = static_cast<float>(random.normal(i));
    return v;
  };
  std::vector<float> hidden = normals(n * latent, 1), centres = normals(k * latent, 2), mixing = normals(latent * d, 3);
  const std::vector<float> noise = normals(n * d, 4);
  const Random random(7, Stream::test, 5), second(7, Stream::test, 6);
  double total = 0;
  for (Index j = 0; j < latent; ++j) total += std::pow(1.0 + static_cast<double>(j), -1.4);
  for (float& m : mixing) m /= static_cast<float>(std::sqrt(total));
  labels.clear();
  for (Index i = 0; i < n; ++i) {
    labels.push_back(i < k ? i : random.integer(static_cast<std::uint64_t>(i), k));
    const Index other = presence != nullptr ? second.integer(static_cast<std::uint64_t>(2 * i), 2 * k) : k;
    for (Index c = 0; presence != nullptr && c < k; ++c) {
      const bool shown = c == labels.back() || c == other;
      const bool difficult = second.integer(static_cast<std::uint64_t>(2 * (i * k + c) + 1), 30) == 0;
      presence->push_back(!shown ? std::int8_t{-1} : difficult ? std::int8_t{0} : std::int8_t{1});
    }
    for (Index j = 0; j < latent; ++j) {
      float& h = hidden[static_cast<std::size_t>(i * latent + j)];
      if (other < k) h += 1.2f * centres[static_cast<std::size_t>(other * latent + j)];
      h = (h + 1.2f * centres[static_cast<std::size_t>(labels.back() * latent + j)]) *
          static_cast<float>(std::pow(1.0 + static_cast<double>(j), -0.7));
    }
  }
  features = Tensor::empty({n, d});
  linalg::gemm(false, false, n, d, latent, 1.0f, hidden.data(), latent, mixing.data(), d, 0.0f, features.data<float>(),
               d);
  for (Index i = 0; i < n * d; ++i)
    features.data<float>()[i] = std::max(0.0f, features.data<float>()[i] + 0.1f * noise[static_cast<std::size_t>(i)]);
}

void one_vs_rest(const Tensor& features, const std::vector<std::int8_t>& presence, Index k,
                 const std::vector<double>& lambdas, const LogisticRegressionOptions& options) {
  const double start = now();
  BinaryLogisticRegressions regressions(features, presence, k, options);
  std::printf("# one-vs-rest n %lld d %lld classes %lld threads %d %s\n# setup %.3f s\n",
              static_cast<long long>(features.dim(0)), static_cast<long long>(features.dim(1)),
              static_cast<long long>(k), num_threads(), to_string(instruction_set()), now() - start);
  std::printf("lambda,seconds,newton_steps,exact_evaluations,hessian_products,relative_certificate,converged\n");
  double last = start;
  regressions.path(lambdas, [&](const std::vector<LogisticRegressionFit>& fits) {
    Index steps = 0, evaluations = 0, products = 0, converged = 0;
    double certificate = 0;
    for (const LogisticRegressionFit& f : fits) {
      steps = std::max(steps, f.newton_steps);
      evaluations += f.exact_evaluations;
      products += f.hessian_products;
      converged += f.converged ? 1 : 0;
      certificate = std::max(certificate, f.relative_certificate);
    }
    const double t = now();
    std::printf("%.17g,%.4f,%lld,%lld,%lld,%.3g,%lld\n", fits[0].lambda, t - last, static_cast<long long>(steps),
                static_cast<long long>(evaluations), static_cast<long long>(products), certificate,
                static_cast<long long>(converged));
    std::fflush(stdout);
    last = t;
  });
  std::printf("# total %.3f s\n", now() - start);
}

int run(int argc, char** argv) {
  Index n = 5000, d = 1024, k = 50, every = 1;
  LogisticRegressionOptions options;
  Tensor features;
  std::vector<Index> labels;
  std::vector<std::int8_t> presence;
  bool several = false;
  std::vector<double> lambdas = paper_lambdas();
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto next = [&] {
      return i + 1 < argc ? argv[++i] : throw UsageError("[tv_bench_logreg] " + name + " needs a value");
    };
    if (name == "--threads")
      set_num_threads(std::stoi(next()));
    else if (name == "--n")
      n = std::stoll(next());
    else if (name == "--d")
      d = std::stoll(next());
    else if (name == "--k")
      k = std::stoll(next());
    else if (name == "--every")
      every = std::stoll(next());
    else if (name == "--tolerance")
      options.tolerance = std::stod(next());
    else if (name == "--handover")
      options.handover = std::stod(next());
    else if (name == "--history")
      options.history = std::stoll(next());
    else if (name == "--one-vs-rest")
      several = true;
    else if (name == "--logistic") {
      const Safetensors file = load_safetensors(next());
      features = file.tensor("features");
      labels = file.tensor("labels").to_vector<Index>();
      if (const Tensor* own = file.find("lambdas")) lambdas = own->to_vector<double>();
      k = 1 + *std::max_element(labels.begin(), labels.end());
      n = features.dim(0), d = features.dim(1);
    } else
      fail_usage("tv_bench_logreg", "unknown option ", name);
  }
  if (several && features.defined())
    for (const Index label : labels)
      for (Index c = 0; c < k; ++c) presence.push_back(c == label ? std::int8_t{1} : std::int8_t{-1});
  if (!features.defined()) make_problem(n, d, k, features, labels, several ? &presence : nullptr);
  std::vector<double> chosen;
  for (std::size_t i = 0; i < lambdas.size(); i += static_cast<std::size_t>(every)) chosen.push_back(lambdas[i]);
  if (several) {
    one_vs_rest(features, presence, k, chosen, options);
    return 0;
  }
  const double start = now();
  LogisticRegression regression(features, labels, k, options);
  const double ready = now();
  double last = start;  // the first line pays for the set-up
  std::printf("# n %lld d %lld k %lld threads %d %s\n# setup %.3f s\n", static_cast<long long>(n),
              static_cast<long long>(d), static_cast<long long>(k), num_threads(), to_string(instruction_set()),
              ready - start);
  std::printf(
      "lambda,objective,gradient_norm,iterations,seconds,evaluations,exact_evaluations,newton_steps,hessian_products,"
      "certificate,relative_certificate,stop\n");
  regression.path(chosen, [&](const LogisticRegressionFit& f) {
    const double t = now();
    std::printf("%.17g,%.17g,%.6g,%lld,%.4f,%lld,%lld,%lld,%lld,%.3g,%.3g,%s\n", f.lambda, f.objective, f.gradient_norm,
                static_cast<long long>(f.iterations), t - last, static_cast<long long>(f.evaluations),
                static_cast<long long>(f.exact_evaluations), static_cast<long long>(f.newton_steps),
                static_cast<long long>(f.hessian_products), f.certificate, f.relative_certificate, to_string(f.stop));
    std::fflush(stdout);
    last = t;
  });
  std::printf("# total %.3f s\n", now() - start);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const UsageError& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
