// The report of a run as one HTML file: results with their uncertainty, curves, mistakes, and what it takes to repeat
// it.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/core/files.hpp"
#include "tinyvision/report/confusion_table.hpp"
#include "tinyvision/report/gallery.hpp"
#include "tinyvision/report/html.hpp"
#include "tinyvision/report/interval_chart.hpp"
#include "tinyvision/report/svg.hpp"
#include "tinyvision/stats/intervals.hpp"
#include "tinyvision/stats/mcnemar.hpp"
#include "tinyvision/stats/metrics.hpp"

TINYVISION_BEGIN
namespace report {

struct NameValue {
  std::string name{};
  std::string value{};
};

/// One method's accuracy.
struct AccuracyRow {
  std::string method{};
  std::string metric{};  ///< "top-1", "mean per class", ...
  double value = 0;      ///< a fraction
  std::optional<stats::Accuracy> counts{};
  std::optional<stats::Interval> interval{};  ///< 95 %
  std::string note{};
};

/// A row with its Wilson 95 % interval. Throws Error when there are no examples.
inline AccuracyRow accuracy_row(std::string method, const stats::Accuracy& accuracy, std::string metric = "top-1") {
  return {std::move(method), std::move(metric), accuracy.value(), accuracy, stats::wilson_interval(accuracy), ""};
}
/// Mean per-class accuracy: no binomial interval applies, so none is given.
inline AccuracyRow accuracy_row(std::string method, const stats::MeanPerClass& mean) {
  std::string note = "mean of " + std::to_string(mean.classes) + " classes";
  if (mean.without_examples > 0) note += "; " + std::to_string(mean.without_examples) + " without examples left out";
  return {std::move(method), "mean per class", mean.value, std::nullopt, std::nullopt, std::move(note)};
}

/// Two methods on the same test examples.
struct ComparisonRow {
  std::string first{};
  std::string second{};
  stats::McNemar test{};
};

/// Accuracy of each method on each class.
struct PerClassTable {
  std::vector<std::string> methods{};
  std::vector<std::string> classes{};
  std::vector<std::vector<stats::Accuracy>> accuracy{};  ///< [class][method]
};

struct CurveFigure {
  LineChart chart{};
  std::string caption{};
};
struct GalleryFigure {
  std::string title{};
  std::string note{};
  std::vector<GalleryTile> tiles{};
  Table table{};  ///< in the place of pictures that cannot be shown; left out without columns
};
struct ConfusionFigure {
  std::string title{};
  std::vector<std::string> classes{};
  stats::ConfusionMatrix confusion{};
};

/// Parts that are empty are left out of the page.
struct RunReport {
  std::string title{};
  std::string subtitle{};
  std::vector<std::string> summary{};  ///< paragraphs under the title
  std::vector<AccuracyRow> accuracy{};
  std::string accuracy_of = "method";            ///< what the first column of `accuracy` names
  std::string interval_method = "Wilson score";  ///< of the intervals in `accuracy`; named below the table
  std::vector<ComparisonRow> comparisons{};
  std::vector<CurveFigure> curves{};
  std::vector<GalleryFigure> galleries{};
  PerClassTable per_class{};
  std::string per_class_note{};
  std::vector<ConfusionFigure> confusions{};
  std::vector<NameValue> training{};
  std::vector<NameValue> configuration{};
  std::vector<NameValue> environment{};
  std::vector<NameValue> timing{};
  std::vector<NameValue> digests{};
};

/// An interval in percent: "81.3 to 84.0 %".
inline std::string percent_interval(const stats::Interval& interval, int decimals) {
  return format_fixed(100 * interval.low, decimals) + " to " + format_percent(interval.high, decimals);
}

namespace detail {

inline void add_accuracy(HtmlPage& page, const RunReport& run) {
  page.section("Accuracy");
  const std::vector<AccuracyRow>& rows = run.accuracy;
  Table table{{{run.accuracy_of}, {"metric"}, {"accuracy", true}, {"95 % interval", true}, {"correct", true}, {"note"}},
              {}};
  IntervalChart chart;
  chart.title = "Accuracy with 95 % intervals";
  bool any_interval = false;
  for (const AccuracyRow& row : rows) {
    std::string interval = "–", counts = "–";
    IntervalRow bar{row.method + (row.metric.empty() ? "" : ", " + row.metric), row.value};
    if (row.interval) {
      interval = percent_interval(*row.interval, 2);
      bar.low = row.interval->low;
      bar.high = row.interval->high;
      any_interval = true;
    }
    if (row.counts) counts = std::to_string(row.counts->correct) + " of " + std::to_string(row.counts->total);
    table.rows.push_back({row.method, row.metric, format_percent(row.value, 2), interval, counts, row.note});
    chart.rows.push_back(bar);
  }
  if (std::all_of(rows.begin(), rows.end(), [](const AccuracyRow& row) { return row.note.empty(); })) {
    table.columns.pop_back();
    for (auto& row : table.rows) row.pop_back();
  }
  page.table(table);
  if (rows.size() > 1) page.figure(svg(chart), "");
  if (any_interval)
    page.note(run.interval_method +
              " intervals over the examples, for one trained network each: they do not cover the variation between "
              "training runs.");
}

inline void add_comparisons(HtmlPage& page, const std::vector<ComparisonRow>& rows) {
  page.section("Comparisons");
  Table table{{{"first"},
               {"second"},
               {"only first right", true},
               {"only second right", true},
               {"exact p", true},
               {"mid-p", true}},
              {}};
  for (const ComparisonRow& row : rows)
    table.rows.push_back({row.first, row.second, std::to_string(row.test.only_first),
                          std::to_string(row.test.only_second), format_p_value(row.test.exact),
                          format_p_value(row.test.mid_p)});
  page.table(table);
  page.note("Two-sided McNemar tests on the same test examples; not corrected for the number of comparisons.");
}

/// With one method its Wilson intervals have a column too.
inline void add_per_class(HtmlPage& page, const PerClassTable& per_class, const std::string& note) {
  check(per_class.accuracy.size() == per_class.classes.size(), "run_report", per_class.classes.size(),
        " classes but accuracies of ", per_class.accuracy.size());
  page.section("Accuracy per class");
  Table table{{{"class"}, {"test examples", true}}, {}};
  for (const std::string& method : per_class.methods) table.columns.push_back({method, true});
  const bool intervals = per_class.methods.size() == 1;
  if (intervals) table.columns.push_back({"95 % interval", true});
  for (std::size_t c = 0; c < per_class.classes.size(); ++c) {
    const auto& row = per_class.accuracy[c];
    check(row.size() == per_class.methods.size() && !row.empty(), "run_report", "class '", per_class.classes[c],
          "' has ", row.size(), " accuracies for ", per_class.methods.size(), " methods");
    table.rows.push_back({per_class.classes[c], std::to_string(row.front().total)});
    for (const stats::Accuracy& accuracy : row) table.rows.back().push_back(format_percent(accuracy.value()));
    if (intervals)
      table.rows.back().push_back(row.front().total > 0 ? percent_interval(stats::wilson_interval(row.front()), 1)
                                                        : "–");
  }
  page.table(table);
  if (!note.empty()) page.note(note);
}

inline void add_name_values(HtmlPage& page, std::string_view heading, const std::vector<NameValue>& rows) {
  if (rows.empty()) return;
  page.section(heading);
  Table table{{{"name"}, {"value"}}, {}};
  for (const NameValue& row : rows) table.rows.push_back({row.name, row.value});
  page.table(table);
}

}  // namespace detail

/// The whole page. Throws Error when the parts do not fit together (lengths, class names, images).
inline std::string html(const RunReport& run) {
  HtmlPage page(run.title);
  page.subtitle(run.subtitle);
  for (const std::string& text : run.summary) page.paragraph(text);
  if (!run.accuracy.empty()) detail::add_accuracy(page, run);
  if (!run.comparisons.empty()) detail::add_comparisons(page, run.comparisons);
  if (!run.curves.empty()) page.section("Curves");
  for (const CurveFigure& figure : run.curves) page.figure(svg(figure.chart), figure.caption);
  for (const GalleryFigure& gallery : run.galleries) {
    page.section(gallery.title);
    if (!gallery.note.empty()) page.note(gallery.note);
    if (!gallery.tiles.empty()) page.markup(html_gallery(gallery.tiles));
    if (!gallery.table.columns.empty()) page.table(gallery.table);
  }
  if (!run.per_class.classes.empty()) detail::add_per_class(page, run.per_class, run.per_class_note);
  for (const ConfusionFigure& figure : run.confusions) {
    page.section(figure.title);
    page.markup("<div class=\"wide\">" + html(figure.confusion, figure.classes) + "</div>\n");
  }
  detail::add_name_values(page, "Training", run.training);
  detail::add_name_values(page, "Configuration", run.configuration);
  detail::add_name_values(page, "Environment", run.environment);
  detail::add_name_values(page, "Time", run.timing);
  detail::add_name_values(page, "Digests", run.digests);
  return page.text();
}

/// Writes the page to `path`, whole or not at all.
inline void write_run_report(const std::string& path, const RunReport& run) { write_file_atomically(path, html(run)); }

}  // namespace report
TINYVISION_END
