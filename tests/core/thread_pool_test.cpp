// The thread pool: every task once, whatever fails, nests or resizes.
#include "tinyvision/core/thread_pool.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace thread_pool_test {

using namespace tinyvision;

class ThreadPoolTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_num_threads(GetParam()); }
  void TearDown() override { set_num_threads(2); }
};

TEST_P(ThreadPoolTest, RunsEveryTaskOnce) {
  EXPECT_EQ(num_threads(), GetParam());
  for (const Index tasks : {0, 1, 2, 3, 7, 64, 1000}) {
    std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks));
    parallel_for(tasks, [&](Index i) { ++runs[static_cast<std::size_t>(i)]; });
    for (const auto& count : runs) EXPECT_EQ(count.load(), 1);
  }
}

TEST_P(ThreadPoolTest, ManyShortJobsInARow) {
  std::atomic<Index> sum{0};
  for (int job = 0; job < 2000; ++job) parallel_for(5, [&](Index i) { sum += i; });
  EXPECT_EQ(sum.load(), 2000 * 10);
}

TEST_P(ThreadPoolTest, NestedJobsRunOnTheCallingThread) {
  std::vector<std::atomic<int>> runs(8 * 8);
  std::atomic<int> strayed{0};
  parallel_for(8, [&](Index i) {
    const auto self = std::this_thread::get_id();
    parallel_for(8, [&](Index j) {
      strayed += std::this_thread::get_id() != self;
      ++runs[static_cast<std::size_t>(i * 8 + j)];
    });
  });
  for (const auto& count : runs) EXPECT_EQ(count.load(), 1);
  // On one thread the outer job is no job of the pool, but then there is only one thread to be on.
  EXPECT_EQ(strayed.load(), 0);
}

TEST_P(ThreadPoolTest, AnExceptionReachesTheCallerAndThePoolGoesOn) {
  for (int repeat = 0; repeat < 20; ++repeat) {
    try {
      parallel_for(50, [](Index i) {
        if (i == 17) fail("task", "number ", i);
      });
      FAIL();
    } catch (const Error& error) {
      EXPECT_STREQ(error.what(), "[task] number 17");
    }
    std::atomic<int> count{0};
    parallel_for(10, [&](Index) { ++count; });
    EXPECT_EQ(count.load(), 10);
  }
}

TEST_P(ThreadPoolTest, TheLowestFailingTaskWins) {
  // All tasks fail; task 0 is taken first, so its exception must be the one.
  try {
    parallel_for(40, [](Index i) { fail("task", i); });
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[task] 0");
  }
}

TEST_P(ThreadPoolTest, AnExceptionOfANestedJobReachesTheOuterCaller) {
  EXPECT_THROW(parallel_for(6, [](Index) { parallel_for(3, [](Index j) { check(j != 2, "inner", "task ", j); }); }),
               Error);
}

TEST_P(ThreadPoolTest, Ranges) {
  for (const Index count : {0, 1, 9, 10, 11, 100}) {
    std::vector<std::atomic<int>> touched(static_cast<std::size_t>(count));
    parallel_ranges(count, 10, [&](Index begin, Index end) {
      EXPECT_LT(begin, end);
      EXPECT_LE(end - begin, 10);
      EXPECT_EQ(begin % 10, 0);
      for (Index i = begin; i < end; ++i) ++touched[static_cast<std::size_t>(i)];
    });
    for (const auto& n : touched) EXPECT_EQ(n.load(), 1);
  }
  Index calls = 0;
  parallel_ranges(3, 0, [&](Index begin, Index end) {  // a grain below 1 counts as 1
    EXPECT_EQ(end, begin + 1);
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    ++calls;
  });
  EXPECT_EQ(calls, 3);
}

INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, testing::Values(1, 2, 3, 5, 8));

TEST(ThreadPool, ResizesBetweenJobs) {
  for (const int threads : {1, 4, 2, 8, 1, 3}) {
    set_num_threads(threads);
    EXPECT_EQ(num_threads(), threads);
    std::atomic<Index> sum{0};
    parallel_for(100, [&](Index i) { sum += i; });
    EXPECT_EQ(sum.load(), 4950);
  }
  EXPECT_THROW(set_num_threads(0), Error);
  EXPECT_THROW(set_num_threads(-3), Error);
  EXPECT_EQ(num_threads(), 3);
  set_num_threads(2);
}

TEST(ThreadPool, JobsOfSeveralCallersFollowOneAnother) {
  set_num_threads(3);
  std::atomic<Index> sum{0};
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int job = 0; job < 100; ++job) parallel_for(20, [&](Index i) { sum += i; });
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(sum.load(), 4 * 100 * 190);
  set_num_threads(2);
}

}  // namespace thread_pool_test
