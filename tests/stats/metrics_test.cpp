#include "tinyvision/stats/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace tv = tinyvision;
namespace stats = tinyvision::stats;
using tv::Index;

namespace metrics_test {

template <class Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const tv::Error& error) {
    return error.what();
  }
  return "no error";
}

// Row 0 has no ties; row 1 is all equal; row 2 ties classes 1 and 3 at the top.
tv::Tensor scores() {
  return tv::Tensor::from_vector<float>({3, 4}, {0.1f, 0.4f, 0.2f, 0.3f, 1, 1, 1, 1, -2, 5, 0, 5});
}

TEST(Metrics, PredictionTakesTheLowestClassOfATie) {
  EXPECT_EQ(stats::predicted_classes(scores()), (std::vector<Index>{1, 0, 1}));
}

TEST(Metrics, TopKRanksTiesByClassIndex) {
  // Ranks by hand: row 0 puts class 2 third; row 1 puts class 2 third; row 2 puts class 3 second.
  const std::vector<Index> labels{2, 2, 3};
  EXPECT_EQ(stats::top_k_correct(scores(), labels, 1), 0);
  EXPECT_EQ(stats::top_k_hits(scores(), labels, 2), (std::vector<std::uint8_t>{0, 0, 1}));
  EXPECT_EQ(stats::top_k_correct(scores(), labels, 3), 3);
  EXPECT_EQ(stats::top_k_accuracy(scores(), labels, 2), (stats::Accuracy{1, 3}));
  EXPECT_EQ(stats::top_k_correct(scores(), labels, 9), 3);
}

TEST(Metrics, TopOneEqualsPrediction) {
  const auto predicted = stats::predicted_classes(scores());
  EXPECT_EQ(stats::top_k_correct(scores(), predicted, 1), 3);
}

TEST(Metrics, ReadsDoublesAndChannelSlices) {
  const tv::Tensor wide = tv::Tensor::from_vector<double>({2, 5}, {9, 1, 2, 3, 9, 9, 3, 2, 1, 9});
  const tv::Tensor slice = wide.slice_channels(1, 3);
  EXPECT_EQ(stats::predicted_classes(slice), (std::vector<Index>{2, 0}));
  EXPECT_EQ(stats::top_k_correct(slice, std::vector<Index>{1, 1}, 2), 2);
}

TEST(Metrics, InfiniteScoresAreOrdered) {
  const float inf = std::numeric_limits<float>::infinity();
  const tv::Tensor t = tv::Tensor::from_vector<float>({1, 3}, {-inf, 0, inf});
  EXPECT_EQ(stats::predicted_classes(t), (std::vector<Index>{2}));
}

TEST(Metrics, RefusesBadInput) {
  const std::vector<Index> labels{0, 1, 4};
  EXPECT_EQ(message_of([&] { stats::top_k_correct(scores(), labels, 1); }),
            "[top_k_hits] label 4 of example 2 is outside [0, 4)");
  EXPECT_EQ(message_of([&] {
              stats::top_k_correct(scores(), std::vector<Index>{0, 1, -1}, 1);
            }),
            "[top_k_hits] label -1 of example 2 is outside [0, 4)");
  EXPECT_EQ(message_of([&] {
              stats::top_k_correct(scores(), std::vector<Index>{0, 1}, 1);
            }),
            "[top_k_hits] 3 examples but 2 labels");
  EXPECT_EQ(message_of([&] {
              stats::top_k_correct(scores(), std::vector<Index>{0, 1, 2}, 0);
            }),
            "[top_k_hits] k must be at least 1, got 0");
  const tv::Tensor nan = tv::Tensor::from_vector<float>({2, 2}, {0, 1, 2, std::nanf("")});
  EXPECT_EQ(message_of([&] { stats::predicted_classes(nan); }),
            "[predicted_classes] score of example 1, class 1 is not a number");
  EXPECT_EQ(message_of([&] { stats::predicted_classes(nan.reshape({4})); }),
            "[predicted_classes] scores must be [n, classes], got [4] f32");
  EXPECT_EQ(message_of([&] {
              stats::predicted_classes(tv::Tensor::zeros({2, 2}, tv::DType::u8));
            }),
            "[predicted_classes] needs f32 or f64, got u8");
}

// scikit-learn, tests/oracle/make_stats_golden.py: 7 classes, class 5 without examples (but predicted once).
const std::vector<Index> truth{0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 4, 4, 6, 6, 6};
const std::vector<Index> guess{0, 1, 0, 1, 1, 2, 0, 2, 5, 6, 4, 3, 6, 6, 0};

TEST(Metrics, ConfusionMatrixMatchesScikitLearn) {
  const std::vector<std::vector<Index>> expected{{2, 1, 0, 0, 0, 0, 0}, {0, 2, 0, 0, 0, 0, 0}, {1, 0, 2, 0, 0, 1, 0},
                                                 {0, 0, 0, 0, 0, 0, 1}, {0, 0, 0, 1, 1, 0, 0}, {0, 0, 0, 0, 0, 0, 0},
                                                 {1, 0, 0, 0, 0, 0, 2}};
  const stats::ConfusionMatrix confusion(guess, truth, 7);
  for (Index t = 0; t < 7; ++t)
    for (Index p = 0; p < 7; ++p)
      EXPECT_EQ(confusion.count(t, p), expected[static_cast<std::size_t>(t)][static_cast<std::size_t>(p)]) << t << p;
  EXPECT_EQ(confusion.overall(), (stats::Accuracy{9, 15}));
  EXPECT_EQ(confusion.of_class(2), (stats::Accuracy{2, 4}));
}

