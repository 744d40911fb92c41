// Permutation tests of the difference between two classifiers on the same examples.
//
// For each permutation the two classifiers' predictions of each example are exchanged with probability 1/2, and the
// difference of their accuracies is computed again; p is the share of permutations whose difference is at least as
// extreme (in absolute value) as the observed one. Kornblith, Shlens, Le, "Do better ImageNet models transfer better?"
// (CVPR 2019), appendix A.1.1: 10,000 permutations, p = b / B. That estimate can be 0; with the observed arrangement
// counted as one more permutation, (b + 1) / (B + 1), the test keeps its level (B. Phipson, G. K. Smyth, "Permutation
// p-values should never be zero", Stat. Appl. Genet. Mol. Biol. 9:39, 2010). Both are reported.
//
// Assumed: examples are independent draws, and under the null hypothesis the two predictions of an example are
// exchangeable. The tests compare two trained networks, not the training procedures that they came from.
//
// Only examples in which the classifiers differ can change a difference of accuracies. They are kept as bits, sorted by
// how much they count, so that 64 random bits exchange 64 examples and a population count adds them up. Random numbers
// are a function of (seed, permutation, place), counts are integers: the result does not depend on the number of threads.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <numeric>
#include <span>
#include <vector>

#include "tinyvision/core/random.hpp"
#include "tinyvision/core/thread_pool.hpp"
#include "tinyvision/stats/average_precision.hpp"
#include "tinyvision/stats/metrics.hpp"

TINYVISION_BEGIN
namespace stats {

struct PermutationOptions {
  std::uint64_t seed = 0;
  Index permutations = 10000;  ///< random ones
  /// When there are no more arrangements than this, each is visited once instead: 2^m, where m counts the examples (or
  /// cells) that can change the difference. At most 2^30.
  Index enumerate_up_to = Index{1} << 14;
  /// Called from time to time with the permutations done and their number, from the calling thread. May throw.
  std::function<void(Index, Index)> progress{};
};

struct PermutationTest {
  double difference = 0;   ///< the first's metric minus the second's
  Index exchangeable = 0;  ///< examples (or cells) whose exchange can change the difference
  Index permutations = 0;  ///< B; 2^exchangeable when exact
  Index as_extreme = 0;    ///< b: permutations with |difference| at least the observed one
  bool exact = false;      ///< every arrangement was visited once, the observed one among them
  double p_paper = 1;      ///< b / B
  double p_plus_one = 1;   ///< (b + 1) / (B + 1)
  double p_value = 1;      ///< the one to report: b / B when exact, else (b + 1) / (B + 1)
};

namespace detail {

/// Counts the arrangements that `extreme(bits)` accepts, where bit i of the words `bits` exchanges item i of `items`.
/// `make_state()` gives each task what it may write on; `extreme(state, bits)`.
template <class MakeState, class Extreme>
PermutationTest count_arrangements(std::string_view where, Index items, const PermutationOptions& options,
                                   MakeState&& make_state, Extreme&& extreme) {
  if (options.permutations < 1) fail_usage(where, "permutations must be at least 1, got ", options.permutations);
  if (options.enumerate_up_to < 0 || options.enumerate_up_to > Index{1} << 30)
    fail_usage(where, "enumerate_up_to must be in [0, 2^30], got ", options.enumerate_up_to);
  PermutationTest result;
  result.exchangeable = items;
  result.exact = items <= 30 && Index{1} << items <= options.enumerate_up_to;
  result.permutations = result.exact ? Index{1} << items : options.permutations;
  constexpr Index grain = 64;
  const auto words = static_cast<std::size_t>((items + 63) / 64);
  std::vector<Index> counts(static_cast<std::size_t>((result.permutations + grain - 1) / grain), 0);
  const auto count_range = [&](Index begin, Index end) {
    auto state = make_state();
    std::vector<std::uint64_t> bits(words);
    Index count = 0;
    for (Index permutation = begin; permutation < end; ++permutation) {
      if (result.exact) {
        if (words > 0) bits[0] = static_cast<std::uint64_t>(permutation);
      } else {
        const Random random(options.seed, Stream::bootstrap, static_cast<std::uint64_t>(permutation));
        for (std::size_t w = 0; w < words; ++w) bits[w] = random.bits(w);
      }
      count += extreme(state, std::span<const std::uint64_t>(bits)) ? 1 : 0;
    }
    counts[static_cast<std::size_t>(begin / grain)] = count;
  };
  // With somebody who waits, in 32 parts or more; the counts are the same.
  const auto tasks = static_cast<Index>(counts.size());
  const Index part = options.progress ? grain * std::max<Index>(1, tasks / 32) : result.permutations;
  for (Index done = 0; done < result.permutations; done += part) {
    const Index end = std::min(result.permutations, done + part);
    parallel_ranges(end - done, grain, [&](Index from, Index to) { count_range(done + from, done + to); });
    if (options.progress) options.progress(end, result.permutations);
  }
  result.as_extreme = std::accumulate(counts.begin(), counts.end(), Index{0});
  const double b = static_cast<double>(result.as_extreme), all = static_cast<double>(result.permutations);
  result.p_paper = b / all;
  result.p_plus_one = (b + 1) / (all + 1);
  result.p_value = result.exact ? result.p_paper : result.p_plus_one;
  return result;
}

/// sum over items of +-weight, where exchanging an item flips its sign. Items of one weight stand together.
class SignedSum {
 public:
  /// `first_minus_second[w]`: how many items of weight w count for the first and for the second.
  void add(double weight, Index for_first, Index for_second) {
    if (for_first + for_second == 0) return;
    groups_.push_back({size_, size_ + for_first + for_second, weight});
    minus_.resize(static_cast<std::size_t>((groups_.back().end + 63) / 64), 0);
    for (Index i = size_ + for_first; i < groups_.back().end; ++i)
      minus_[static_cast<std::size_t>(i / 64)] |= std::uint64_t{1} << (i % 64);
    size_ = groups_.back().end;
  }

