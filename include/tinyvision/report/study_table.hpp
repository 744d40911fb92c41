// A transfer study from accuracies that come one by one: rows of a table, or results of programs.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tinyvision/core/text.hpp"
#include "tinyvision/report/transfer_study.hpp"

TINYVISION_BEGIN
namespace report {

/// One accuracy, in percent.
struct StudyRecord {
  std::string network, dataset, setting;
  PrintedNumber accuracy;
  std::string place;                                             ///< where it comes from, for messages
  double train_size = std::numeric_limits<double>::quiet_NaN();  ///< images; NaN: not said
};

/// What is known of the paper's networks and data sets: the order in which they are shown, ImageNet accuracies, sizes, and what
/// the programs of this project call them.
struct StudyNames {
  std::vector<std::string> networks, datasets;
  std::map<std::string, std::string> titles;        ///< program's name -> paper's name, of both
  std::map<std::string, double> train_sizes;        ///< by data set
  std::map<std::string, PrintedNumber> imagenet{};  ///< top-1 in percent, by network
  std::string imagenet_source{};                    ///< where they come from, for the page

  std::string title(const std::string& name) const {
    const auto found = titles.find(name);
    return found == titles.end() ? name : found->second;
  }
};

namespace detail {

inline PrintedNumber times_hundred(const PrintedNumber& p) { return {100 * p.value, 100 * p.half_unit}; }

}  // namespace detail

/// Numbers of a column as percentages: fractions when none is above 1, else percentages already; `scale` says which. Throws
/// UsageError naming row and column for missing cells and what is no number, for 0 and 1 (100 %), which have no log-odds, and
/// for a fraction among percentages.
inline std::vector<PrintedNumber> percent_column(const TextTable& table, std::string_view column, stats::Scale& scale) {
  std::vector<PrintedNumber> numbers;
  scale = stats::Scale::fraction;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    numbers.push_back(parse_printed(table.cell(r, column), table.place(r, column)));
    if (numbers.back().value > 1) scale = stats::Scale::percent;
  }
  for (std::size_t r = 0; r < numbers.size(); ++r) {
    const double p = numbers[r].value;
    if (scale == stats::Scale::percent && p > 0 && p <= 1)
      fail_usage("study", table.place(r, column), ": ", p,
                 " looks like a fraction, and other rows of this column are percentages");
    if (const std::string fault = stats::detail::accuracy_fault(p, scale); !fault.empty())
      fail_usage("study", table.place(r, column), ": the accuracy ", fault);
    if (scale == stats::Scale::fraction) numbers[r] = detail::times_hundred(numbers[r]);
  }
  return numbers;
}

/// The rows of a table with the columns network, dataset, setting, accuracy and, where it has one, train_size. Throws
/// UsageError as `percent_column`, and for empty names.
inline std::vector<StudyRecord> study_records(const TextTable& table, stats::Scale& scale) {
  for (const char* column : {"network", "dataset", "setting", "accuracy"}) table.column(column);  // is there
  const std::vector<PrintedNumber> accuracies = percent_column(table, "accuracy", scale);
  std::vector<StudyRecord> records;
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    for (const char* column : {"network", "dataset", "setting"})
      if (table.cell(r, column).empty()) fail_usage("study", table.place(r, column), ": a missing cell");
    StudyRecord record{table.cell(r, "network"), table.cell(r, "dataset"), table.cell(r, "setting"), accuracies[r],
                       table.place(r, "accuracy")};
    if (table.has("train_size") && !table.cell(r, "train_size").empty())
      record.train_size = parse_printed(table.cell(r, "train_size"), table.place(r, "train_size")).value;
    records.push_back(std::move(record));
  }
  return records;
}

/// ImageNet accuracies from a table with the columns network and `column`. Throws UsageError as `percent_column`, and for a
/// network that comes twice.
inline std::map<std::string, PrintedNumber> imagenet_accuracies(const TextTable& table, std::string_view column,
                                                                stats::Scale& scale) {
  table.column("network");
  const std::vector<PrintedNumber> numbers = percent_column(table, column, scale);
  std::map<std::string, PrintedNumber> result;
  for (std::size_t r = 0; r < numbers.size(); ++r)
    if (!result.emplace(table.cell(r, "network"), numbers[r]).second)
      fail_usage("study", table.place(r, "network"), ": '", table.cell(r, "network"), "' comes twice");
  return result;
}

/// The paper's names, sizes and ImageNet accuracies from table_1_datasets.tsv and table_A2_networks.tsv of `folder`.
inline StudyNames paper_names(const std::string& folder) {
  const TextTable sets = read_table(folder + "/table_1_datasets.tsv"),
                  nets = read_table(folder + "/table_A2_networks.tsv");
  StudyNames names;
  for (std::size_t r = 0; r < nets.rows.size(); ++r) {
    names.networks.push_back(nets.cell(r, "network"));
    names.titles[nets.cell(r, "program_name")] = nets.cell(r, "network");
  }
  for (std::size_t r = 0; r < sets.rows.size(); ++r) {
    names.datasets.push_back(sets.cell(r, "dataset"));
    names.titles[sets.cell(r, "program_name")] = sets.cell(r, "dataset");
    names.train_sizes[sets.cell(r, "dataset")] =
        parse_printed(sets.cell(r, "train_size"), sets.place(r, "train_size")).value;
  }
  stats::Scale scale{};
  names.imagenet = imagenet_accuracies(nets, "top1_retrained", scale);
  names.imagenet_source = nets.path + ", column top1_retrained (the paper's Table A.2)";
  return names;
}

