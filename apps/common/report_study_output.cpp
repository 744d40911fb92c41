// What tv_report writes of a transfer study.
#include "common/report_study_output.hpp"

#include <cmath>
#include <cstdio>
#include <filesystem>

#include "common/interrupt.hpp"
#include "common/progress.hpp"
#include "tinyvision/core/digest.hpp"
#include "tinyvision/report/correlation_figures.hpp"
#include "tinyvision/report/setting_figures.hpp"

namespace tv_app {

using namespace tinyvision;
using report::StudyAnalysis;
using report::TransferStudy;

namespace {

/// NaN becomes null, as everywhere in results.
Json correlation_json(const std::optional<stats::Correlation>& c) {
  if (!c) return nullptr;
  return {
      {"r", c->r}, {"r2", c->r2}, {"p", c->p_value}, {"interval95", {c->interval.low, c->interval.high}}, {"n", c->n}};
}

Json setting_json(const TransferStudy& study, const report::SettingAnalysis& a) {
  Json out{{"setting", a.name}, {"pearson", correlation_json(a.pearson)}, {"spearman", correlation_json(a.spearman)}};
  Json& datasets = out["data_sets"] = Json::array();
  for (std::size_t d = 0; d < study.datasets.size(); ++d)
    datasets.push_back({{"data_set", study.datasets[d]},
                        {"training_images", study.train_sizes[d]},
                        {"pearson", correlation_json(a.on_dataset[d])}});
  out["size_dependence"] = a.size ? correlation_json(a.size->correlation) : Json();
  Json& networks = out["networks"] = Json::array();
  for (std::size_t m = 0; m < study.networks.size(); ++m) {
    Json row{{"network", study.networks[m]},
             {"imagenet_top1_percent", study.imagenet[m].value},
             {"mean_log_odds", a.means[m]}};
    if (!a.standings.empty()) {
      row["standard_error"] = a.standings[m].standard_error;
      row["best"] = a.standings[m].best;
      row["p_against_best"] = a.standings[m].p_against_best;
      row["not_worse"] = static_cast<bool>(a.not_worse[m]);
    }
    networks.push_back(std::move(row));
  }
  return out;
}

std::string tsv(const std::vector<std::vector<std::string>>& rows) {
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) {
      std::string cell = row[c];
      std::replace_if(
          cell.begin(), cell.end(), [](char x) { return x == '\t' || x == '\n' || x == '\r'; }, ' ');
      text += (c > 0 ? "\t" : "") + cell;
    }
    text += "\n";
  }
  return text;
}

std::string number(double value) { return std::isfinite(value) ? format_shortest(value) : ""; }

}  // namespace

Json analysis_json(const TransferStudy& study, const StudyAnalysis& analysis) {
  Json out{{"networks", study.networks}, {"data_sets", study.datasets}};
  for (const report::SettingAnalysis& a : analysis.settings) out["settings"].push_back(setting_json(study, a));
  out["comparisons"] = Json::array();
  for (const report::SettingComparison& c : analysis.comparisons) {
    Json row{{"first", study.settings[c.first].name},
             {"second", study.settings[c.second].name},
             {"first_above", c.counts.above},
             {"equal", c.counts.equal},
             {"first_below", c.counts.below}};
    for (std::size_t d = 0; d < study.datasets.size(); ++d)
      row["wilcoxon"].push_back({{"data_set", study.datasets[d]},
                                 {"w_plus", c.on_dataset[d].positive},
                                 {"w_minus", c.on_dataset[d].negative},
                                 {"p", c.on_dataset[d].p_value},
                                 {"p_holm", c.holm[d]}});
    out["comparisons"].push_back(std::move(row));
  }
  for (std::size_t d = 0; d < study.datasets.size(); ++d)
    out["best"].push_back({{"data_set", study.datasets[d]},
                           {"network", study.networks[analysis.best[d].network]},
                           {"setting", study.settings[analysis.best[d].setting].name},
                           {"accuracy_percent", analysis.best[d].accuracy.value}});
  out["not_computed"] = analysis.gaps;
  return out;
}

