// A confusion matrix as markup: all of it for few classes, the most frequent confusions for many.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "tinyvision/report/html.hpp"
#include "tinyvision/stats/metrics.hpp"

TINYVISION_BEGIN
namespace report {

/// A pair of different classes and how often examples of the first were taken for the second.
struct Confusion {
  Index truth = 0;
  Index predicted = 0;
  Index examples = 0;
};

/// The most frequent confusions, at most `limit`: by count, then by class indices. Pairs that never occur are left out.
inline std::vector<Confusion> most_frequent_confusions(const stats::ConfusionMatrix& confusion, std::size_t limit) {
  std::vector<Confusion> pairs;
  for (Index t = 0; t < confusion.classes(); ++t)
    for (Index p = 0; p < confusion.classes(); ++p)
      if (t != p && confusion.count(t, p) > 0) pairs.push_back({t, p, confusion.count(t, p)});
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Confusion& a, const Confusion& b) { return a.examples > b.examples; });
  if (pairs.size() > limit) pairs.resize(limit);
  return pairs;
}

/// Rows are true classes, columns predictions; cells hold counts and are shaded by the share of their row. Above
/// `most_classes` classes: a table of the 20 most frequent confusions instead. Throws Error unless there is one name
/// for each class.
inline std::string html(const stats::ConfusionMatrix& confusion, const std::vector<std::string>& names,
                        Index most_classes = 25) {
  check(static_cast<Index>(names.size()) == confusion.classes(), "confusion_table", names.size(), " names for ",
        confusion.classes(), " classes");
  const auto name = [&](Index c) { return names[static_cast<std::size_t>(c)]; };
  if (confusion.classes() > most_classes) {
    Table table{{{"true class"}, {"predicted as"}, {"examples", true}, {"of the class", true}}, {}};
    for (const Confusion& pair : most_frequent_confusions(confusion, 20)) {
      const double share =
          static_cast<double>(pair.examples) / static_cast<double>(confusion.of_class(pair.truth).total);
      table.rows.push_back(
          {name(pair.truth), name(pair.predicted), std::to_string(pair.examples), format_percent(share)});
    }
    table.caption = "The most frequent confusions of " + std::to_string(confusion.classes()) + " classes.";
    return html(table);
  }
  std::string out =
      "<table class=\"confusion\"><caption>Rows: true class. Columns: prediction. Shade: share of the row.</caption>\n"
      "<thead><tr><th></th>";
  for (Index p = 0; p < confusion.classes(); ++p) out += "<th>" + escape_markup(name(p)) + "</th>";
  out += "</tr></thead>\n<tbody>\n";
  for (Index t = 0; t < confusion.classes(); ++t) {
    const double total = static_cast<double>(std::max<Index>(1, confusion.of_class(t).total));
    out += "<tr><th>" + escape_markup(name(t)) + "</th>";
    for (Index p = 0; p < confusion.classes(); ++p) {
      const double share = static_cast<double>(confusion.count(t, p)) / total;
      // From almost white to the blue of the first curve, so that every cell's colour is opaque and prints alike.
      const auto shade = [&](int light, int dark) {
        return std::to_string(light + static_cast<int>((dark - light) * share));
      };
      out += "<td" + std::string(share > 0.5 ? " class=\"dark\"" : "") + " style=\"background:rgb(" + shade(244, 0) +
             "," + shade(247, 95) + "," + shade(250, 160) + ")\">" + std::to_string(confusion.count(t, p)) + "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table>\n";
}

}  // namespace report
TINYVISION_END
