// Average precision beside an independent computation, with difficult labels and ties.
#include "tinyvision/stats/average_precision.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tinyvision/stats/metrics.hpp"

namespace average_precision_test {

using namespace tinyvision;
using namespace tinyvision::stats;
using Labels = std::vector<std::int8_t>;

TEST(AveragePrecision, EqualsAnIndependentComputation) {
  std::ifstream file(TINYVISION_SOURCE_DIR "/tests/golden/voc/average_precision.json");
  const auto cases = nlohmann::json::parse(file);
  ASSERT_EQ(cases.size(), 60u);
  Index undefined = 0;
  for (const auto& c : cases) {
    const auto scores = c["scores"].get<std::vector<double>>();
    const auto labels = c["labels"].get<Labels>();
    for (const auto& [name, difficult] : {std::pair{"ignored", Difficult::ignored},
                                          {"negative", Difficult::negative},
                                          {"positive", Difficult::positive}}) {
      const AveragePrecision eleven = average_precision_11_points(scores, labels, difficult);
      const AveragePrecision all = average_precision_all_points(scores, labels, difficult);
      if (c[name].is_null()) {
        ++undefined;
        EXPECT_TRUE(std::isnan(eleven.value) && eleven.positives == 0);
        EXPECT_TRUE(std::isnan(all.value));
      } else {
        EXPECT_NEAR(eleven.value, c[name].get<double>(), 1e-14) << c;
        EXPECT_NEAR(all.value, c[std::string(name) + "_all"].get<double>(), 1e-12) << c;
      }
    }
  }
  EXPECT_GT(undefined, 0);
}

TEST(AveragePrecision, ThresholdsAreWholeNumbers) {
  // 3 of 10 positives, then a negative: recall 0.3 is reached at precision 1, whatever 0.1 + 0.1 + 0.1 is.
  std::vector<double> scores;
  Labels labels;
  for (int i = 0; i < 3; ++i) scores.push_back(100 - i), labels.push_back(1);
  for (int i = 0; i < 90; ++i) scores.push_back(50 - i * 0.1), labels.push_back(-1);
  for (int i = 0; i < 7; ++i) scores.push_back(-i - 1.0), labels.push_back(1);
  const double rest = 10.0 / 100;
  EXPECT_NEAR(average_precision_11_points(scores, labels).value, (4 * 1.0 + 7 * rest) / 11, 1e-15);
}

TEST(AveragePrecision, TheDevkitLeavesDifficultImagesOut) {
  const std::vector<double> scores{3, 2, 1};
  const Labels labels{0, 1, -1};
  EXPECT_EQ(average_precision_11_points(scores, labels).value, 1);
  EXPECT_EQ(average_precision_11_points(scores, labels, Difficult::negative).value, 0.5);
  EXPECT_EQ(average_precision_11_points(scores, labels, Difficult::positive).positives, 2);
}

TEST(AveragePrecision, EqualScoresKeepTheirOrder) {
  EXPECT_EQ(average_precision_11_points(std::vector<double>{1, 1}, Labels{1, -1}).value, 1);
  EXPECT_EQ(average_precision_11_points(std::vector<double>{1, 1}, Labels{-1, 1}).value, 0.5);
}

TEST(AveragePrecision, MeanOverClassesNamesThoseWithoutPositives) {
  const std::vector<double> scores{3, 1, 0, 2, 2, 0, 1, 3, 0};
  const Labels labels{1, -1, -1, -1, -1, 0, -1, 1, -1};
  const MeanAveragePrecision mean = mean_average_precision(scores, labels, 3);
  EXPECT_EQ(mean.without_positives, std::vector<Index>{2});
  EXPECT_EQ(mean.value, 1);
  EXPECT_TRUE(std::isnan(mean.of_class[2]));
  EXPECT_THROW(mean_average_precision(scores, Labels(9, -1), 3), Error);
}

TEST(AveragePrecision, RefusesWhatCannotBeRanked) {
  EXPECT_THROW(average_precision_11_points(std::vector<double>{std::nan("")}, Labels{1}), Error);
  EXPECT_THROW(average_precision_11_points(std::vector<double>{1}, Labels{2}), Error);
  EXPECT_THROW(average_precision_11_points(std::vector<double>{1}, Labels{1, 1}), Error);
  EXPECT_THROW(average_precision_all_points(std::vector<double>{1}, Labels{1, 1}), Error);
}

// The mean over the classes that have examples: an empty one is 0/0 and left out, and said.
TEST(MeanPerClass, AnEmptyClassIsLeftOut) {
  const Tensor scores = Tensor::from_vector<float>({3, 3}, {1, 0, 0, 0, 1, 0, 1, 0, 0});
  const std::vector<Index> labels{0, 1, 1};
  const MeanPerClass mean = mean_per_class_accuracy(scores, labels);
  EXPECT_EQ(mean.value, 0.75);
  EXPECT_EQ(mean.classes, 2);
  EXPECT_EQ(mean.without_examples, 1);
}

}  // namespace average_precision_test
