// tv_report study: the paper's analysis of one's own results.
#include "common/report_study.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "common/report_study_output.hpp"
#include "common/stats_tables.hpp"
#include "tinyvision/data/datasets/registry.hpp"

namespace tv_app {

using namespace tinyvision;
namespace fs = std::filesystem;

namespace {

constexpr const char* where = "study";

report::TextTable read_any_table(const std::string& path) {
  return path.ends_with(".json") ? report::TextTable(parse_json_table(read_file(path), path))
                                 : report::read_table(path);
}

std::string scale_note(const std::string& path, stats::Scale scale) {
  return path + ": accuracies read as " + (scale == stats::Scale::percent ? "percentages" : "fractions") + ".";
}

/// A member of `json`, which has to be of type T.
template <class T>
T member(const Json& json, const std::string& path, std::initializer_list<const char*> keys) {
  const Json* at = &json;
  std::string name;
  for (const char* key : keys) {
    name += (name.empty() ? "" : ".") + std::string(key);
    if (!at->is_object() || !at->contains(key)) fail_usage(where, path, ": there is no ", name);
    at = &(*at)[key];
  }
  try {
    return at->get<T>();
  } catch (const Json::type_error&) {
    fail_usage(where, path, ": ", name, " is ", at->dump().substr(0, 60), ", of another type than expected");
  }
}

/// The network with what makes it another one than the paper's.
std::string network_name(const Json& results, const std::string& path) {
  std::string name = member<std::string>(results, path, {"config", "network"});
  if (const auto width = member<double>(results, path, {"config", "width"}); width != 1)
    name += " width=" + format_shortest(width);
  if (const auto size = member<Index>(results, path, {"config", "image_size"}); size != 0)
    name += " image_size=" + std::to_string(size);
  return name;
}

/// One results.json.
report::StudyRecord record_of(const Json& results, const std::string& path) {
  report::StudyRecord r;
  r.place = path;
  r.network = network_name(results, path);
  r.dataset = member<std::string>(results, path, {"config", "dataset"});
  const data::DatasetEntry* published = data::find_dataset(r.dataset);
  if (results["app"] == "tv_linear_probe")
    r.setting = "linear_probe";
  else
    r.setting = member<std::string>(results, path, {"config", "init"}) == "random" ? "random_init" : "fine_tuned";
  if (const auto per_class = member<Index>(results, path, {"config", "train_per_class"}); per_class > 0) {
    r.train_size = static_cast<double>(per_class * member<Index>(results, path, {"metrics", "test", "classes"}));
    r.dataset += published ? concat_text(" (", per_class, " a class)") : "";
  }
  if (r.dataset == "image_folder") {
    const fs::path folder = fs::path(member<std::string>(results, path, {"config", "data"})).lexically_normal();
    r.dataset = (folder.has_filename() ? folder : folder.parent_path()).filename().string();
  }
  const bool by_class = published && published->info->metric == data::Metric::mean_per_class;
  const char* metric = by_class ? "mean_per_class" : "top1";
  const double accuracy = member<double>(results, path, {"metrics", "test", metric});
  if (const std::string fault = stats::detail::accuracy_fault(accuracy); !fault.empty())
    fail_usage(where, path, ": row '", r.network, "', column '", r.dataset, "': the accuracy (metrics.test.", metric,
               ") ", fault);
  r.accuracy = {100 * accuracy, 0};
  return r;
}

StudySource read_result_folder(const std::string& folder) {
  StudySource source;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && entry.path().filename() == "results.json")
      source.files.push_back(entry.path().string());
  std::sort(source.files.begin(), source.files.end());
  std::vector<std::string> used;
  std::size_t others = 0;
  for (const std::string& path : source.files) {
    Json results;
    try {
      results = Json::parse(read_file(path));
    } catch (const Json::parse_error& error) {
      fail_usage(where, path, ": byte ", error.byte, ": no JSON from here on");
    }
    const auto app = member<std::string>(results, path, {"app"});
    if (app != "tv_linear_probe" && app != "tv_finetune") {
      ++others;
      continue;
    }
    source.records.push_back(record_of(results, path));
    used.push_back(path);
  }
  if (used.empty())
    fail_usage(where, folder, ": no results.json of tv_linear_probe or tv_finetune below it",
               others > 0 ? concat_text(", ", others, " of other programs") : std::string());
  source.files = used;
  source.notes.push_back(concat_text(used.size(), " results of tv_linear_probe and tv_finetune below ", folder, "."));
  if (others > 0) source.notes.push_back(concat_text(others, " results of other programs were left out."));
  return source;
}

}  // namespace

StudySource read_study_source(const std::string& path) {
  if (fs::is_directory(path)) return read_result_folder(path);
  StudySource source;
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
