// kernels/batch_norm.cu on the emulated device against tinyvision/reference/batch_norm.hpp.
#include "tinyvision/reference/batch_norm.hpp"

#include "kernels/device_map.hpp"

namespace batch_norm_test {

using namespace tinyvision;
using namespace device_test;
struct Case {
  Index rows, channels, gap;
  Activation activation;
  bool residual, accumulate, gamma;
};

/// All four entries in a row on one case; every output must agree with the reference in f64 on the same inputs.
template <class T>
void check(const Case& k, double tolerance) {
  using A = device::Accumulator<T>;
  SCOPED_TRACE(::testing::Message() << k.rows << "x" << k.channels << " gap " << k.gap << " " << to_string(k.activation)
                                    << " residual " << k.residual << " accumulate " << k.accumulate);
  const auto n = static_cast<std::size_t>(k.channels);
  const Map<T> x(k.rows, k.channels, k.gap, 1), residual(k.rows, k.channels, k.gap, 2),
      dz(k.rows, k.channels, k.gap, 3);
  Map<double> wx = wide(x), wr = wide(residual), wdz = wide(dz);
  const Random random(10, Stream::test);
  std::vector<A> gamma(n), shift(n);
  for (std::size_t c = 0; c < n; ++c)
    gamma[c] = static_cast<A>(random.uniform(c, 0.5, 1.5)), shift[c] = static_cast<A>(random.uniform(n + c, -1, 1));

  in_both_orders([&] {
    std::vector<device::PixelSum<T>> work(static_cast<std::size_t>(device::batch_norm_workspace(k.rows, k.channels)));
    std::vector<A> mean(n), variance(n), inv_std(n), scale(n), sum_dy(n), sum_dy_xhat(n);
    device::batch_norm_statistics<T>(k.rows, k.channels, x.values.data(), x.pitch, mean.data(), variance.data(),
                                     work.data(), nullptr);
    std::vector<double> wmean(n), wvariance(n), winv(n), wscale(n), wshift(n), wgamma(n), wsum(n), wsum_xhat(n);
    reference::batch_norm_statistics<double>(k.rows, k.channels, wx.data(), wx.pitch, wmean.data(), wvariance.data());
    EXPECT_LE(difference(mean, wmean), tolerance * 4);
    EXPECT_LE(difference(variance, wvariance), tolerance);
    for (std::size_t c = 0; c < n; ++c) {  // the rest goes on from the kernels' own statistics
      inv_std[c] = A(1) / std::sqrt(variance[c] + A(1e-3));
      scale[c] = k.gamma ? gamma[c] * inv_std[c] : inv_std[c];
      wmean[c] = static_cast<double>(mean[c]), winv[c] = static_cast<double>(inv_std[c]);
      wscale[c] = static_cast<double>(scale[c]), wshift[c] = static_cast<double>(shift[c]);
      wgamma[c] = static_cast<double>(gamma[c]);
    }
    Map<T> z(k.rows, k.channels, k.gap, 4);
    Map<double> wz = wide(z);
    device::batch_norm_apply<T>(k.rows, k.channels, x.values.data(), x.pitch, mean.data(), scale.data(), shift.data(),
                                k.residual ? residual.values.data() : nullptr, residual.pitch,
                                static_cast<device::Activation>(k.activation), z.data(), z.pitch, nullptr);
    reference::batch_norm_apply<double>(k.rows, k.channels, wx.data(), wx.pitch, wmean.data(), wscale.data(),
                                        wshift.data(), k.residual ? wr.data() : nullptr, wr.pitch, k.activation,
                                        wz.data(), wz.pitch);
    EXPECT_LE(difference(z, wz), tolerance + rounding<T>());

    const bool needs_z = k.activation != Activation::none;
    Map<double> own_z = wide(z);
    device::batch_norm_backward_reduce<T>(k.rows, k.channels, dz.values.data(), dz.pitch, needs_z ? z.data() : nullptr,
                                          z.pitch, x.values.data(), x.pitch, mean.data(), inv_std.data(),
                                          static_cast<device::Activation>(k.activation), sum_dy_xhat.data(),
                                          sum_dy.data(), work.data(), nullptr);
    reference::batch_norm_backward_reduce<double>(
        k.rows, k.channels, wdz.data(), wdz.pitch, needs_z ? own_z.data() : nullptr, own_z.pitch, wx.data(), wx.pitch,
        wmean.data(), winv.data(), k.activation, wsum_xhat.data(), wsum.data());
    EXPECT_LE(difference(sum_dy, wsum), tolerance * 4);
    EXPECT_LE(difference(sum_dy_xhat, wsum_xhat), tolerance * 4);
    for (std::size_t c = 0; c < n; ++c)
      wsum[c] = static_cast<double>(sum_dy[c]), wsum_xhat[c] = static_cast<double>(sum_dy_xhat[c]);

    Map<T> dx(k.rows, k.channels, k.gap, 5), side(k.rows, k.channels, k.gap, 6);
    Map<double> wdx = wide(dx), wside = wide(side);
    device::batch_norm_backward_apply<T>(
        k.rows, k.channels, dz.values.data(), dz.pitch, needs_z ? z.data() : nullptr, z.pitch, x.values.data(), x.pitch,
        mean.data(), inv_std.data(), k.gamma ? gamma.data() : nullptr, static_cast<device::Activation>(k.activation),
        sum_dy_xhat.data(), sum_dy.data(), dx.data(), dx.pitch, k.accumulate, k.residual ? side.data() : nullptr,
        side.pitch, k.accumulate, nullptr);
    reference::batch_norm_backward_apply<double>(
        k.rows, k.channels, wdz.data(), wdz.pitch, needs_z ? own_z.data() : nullptr, own_z.pitch, wx.data(), wx.pitch,
        wmean.data(), winv.data(), k.gamma ? wgamma.data() : nullptr, k.activation, wsum_xhat.data(), wsum.data(),
        wdx.data(), wdx.pitch, k.accumulate, k.residual ? wside.data() : nullptr, wside.pitch, k.accumulate);
    EXPECT_LE(difference(dx, wdx), tolerance + rounding<T>());
    EXPECT_LE(difference(side, wside), tolerance + rounding<T>());

    Map<T> frozen(k.rows, k.channels, k.gap, 7);
    Map<double> wfrozen = wide(frozen);
    device::batch_norm_backward_apply_frozen<T>(
        k.rows, k.channels, dz.values.data(), dz.pitch, needs_z ? z.data() : nullptr, z.pitch, inv_std.data(),
        k.gamma ? gamma.data() : nullptr, static_cast<device::Activation>(k.activation), frozen.data(), frozen.pitch,
        k.accumulate, k.residual ? side.data() : nullptr, side.pitch, k.accumulate, nullptr);
    reference::batch_norm_backward_apply_frozen<double>(
        k.rows, k.channels, wdz.data(), wdz.pitch, needs_z ? own_z.data() : nullptr, own_z.pitch, winv.data(),
        k.gamma ? wgamma.data() : nullptr, k.activation, wfrozen.data(), wfrozen.pitch, k.accumulate,
        k.residual ? wside.data() : nullptr, wside.pitch, k.accumulate);
    EXPECT_LE(difference(frozen, wfrozen), tolerance + rounding<T>());
    EXPECT_LE(difference(side, wside), tolerance + 2 * rounding<T>()) << "rounded twice";

    std::vector<char> bytes;
    keep(bytes, frozen.values);
    keep(bytes, mean), keep(bytes, variance), keep(bytes, z.values), keep(bytes, sum_dy), keep(bytes, sum_dy_xhat);
    keep(bytes, dx.values), keep(bytes, side.values);
    return bytes;
  });
}

std::vector<Case> cases() {
  using enum Activation;
  return {{1, 1, 0, none, false, false, true},     {1, 5, 3, relu, false, true, true},
          {7, 33, 1, relu6, true, false, false},   {255, 8, 0, relu, true, true, true},
          {256, 32, 0, relu6, false, false, true}, {257, 31, 2, none, true, true, false},
          {1037, 70, 5, relu, true, false, true}};
}

TEST(BatchNormKernel, EqualsTheReferenceInF32) {
  for (const Case& k : cases()) check<float>(k, 1e-5);
}
TEST(BatchNormKernel, EqualsTheReferenceInF64) {
  for (const Case& k : cases()) check<double>(k, 1e-12);
}
TEST(BatchNormKernel, RoundsOnceInBf16) {
  for (const Case& k : cases()) check<device::bf16>(k, 1e-5);
}

template <class A>
void check_channels() {
  for (const Index channels : {1, 255, 256, 300})
    for (const bool has_gamma : {true, false})
      for (const Index rows : {1, 7}) {
        const auto draw = [&](std::uint64_t step, double low) {
          std::vector<A> v;
          const Random random(3, Stream::test, step);
          for (Index c = 0; c < channels; ++c)
            v.push_back(static_cast<A>(random.uniform(static_cast<std::uint64_t>(c), low, 2)));
          return v;
        };
        const std::vector<A> mean = draw(1, -2), variance = draw(2, 0), gamma = draw(3, -2), beta = draw(4, -2);
        const std::size_t n = mean.size();
        const A* const g = has_gamma ? gamma.data() : nullptr;
        std::vector<A> inv_std(n), scale(n), shift(n), moving_mean = draw(5, -2), moving_variance = draw(6, 0);
        std::vector<A> winv(n), wscale(n), wshift(n), wmean = moving_mean, wvariance = moving_variance;
        device::batch_norm_scales<A>(channels, variance.data(), g, 1e-3, inv_std.data(), scale.data(), nullptr);
        reference::batch_norm_scales<A>(channels, variance.data(), g, 1e-3, winv.data(), wscale.data());
        device::batch_norm_fold<A>(channels, beta.data(), mean.data(), scale.data(), shift.data(), nullptr);
        reference::batch_norm_fold<A>(channels, beta.data(), mean.data(), scale.data(), wshift.data());
        device::batch_norm_move<A>(rows, channels, mean.data(), variance.data(), 0.9, moving_mean.data(),
                                   moving_variance.data(), nullptr);
        reference::batch_norm_move<A>(rows, channels, mean.data(), variance.data(), 0.9, wmean.data(),
                                      wvariance.data());
        EXPECT_EQ(inv_std, winv);
        EXPECT_EQ(scale, wscale);
        EXPECT_EQ(shift, wshift);
        EXPECT_EQ(moving_mean, wmean);
        EXPECT_EQ(moving_variance, wvariance);
      }
}
TEST(BatchNormKernel, WhatIsKeptPerChannelHasTheBitsOfTheCpu) {
  check_channels<float>();
  check_channels<double>();
}

TEST(BatchNormKernel, ManyParts) {  // more rows than the least a block takes, times the most parts
  check<float>({256 * 512 + 100, 1, 0, Activation::relu, false, false, true}, 1e-5);
}

TEST(BatchNormKernel, StatisticsFarFromZero) {
  Map<float> x(3000, 4, 0, 1);
  for (float& v : x.values) v = 1000 + 0.01f * v;
  std::vector<float> mean(4), variance(4);
  std::vector<double> work(static_cast<std::size_t>(device::batch_norm_workspace(3000, 4)));
  device::batch_norm_statistics<float>(3000, 4, x.data(), 4, mean.data(), variance.data(), work.data(), nullptr);
  std::vector<double> wide(x.values.begin(), x.values.end()), wmean(4), wvariance(4);
  reference::batch_norm_statistics<double>(3000, 4, wide.data(), 4, wmean.data(), wvariance.data());
  EXPECT_LE(difference(variance, wvariance), 1e-5) << "deviations are from a sample, not from zero";
}

}  // namespace batch_norm_test