  Index size() const { return size_; }
  double observed() const { return value(std::vector<std::uint64_t>(minus_.size(), 0)); }

  /// The sum when the items of the set bits are exchanged; groups are added in order, in f64.
  double value(std::span<const std::uint64_t> exchanged) const {
    double sum = 0;
    for (const Group& group : groups_) {
      Index negative = 0;
      const auto first = static_cast<std::size_t>(group.begin / 64),
                 last = static_cast<std::size_t>((group.end - 1) / 64);
      for (std::size_t w = first; w <= last; ++w) {
        std::uint64_t word = exchanged[w] ^ minus_[w];
        if (w == first) word &= ~std::uint64_t{0} << (group.begin % 64);
        if (w == last) word &= ~std::uint64_t{0} >> (63 - (group.end - 1) % 64);
        negative += std::popcount(word);
      }
      sum += group.weight * static_cast<double>(group.end - group.begin - 2 * negative);
    }
    return sum;
  }

  /// The test on this sum; `scale` turns it into the difference that is reported. Sums within `tolerance` of the observed
  /// one are equal to it.
  PermutationTest test(std::string_view where, const PermutationOptions& options, double scale,
                       double tolerance) const {
    const double seen = observed(), threshold = std::fabs(seen) - tolerance;
    PermutationTest result = count_arrangements(
        where, size_, options, [] { return 0; },
        [&](int, std::span<const std::uint64_t> bits) { return std::fabs(value(bits)) >= threshold; });
    result.difference = seen * scale;
    return result;
  }

