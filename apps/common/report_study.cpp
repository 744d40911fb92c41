// tv_report study: the paper's analysis of one's own results.
#include "common/report_study.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "common/report_study_output.hpp"
#include "common/result_fields.hpp"
#include "common/stats_tables.hpp"

namespace tv_app {

using namespace tinyvision;
namespace fs = std::filesystem;

namespace {

constexpr const char* where = "study";

std::string scale_note(const std::string& path, stats::Scale scale) {
  return path + ": accuracies read as " + (scale == stats::Scale::percent ? "percentages" : "fractions") + ".";
}

/// One results.json.
report::StudyRecord record_of(const Json& results, const std::string& path) {
  report::StudyRecord r;
  r.place = path;
  r.network = result_network(results, path);
  r.dataset = result_dataset(results, path);
  r.setting = result_setting(results, path);
  if (const auto per_class = result_field<Index>(results, path, {"config", "train_per_class"}); per_class > 0) {
    r.train_size = static_cast<double>(per_class * result_field<Index>(results, path, {"metrics", "test", "classes"}));
    if (data::find_dataset(result_field<std::string>(results, path, {"config", "dataset"})))
      r.dataset += concat_text(" (", per_class, " a class)");
  }
  r.accuracy = {100 * result_accuracy(results, path), 0};
  return r;
}

}  // namespace

report::TextTable read_any_table(const std::string& path) {
  return path.ends_with(".json") ? report::TextTable(parse_json_table(read_file(path), path))
                                 : report::read_table(path);
}

ResultFiles read_results_below(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().filename() == "results.json") paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  ResultFiles files;
  std::size_t others = 0;
  for (const std::string& path : paths) {
    Json results;
    try {
      results = Json::parse(read_file(path));
    } catch (const Json::parse_error& error) {
      fail_usage(where, path, ": byte ", error.byte, ": no JSON from here on");
    }
    const auto app = result_field<std::string>(results, path, {"app"});
    if (app == "tv_linear_probe" || app == "tv_finetune")
      files.results.emplace_back(path, std::move(results));
    else
      ++others;
  }
  if (files.results.empty())
    fail_usage(where, folder, ": no results.json of tv_linear_probe or tv_finetune below it",
               others > 0 ? concat_text(", ", others, " of other programs") : std::string());
  files.notes.push_back(
      concat_text(files.results.size(), " results of tv_linear_probe and tv_finetune below ", folder, "."));
  if (others > 0) files.notes.push_back(concat_text(others, " results of other programs were left out."));
  return files;
}

StudySource read_study_source(const std::string& path) {
  StudySource source;
  if (fs::is_directory(path)) {
    ResultFiles files = read_results_below(path);
    for (const auto& [file, results] : files.results) {
      source.records.push_back(record_of(results, file));
      source.files.push_back(file);
    }
    source.notes = std::move(files.notes);
    return source;
  }
  stats::Scale scale{};
  source.records = report::study_records(read_any_table(path), scale);
  source.files = {path};
  source.notes = {scale_note(path, scale)};
  return source;
}

void report_study(const StudyReportChoice& choice, const CommonOptions& common, Results& results) {
  check_study_report(choice, common);
  StudySource source = read_study_source(choice.source);
  report::StudyNames names = report::paper_names(choice.tables);
  if (!choice.imagenet.empty()) {
    stats::Scale scale{};
    names.imagenet.clear();
    for (const auto& [network, accuracy] : imagenet_accuracies(read_any_table(choice.imagenet), "top1", scale))
      names.imagenet[names.title(network)] = accuracy;
    names.imagenet_source = choice.imagenet;
    source.files.push_back(choice.imagenet);
    source.notes.push_back(scale_note(choice.imagenet, scale));
  }
  source.notes.push_back("ImageNet accuracies: " + names.imagenet_source + ".");
  const report::TransferStudy study = report::study_of(source.records, names);
  const report::StudyAnalysis analysis = report::analyse(study);
  report::StudyPage page;
  page.title = "A transfer study";
  page.subtitle = concat_text(study.networks.size(), " networks, ", study.datasets.size(), " data sets, ",
                              study.settings.size(), study.settings.size() == 1 ? " setting" : " settings",
                              ", analysed as by Kornblith, Shlens and Le (CVPR 2019)");
  page.summary = source.notes;
  for (const std::string& file : source.files) record_source(results, page, file);
  if (!choice.no_figures) page.figures = draw_study_figures(common.out, study, analysis, {}, common);
  results.lap("figures");
  write_study_tables(common.out, study, analysis);
  for (const std::string& note : source.notes) std::printf("%s\n", note.c_str());
  print_study(study, analysis);
  write_study_page(common.out, page, study, analysis, {{"analysis", analysis_json(study, analysis)}});
}

}  // namespace tv_app