namespace detail {

/// The names that occur, those of `known` first and in its order, others as they come.
inline std::vector<std::string> ordered_names(const std::vector<std::string>& occurring,
                                              const std::vector<std::string>& known) {
  std::vector<std::string> names;
  const auto add = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  for (const std::string& name : known)
    if (std::find(occurring.begin(), occurring.end(), name) != occurring.end()) add(name);
  for (const std::string& name : occurring) add(name);
  return names;
}

/// Throws UsageError when a column does not vary.
inline void check_columns_vary(const TransferStudy& study) {
  const auto constant = [&](auto&& value) {
    for (std::size_t m = 1; m < study.networks.size(); ++m)
      if (value(m) != value(0)) return false;
    return true;
  };
  if (constant([&](std::size_t m) { return study.imagenet[m].value; }))
    fail_usage("study", "the column of ImageNet accuracies is constant: ", study.imagenet[0].value, " % for all ",
               study.networks.size(), " networks");
  for (std::size_t s = 0; s < study.settings.size(); ++s)
    for (std::size_t d = 0; d < study.datasets.size(); ++d)
      if (constant([&](std::size_t m) { return study.at(s, m, d).value; }))
        fail_usage("study", "setting '", study.settings[s].name, "', column '", study.datasets[d],
                   "' is constant: ", study.at(s, 0, d).value, " % for all ", study.networks.size(), " networks");
}

}  // namespace detail

/// The study that the records make: every network on every data set in every setting. Names are the paper's where the programs'
/// were given. A data set's size is the records', else the paper's, else NaN. Throws UsageError naming row and column for a cell
/// that comes twice or is missing, for different sizes of one data set, for a network without ImageNet accuracy, for one network
/// only, and for columns that do not vary.
inline TransferStudy study_of(std::vector<StudyRecord> records, const StudyNames& names) {
  if (records.empty()) fail_usage("study", "no accuracies");
  std::vector<std::string> networks, datasets, settings;
  std::map<std::tuple<std::string, std::string, std::string>, const StudyRecord*> cells;
  std::map<std::string, const StudyRecord*> sizes;
  for (StudyRecord& r : records) {
    r.network = names.title(r.network), r.dataset = names.title(r.dataset);
    networks.push_back(r.network), datasets.push_back(r.dataset), settings.push_back(r.setting);
    const auto [at, added] = cells.emplace(std::tuple(r.setting, r.network, r.dataset), &r);
    if (!added)
      fail_usage("study", r.place, ": setting '", r.setting, "', row '", r.network, "', column '", r.dataset,
                 "' comes twice; first at ", at->second->place);
    const auto [size, first] = sizes.emplace(r.dataset, &r);
    const double before = size->second->train_size;
    if (!first && before != r.train_size && !(std::isnan(before) && std::isnan(r.train_size)))
      fail_usage("study", r.place, ": ", r.train_size, " training images of '", r.dataset, "', ", before, " at ",
                 size->second->place);
  }
  TransferStudy study;
  study.networks = detail::ordered_names(networks, names.networks);
  study.datasets = detail::ordered_names(datasets, names.datasets);
  if (study.networks.size() == 1)
    fail_usage("study", "one network only, '", study.networks[0],
               "': a study compares networks, give results of two or more");
  for (const std::string& network : study.networks) {
    const auto found = names.imagenet.find(network);
    if (found == names.imagenet.end())
      fail_usage("study", "row '", network, "': no ImageNet accuracy in ", names.imagenet_source,
                 "; give a table with it (--imagenet)");
    study.imagenet.push_back(found->second);
  }
  for (const std::string& dataset : study.datasets) {
    const double said = sizes[dataset]->train_size;
    const auto known = names.train_sizes.find(dataset);
    study.train_sizes.push_back(std::isnan(said) && known != names.train_sizes.end() ? known->second : said);
  }
  for (const std::string& name : detail::ordered_names(settings, {"linear_probe", "fine_tuned", "random_init"})) {
    Setting setting{name, {}};
    std::vector<std::string> missing;
    for (const std::string& network : study.networks)
      for (const std::string& dataset : study.datasets) {
        const auto found = cells.find(std::tuple(name, network, dataset));
        if (found == cells.end())
          missing.push_back(concat_text("row '", network, "', column '", dataset, "'"));
        else
          setting.cells.push_back(found->second->accuracy);
      }
    if (!missing.empty())
      fail_usage("study", "setting '", name, "' has ", setting.cells.size(), " of ",
                 setting.cells.size() + missing.size(), " cells; missing: ", join_names(missing, 3));
    study.settings.push_back(std::move(setting));
  }
  detail::check_columns_vary(study);
  return study;
}

}  // namespace report
TINYVISION_END
