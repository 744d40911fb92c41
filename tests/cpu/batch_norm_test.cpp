#include "tinyvision/cpu/batch_norm.hpp"

#include "compare.hpp"
#include "tinyvision/core/arena.hpp"
#include "tinyvision/reference/batch_norm.hpp"

namespace batch_norm_test {

using namespace tinyvision;
using namespace tinyvision_test;

constexpr Activation activations[] = {Activation::none, Activation::relu, Activation::relu6};
struct Case {
  Index rows, channels, gap;
};
// Folded and unfolded rows, rows left over after folding, several blocks of columns, several chunks of rows.
constexpr Case cases[] = {{1, 1, 0},    {1, 11, 2},   {2, 3, 0},     {7, 17, 0},   {7, 17, 3},
                          {49, 3, 0},   {1000, 3, 0}, {1000, 3, 2},  {333, 64, 0}, {50, 257, 0},
                          {50, 300, 5}, {3, 2048, 0}, {200, 520, 0}, {5003, 8, 0}};

template <class T>
class CpuBatchNorm : public ::testing::Test {};
TYPED_TEST_SUITE(CpuBatchNorm, FloatTypes);

TYPED_TEST(CpuBatchNorm, StatisticsEqualReference) {
  using T = TypeParam;
  for (const Case& k : cases) {
    SCOPED_TRACE(concat_text(k.rows, " x ", k.channels, " gap ", k.gap));
    const auto x = Map<T>(k.rows, k.channels, k.gap).random(1, -3, 5);
    std::vector<T> mean(static_cast<std::size_t>(k.channels)), variance(mean), mean_ref(mean), variance_ref(mean);
    cpu::batch_norm_statistics(k.rows, k.channels, x.data(), x.pitch, mean.data(), variance.data());
    reference::batch_norm_statistics(k.rows, k.channels, x.data(), x.pitch, mean_ref.data(), variance_ref.data());
    expect_close(mean, mean_ref);
    expect_close(variance, variance_ref);
  }
}

// A mean far from zero, and a first row far from all others: a plain sum of squares would lose every digit of the
// first, a badly chosen pivot those of the second.
TYPED_TEST(CpuBatchNorm, VarianceSurvivesOffsetsAndOutliers) {
  using T = TypeParam;
  const Index rows = 5000;
  for (const bool outlier : {false, true}) {
    auto x = Map<T>(rows, 2).random(2, -1, 1);
    for (Index r = 0; r < rows; ++r) x.at(r, 1) += T(1e4);
    if (outlier) x.at(0, 0) = T(1e6), x.at(0, 1) = T(-1e6);
    std::vector<T> mean(2), variance(2), mean_ref(2), variance_ref(2);
    cpu::batch_norm_statistics(rows, 2, x.data(), x.pitch, mean.data(), variance.data());
    reference::batch_norm_statistics(rows, 2, x.data(), x.pitch, mean_ref.data(), variance_ref.data());
    for (std::size_t c = 0; c < 2; ++c) {
      EXPECT_NEAR(mean[c], mean_ref[c], tolerance<T> * std::fabs(mean_ref[c]) + 1e-15);
      EXPECT_NEAR(variance[c], variance_ref[c], tolerance<T> * variance_ref[c]);
    }
  }
}

TYPED_TEST(CpuBatchNorm, ConstantChannelHasVarianceZero) {
  using T = TypeParam;
  const auto x = Map<T>(1237, 5).fill(T(0.1));
  std::vector<T> mean(5), variance(5);
  cpu::batch_norm_statistics(x.rows, x.channels, x.data(), x.pitch, mean.data(), variance.data());
  for (std::size_t c = 0; c < 5; ++c) {
    EXPECT_EQ(mean[c], T(0.1));
    EXPECT_EQ(variance[c], T(0));
  }
  EXPECT_THROW(cpu::batch_norm_statistics(0, 5, x.data(), x.pitch, mean.data(), variance.data()), Error);
}

TYPED_TEST(CpuBatchNorm, NanStaysInItsChannel) {
  using T = TypeParam;
  auto x = Map<T>(500, 3).random(3);
  x.at(250, 1) = std::numeric_limits<T>::quiet_NaN();
  std::vector<T> mean(3), variance(3);
  cpu::batch_norm_statistics(x.rows, x.channels, x.data(), x.pitch, mean.data(), variance.data());
  EXPECT_TRUE(std::isnan(mean[1]) && std::isnan(variance[1]));
  EXPECT_TRUE(std::isfinite(mean[0]) && std::isfinite(variance[0]) && std::isfinite(mean[2]) &&
              std::isfinite(variance[2]));
}

TYPED_TEST(CpuBatchNorm, ApplyKeepsNan) {
  using T = TypeParam;
  auto x = Map<T>(50, 19).random(3);
  x.at(25, 1) = x.at(49, 18) = std::numeric_limits<T>::quiet_NaN();
  const std::vector<T> mean(19, T(0.5)), scale(19, T(2)), shift(19, T(1));
  for (const Activation act : activations) {
    Map<T> y(50, 19);
    cpu::batch_norm_apply(x.rows, x.channels, x.data(), x.pitch, mean.data(), scale.data(), shift.data(),
                          static_cast<const T*>(nullptr), Index{0}, act, y.data(), y.pitch);
    for (Index r = 0; r < 50; ++r)
      for (Index c = 0; c < 19; ++c) EXPECT_EQ(std::isnan(y.at(r, c)), std::isnan(x.at(r, c))) << to_string(act);
  }
}

TYPED_TEST(CpuBatchNorm, ApplyEqualsReference) {
  using T = TypeParam;
  for (const Case& k : cases)
    for (const Activation act : activations)
      for (const bool with_residual : {false, true}) {
        SCOPED_TRACE(concat_text(k.rows, " x ", k.channels, " gap ", k.gap, " ", to_string(act), " ", with_residual));
        const auto x = Map<T>(k.rows, k.channels, k.gap).random(4);
        const auto residual = Map<T>(k.rows, k.channels, with_residual ? k.gap : 1).random(5, -8, 8);
        const auto mean = random_vector<T>(k.channels, 6), scale = random_vector<T>(k.channels, 7, 0, 3),
                   shift = random_vector<T>(k.channels, 8);
        Map<T> y(k.rows, k.channels, k.gap), expected(k.rows, k.channels, k.gap);
        const T* r = with_residual ? residual.data() : nullptr;
        cpu::batch_norm_apply(k.rows, k.channels, x.data(), x.pitch, mean.data(), scale.data(), shift.data(), r,
                              residual.pitch, act, y.data(), y.pitch);
        reference::batch_norm_apply(k.rows, k.channels, x.data(), x.pitch, mean.data(), scale.data(), shift.data(), r,
                                    residual.pitch, act, expected.data(), expected.pitch);
        expect_close(y, expected);
        Map<T> in_place = x;
        cpu::batch_norm_apply(k.rows, k.channels, in_place.data(), x.pitch, mean.data(), scale.data(), shift.data(), r,
                              residual.pitch, act, in_place.data(), x.pitch);
        EXPECT_TRUE(same_bits(in_place.values, y.values));
        if (!with_residual) continue;
        Map<T> over_residual = residual;
        cpu::batch_norm_apply(k.rows, k.channels, x.data(), x.pitch, mean.data(), scale.data(), shift.data(),
                              over_residual.data(), residual.pitch, act, over_residual.data(), residual.pitch);
        EXPECT_TRUE(same_bits(over_residual.values, y.values));
      }
}

TYPED_TEST(CpuBatchNorm, BackwardEqualsReference) {
  using T = TypeParam;
  for (const Case& k : cases) {
    const auto dz = Map<T>(k.rows, k.channels, k.gap).random(9), x = Map<T>(k.rows, k.channels, k.gap).random(10);
    const auto start = Map<T>(k.rows, k.channels, k.gap).random(15);
    auto z = Map<T>(k.rows, k.channels, k.gap).random(11, -3, 9);
    for (T& v : z.values) v = v == Map<T>::sentinel ? v : activate(v, Activation::relu6);
    const auto mean = random_vector<T>(k.channels, 12), inv_std = random_vector<T>(k.channels, 13, 0.5, 2),
               gamma = random_vector<T>(k.channels, 14);
    for (const Activation act : activations)
      for (int variant = 0; variant < 8; ++variant) {
        SCOPED_TRACE(concat_text(k.rows, " x ", k.channels, " gap ", k.gap, " ", to_string(act), " variant ", variant));
        const bool accumulate = variant & 1, with_residual = variant & 2, with_gamma = variant & 4;
        const T* z_data = act == Activation::none ? nullptr : z.data();
        std::vector<T> sums(static_cast<std::size_t>(2 * k.channels)), expected_sums(sums);
        cpu::batch_norm_backward_reduce(k.rows, k.channels, dz.data(), dz.pitch, z_data, z.pitch, x.data(), x.pitch,
                                        mean.data(), inv_std.data(), act, sums.data(), sums.data() + k.channels);
        reference::batch_norm_backward_reduce(k.rows, k.channels, dz.data(), dz.pitch, z_data, z.pitch, x.data(),
                                              x.pitch, mean.data(), inv_std.data(), act, expected_sums.data(),
                                              expected_sums.data() + k.channels);
        expect_close(sums, expected_sums);

        const T* g = with_gamma ? gamma.data() : nullptr;
        for (const bool frozen : {false, true}) {
          Map<T> dx = start, dx_ref = start, dr = start, dr_ref = start;
          T *dr_data = with_residual ? dr.data() : nullptr, *dr_ref_data = with_residual ? dr_ref.data() : nullptr;
          if (frozen) {
            cpu::batch_norm_backward_apply_frozen(k.rows, k.channels, dz.data(), dz.pitch, z_data, z.pitch,
                                                  inv_std.data(), g, act, dx.data(), dx.pitch, accumulate, dr_data,
                                                  dr.pitch, !accumulate);
            reference::batch_norm_backward_apply_frozen(k.rows, k.channels, dz.data(), dz.pitch, z_data, z.pitch,
                                                        inv_std.data(), g, act, dx_ref.data(), dx.pitch, accumulate,
                                                        dr_ref_data, dr.pitch, !accumulate);
          } else {
            cpu::batch_norm_backward_apply(k.rows, k.channels, dz.data(), dz.pitch, z_data, z.pitch, x.data(), x.pitch,
                                           mean.data(), inv_std.data(), g, act, expected_sums.data(),
                                           expected_sums.data() + k.channels, dx.data(), dx.pitch, accumulate, dr_data,
                                           dr.pitch, !accumulate);
            reference::batch_norm_backward_apply(k.rows, k.channels, dz.data(), dz.pitch, z_data, z.pitch, x.data(),
                                                 x.pitch, mean.data(), inv_std.data(), g, act, expected_sums.data(),
                                                 expected_sums.data() + k.channels, dx_ref.data(), dx.pitch, accumulate,
                                                 dr_ref_data, dr.pitch, !accumulate);
          }
          expect_close(dx, dx_ref);
          expect_close(dr, dr_ref);
        }
        if (accumulate) continue;
        Map<T> apart = start, in_place = dz;
        for (T* out : {apart.data(), in_place.data()})
          cpu::batch_norm_backward_apply(k.rows, k.channels, out == apart.data() ? dz.data() : in_place.data(),
                                         dz.pitch, z_data, z.pitch, x.data(), x.pitch, mean.data(), inv_std.data(), g,
                                         act, sums.data(), sums.data() + k.channels, out, dz.pitch, false,
                                         static_cast<T*>(nullptr), 0, false);
        EXPECT_TRUE(same_bits(apart.values, in_place.values));
      }
  }
}

TYPED_TEST(CpuBatchNorm, BigAlignedOutputsMatchUnalignedOnes) {
  using T = TypeParam;
  const Index rows = 4700, channels = 448, count = rows * channels;  // more than 8 MiB, where stores pass the caches
  const auto x = Map<T>(rows, channels).random(31), residual = Map<T>(rows, channels).random(32);
  const auto mean = random_vector<T>(channels, 33), scale = random_vector<T>(channels, 34);
  const Scratch<T> aligned(count);
  Map<T> plain(rows, channels, 1);
  for (const T* r : {static_cast<const T*>(nullptr), residual.data()}) {
    cpu::batch_norm_apply(rows, channels, x.data(), x.pitch, mean.data(), scale.data(), mean.data(), r, channels,
                          Activation::relu, aligned.data(), channels);
    cpu::batch_norm_apply(rows, channels, x.data(), x.pitch, mean.data(), scale.data(), mean.data(), r, channels,
                          Activation::relu, plain.data(), plain.pitch);
    Index different = 0;
    for (Index i = 0; i < count; ++i) different += aligned[i] != plain.at(i / channels, i % channels);
    cpu::batch_norm_backward_apply_remade(rows, channels, residual.data(), channels, scale.data(), mean.data(),
                                          x.data(), channels, mean.data(), scale.data(), mean.data(), Activation::relu,
                                          mean.data(), scale.data(), aligned.data(), channels, false);
    cpu::batch_norm_backward_apply_remade(rows, channels, residual.data(), channels, scale.data(), mean.data(),
                                          x.data(), channels, mean.data(), scale.data(), mean.data(), Activation::relu,
                                          mean.data(), scale.data(), plain.data(), plain.pitch, false);
    for (Index i = 0; i < count; ++i) different += aligned[i] != plain.at(i / channels, i % channels);
    EXPECT_EQ(different, 0);
  }
}

TYPED_TEST(CpuBatchNorm, BackwardWithOutputComputedAgainGivesTheSameBits) {
  using T = TypeParam;
  for (const Case& k : cases) {
    const auto x = Map<T>(k.rows, k.channels, k.gap).random(21), dz = Map<T>(k.rows, k.channels, k.gap).random(22);
    const auto mean = random_vector<T>(k.channels, 23), inv_std = random_vector<T>(k.channels, 24, 0.5, 2),
               gamma = random_vector<T>(k.channels, 25), scale = random_vector<T>(k.channels, 26, 0, 5),
               shift = random_vector<T>(k.channels, 27);
    for (const Activation act : activations) {
      SCOPED_TRACE(concat_text(k.rows, " x ", k.channels, " gap ", k.gap, " ", to_string(act)));
      expect_same_bits_everywhere([&] {
        Map<T> z(k.rows, k.channels, k.gap), dx(k.rows, k.channels, k.gap), again = dz;
        cpu::batch_norm_apply(k.rows, k.channels, x.data(), x.pitch, mean.data(), scale.data(), shift.data(),
                              static_cast<const T*>(nullptr), Index{0}, act, z.data(), z.pitch);
        std::vector<T> sums(static_cast<std::size_t>(2 * k.channels)), sums_again(sums);
        T *p = sums.data(), *d = p + k.channels;
        cpu::batch_norm_backward_reduce(k.rows, k.channels, dz.data(), dz.pitch, z.data(), z.pitch, x.data(), x.pitch,
                                        mean.data(), inv_std.data(), act, p, d);
        cpu::batch_norm_backward_reduce_remade(k.rows, k.channels, dz.data(), dz.pitch, scale.data(), shift.data(),
                                               x.data(), x.pitch, mean.data(), inv_std.data(), act, sums_again.data(),
                                               sums_again.data() + k.channels);
        EXPECT_TRUE(same_bits(sums, sums_again));
        cpu::batch_norm_backward_apply(k.rows, k.channels, dz.data(), dz.pitch, z.data(), z.pitch, x.data(), x.pitch,
                                       mean.data(), inv_std.data(), gamma.data(), act, p, d, dx.data(), dx.pitch, false,
                                       static_cast<T*>(nullptr), 0, false);
        cpu::batch_norm_backward_apply_remade(k.rows, k.channels, again.data(), dz.pitch, scale.data(), shift.data(),
                                              x.data(), x.pitch, mean.data(), inv_std.data(), gamma.data(), act, p, d,
                                              again.data(), dz.pitch, false);
        for (Index r = 0; r < k.rows; ++r)
          for (Index c = 0; c < k.channels; ++c) EXPECT_EQ(dx.at(r, c), again.at(r, c));
        sums.insert(sums.end(), dx.values.begin(), dx.values.end());
        return sums;
      });
    }
  }
}

TYPED_TEST(CpuBatchNorm, SameBitsForAllThreadsAndInstructionSets) {
  using T = TypeParam;
  for (const Case k : {Case{4001, 24, 0}, Case{4001, 24, 3}, Case{301, 700, 0}}) {
    const auto x = Map<T>(k.rows, k.channels, k.gap).random(16), dz = Map<T>(k.rows, k.channels, k.gap).random(17);
    expect_same_bits_everywhere([&] {
      std::vector<T> v(static_cast<std::size_t>(4 * k.channels));
      T *mean = v.data(), *variance = mean + k.channels, *p = variance + k.channels, *d = p + k.channels;
      cpu::batch_norm_statistics(k.rows, k.channels, x.data(), x.pitch, mean, variance);
      Map<T> z(k.rows, k.channels, k.gap), dx(k.rows, k.channels, k.gap);
      cpu::batch_norm_apply(k.rows, k.channels, x.data(), x.pitch, mean, variance, mean, static_cast<const T*>(nullptr),
                            0, Activation::relu, z.data(), z.pitch);
      cpu::batch_norm_backward_reduce(k.rows, k.channels, dz.data(), dz.pitch, z.data(), z.pitch, x.data(), x.pitch,
                                      mean, variance, Activation::relu, p, d);
      cpu::batch_norm_backward_apply(k.rows, k.channels, dz.data(), dz.pitch, z.data(), z.pitch, x.data(), x.pitch,
                                     mean, variance, variance, Activation::relu, p, d, dx.data(), dx.pitch, false,
                                     static_cast<T*>(nullptr), 0, false);
      v.insert(v.end(), z.values.begin(), z.values.end());
      v.insert(v.end(), dx.values.begin(), dx.values.end());
      return v;
    });
  }
}

}  // namespace batch_norm_test
