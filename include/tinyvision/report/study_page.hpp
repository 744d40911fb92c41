// The page of a transfer study: the paper's tables and figures, claims beside what was found. One HTML file.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/report/claim.hpp"
#include "tinyvision/report/figure_style.hpp"
#include "tinyvision/report/html.hpp"
#include "tinyvision/report/run_report.hpp"
#include "tinyvision/report/study_analysis.hpp"

TINYVISION_BEGIN
namespace report {

/// "[0.956, 0.995]".
inline std::string interval_text(const stats::Interval& i) {
  return "[" + format_fixed(i.low, 3) + ", " + format_fixed(i.high, 3) + "]";
}

namespace detail {

/// Few digits, and as many as tell p-values apart.
inline std::string found_text(double value) {
  if (value == 0) return "0";
  return std::fabs(value) < 1e-3 ? format_significant(value, 3) : format_significant(value, 5);
}

/// "112 claims are reproduced: ...".
inline std::string verdict_counts(const std::vector<Claim>& claims) {
  Index reproduced = 0, as_printed = 0, differing = 0, unknown = 0;
  for (const Claim& c : claims) {
    ++(c.verdict == Verdict::reproduced ? reproduced : c.verdict == Verdict::not_reproduced ? differing : unknown);
    as_printed += c.verdict == Verdict::reproduced && c.as_printed ? 1 : 0;
  }
  return concat_text("Of ", claims.size(), " claims ", reproduced, " are reproduced: ", as_printed,
                     " by the printed inputs as they stand, ", reproduced - as_printed, " within their rounding. ",
                     differing, differing == 1 ? " is" : " are", " not reproduced, ", unknown,
                     " rest on what was not published.");
}

/// The number or name that the tables give, with the range that rounding leaves.
inline std::string found_text(const Claim& c) {
  if (!c.found_name.empty()) return c.found_name;
  if (c.verdict == Verdict::not_computable) return "–";
  const std::string value = found_text(c.found.value);
  if (c.found.low == c.found.high) return value;
  return value + " (" + found_text(c.found.low) + " to " + found_text(c.found.high) + ")";
}

inline void add_claims(HtmlPage& page, const std::vector<Claim>& claims) {
  page.section("Claims of the text");
  page.note(
      "A printed value counts as reproduced when a value that rounds to it lies in the range that the rounding of the "
      "printed inputs (half a unit of the last digit) leaves open, each claim on its own. Ranges are in brackets.");
  Table table{{{"where"}, {"claim"}, {"printed"}, {"recomputed"}, {"verdict"}}, {}};
  for (const Claim& c : claims)
    table.rows.push_back({c.place, c.statement, c.printed.empty() ? "–" : c.printed, found_text(c),
                          verdict_text(c) + (c.reason.empty() ? "" : ": " + c.reason)});
  page.table(table);
}

inline void add_correlations(HtmlPage& page, const TransferStudy& study, const StudyAnalysis& analysis) {
  page.section("ImageNet and transfer accuracy (Table A.1)");
  Table table{{{"setting"}, {"r²", true}, {"r", true}, {"95 % interval", true}, {"ρ", true}, {"p of r", true}}, {}};
  for (const SettingAnalysis& s : analysis.settings) {
    std::vector<std::string> row{setting_title(s.name), "–", "–", "–", "–", "–"};
    if (s.pearson) {
      row[1] = format_fixed(s.pearson->r2, 3), row[2] = format_fixed(s.pearson->r, 3);
      row[3] = interval_text(s.pearson->interval), row[5] = format_p_value(s.pearson->p_value);
    }
    if (s.spearman) row[4] = format_fixed(s.spearman->r, 3);
    table.rows.push_back(std::move(row));
  }
  page.table(table);
  page.note(
      std::string("Pearson's r and Spearman's ρ between the log-odds of ImageNet top-1 accuracy and the log-odds of "
                  "transfer accuracy averaged over data sets; p by Student's t, interval ") +
      (study.networks.size() == 3 ? "exact (Hotelling), as Fisher's needs four networks." : "by Fisher's z."));
}

inline void add_dataset_correlations(HtmlPage& page, const TransferStudy& study, const StudyAnalysis& analysis) {
  page.section("By data set (Figure D.1)");
  Table table{{{"data set"}, {"training images", true}}, {}};
  for (const SettingAnalysis& s : analysis.settings) table.columns.push_back({"r, " + setting_title(s.name), true});
  for (std::size_t d = 0; d < study.datasets.size(); ++d) {
    table.rows.push_back({study.datasets[d], format_fixed(study.train_sizes[d], 0)});
    for (const SettingAnalysis& s : analysis.settings)
      table.rows.back().push_back(s.on_dataset[d] ? format_fixed(s.on_dataset[d]->r, 3) : "–");
  }
  page.table(table);
  for (const SettingAnalysis& s : analysis.settings)
    if (s.size)
      page.note(setting_title(s.name) + ": correlation of Fisher's z with the logarithm of the training images: r = " +
                format_fixed(s.size->correlation.r, 3) + ", p = " + format_p_value(s.size->correlation.p_value) + ".");
}

inline void add_standings(HtmlPage& page, const TransferStudy& study, const StudyAnalysis& analysis) {
  page.section("Networks (Figure 2, right)");
  Table table{{{"network"}, {"ImageNet top-1", true}}, {}};
  for (const SettingAnalysis& s : analysis.settings) {
    table.columns.push_back({setting_title(s.name) + ": log-odds", true});
    table.columns.push_back({"± s.e.", true});
    table.columns.push_back({"p against best", true});
  }
  for (std::size_t m = 0; m < study.networks.size(); ++m) {
    table.rows.push_back({study.networks[m], format_percent(study.imagenet[m].value / 100)});
    for (const SettingAnalysis& s : analysis.settings) {
      if (s.standings.empty()) {
        table.rows.back().insert(table.rows.back().end(), {format_fixed(s.means[m], 3), "–", "–"});
        continue;
      }
      const NetworkStanding& n = s.standings[m];
      table.rows.back().push_back(format_fixed(n.mean_logit, 3));
      table.rows.back().push_back(format_fixed(n.standard_error, 3));
      table.rows.back().push_back(n.best ? "best" : format_p_value(n.p_against_best));
    }
  }
  page.table(table);
  page.note(
      "Mean log-odds over data sets; standard errors with Morey's correction; two-sided paired t-tests over data sets "
      "against the best network, not corrected for their number.");
}

inline void add_comparisons(HtmlPage& page, const TransferStudy& study, const StudyAnalysis& analysis) {
  for (const SettingComparison& c : analysis.comparisons) {
    const std::string first = setting_title(study.settings[c.first].name),
                      second = setting_title(study.settings[c.second].name);
    page.section(first + " and " + second);
    page.paragraph(
        concat_text(first, " is better in ", c.counts.above, " of ", c.counts.above + c.counts.equal + c.counts.below,
                    " pairs of network and data set, equal in ", c.counts.equal, ", worse in ", c.counts.below, "."));
    Table table{{{"data set"}, {"W+", true}, {"W-", true}, {"Wilcoxon's p", true}, {"p by Holm", true}}, {}};
    for (std::size_t d = 0; d < study.datasets.size(); ++d)
      table.rows.push_back({study.datasets[d], format_significant(c.on_dataset[d].positive, 6),
                            format_significant(c.on_dataset[d].negative, 6), format_p_value(c.on_dataset[d].p_value),
                            format_p_value(c.holm[d])});
    page.table(table);
    page.note("Wilcoxon's signed-rank test over networks, on log-odds, two-sided, exact up to 50 networks.");
  }
}

inline void add_best(HtmlPage& page, const TransferStudy& study, const StudyAnalysis& analysis) {
  page.section("Best network on each data set (Table F.1)");
  Table table{{{"data set"}, {"accuracy", true}, {"network"}, {"setting"}}, {}};
  for (std::size_t d = 0; d < study.datasets.size(); ++d) {
    const BestOnDataset& b = analysis.best[d];
    table.rows.push_back({study.datasets[d], format_percent(b.accuracy.value / 100, 2), study.networks[b.network],
                          setting_title(study.settings[b.setting].name)});
  }
  page.table(table);
}

}  // namespace detail

/// What stands around the numbers.
struct StudyPage {
  std::string title, subtitle;
  std::vector<std::string> summary;   ///< paragraphs under the title
  std::vector<Claim> claims;          ///< empty: no such section
  std::vector<StudyFigure> figures;   ///< empty: no such section
  std::vector<NameValue> provenance;  ///< where the numbers come from
};

/// The page, self-contained.
inline std::string html(const StudyPage& parts, const TransferStudy& study, const StudyAnalysis& analysis) {
  HtmlPage page(parts.title);
  page.subtitle(parts.subtitle);
  for (const std::string& text : parts.summary) page.paragraph(text);
  if (!parts.claims.empty()) page.paragraph(detail::verdict_counts(parts.claims));
  if (!analysis.gaps.empty()) page.section("What cannot be computed");
  for (const std::string& gap : analysis.gaps) page.paragraph(gap);
  detail::add_correlations(page, study, analysis);
  if (!parts.figures.empty()) page.section("Figures");
  for (const StudyFigure& f : parts.figures)
    page.figure("<img alt=\"" + escape_markup(f.title) +
                    "\" style=\"max-width: 100%\" src=\"data:image/svg+xml;base64," + base64(f.svg) + "\">\n",
                f.title + ". " + f.caption);
  if (!parts.claims.empty()) detail::add_claims(page, parts.claims);
  detail::add_standings(page, study, analysis);
  detail::add_comparisons(page, study, analysis);
  detail::add_dataset_correlations(page, study, analysis);
  detail::add_best(page, study, analysis);
  detail::add_name_values(page, "Sources", parts.provenance);
  return page.text();
}

}  // namespace report
TINYVISION_END
