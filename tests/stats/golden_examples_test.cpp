// Permutation tests, metrics and near duplicates against SciPy, scikit-learn, NumPy and exact fractions on random examples
// with ties: tests/golden/stats, written by tests/oracle/make_stats_examples_golden.py, which makes the same inputs.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "stats/golden.hpp"
#include "tinyvision/stats/average_precision.hpp"
#include "tinyvision/stats/metrics.hpp"
#include "tinyvision/stats/near_duplicates.hpp"
#include "tinyvision/stats/permutation_test.hpp"

namespace tv = tinyvision;
namespace stats = tinyvision::stats;
using stats_golden::Column;
using stats_golden::Golden;
using stats_golden::Lcg;
using stats_golden::level_counts;
using tv::Index;
using tv::Tensor;

namespace golden_examples_test {

/// n x d draws, divided by the levels, times `scale`, plus `shift`.
Tensor draws(Lcg& lcg, Index n, Index d, std::int64_t levels, double scale, double shift) {
  Column values;
  for (Index i = 0; i < n * d; ++i) values.push_back(lcg.real(levels) / static_cast<double>(levels) * scale + shift);
  return Tensor::from_vector<double>({n, d}, values);
}

std::vector<std::int8_t> truths(Lcg& lcg, Index count, std::int64_t levels) {
  std::vector<std::int8_t> out;
  for (Index i = 0; i < count; ++i) out.push_back(static_cast<std::int8_t>(lcg.draw(levels) % 3 - 1));
  return out;
}

Column numbers(const stats::PermutationTest& test) {
  EXPECT_TRUE(test.exact);
  EXPECT_EQ(test.p_value, test.p_paper);
  return {test.difference, test.p_value};
}

TEST(StatisticsGolden, PermutationTests) {
  Golden golden("permutations");
  ASSERT_EQ(golden.inputs(), 200u);
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    Lcg lcg(10, which);
    const Index n = 4 + static_cast<Index>(which % 7), classes = 1 + static_cast<Index>(which % 4);
    std::vector<Index> labels;
    for (Index i = 0; i < n; ++i) labels.push_back(lcg.draw(classes));
    std::vector<std::uint8_t> hits[2];
    for (int m = 0; m < 2; ++m)
      for (Index i = 0; i < n; ++i) hits[m].push_back(lcg.draw(16) < (m == 0 ? 12 : 8) ? 1 : 0);
    golden.compare(which,
                   {{"permutation_test_top1", numbers(stats::permutation_test_top1(hits[0], hits[1]))},
                    {"permutation_test_mean_per_class",
                     numbers(stats::permutation_test_mean_per_class(hits[0], hits[1], labels, classes))}},
                   1e-5);
  }
}

TEST(StatisticsGolden, PermutationTestsOfManyLabels) {
  Golden golden("label_permutations");
  ASSERT_EQ(golden.inputs(), 200u);
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    Lcg lcg(11, which);
    const Index n = 3 + static_cast<Index>(which % 4), classes = 1 + static_cast<Index>(which / 4 % 2);
    std::vector<std::int8_t> truth = truths(lcg, n * classes, 5);
    for (Index c = 0; c < classes; ++c) truth[static_cast<std::size_t>(c)] = 1;
    const Tensor first = draws(lcg, n, classes, level_counts[which % 4], 1, -0.5),
                 second = draws(lcg, n, classes, level_counts[which % 4], 1, -0.5);
    golden.compare(
        which,
        {{"permutation_test_label_accuracy", numbers(stats::permutation_test_label_accuracy(first, second, truth))},
         {"permutation_test_label_accuracy, cells",
          numbers(stats::permutation_test_label_accuracy(first, second, truth, {}, stats::LabelExchange::cells))},
         {"permutation_test_mean_average_precision",
          numbers(stats::permutation_test_mean_average_precision(first, second, truth))}},
        1e-5);
  }
}

TEST(StatisticsGolden, Metrics) {
  Golden golden("metrics");
  ASSERT_EQ(golden.inputs(), 200u);
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    Lcg lcg(12, which);
    const Index n = 5 + static_cast<Index>(which % 40), classes = 2 + static_cast<Index>(which % 8);
    const Tensor scores = draws(lcg, n, classes, level_counts[which % 4], 6, 0);
    std::vector<Index> labels;
    for (Index i = 0; i < n; ++i) labels.push_back(lcg.draw(classes));
    Column hits, table;
    for (const Index k : {1, 2, 5}) hits.push_back(static_cast<double>(stats::top_k_correct(scores, labels, k)));
    const stats::ConfusionMatrix confusion(scores, labels);
    for (Index t = 0; t < classes; ++t)
      for (Index p = 0; p < classes; ++p) table.push_back(static_cast<double>(confusion.count(t, p)));
    const stats::Calibration calibration = stats::calibration_of_logits(scores, labels, 10);
    golden.compare(which,
                   {{"top_k_correct", hits},
                    {"mean_per_class_accuracy", {stats::mean_per_class_accuracy(confusion).value}},
                    {"ConfusionMatrix", table},
                    {"log_odds, half added", {stats::log_odds(confusion.overall(), 0.5)}},
                    {"calibration", {calibration.expected_error, calibration.largest_error}}},
                   1e-5);
  }
}

TEST(StatisticsGolden, AveragePrecisions) {
  Golden golden("average_precisions");
  ASSERT_EQ(golden.inputs(), 200u);
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    Lcg lcg(13, which);
    const Index n = 4 + static_cast<Index>(which % 30), classes = 1 + static_cast<Index>(which % 5);
    std::vector<std::int8_t> truth = truths(lcg, n * classes, 7);
    const Tensor scores = draws(lcg, n, classes, level_counts[which % 4], 1, 0);
    truth[0] = 1;
    stats_golden::Results row;
    for (Index c = 0; c < classes; ++c) {
      Column column;
      std::vector<std::int8_t> wanted;
      for (Index i = 0; i < n; ++i) {
        column.push_back(scores.data<double>()[i * classes + c]);
        wanted.push_back(truth[static_cast<std::size_t>(i * classes + c)]);
      }
      row.push_back({"average_precision_11_points", {stats::average_precision_11_points(column, wanted).value}});
      row.push_back({"average_precision_all_points", {stats::average_precision_all_points(column, wanted).value}});
    }
    row.push_back({"mean_average_precision", {stats::mean_average_precision(scores, truth).value}});
    golden.compare(which, row);
  }
}

TEST(StatisticsGolden, NearDuplicates) {
  Golden golden("near_duplicates");
  ASSERT_EQ(golden.inputs(), 200u);
  for (std::size_t which = 0; which < golden.inputs(); ++which) {
    Lcg lcg(14, which);
    const Index d = 1 + static_cast<Index>(which % 19);
    const Tensor a = draws(lcg, 3 + static_cast<Index>(which % 9), d, level_counts[which % 4], 1, -0.25),
                 b = draws(lcg, 2 + static_cast<Index>(which % 11), d, level_counts[which % 4], 1, -0.25);
    Column places, cosines;
    for (const stats::NearDuplicate& pair : stats::near_duplicates(a, b, 0.4321)) {
      places.push_back(static_cast<double>(pair.first));
      places.push_back(static_cast<double>(pair.second));
      cosines.push_back(pair.cosine);
    }
    golden.compare(which, {{"near_duplicates, how many", {static_cast<double>(cosines.size())}},
                           {"near_duplicates, which", places},
                           {"near_duplicates, cosine", cosines}});
  }
}

}  // namespace golden_examples_test
