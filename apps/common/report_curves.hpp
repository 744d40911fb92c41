// tv_report curves: accuracy over training steps or over images a class, and how much sooner pretrained networks get there.
#pragma once

#include <string>

#include "common/common_options.hpp"
#include "common/results.hpp"

namespace CLI {
class App;
}

namespace tv_app {

struct CurvesChoice {
  std::string source;          ///< the table or folder of results
  std::string over = "steps";  ///< or train_per_class
  bool no_figures = false;
};

void add_curves_options(CLI::App& app, CurvesChoice& choice);

/// Reads a table with the columns network, dataset, setting, accuracy, the one that `over` names and, if need be, subset; or the
/// results below a folder, where subsets are told apart by their seeds. Writes curves.tsv (a row each point), over steps
/// convergence.tsv (the time to 90 % of the greatest odds, section 4.6 of the paper), the figure, report.html; prints the
/// convergence. Throws UsageError naming file and row as report::curve_panels, and when nothing has test images.
void report_curves(const CurvesChoice& choice, const CommonOptions& common, Results& results);

}  // namespace tv_app
