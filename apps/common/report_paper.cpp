// tv_report paper: what the paper says beside what its published tables give.
#include "common/report_paper.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "common/report_study_output.hpp"
#include "tinyvision/report/gnuplot.hpp"
#include "tinyvision/report/paper_claims.hpp"

namespace tv_app {

using namespace tinyvision;
using report::Claim;
using report::Verdict;

void add_study_report_options(CLI::App& app, StudyReportChoice& choice, bool of_study) {
  if (of_study)
    app.add_option("results", choice.source,
                   "a folder with results.json of tv_linear_probe and tv_finetune somewhere below it, or a CSV, TSV or "
                   "JSON table with the columns network, dataset, setting, accuracy and, if need be, train_size")
        ->required();
  app.add_option("--tables", choice.tables, "folder of the paper's tables")->capture_default_str();
  if (of_study)
    app.add_option("--imagenet", choice.imagenet,
                   "CSV, TSV or JSON table with the columns network and top1; empty: the paper's retrained networks");
  app.add_flag("--no-figures", choice.no_figures, "tables, numbers and page alone; needs no gnuplot");
}

void check_study_report(const StudyReportChoice& choice, const CommonOptions& common) {
  if (common.out.empty()) fail_usage("options", "--out is required: tables, figures and page go there");
  if (choice.no_figures) return;
  const std::string figures = (std::filesystem::path(common.out) / "figures").string();
  ensure_folder(figures);
  const std::string probe = (std::filesystem::path(figures) / "probe.gp").string();
  write_file_atomically(probe, "set terminal pngcairo\n");
  report::run_gnuplot(figures, "probe.gp");
  std::filesystem::remove(probe);
}

namespace {

Json claim_json(const Claim& c) {
  Json out{{"place", c.place}, {"claim", c.statement}, {"printed", c.printed}};
  if (!c.found_name.empty()) {
    out["recomputed"] = c.found_name;
  } else if (c.verdict != Verdict::not_computable) {
    out["recomputed"] = c.found.value;
    out["range"] = {c.found.low, c.found.high};
  }
  out["verdict"] = to_string(c.verdict);
  if (c.verdict == Verdict::reproduced) out["by_printed_inputs"] = c.as_printed;
  if (!c.reason.empty()) out["reason"] = c.reason;
  return out;
}

void print_claims(const std::vector<Claim>& claims) {
  std::printf("\n%-13s %-34s %-34s %-26s %s\n", "where", "printed", "recomputed", "verdict", "claim");
  for (const Claim& c : claims) {
    std::printf("%-13s %-34s %-34s %-26s %s%s%s\n", c.place.c_str(), c.printed.c_str(),
                report::detail::found_text(c).c_str(), verdict_text(c).c_str(), c.statement.c_str(),
                c.reason.empty() ? "" : ": ", c.reason.c_str());
  }
}

/// Table F.1's column of earlier results, for the lines of Figure 6.
std::vector<double> best_known(const report::PaperTables& tables) {
  std::vector<double> percent;
  const report::TextTable& t = tables.best_known;
  for (std::size_t d = 0; d < t.rows.size(); ++d)
    percent.push_back(report::parse_printed(t.cell(d, "previous_best"), t.place(d, "previous_best")).value);
  return percent;
}

}  // namespace

void report_paper(const StudyReportChoice& choice, const CommonOptions& common, Results& results) {
  check_study_report(choice, common);
  const report::PaperTables tables = report::read_paper_tables(choice.tables);
  const report::TransferStudy& study = tables.study;
  const report::StudyAnalysis analysis = report::analyse(study);
  report::StudyPage page;
  page.title = "Do Better ImageNet Models Transfer Better?";
  page.subtitle =
      "What the paper of Kornblith, Shlens and Le (CVPR 2019, arXiv 1805.08974) says, beside what its published tables "
      "give";
  for (const char* name : {"table_1_datasets", "table_A1_correlations", "table_A2_networks", "table_F1_best",
                           "table_H1_duplicates", "table_I1_accuracies"})
    record_source(results, page, (std::filesystem::path(choice.tables) / (std::string(name) + ".tsv")).string());
  page.claims = report::paper_claims(tables);
  results.lap("claims");
  if (!choice.no_figures) page.figures = draw_study_figures(common.out, study, analysis, best_known(tables), common);
  results.lap("figures");
  write_study_tables(common.out, study, analysis);

  Json counts{{"reproduced", 0}, {"not reproduced", 0}, {"not computable", 0}}, list = Json::array();
  int within_rounding = 0;
  for (const Claim& c : page.claims) {
    counts[to_string(c.verdict)] = counts[to_string(c.verdict)].get<int>() + 1;
    within_rounding += c.verdict == Verdict::reproduced && !c.as_printed ? 1 : 0;
    list.push_back(claim_json(c));
  }
  results["metrics"] = {{"claims", counts}};
  print_study(study, analysis);
  print_claims(page.claims);
  std::printf(
      "\n%zu claims: %d reproduced (%d of them within the inputs' rounding), %d not reproduced, %d not computable\n",
      page.claims.size(), counts["reproduced"].get<int>(), within_rounding, counts["not reproduced"].get<int>(),
      counts["not computable"].get<int>());
  write_study_page(common.out, page, study, analysis,
                   {{"verdicts", counts}, {"claims", list}, {"analysis", analysis_json(study, analysis)}});
}

}  // namespace tv_app