TEST(Metrics, MeanPerClassLeavesOutClassesWithoutExamples) {
  const stats::MeanPerClass mean = stats::mean_per_class_accuracy(stats::ConfusionMatrix(guess, truth, 7));
  EXPECT_NEAR(mean.value, 0.55555555555555547, 1e-15);
  EXPECT_EQ(mean.classes, 6);
  EXPECT_EQ(mean.without_examples, 1);
  EXPECT_EQ(message_of([] { stats::mean_per_class_accuracy(stats::ConfusionMatrix(3)); }),
            "[mean_per_class_accuracy] no examples in any of 3 classes");
}

TEST(Metrics, MeanPerClassFromScores) {
  // Class 1: examples 0 and 2 right; class 3: example 1 wrong (all scores equal, class 0 predicted).
  const stats::MeanPerClass mean = stats::mean_per_class_accuracy(scores(), std::vector<Index>{1, 3, 1});
  EXPECT_DOUBLE_EQ(mean.value, 0.5);
  EXPECT_EQ(mean.without_examples, 2);
}

TEST(Metrics, AccuracyWithoutExamplesIsNotANumber) { EXPECT_TRUE(std::isnan(stats::Accuracy{}.value())); }

TEST(LogOdds, IsTheLogitOfTheAccuracy) {
  EXPECT_NEAR(stats::log_odds({3, 4}), std::log(3.0), 1e-15);
  EXPECT_EQ(stats::log_odds({2, 4}), 0);
  EXPECT_NEAR(stats::log_odds({4517, 5000}), std::log(0.9034 / (1 - 0.9034)), 1e-12);
  EXPECT_EQ(stats::log_odds({0, 4}), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(stats::log_odds({4, 4}), std::numeric_limits<double>::infinity());
  EXPECT_NEAR(stats::log_odds({4, 4}, 0.5), std::log(9.0), 1e-15);
  EXPECT_NEAR(stats::log_odds({0, 4}, 0.5), -std::log(9.0), 1e-15);
  EXPECT_THROW(stats::log_odds({0, 0}), tv::Error);
  EXPECT_THROW(stats::log_odds({5, 4}), tv::Error);
  EXPECT_THROW(stats::log_odds({1, 4}, -1), tv::Error);
}

// Two bins: (0, 0.5] with confidences 0, 0.2, 0.5 and (0.5, 1] with 0.75, 1.
TEST(Calibration, OfAWorkedExample) {
  const std::vector<double> confidences{0.75, 0.5, 0, 0.2, 1};
  const std::vector<std::uint8_t> hits{0, 1, 0, 0, 1};
  const auto result = stats::calibration(confidences, hits, 2);
  EXPECT_EQ(result.bins[0].accuracy, (stats::Accuracy{1, 3}));
  EXPECT_EQ(result.bins[1].accuracy, (stats::Accuracy{1, 2}));
  EXPECT_NEAR(result.bins[0].mean_confidence, 0.7 / 3, 1e-15);
  EXPECT_NEAR(result.bins[1].mean_confidence, 0.875, 1e-15);
  EXPECT_NEAR(result.expected_error, 0.6 * 0.1 + 0.4 * 0.375, 1e-15);
  EXPECT_NEAR(result.largest_error, 0.375, 1e-15);
}

// Every edge b / M belongs to the bin that it closes, whatever the rounding of c * M.
TEST(Calibration, EdgesCloseTheirBin) {
  for (Index bins = 1; bins <= 100; ++bins)
    for (Index b = 1; b <= bins; ++b) {
      const double edge = static_cast<double>(b) / static_cast<double>(bins);
      const auto at = stats::calibration(std::vector<double>{edge}, std::vector<std::uint8_t>{1}, bins);
      EXPECT_EQ(at.bins[static_cast<std::size_t>(b - 1)].accuracy.total, 1) << b << " of " << bins;
      if (b == bins) continue;
      const auto above =
          stats::calibration(std::vector<double>{std::nextafter(edge, 2)}, std::vector<std::uint8_t>{1}, bins);
      EXPECT_EQ(above.bins[static_cast<std::size_t>(b)].accuracy.total, 1) << b << " of " << bins;
    }
}

TEST(Calibration, OfLogitsTakesTheSoftmaxOfThePrediction) {
  const double quarter = std::log(3.0);  // softmax of (log 3, 0) is (3/4, 1/4)
  const auto logits = tv::Tensor::from_vector<double>({2, 2}, {quarter, 0, 0, quarter});
  const auto result = stats::calibration_of_logits(logits, std::vector<Index>{0, 0}, 10);
  EXPECT_NEAR(result.expected_error, 0.25, 1e-15);
  EXPECT_EQ(result.bins[7].accuracy, (stats::Accuracy{1, 2}));
  // Large logits do not overflow.
  const auto large = tv::Tensor::from_vector<double>({1, 2}, {5000, 4000});
  EXPECT_EQ(stats::calibration_of_logits(large, std::vector<Index>{0}).expected_error, 0);
}

TEST(Calibration, RefusesBadInput) {
  const std::vector<std::uint8_t> hit{1};
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  EXPECT_THROW(stats::calibration(std::vector<double>{}, {}), tv::Error);
  EXPECT_THROW(stats::calibration(std::vector<double>{0.5}, hit, 0), tv::Error);
  EXPECT_THROW(stats::calibration(std::vector<double>{0.5, 0.5}, hit), tv::Error);
  EXPECT_THROW(stats::calibration(std::vector<double>{nan}, hit), tv::Error);
  EXPECT_THROW(stats::calibration(std::vector<double>{1.01}, hit), tv::Error);
  EXPECT_THROW(stats::calibration_of_logits(tv::Tensor::from_vector<double>({1, 2}, {inf, 0}), std::vector<Index>{0}),
               tv::Error);
}

}  // namespace metrics_test
