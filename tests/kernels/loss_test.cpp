// kernels/loss.cu on the emulated device against tinyvision/reference/loss.hpp.
#include "tinyvision/reference/loss.hpp"

#include <limits>

#include "kernels/device_map.hpp"

namespace loss_test {

using namespace tinyvision;
using namespace device_test;

struct Case {
  Index rows, classes, gap;
  double label_smoothing;
  bool accumulate, weighted;
};

template <class A>
std::vector<double> doubles(const std::vector<A>& v) {
  return {v.begin(), v.end()};
}

/// Every entry on one shape; results must agree with the reference in f64 on the same inputs.
template <class T>
void check(const Case& k, double tolerance) {
  SCOPED_TRACE(::testing::Message() << k.rows << "x" << k.classes << " gap " << k.gap << " smoothing "
                                    << k.label_smoothing << " accumulate " << k.accumulate << " weighted " << k.weighted
                                    << " " << sizeof(T) << " bytes");
  const auto rows = static_cast<std::size_t>(k.rows), n = static_cast<std::size_t>(k.rows * k.classes);
  const Random random(11, Stream::test);
  Map<T> logits(k.rows, k.classes, k.gap, 1);
  for (T& z : logits.values) z *= T(5);
  std::vector<std::int64_t> labels(rows);
  for (std::size_t r = 0; r < rows; ++r) labels[r] = random.integer(r, k.classes);
  labels[rows - 1] = k.classes - 1;
  std::vector<T> targets(n), weights(n);
  for (std::size_t i = 0; i < n; ++i)
    targets[i] = static_cast<T>(random.uniform(i)), weights[i] = static_cast<T>(random.uniform(n + i, 0, 2));
  Map<double> wlogits = wide(logits);
  const std::vector<double> wtargets = doubles(targets), wweights = doubles(weights);
  const T smoothing = static_cast<T>(k.label_smoothing);
  const T dloss = static_cast<T>(0.25 * static_cast<double>(k.rows));  // a quarter for each row
  const auto wide_dloss = static_cast<double>(dloss);
  const auto wide_smoothing = static_cast<double>(smoothing);

  in_both_orders([&] {
    std::vector<T> losses(rows), again(rows), p(n);
    std::vector<double> wlosses(rows), wp(n);
    device::softmax_cross_entropy_forward<T>(k.rows, k.classes, logits.data(), logits.pitch, labels.data(), smoothing,
                                             losses.data(), p.data(), nullptr);
    device::softmax_cross_entropy_forward<T>(k.rows, k.classes, logits.data(), logits.pitch, labels.data(), smoothing,
                                             again.data(), nullptr, nullptr);
    reference::softmax_cross_entropy_forward<double>(k.rows, k.classes, wlogits.data(), wlogits.pitch, labels.data(),
                                                     wide_smoothing, wlosses.data(), wp.data());
    EXPECT_LE(difference(losses, wlosses), tolerance);
    EXPECT_EQ(losses, again) << "without probabilities";
    EXPECT_LE(difference(p, wp), tolerance);

    Map<T> dz(k.rows, k.classes, k.gap, 2);
    Map<double> wdz = wide(dz);
    device::softmax_cross_entropy_backward<T>(k.rows, k.classes, p.data(), labels.data(), smoothing, &dloss, dz.data(),
                                              dz.pitch, k.accumulate, nullptr);
    reference::softmax_cross_entropy_backward<double>(k.rows, k.classes, wp.data(), labels.data(), wide_smoothing,
                                                      &wide_dloss, wdz.data(), wdz.pitch, k.accumulate);
    if (k.classes > 1 || k.accumulate) {
      EXPECT_LE(difference(dz, wdz), tolerance);
    } else {
      EXPECT_LE(std::fabs(dz.values[0]), tolerance) << "one class alone: p - t is 0";
    }

    std::vector<T> sigmoid(rows);
    std::vector<double> wsigmoid(rows);
    device::sigmoid_cross_entropy_forward<T>(k.rows, k.classes, logits.data(), logits.pitch, targets.data(),
                                             k.weighted ? weights.data() : nullptr, sigmoid.data(), nullptr);
    reference::sigmoid_cross_entropy_forward<double>(k.rows, k.classes, wlogits.data(), wlogits.pitch, wtargets.data(),
                                                     k.weighted ? wweights.data() : nullptr, wsigmoid.data());
    EXPECT_LE(difference(sigmoid, wsigmoid), tolerance);

    Map<T> dsigmoid(k.rows, k.classes, k.gap + 1, 3);
    Map<double> wdsigmoid = wide(dsigmoid);
    device::sigmoid_cross_entropy_backward<T>(k.rows, k.classes, logits.data(), logits.pitch, targets.data(),
                                              k.weighted ? weights.data() : nullptr, &dloss, dsigmoid.data(),
                                              dsigmoid.pitch, k.accumulate, nullptr);
    reference::sigmoid_cross_entropy_backward<double>(k.rows, k.classes, wlogits.data(), wlogits.pitch, wtargets.data(),
                                                      k.weighted ? wweights.data() : nullptr, &wide_dloss,
                                                      wdsigmoid.data(), wdsigmoid.pitch, k.accumulate);
    EXPECT_LE(difference(dsigmoid, wdsigmoid), tolerance);

    std::vector<char> bytes;
    keep(bytes, losses), keep(bytes, p), keep(bytes, dz.values), keep(bytes, sigmoid), keep(bytes, dsigmoid.values);
    return bytes;
  });
}

std::vector<Case> cases() {
  return {{1, 1, 0, 0, false, false},    {1, 2, 3, 0.1, true, true},     {5, 10, 0, 0, true, false},
          {3, 33, 1, 0.1, false, true},  {2, 127, 0, 0.2, false, false}, {2, 128, 5, 0, true, true},
          {3, 129, 0, 0.1, false, true}, {4, 1000, 24, 0.1, true, false}};
}

TEST(LossKernel, EqualsTheReferenceInF32) {
  for (const Case& k : cases()) check<float>(k, 1e-5);
}
TEST(LossKernel, EqualsTheReferenceInF64) {
  for (const Case& k : cases()) check<double>(k, 1e-12);
}

TEST(LossKernel, LargeLogitsDoNotOverflow) {
  const std::vector<float> logits = {1e4f, -1e4f, 1e38f, -1e38f, -1e4f, -1e4f};
  const std::vector<std::int64_t> labels = {1, 0, 1};
  std::vector<float> losses(3), p(6), ones(6, 1.0f), dz(6);
  device::softmax_cross_entropy_forward<float>(3, 2, logits.data(), 2, labels.data(), 0, losses.data(), p.data(),
                                               nullptr);
  EXPECT_EQ(losses[0], 2e4f);
  EXPECT_EQ(losses[1], 0);
  EXPECT_FLOAT_EQ(losses[2], std::log(2.0f));
  EXPECT_EQ(p, (std::vector<float>{1, 0, 1, 0, 0.5f, 0.5f}));
  device::sigmoid_cross_entropy_forward<float>(3, 1, logits.data(), 2, ones.data(), nullptr, losses.data(), nullptr);
  EXPECT_EQ(losses, (std::vector<float>{0, 0, 1e4f}));
  const float one = 1;
  device::sigmoid_cross_entropy_backward<float>(1, 6, logits.data(), 6, ones.data(), nullptr, &one, dz.data(), 6, false,
                                                nullptr);
  EXPECT_EQ(dz, (std::vector<float>{0, -1, 0, -1, -1, -1}));
}

TEST(LossKernel, NanIsNotLost) {  // wherever it stands in the row
  for (std::size_t at : {0u, 1u, 31u, 32u, 150u, 199u}) {
    std::vector<float> logits(200, 0.5f), p(200);
    logits[at] = std::numeric_limits<float>::quiet_NaN();
    const std::int64_t label = 7;
    float loss = 0;
    device::softmax_cross_entropy_forward<float>(1, 200, logits.data(), 200, &label, 0.0f, &loss, p.data(), nullptr);
    EXPECT_TRUE(std::isnan(loss)) << at;
    for (const float value : p) EXPECT_TRUE(std::isnan(value)) << at;
    device::sigmoid_cross_entropy_forward<float>(1, 200, logits.data(), 200, p.data(), nullptr, &loss, nullptr);
    EXPECT_TRUE(std::isnan(loss)) << at;
  }
}

TEST(LossKernel, MeanOfLosses) {
  for (const Index rows : {1, 2, 127, 128, 129, 1000}) {
    std::vector<float> losses(static_cast<std::size_t>(rows));
    double sum = 0;
    for (std::size_t i = 0; i < losses.size(); ++i) losses[i] = 0.1f * static_cast<float>(i) - 3, sum += losses[i];
    in_both_orders([&] {
      std::vector<float> mean(1);
      device::mean_loss<float>(rows, losses.data(), mean.data(), nullptr);
      EXPECT_FLOAT_EQ(mean[0], static_cast<float>(sum / static_cast<double>(rows)));
      return std::vector<char>(reinterpret_cast<char*>(&mean[0]), reinterpret_cast<char*>(&mean[0]) + sizeof(float));
    });
  }
}

TEST(LossKernel, NoRowsAreNoWork) {
  const std::uint64_t before = emulation::device().launches;
  device::softmax_cross_entropy_forward<float>(0, 10, nullptr, 10, nullptr, 0, nullptr, nullptr, nullptr);
  device::sigmoid_cross_entropy_backward<float>(0, 10, nullptr, 10, nullptr, nullptr, nullptr, nullptr, 10, false,
                                                nullptr);
  EXPECT_EQ(emulation::device().launches, before);
}

}  // namespace loss_test
