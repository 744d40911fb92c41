// P-values adjusted for the number of tests.
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "tinyvision/stats/sample.hpp"

TINYVISION_BEGIN
namespace stats {

namespace detail {

/// Positions by increasing p-value, equal ones in their order. Throws UsageError on values outside [0, 1].
inline std::vector<std::size_t> increasing_p(std::string_view where, const Sample& p) {
  check_sample(where, p, 0);
  for (std::size_t i = 0; i < p.values.size(); ++i)
    if (p[i] < 0 || p[i] > 1) fail_usage(where, value_text(p, i), " is ", p[i], ": a p-value is inside [0, 1]");
  std::vector<std::size_t> order(p.values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  return order;
}

}  // namespace detail

/// Holm's step-down adjustment, in the order of the input: with p(1) <= ... <= p(m),
///   adjusted(i) = max over j <= i of min(1, (m - j + 1) p(j)).
/// Rejecting where adjusted <= alpha keeps the probability of any false rejection at alpha, whatever the dependence.
/// Equal p-values get equal adjusted ones; 0 stays 0; no p-values give none. Throws UsageError on NaN and values
/// outside [0, 1]. S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6 (1979).
inline std::vector<double> holm(const Sample& p_values) {
  const std::vector<std::size_t> order = detail::increasing_p("holm", p_values);
  std::vector<double> adjusted(order.size());
  double greatest = 0;
  for (std::size_t j = 0; j < order.size(); ++j) {
    greatest = std::max(greatest, std::min(1.0, static_cast<double>(order.size() - j) * p_values[order[j]]));
    adjusted[order[j]] = greatest;
  }
  return adjusted;
}

/// Benjamini and Hochberg's step-up adjustment, in the order of the input: with p(1) <= ... <= p(m),
///   adjusted(i) = min over j >= i of min(1, m p(j) / j).
/// Rejecting where adjusted <= q keeps the expected share of false rejections at q for independent or positively
/// dependent tests. Ties, zeros and errors as `holm`. Y. Benjamini, Y. Hochberg, "Controlling the false discovery
/// rate", J. R. Statist. Soc. B 57 (1995).
inline std::vector<double> benjamini_hochberg(const Sample& p_values) {
  const std::vector<std::size_t> order = detail::increasing_p("benjamini_hochberg", p_values);
  std::vector<double> adjusted(order.size());
  const double m = static_cast<double>(order.size());
  double least = 1;
  for (std::size_t j = order.size(); j-- > 0;) {
    least = std::min(least, m * p_values[order[j]] / static_cast<double>(j + 1));
    adjusted[order[j]] = least;
  }
  return adjusted;
}

}  // namespace stats
TINYVISION_END
