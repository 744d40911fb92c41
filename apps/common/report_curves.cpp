// tv_report curves: accuracy over training steps or over images a class.
#include "common/report_curves.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "common/options.hpp"
#include "common/report_study.hpp"
#include "common/report_study_output.hpp"
#include "common/result_fields.hpp"
#include "tinyvision/core/digest.hpp"
#include "tinyvision/report/accuracy_curves.hpp"

namespace tv_app {

using namespace tinyvision;
using report::CurveRecord;

namespace {

struct CurveSource {
  std::vector<CurveRecord> records;
  std::vector<std::string> files, notes;
};

CurveSource of_table(const std::string& path, const std::string& over) {
  CurveSource source;
  const report::TextTable table = read_any_table(path);
  for (const char* column : {"network", "dataset", "setting"}) table.column(column);  // is there
  stats::Scale scale{};
  const auto accuracies = report::percent_column(table, "accuracy", scale);
  for (std::size_t r = 0; r < table.rows.size(); ++r)
    source.records.push_back({table.cell(r, "network"), table.cell(r, "dataset"), table.cell(r, "setting"),
                              report::parse_printed(table.cell(r, over), table.place(r, over)).value,
                              table.has("subset") ? table.cell(r, "subset") : "", accuracies[r].value / 100,
                              table.place(r, "accuracy")});
  source.files = {path};
  source.notes = {
      concat_text(path, ": accuracies read as ", scale == stats::Scale::percent ? "percentages." : "fractions.")};
  return source;
}

CurveSource of_folder(const std::string& folder, const std::string& over) {
  CurveSource source;
  ResultFiles files = read_results_below(folder);
  source.notes = std::move(files.notes);
  std::size_t left_out = 0;
  for (const auto& [path, results] : files.results) {
    const Json& config = results["config"];
    const bool usable = results["metrics"].contains("test") && config.contains(over);
    if (!usable || config[over] == -1) {
      ++left_out;
      continue;
    }
    source.records.push_back({result_network(results, path), result_dataset(results, path),
                              result_setting(results, path),
                              result_field<double>(results, path, {"config", over.c_str()}),
                              concat_text("split seed ", result_field<Index>(results, path, {"config", "split_seed"}),
                                          ", seed ", result_field<Index>(results, path, {"config", "seed"})),
                              result_accuracy(results, path), path});
    source.files.push_back(path);
  }
  if (source.records.empty())
    fail_usage("curves", folder, ": none of ", left_out, " results has test images and says its ", over);
  if (left_out > 0)
    source.notes.push_back(concat_text(left_out, " results without test images or without ", over, " were left out."));
  return source;
}

std::string curves_table(const std::vector<report::CurvePanel>& panels, const std::string& over) {
  std::string text = "network\tdataset\tsetting\t" + over + "\truns\taccuracy_percent\tmean_log_odds\tstandard_error\n";
  for (const report::CurvePanel& panel : panels)
    for (const report::AccuracyCurve& curve : panel.curves)
      for (const report::CurvePoint& p : curve.points)
        text += panel.network + "\t" + panel.dataset + "\t" + curve.setting + "\t" + format_shortest(p.x) + "\t" +
                std::to_string(p.accuracies.size()) + "\t" +
                format_shortest(100 * stats::inverse_logit(p.mean_log_odds)) + "\t" + format_shortest(p.mean_log_odds) +
                "\t" + (p.accuracies.size() > 1 ? format_shortest(p.standard_error) : "") + "\n";
  return text;
}

report::Table convergence_table(const report::Convergence& c) {
  report::Table table{{{"network"},
                       {"data set"},
                       {"fine-tuned: steps", true},
                       {"threshold %", true},
                       {"random initialisation: steps", true},
                       {"threshold %", true},
                       {"speed-up", true}},
                      {}};
  const auto percent = [](double share) { return report::format_fixed(100 * share, 2); };
  for (const auto& row : c.rows)
    table.rows.push_back({row.network, row.dataset, format_shortest(row.fast.time), percent(row.fast.threshold),
                          format_shortest(row.slow.time), percent(row.slow.threshold),
                          report::format_fixed(row.speed_up(), 2)});
  return table;
}

}  // namespace

void add_curves_options(CLI::App& app, CurvesChoice& choice) {
  app.add_option("results", choice.source,
                 "a folder with results.json of tv_linear_probe and tv_finetune somewhere below it, or a CSV, TSV or "
                 "JSON table with the columns network, dataset, setting, accuracy, steps or train_per_class and, if "
                 "need be, subset")
      ->required();
  app.add_option("--over", choice.over, "what the curves are over")
      ->capture_default_str()
      ->check(CLI::IsMember({"steps", "train_per_class"}));
  app.add_flag("--no-figures", choice.no_figures, "tables, numbers and page alone; needs no gnuplot");
}

void report_curves(const CurvesChoice& choice, const CommonOptions& common, Results& results) {
  StudyReportChoice checks;
  checks.no_figures = choice.no_figures;
  check_study_report(checks, common);
  const bool over_steps = choice.over == "steps";
  const CurveSource source = std::filesystem::is_directory(choice.source) ? of_folder(choice.source, choice.over)
                                                                          : of_table(choice.source, choice.over);
  const std::vector<report::CurvePanel> panels = report::curve_panels(source.records);
  const std::filesystem::path out(common.out);
  const std::string table = curves_table(panels, choice.over);
  write_file_atomically((out / "curves.tsv").string(), table);

  report::HtmlPage page(over_steps ? "Accuracy over training steps" : "Accuracy over images a class");
  page.subtitle(concat_text(panels.size(), panels.size() == 1 ? " panel" : " panels", ", ", source.records.size(),
                            " runs, as Figure ", over_steps ? "8" : "9", " of Kornblith, Shlens and Le (CVPR 2019)"));
  for (const std::string& note : source.notes) {
    page.note(note);
    std::printf("%s\n", note.c_str());
  }
  if (!choice.no_figures) {
    const report::FigurePlan plan = report::accuracy_curves_figure(
        panels, over_steps ? "figure_8" : "figure_9", over_steps ? "Figure 8" : "Figure 9",
        over_steps ? "training steps" : "training images a class");
    page.section("Curves");
    page.figure(report::render_figure((out / "figures").string(), plan.figure.name,
                                      gnuplot_script(plan.page, plan.figure.name)),
                plan.figure.caption);
    results.lap("figures");
  }
  std::printf("\n%s", table.c_str());
  if (const auto c = over_steps ? report::convergence(panels) : std::nullopt) {
    const report::Table rows = convergence_table(*c);
    std::string text =
        "network\tdataset\tfine_tuned_steps\tfine_tuned_threshold_percent\trandom_init_steps\t"
        "random_init_threshold_percent\tspeed_up\n";
    for (const auto& row : rows.rows)
      for (std::size_t i = 0; i < row.size(); ++i) text += row[i] + (i + 1 < row.size() ? "\t" : "\n");
    write_file_atomically((out / "convergence.tsv").string(), text);
    const auto steps = [](double v) { return report::format_fixed(v, v < 100 ? 1 : 0); };
    const std::string summary = concat_text(
        "90 % of the greatest odds: fine-tuned after ", steps(c->fast_mean), " steps (quartiles ",
        steps(c->fast_quartiles.low), " to ", steps(c->fast_quartiles.high), "), from random initialisation after ",
        steps(c->slow_mean), " (", steps(c->slow_quartiles.low), " to ", steps(c->slow_quartiles.high),
        "), geometric means over ", c->rows.size(), c->rows.size() == 1 ? " panel" : " panels", ": ",
        report::format_fixed(c->speed_up, 2), " times sooner");
    page.section("Time to 90 % of the greatest odds");
    page.paragraph(summary + ".");
    page.table(rows);
    std::printf("\n%s\n", summary.c_str());
    results["convergence"] = {
        {"fine_tuned_steps", c->fast_mean}, {"random_init_steps", c->slow_mean}, {"speed_up", c->speed_up}};
  }
  page.section("Sources");
  report::Table files{{{"file"}, {"SHA-256"}}, {}};
  for (const std::string& file : source.files) {
    const std::string digest = sha256_hex(read_file(file));
    results["digests"][file] = digest;
    files.rows.push_back({file, digest});
  }
  page.table(files);
  write_file_atomically((out / "report.html").string(), page.text());
  std::printf("\nreport: %s\n", (out / "report.html").c_str());
}

}  // namespace tv_app
