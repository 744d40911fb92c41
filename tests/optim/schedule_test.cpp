// Learning rates at chosen steps.
#include "tinyvision/optim/schedule.hpp"

#include <gtest/gtest.h>

namespace schedule_test {

using namespace tinyvision;

TEST(Schedule, Constant) {
  const Schedule s{.kind = Schedule::Kind::constant, .base = 0.3, .steps = 10};
  for (const Index t : {0, 5, 9, 100}) EXPECT_EQ(s(t), 0.3);
}

TEST(Schedule, Cosine) {
  const Schedule s{.kind = Schedule::Kind::cosine, .base = 0.8, .steps = 12};
  EXPECT_DOUBLE_EQ(s(0), 0.8);
  EXPECT_NEAR(s(4), 0.6, 1e-15);  // cos(pi/3) = 1/2
  EXPECT_NEAR(s(6), 0.4, 1e-15);
  EXPECT_NEAR(s(8), 0.2, 1e-15);
  EXPECT_GT(s(11), 0);
  EXPECT_NEAR(s(12), 0, 1e-16);
  EXPECT_NEAR(s(50), 0, 1e-16) << "the rate does not rise again";
}

TEST(Schedule, ExponentialPerEpoch) {
  const Schedule s{.kind = Schedule::Kind::exponential, .base = 2, .steps = 100, .rate = 0.5, .steps_per_epoch = 2.5};
  // Epochs end after 2.5, 5, 7.5 steps: steps 0-2, 3-4, 5-7, ...
  const double expected[] = {2, 2, 2, 1, 1, 0.5, 0.5, 0.5, 0.25};
  for (Index t = 0; t < 9; ++t) EXPECT_DOUBLE_EQ(s(t), expected[t]) << t;
}

TEST(Schedule, ContinuousDecaysAtEachStep) {
  const Schedule s{.kind = Schedule::Kind::continuous, .base = 2, .steps = 100, .rate = 0.25, .steps_per_epoch = 4};
  for (const auto& [t, expected] : {std::pair<Index, double>{0, 2}, {2, 1}, {4, 0.5}, {6, 0.25}})
    EXPECT_DOUBLE_EQ(s(t), expected) << t;
}

TEST(Schedule, TheDecayBeginsWhereItIsTold) {
  for (const Schedule::Kind kind : {Schedule::Kind::exponential, Schedule::Kind::continuous}) {
    Schedule s{.kind = kind, .base = 8, .steps = 100, .warmup_steps = 4, .rate = 0.5, .steps_per_epoch = 2};
    EXPECT_DOUBLE_EQ(s(4), 8);  // the end of the warm-up
    EXPECT_DOUBLE_EQ(s(8), 2);
    s.decay_from = 0;
    EXPECT_DOUBLE_EQ(s(3), 8) << "the warm-up reaches the base all the same";
    EXPECT_DOUBLE_EQ(s(4), 2) << "two epochs have gone";
    s.decay_from = 8;
    EXPECT_DOUBLE_EQ(s(6), 8);
    EXPECT_DOUBLE_EQ(s(8), 8);
    EXPECT_DOUBLE_EQ(s(10), 4);
  }
  // The paper's pretraining: 1281167 / 4096 steps an epoch, 10 epochs of warm-up.
  const Schedule paper{.kind = Schedule::Kind::continuous,
                       .base = 1.6,
                       .steps = 93600,
                       .warmup_steps = 3120,
                       .rate = 0.975,
                       .steps_per_epoch = 312};
  EXPECT_DOUBLE_EQ(paper(3119), 1.6);
  EXPECT_NEAR(paper(3120 + 312), 1.6 * 0.975, 1e-15);
  EXPECT_NEAR(paper(93599), 1.6 * std::pow(0.975, 290), 1e-6);
}

TEST(Schedule, WarmUpIsLinearAndReachesTheBase) {
  for (const Schedule::Kind kind : {Schedule::Kind::constant, Schedule::Kind::cosine, Schedule::Kind::exponential}) {
    const Schedule s{.kind = kind, .base = 0.4, .steps = 12, .warmup_steps = 4, .rate = 0.5, .steps_per_epoch = 4};
    EXPECT_DOUBLE_EQ(s(0), 0.1);
    EXPECT_DOUBLE_EQ(s(1), 0.2);
    EXPECT_DOUBLE_EQ(s(3), 0.4);
    EXPECT_DOUBLE_EQ(s(4), 0.4);
  }
  const Schedule cosine{.kind = Schedule::Kind::cosine, .base = 0.4, .steps = 12, .warmup_steps = 4};
  EXPECT_NEAR(cosine(8), 0.2, 1e-15);  // half of what is left after the warm-up
  const Schedule exponential{.kind = Schedule::Kind::exponential,
                             .base = 0.4,
                             .steps = 12,
                             .warmup_steps = 4,
                             .rate = 0.5,
                             .steps_per_epoch = 4};
  EXPECT_DOUBLE_EQ(exponential(7), 0.4);
  EXPECT_DOUBLE_EQ(exponential(8), 0.2);
}

TEST(Schedule, Names) {
  EXPECT_EQ(parse_schedule("cosine"), Schedule::Kind::cosine);
  EXPECT_EQ(parse_schedule("constant"), Schedule::Kind::constant);
  EXPECT_EQ(parse_schedule("exponential"), Schedule::Kind::exponential);
  EXPECT_EQ(parse_schedule("continuous"), Schedule::Kind::continuous);
  EXPECT_THROW(parse_schedule("linear"), UsageError);
}

}  // namespace schedule_test
