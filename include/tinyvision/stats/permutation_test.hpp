// Permutation test of the difference of two classifiers' mean per-class accuracies on the same examples.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "tinyvision/core/random.hpp"
#include "tinyvision/stats/metrics.hpp"

TINYVISION_BEGIN
namespace stats {

struct PermutationTest {
  double difference = 0;  ///< mean per-class accuracy of the first minus that of the second
  Index permutations = 0;
  Index as_extreme = 0;  ///< permutations with |difference| at least the observed one
  double p_value = 1;    ///< (as_extreme + 1) / (permutations + 1)
};

/// For each permutation, exchanges the two classifiers' predictions of each example with probability 1/2 and recomputes
/// the difference of mean per-class accuracies (classes without examples left out). Kornblith, Shlens, Le (CVPR 2019),
/// appendix A.1.1, with 10,000 permutations; the paper reports as_extreme / permutations. The observed arrangement is
/// counted as one more permutation here, so that the p-value is valid and never 0 (Phipson, Smyth, Stat. Appl. Genet.
/// Mol. Biol. 9:39, 2010).
///
/// Only examples that one of the two has right can change the difference; the others cost nothing. Random numbers are a
/// function of (seed, permutation, example), so the result is repeatable. Differences within 1e-12 of the observed one
/// count as equal to it: sums of the same fractions in another order may differ by rounding.
/// Throws Error when lengths differ, on labels outside [0, classes), without examples, or when permutations < 1.
inline PermutationTest permutation_test_mean_per_class(std::span<const std::uint8_t> first_correct,
                                                       std::span<const std::uint8_t> second_correct,
                                                       std::span<const Index> labels, Index classes,
                                                       std::uint64_t seed = 0, Index permutations = 10000) {
  constexpr std::string_view where = "permutation_test_mean_per_class";
  check(first_correct.size() == second_correct.size(), where, "needs the same examples, got ", first_correct.size(),
        " and ", second_correct.size());
  check(!labels.empty(), where, "no examples");
  check(permutations >= 1, where, "permutations must be at least 1, got ", permutations);
  detail::check_labels(where, labels, static_cast<Index>(first_correct.size()), classes);

  std::vector<double> total(static_cast<std::size_t>(classes), 0);
  for (const Index label : labels) total[static_cast<std::size_t>(label)] += 1;
  double used_classes = 0;
  for (const double n : total) used_classes += n > 0 ? 1 : 0;

  std::vector<double> change;  // of the difference, per discordant example
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const int sign = (first_correct[i] != 0 ? 1 : 0) - (second_correct[i] != 0 ? 1 : 0);
    if (sign != 0) change.push_back(sign / (total[static_cast<std::size_t>(labels[i])] * used_classes));
  }

  PermutationTest result;
  result.permutations = permutations;
  for (const double c : change) result.difference += c;
  const double threshold = std::fabs(result.difference) - 1e-12;
  for (Index permutation = 0; permutation < permutations; ++permutation) {
    const Random random(seed, Stream::bootstrap, static_cast<std::uint64_t>(permutation));
    double difference = 0;
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < change.size(); ++i) {
      if (i % 64 == 0) word = random.bits(i / 64);
      difference += (word >> (i % 64)) & 1u ? -change[i] : change[i];
    }
    if (std::fabs(difference) >= threshold) ++result.as_extreme;
  }
  result.p_value = static_cast<double>(result.as_extreme + 1) / static_cast<double>(permutations + 1);
  return result;
}

}  // namespace stats
TINYVISION_END
