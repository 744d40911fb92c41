// tv_report: the paper's statistics, tables and figures from its published tables or from one's own results.
#include "common/app.hpp"
#include "common/report_curves.hpp"
#include "common/report_paper.hpp"
#include "common/report_run.hpp"
#include "common/report_study.hpp"

namespace {

struct Options : tv_app::CommonOptions {
  tv_app::StudyReportChoice study;
  tv_app::ReportRunChoice run;
  tv_app::CurvesChoice curves;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("tv_report: pages of results, each one self-contained HTML file with its tables and figures beside it");
  app.require_subcommand(1);
  const auto command = [&](const char* name, const char* does,
                           const char* out = "folder for what is written (required)") {
    CLI::App* c = app.add_subcommand(name, does);
    tv_app::add_common_options(*c, options, out);
    return c;
  };
  tv_app::add_study_report_options(
      *command("paper", "what the paper says beside what its published tables give: every number, figure and verdict"),
      options.study, false);
  tv_app::add_study_report_options(
      *command("study", "the same statistics and figures of networks on data sets of one's own"), options.study, true);
  tv_app::add_curves_options(
      *command("curves", "accuracy over training steps or images a class, and the speed-up by pretraining"),
      options.curves);
  tv_app::add_report_run_options(*command("run", "the page of one run: accuracy, curves, mistakes, classes, settings",
                                          "folder for report.html and report.json; empty: the run's"),
                                 options.run);
  return tv_app::run_app(app, "tv_report", options, argc, argv, [&](const tv_app::Json& config) {
    tv_app::Results results("tv_report", config);
    const std::string what = app.get_subcommands().front()->get_name();
    if (what == "run") return tv_app::report_run(options.run, options, results);
    if (what == "paper") tv_app::report_paper(options.study, options, results);
    if (what == "curves") tv_app::report_curves(options.curves, options, results);
    if (what == "study") tv_app::report_study(options.study, options, results);
    results.write(options.out);
  });
}