void write_study_tables(const std::string& folder, const TransferStudy& study, const StudyAnalysis& analysis) {
  const auto write = [&](const char* name, const std::vector<std::vector<std::string>>& rows) {
    write_file_atomically((std::filesystem::path(folder) / name).string(), tsv(rows));
  };
  std::vector<std::vector<std::string>> a1{{"setting", "r2", "r", "spearman_rho", "p_value", "r_low", "r_high"}},
      networks{{"setting", "network", "imagenet_top1_percent", "mean_log_odds", "standard_error", "p_against_best",
                "not_worse_than_best"}},
      comparisons{{"first", "second", "data_set", "w_plus", "w_minus", "wilcoxon_p", "p_holm"}},
      f1{{"dataset", "accuracy_percent", "network", "setting"}};
  for (const report::SettingAnalysis& a : analysis.settings) {
    const auto& r = a.pearson;
    a1.push_back({a.name, r ? number(r->r2) : "", r ? number(r->r) : "", a.spearman ? number(a.spearman->r) : "",
                  r ? number(r->p_value) : "", r ? number(r->interval.low) : "", r ? number(r->interval.high) : ""});
    for (std::size_t m = 0; m < study.networks.size(); ++m) {
      const bool stood = !a.standings.empty();
      networks.push_back({a.name, study.networks[m], number(study.imagenet[m].value), number(a.means[m]),
                          stood ? number(a.standings[m].standard_error) : "",
                          stood ? number(a.standings[m].p_against_best) : "",
                          stood ? (a.not_worse[m] ? "yes" : "no") : ""});
    }
  }
  for (const report::SettingComparison& c : analysis.comparisons)
    for (std::size_t d = 0; d < study.datasets.size(); ++d)
      comparisons.push_back({study.settings[c.first].name, study.settings[c.second].name, study.datasets[d],
                             number(c.on_dataset[d].positive), number(c.on_dataset[d].negative),
                             number(c.on_dataset[d].p_value), number(c.holm[d])});
  for (std::size_t d = 0; d < study.datasets.size(); ++d)
    f1.push_back({study.datasets[d], number(analysis.best[d].accuracy.value), study.networks[analysis.best[d].network],
                  study.settings[analysis.best[d].setting].name});
  write("table_A1.tsv", a1);
  write("table_F1.tsv", f1);
  write("networks.tsv", networks);
  write("comparisons.tsv", comparisons);
}

std::vector<report::StudyFigure> draw_study_figures(const std::string& folder, const TransferStudy& study,
                                                    const StudyAnalysis& analysis,
                                                    const std::vector<double>& best_known,
                                                    const CommonOptions& common) {
  std::vector<report::FigurePlan> plans{report::figure_1(study, analysis, common.seed),
                                        report::figure_2(study, analysis, common.seed),
                                        report::figure_6(study, best_known)};
  if (auto plan = report::figure_7(study)) plans.push_back(std::move(*plan));
  if (auto plan = report::figure_d1(study, analysis)) plans.push_back(std::move(*plan));
  if (auto plan = report::figure_e1(study)) plans.push_back(std::move(*plan));
  const std::string figures = (std::filesystem::path(folder) / "figures").string();
  ensure_folder(figures);
  Progress progress("figures", static_cast<Index>(plans.size()), common.quiet);
  std::vector<report::StudyFigure> drawn;
  for (report::FigurePlan& plan : plans) {
    if (interrupted()) throw Interrupted("the figures so far are in " + figures);
    plan.figure.svg = report::render_figure(figures, plan.figure.name, gnuplot_script(plan.page, plan.figure.name));
    drawn.push_back(std::move(plan.figure));
    progress.update(static_cast<Index>(drawn.size()));
  }
  progress.finish();
  return drawn;
}

void print_study(const TransferStudy& study, const StudyAnalysis& analysis) {
  std::printf("%zu networks, %zu data sets, %zu settings\n\n%-24s %7s %7s %17s %7s %9s %9s %9s\n",
              study.networks.size(), study.datasets.size(), study.settings.size(), "correlation (Table A.1)", "r2", "r",
              "95 % interval", "rho", "p of r", "D.1: r", "D.1: p");
  for (const report::SettingAnalysis& a : analysis.settings)
    std::printf("%-24s %7s %7s %17s %7s %9s %9s %9s\n", report::setting_title(a.name).c_str(),
                a.pearson ? report::format_fixed(a.pearson->r2, 3).c_str() : "-",
                a.pearson ? report::format_fixed(a.pearson->r, 3).c_str() : "-",
                a.pearson ? report::interval_text(a.pearson->interval).c_str() : "-",
                a.spearman ? report::format_fixed(a.spearman->r, 3).c_str() : "-",
                a.pearson ? report::format_p_value(a.pearson->p_value).c_str() : "-",
                a.size ? report::format_fixed(a.size->correlation.r, 3).c_str() : "-",
                a.size ? report::format_p_value(a.size->correlation.p_value).c_str() : "-");
  if (!analysis.comparisons.empty()) std::printf("\n");
  for (const report::SettingComparison& c : analysis.comparisons)
    std::printf("%s better than %s in %lld of %zu pairs (equal in %lld)\n",
                report::setting_heading(study.settings[c.first].name).c_str(),
                report::setting_title(study.settings[c.second].name).c_str(), static_cast<long long>(c.counts.above),
                study.networks.size() * study.datasets.size(), static_cast<long long>(c.counts.equal));
  for (const std::string& gap : analysis.gaps) std::printf("not computed: %s\n", gap.c_str());
}

void record_source(Results& results, report::StudyPage& page, const std::string& path) {
  const std::string digest = sha256_hex(read_file(path));
  results["digests"][path] = digest;
  page.provenance.push_back({path, "SHA-256 " + digest});
}

void write_study_page(const std::string& folder, const report::StudyPage& page, const TransferStudy& study,
                      const StudyAnalysis& analysis, const Json& numbers) {
  const std::filesystem::path base(folder);
  write_file_atomically((base / "claims.json").string(),
                        numbers.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  write_file_atomically((base / "report.html").string(), html(page, study, analysis));
  std::printf("\nreport: %s\n", (base / "report.html").c_str());
}

}  // namespace tv_app