 private:
  struct Group {
    Index begin, end;
    double weight;
  };
  std::vector<Group> groups_;
  std::vector<std::uint64_t> minus_;  // bit i: item i counts for the second
  Index size_ = 0;
};

inline void check_pairs(std::string_view where, std::size_t first, std::size_t second) {
  if (first != second) fail_usage(where, "needs the same examples, got ", first, " and ", second);
  if (first == 0) fail_usage(where, "no examples");
}

}  // namespace detail

/// Top-1 accuracy. `first_correct[i]` and `second_correct[i]` are non-zero where that classifier has example i right.
/// Under the null hypothesis the sum is binomial, so `mcnemar` gives the limit of infinitely many permutations exactly;
/// this function exists to compare with it, and because the paper names both. Integers throughout: ties are exact.
/// One example is enough (its p is 1). Throws UsageError when lengths differ, without examples, on bad options.
inline PermutationTest permutation_test_top1(std::span<const std::uint8_t> first_correct,
                                             std::span<const std::uint8_t> second_correct,
                                             const PermutationOptions& options = {}) {
  constexpr std::string_view where = "permutation_test_top1";
  detail::check_pairs(where, first_correct.size(), second_correct.size());
  Index only_first = 0, only_second = 0;
  for (std::size_t i = 0; i < first_correct.size(); ++i) {
    only_first += first_correct[i] != 0 && second_correct[i] == 0 ? 1 : 0;
    only_second += first_correct[i] == 0 && second_correct[i] != 0 ? 1 : 0;
  }
  detail::SignedSum sum;
  sum.add(1, only_first, only_second);
  return sum.test(where, options, 1 / static_cast<double>(first_correct.size()), 0);
}

/// Mean per-class accuracy, 1/K * sum over the K classes that have examples of (right in class c) / (examples of c).
/// Examples of classes of equal size count the same and are added as integers; the K or fewer sizes are added in f64 in
/// rising order. Differences within 1e-12 of the observed one count as equal to it, because sums of the same fractions
/// may differ by rounding. Throws Error when lengths differ, on labels outside [0, classes), without examples, on bad
/// options.
inline PermutationTest permutation_test_mean_per_class(std::span<const std::uint8_t> first_correct,
                                                       std::span<const std::uint8_t> second_correct,
                                                       std::span<const Index> labels, Index classes,
                                                       const PermutationOptions& options = {}) {
  constexpr std::string_view where = "permutation_test_mean_per_class";
  detail::check_pairs(where, first_correct.size(), second_correct.size());
  detail::check_labels(where, labels, static_cast<Index>(first_correct.size()), classes);

  std::vector<Index> total(static_cast<std::size_t>(classes), 0);
  for (const Index label : labels) ++total[static_cast<std::size_t>(label)];
  const auto used = classes - std::count(total.begin(), total.end(), Index{0});

  std::map<Index, std::pair<Index, Index>> only;  // class size -> right by the first alone, by the second alone
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool first = first_correct[i] != 0, second = second_correct[i] != 0;
    if (first == second) continue;
    auto& counts = only[total[static_cast<std::size_t>(labels[i])]];
    ++(first ? counts.first : counts.second);
  }
  detail::SignedSum sum;
  for (const auto& [size, counts] : only)
    sum.add(1 / (static_cast<double>(size) * static_cast<double>(used)), counts.first, counts.second);
  return sum.test(where, options, 1, 1e-12);
}

/// What is exchanged when one example has many labels.
enum class LabelExchange {
  examples,  ///< all of an example's predictions at once: they belong together and are not independent
  cells,     ///< each prediction (example, class) for itself, as if the cells were examples
};

/// VOC 2007 as the paper tests it: "the accuracy of predictions across labels". Scores [n, classes] of both classifiers;
/// class c is predicted for example i when its score exceeds `threshold` (0 for logits, 0.5 for probabilities). The
/// metric is the share of right predictions among all cells of `truth` [n, classes] that are not 0 (difficult).
/// The paper does not say whether its "example" is an image or a cell: `exchange` chooses, images by default.
/// Integers throughout: ties are exact. Throws Error on NaN, on shapes that differ, on truths other than -1, 0, 1, when
/// no cell counts, on bad options.
inline PermutationTest permutation_test_label_accuracy(const Tensor& first_scores, const Tensor& second_scores,
                                                       std::span<const std::int8_t> truth,
                                                       const PermutationOptions& options = {},
                                                       LabelExchange exchange = LabelExchange::examples,
                                                       double threshold = 0) {
  constexpr std::string_view where = "permutation_test_label_accuracy";
  detail::check_truth(where, first_scores, truth);
  detail::check_truth(where, second_scores, truth);
  check(first_scores.shape() == second_scores.shape(), where, "needs the same examples and classes, got ",
        first_scores.shape(), " and ", second_scores.shape());
  const std::vector<double> first = detail::exact_scores(where, first_scores);
  const std::vector<double> second = detail::exact_scores(where, second_scores);
  const auto classes = static_cast<std::size_t>(first_scores.dim(1));

  std::map<Index, std::pair<Index, Index>> only;  // |difference| in right cells -> items for the first, for the second
  const auto add = [&](Index difference) {
    if (difference != 0) ++(difference > 0 ? only[difference].first : only[-difference].second);
  };
  Index cells = 0;
  for (std::size_t row = 0; row < truth.size(); row += classes) {
    Index difference = 0;
    for (std::size_t i = row; i < row + classes; ++i) {
      if (truth[i] == 0) continue;
      ++cells;
      const bool present = truth[i] > 0;
      const int cell = ((first[i] > threshold) == present ? 1 : 0) - ((second[i] > threshold) == present ? 1 : 0);
      if (exchange == LabelExchange::cells) add(cell);
      difference += cell;
    }
    if (exchange == LabelExchange::examples) add(difference);
  }
  check(cells > 0, where, "every truth is 0 (difficult): nothing to count");
  detail::SignedSum sum;
  for (const auto& [weight, counts] : only) sum.add(static_cast<double>(weight), counts.first, counts.second);
  return sum.test(where, options, 1 / static_cast<double>(cells), 0);
}

