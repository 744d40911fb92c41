// The logit of an accuracy, its inverse, and accuracies as fractions or percentages.
//
// logit(p) = log(p / (1 - p)), the log-odds of a correct answer: adding d to it multiplies the odds by exp d.
// Kornblith, Shlens, Le, "Do better ImageNet models transfer better?" (CVPR 2019), section 3.1, analyses accuracies on
// this scale.
//
// Boundary rule: an accuracy of exactly 0 or 1 has no finite logit and is refused. Where the counts are known,
// `Boundary::add_half` takes log((k + 1/2) / (n - k + 1/2)) instead, whose bias is smaller than of order 1 / n
// (J. B. S. Haldane, Annals of Human Genetics 20, 1956; F. J. Anscombe, Biometrika 43, 1956). It applies to every count
// and not only to those at the boundary, so that the order of accuracies with the same n is kept.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/stats/metrics.hpp"
#include "tinyvision/stats/sample.hpp"

TINYVISION_BEGIN
namespace stats {

enum class Boundary {
  refuse,   ///< accuracies of 0 and 1 throw UsageError
  add_half  ///< 1/2 is added to both counts, whatever they are
};

/// How accuracies are written: 0.761 or 76.1.
enum class Scale { fraction, percent };

namespace detail {

/// What is wrong with an accuracy `p` that has no finite logit; empty when it has one.
inline std::string accuracy_fault(double p, Scale scale = Scale::fraction) {
  const double whole = scale == Scale::percent ? 100 : 1;
  if (std::isnan(p)) return "is not a number (a missing cell?)";
  if (p < 0) return concat_text("is ", p, ", but an accuracy is never negative");
  if (p == 0) return "is 0, and an accuracy of 0 has no finite logit";
  if (p == whole) return concat_text("is ", p, ", and an accuracy of 1 (100 %) has no finite logit");
  if (scale == Scale::fraction && p > 1 && p <= 100)
    return concat_text("is ", p, ", above 1: a percentage where a fraction is expected? Divide by 100");
  if (p > whole) return concat_text("is ", p, ", above ", whole);
  return {};
}

/// log(p / (1 - p)) for p in (0, 1). Near 1/2, where the logarithm's argument is near 1, p / (1 - p) - 1 = (2p - 1) /
/// (1 - p) keeps the relative accuracy.
inline double logit_inside(double p) {
  return p > 0.25 && p < 0.75 ? std::log1p((2 * p - 1) / (1 - p)) : std::log(p / (1 - p));
}

}  // namespace detail

/// log(p / (1 - p)). Throws UsageError when p is not inside (0, 1); above 1 the message says that p looks like a
/// percentage.
inline double logit(double p) {
  if (const std::string fault = detail::accuracy_fault(p); !fault.empty()) fail_usage("logit", "the accuracy ", fault);
  return detail::logit_inside(p);
}

/// The logit of k correct of n: log(k / (n - k)), or with `Boundary::add_half` log((k + 1/2) / (n - k + 1/2)). Throws
/// UsageError without examples, on impossible counts and, with `Boundary::refuse`, when k = 0 or k = n.
inline double logit(const Accuracy& a, Boundary boundary = Boundary::refuse) {
  if (a.total <= 0 || a.correct < 0 || a.correct > a.total)
    fail_usage("logit", a.correct, " correct of ", a.total, " is no accuracy");
  if (boundary == Boundary::refuse && (a.correct == 0 || a.correct == a.total))
    fail_usage("logit", a.correct, " correct of ", a.total, ": an accuracy of ", a.correct == 0 ? 0 : 1,
               " has no finite logit; add 1/2 to both counts (Boundary::add_half) or leave it out");
  const double half = boundary == Boundary::add_half ? 0.5 : 0.0;
  const double right = static_cast<double>(a.correct) + half, wrong = static_cast<double>(a.total - a.correct) + half;
  return std::log(right / wrong);
}

/// 1 / (1 + exp(-x)), the accuracy whose log-odds are x; 0 and 1 for infinite x. Throws UsageError on NaN.
inline double inverse_logit(double x) {
  if (std::isnan(x)) fail_usage("inverse_logit", "the log-odds are not a number");
  // For x < 0 the other form does not lose the digits of a small result.
  if (x < 0) {
    const double e = std::exp(x);
    return e / (1 + e);
  }
  return 1 / (1 + std::exp(-x));
}

/// Accuracies as fractions. A sample of percentages called fractions (a value above 1) and one of fractions called
/// percentages (no value above 1) throw UsageError, as do negative values, values above the whole, and NaN. Zeros and
/// ones are kept.
inline std::vector<double> fractions(const Sample& accuracies, Scale scale) {
  constexpr std::string_view where = "fractions";
  detail::check_sample(where, accuracies, 1);
  const double whole = scale == Scale::percent ? 100 : 1;
  double greatest = 0;
  for (std::size_t i = 0; i < accuracies.values.size(); ++i) {
    const double p = accuracies[i];
    if (p < 0 || p > whole) fail_usage(where, detail::value_text(accuracies, i), " ", detail::accuracy_fault(p, scale));
    greatest = std::max(greatest, p);
  }
  if (scale == Scale::percent && greatest <= 1)
    fail_usage(where, "no value of ", detail::sample_text(accuracies), " is above 1 (the greatest is ", greatest,
               "): fractions where percentages are expected? Multiply by 100");
  std::vector<double> result(accuracies.values.begin(), accuracies.values.end());
  for (double& p : result) p /= whole;
  return result;
}

/// Throws UsageError when one of two columns looks like fractions (all in [0, 1], one of them between) and the other like
/// percentages (all in (1, 100]): compared with each other, such accuracies say nothing about the networks. Other numbers
/// pass, and so do columns of fewer than two values.
inline void check_like_scales(std::string_view where, const Sample& x, const Sample& y) {
  if (x.size() < 2 || y.size() < 2) return;
  const auto range = [](const Sample& s) {
    const auto [low, high] = std::minmax_element(s.values.begin(), s.values.end());
    return std::pair(*low, *high);
  };
  const auto fractions = [&](const Sample& s) {
    return range(s).first >= 0 && range(s).second <= 1 &&
           std::any_of(s.values.begin(), s.values.end(), [](double v) { return v > 0 && v < 1; });
  };
  const auto percentages = [&](const Sample& s) { return range(s).first > 1 && range(s).second <= 100; };
  const bool first = fractions(x) && percentages(y);
  if (!first && !(percentages(x) && fractions(y))) return;
  const std::pair<double, double> f = range(first ? x : y), p = range(first ? y : x);
  fail_usage(where, detail::sample_text(first ? x : y), " looks like fractions (", f.first, " to ", f.second, ") and ",
             y.name.empty() ? "the other" : detail::sample_text(first ? y : x), " like percentages (", p.first, " to ",
             p.second, "): bring both to one scale");
}

/// Logits of a column of accuracies. Throws UsageError, naming row and column, on what `fractions` refuses and on
/// accuracies of 0 or 1.
inline std::vector<double> logits(const Sample& accuracies, Scale scale = Scale::fraction) {
  std::vector<double> result = fractions(accuracies, scale);
  for (std::size_t i = 0; i < result.size(); ++i) {
    if (const std::string fault = detail::accuracy_fault(accuracies[i], scale); !fault.empty())
      fail_usage("logits", detail::value_text(accuracies, i), " ", fault);
    result[i] = detail::logit_inside(result[i]);
  }
  return result;
}

/// Logits of a table of accuracies, column by column. Throws UsageError as `logits` of a column does, on duplicate
/// names and on missing cells.
inline ScoreTable logits(const ScoreTable& accuracies, Scale scale = Scale::fraction) {
  detail::check_table("logits", accuracies, 1, 1);
  ScoreTable result = accuracies;
  std::vector<double> column(accuracies.rows.size());
  for (std::size_t c = 0; c < accuracies.columns.size(); ++c) {
    for (std::size_t r = 0; r < column.size(); ++r) column[r] = accuracies(r, c);
    const std::vector<double> logit_column = logits(Sample(column, accuracies.columns[c], accuracies.rows), scale);
    for (std::size_t r = 0; r < column.size(); ++r) result.values[r * accuracies.columns.size() + c] = logit_column[r];
  }
  return result;
}

}  // namespace stats
TINYVISION_END
