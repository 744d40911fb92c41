// The statements of Kornblith, Shlens & Le (CVPR 2019) that follow from its published tables, beside what the tables give.
//
// A printed value counts as reproduced when some value that rounds to it lies in the range that the inputs' rounding leaves
// (reachable_range). What needs unpublished inputs is listed with the reason.
#pragma once

#include <string>
#include <vector>

#include "tinyvision/report/text.hpp"
#include "tinyvision/report/transfer_study.hpp"

TINYVISION_BEGIN
namespace report {

enum class Verdict { reproduced, not_reproduced, not_computable };

constexpr const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::reproduced: return "reproduced";
    case Verdict::not_reproduced: return "not reproduced";
    default: return "not computable";
  }
}

/// One statement.
struct Claim {
  std::string place;      ///< where it stands: "Table A.1", "section 4.2"
  std::string statement;  ///< what it says, in our words
  std::string printed;    ///< as printed: "0.97", "< 0.01", "179"
  ReachableRange found;   ///< what the tables give; zeros where nothing can be computed
  Verdict verdict = Verdict::not_computable;
  std::string reason{};  ///< why not
};

namespace detail {

/// "0.97": the range and the values that round to it have one in common. "< 1e-11": the range reaches below.
inline Verdict judge(const ReachableRange& range, const std::string& printed) {
  if (printed.starts_with("< "))
    return range.low < std::stod(printed.substr(2)) ? Verdict::reproduced : Verdict::not_reproduced;
  if (printed.starts_with("> "))
    return range.high > std::stod(printed.substr(2)) ? Verdict::reproduced : Verdict::not_reproduced;
  const PrintedNumber p = parse_printed(printed, "claim");
  const double slack = 1e-12;  // of decimal fractions
  return range.low <= p.high() + slack && range.high >= p.low() - slack ? Verdict::reproduced : Verdict::not_reproduced;
}

}  // namespace detail

/// All of them, in the order of the paper.
inline std::vector<Claim> paper_claims(const TransferStudy& study) {
  std::vector<Claim> claims;
  const std::size_t datasets = study.datasets.size();
  const std::size_t probe = study.setting("linear_probe"), tuned = study.setting("fine_tuned"),
                    scratch = study.setting("random_init");
  const std::pair<std::size_t, const char*> settings[] = {
      {probe, "logistic regression"}, {tuned, "fine-tuned"}, {scratch, "random initialisation"}};
  const Columns all = all_columns(study), small = columns_by_size(study, 10000, true),
                large = columns_by_size(study, 10000, false);
  const auto add = [&](const char* place, std::string statement, std::string printed, auto&& statistic) {
    Claim c{place, std::move(statement), std::move(printed), reachable_range(study, statistic)};
    c.verdict = detail::judge(c.found, c.printed);
    if (c.verdict == Verdict::not_reproduced)
      c.reason = concat_text("rounded inputs allow ", c.found.low, " to ", c.found.high,
                             ": the paper's inputs were others than the printed ones");
    claims.push_back(std::move(c));
  };
  const auto missing = [&](const char* place, const char* statement, const char* printed, const char* reason) {
    claims.push_back({place, statement, printed, {}, Verdict::not_computable, reason});
  };

  const char* const table[3][4] = {
      {"0.97", "0.99", "0.99", "< 1e-11"}, {"0.91", "0.96", "0.97", "< 1e-8"}, {"0.30", "0.55", "0.59", "0.03"}};
  for (std::size_t s = 0; s < 3; ++s) {
    const auto& [setting, name] = settings[s];
    const auto pearson = [&, w = setting](const StudyValues& v) { return transfer_correlation(v, w, datasets, all); };
    add("Table A.1", concat_text(name, ": r2"), table[s][0], [&](const StudyValues& v) { return pearson(v).r2; });
    add("Table A.1", concat_text(name, ": r"), table[s][1], [&](const StudyValues& v) { return pearson(v).r; });
    add("Table A.1", concat_text(name, ": Spearman's rho"), table[s][2],
        [&, w = setting](const StudyValues& v) { return transfer_rank_correlation(v, w, datasets, all).r; });
    add("Table A.1", concat_text(name, ": p of r"), table[s][3],
        [&](const StudyValues& v) { return pearson(v).p_value; });
  }
  missing("Table A.1", "logistic regression on public checkpoints: r", "0.37",
          "the accuracies on public checkpoints (appendix B) are not published");
  missing("section 4.1", "NASNet-A Large's and Inception-ResNet v2's predictions do not differ on single data sets", "",
          "the predictions are not published; the test over data sets is among the standings");
  add("section 4.2", "network and data set pairs in which fine-tuning beats logistic regression", "179",
      [&](const StudyValues& v) { return static_cast<double>(compare_settings(v, tuned, probe).above); });
  for (std::size_t d = 0; d < datasets; ++d) {
    const bool caltech = study.datasets[d] == "Caltech-101";
    add("section 4.2", concat_text(study.datasets[d], ": fine-tuned against logistic regression, Wilcoxon's p"),
        caltech ? "> 0.01" : "< 0.01",
        [&](const StudyValues& v) { return compare_on_dataset(v, tuned, probe, datasets, d).p_value; });
  }
  add("section 4.3", "random initialisation, the 7 data sets below 10,000 training images: r", "0.29",
      [&](const StudyValues& v) { return transfer_correlation(v, scratch, datasets, small).r; });
  add("section 4.3", "random initialisation, the 5 larger data sets: r", "0.86",
      [&](const StudyValues& v) { return transfer_correlation(v, scratch, datasets, large).r; });
  add("section 4.5", "pairs in which fine-tuning beats random initialisation", "189",
      [&](const StudyValues& v) { return static_cast<double>(compare_settings(v, tuned, scratch).above); });
  missing("section 4.6", "speed-up of fine-tuning over random initialisation, geometric mean", "17",
          "the accuracies by number of steps (Figure 8) are not published");
  for (const auto& [setting, name] : settings)
    add("Figure D.1", concat_text(name, ": p of data-set size against Fisher's z of r"),
        setting == scratch ? "0.0002" : "> 0.05",
        [&, w = setting](const StudyValues& v) { return size_dependence(study, v, w).correlation.p_value; });
  add("appendix G.1", "mean log-odds of logistic regression over all pairs", "1.32", [&](const StudyValues& v) {
    double sum = 0;
    for (const double p : v.settings[probe]) sum += stats::logit(p);
    return sum / static_cast<double>(v.settings[probe].size());
  });
  missing("appendix G.1", "pairs in which logistic regression beats a support vector machine", "146",
          "the accuracies of support vector machines are not published");
  missing("appendix G.2", "pairs in which fine-tuning beats logistic regression with augmentation", "188",
          "the accuracies with augmentation are not published");
  return claims;
}

}  // namespace report
TINYVISION_END