/// The same for mean average precision (see `mean_average_precision`; the paper reports it for VOC 2007 but does not test
/// with it). Exchanges all scores of an example at once; the two classifiers' scores must therefore be on one scale, say
/// logits of the same loss. All scores of both are sorted once, and a permutation is one walk over them, so a
/// permutation costs 2 n classes steps. Equal scores rank by example. Differences within 1e-12 of the observed one count
/// as equal to it. Throws Error as `permutation_test_label_accuracy` does, and when no class has a positive example.
inline PermutationTest permutation_test_mean_average_precision(const Tensor& first_scores, const Tensor& second_scores,
                                                               std::span<const std::int8_t> truth,
                                                               const PermutationOptions& options = {}) {
  constexpr std::string_view where = "permutation_test_mean_average_precision";
  detail::check_truth(where, first_scores, truth);
  detail::check_truth(where, second_scores, truth);
  check(first_scores.shape() == second_scores.shape(), where, "needs the same examples and classes, got ",
        first_scores.shape(), " and ", second_scores.shape());
  const std::vector<double> scores[2] = {detail::exact_scores(where, first_scores),
                                         detail::exact_scores(where, second_scores)};
  const auto n = static_cast<std::size_t>(first_scores.dim(0)), classes = static_cast<std::size_t>(first_scores.dim(1));

  struct Entry {
    std::uint32_t example;
    std::uint8_t owner, positive;
  };
  struct Ranking {
    Index positives = 0;
    std::vector<Entry> entries{};  // both classifiers' examples, highest score first
  };
  std::vector<Ranking> rankings;
  for (std::size_t c = 0; c < classes; ++c) {
    Ranking ranking;
    for (std::size_t i = 0; i < n; ++i) {
      const std::int8_t t = truth[i * classes + c];
      if (t == 0) continue;
      ranking.positives += t > 0 ? 1 : 0;
      for (std::uint8_t owner = 0; owner < 2; ++owner)
        ranking.entries.push_back({static_cast<std::uint32_t>(i), owner, static_cast<std::uint8_t>(t > 0 ? 1 : 0)});
    }
    if (ranking.positives == 0) continue;
    std::stable_sort(ranking.entries.begin(), ranking.entries.end(), [&](const Entry& a, const Entry& b) {
      return scores[a.owner][a.example * classes + c] > scores[b.owner][b.example * classes + c];
    });
    rankings.push_back(std::move(ranking));
  }
  check(!rankings.empty(), where, "no class has a positive example");

  const auto difference = [&](std::vector<std::uint8_t>& exchanged, std::span<const std::uint64_t> bits) {
    for (std::size_t i = 0; i < n; ++i) exchanged[i] = static_cast<std::uint8_t>((bits[i / 64] >> (i % 64)) & 1u);
    double sum = 0;
    for (const Ranking& ranking : rankings) {
      detail::ElevenPoints points[2] = {detail::ElevenPoints(ranking.positives),
                                        detail::ElevenPoints(ranking.positives)};
      for (const Entry& entry : ranking.entries) {
        detail::ElevenPoints& owner = points[entry.owner ^ exchanged[entry.example]];
        if (entry.positive != 0)
          owner.positive();
        else
          owner.negative();
      }
      sum += points[0].value() - points[1].value();
    }
    return sum / static_cast<double>(rankings.size());
  };
  std::vector<std::uint8_t> unchanged(n);
  const double observed = difference(unchanged, std::vector<std::uint64_t>((n + 63) / 64, 0));
  const double threshold = std::fabs(observed) - 1e-12;
  PermutationTest result = detail::count_arrangements(
      where, static_cast<Index>(n), options, [&] { return std::vector<std::uint8_t>(n); },
      [&](std::vector<std::uint8_t>& state, std::span<const std::uint64_t> bits) {
        return std::fabs(difference(state, bits)) >= threshold;
      });
  result.difference = observed;
  return result;
}

}  // namespace stats
TINYVISION_END
