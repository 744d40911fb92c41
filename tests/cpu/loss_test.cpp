#include "tinyvision/cpu/loss.hpp"

#include "compare.hpp"
#include "tinyvision/reference/loss.hpp"

namespace loss_test {

using namespace tinyvision;
using namespace tinyvision_test;

std::vector<std::int64_t> labels_for(Index rows, Index classes) {
  std::vector<std::int64_t> labels;
  const Random random(5, Stream::test);
  for (Index r = 0; r < rows; ++r) labels.push_back(random.integer(static_cast<std::uint64_t>(r), classes));
  return labels;
}

struct Case {
  Index rows, classes, gap;
  double range;
};
constexpr Case cases[] = {{1, 1, 0, 2},    {1, 2, 0, 2},    {3, 11, 2, 4},  {32, 10, 0, 30},
                          {7, 1001, 0, 9}, {700, 17, 1, 5}, {4, 5, 0, 1e4}, {4, 50, 3, 300}};

template <class T>
class CpuLoss : public ::testing::Test {};
TYPED_TEST_SUITE(CpuLoss, FloatTypes);

TYPED_TEST(CpuLoss, SoftmaxEqualsReference) {
  using T = TypeParam;
  for (const Case& k : cases)
    for (const T smoothing : {T(0), T(0.1), T(1)})
      for (const bool accumulate : {false, true}) {
        SCOPED_TRACE(concat_text(k.rows, " x ", k.classes, " range ", k.range, " smoothing ", smoothing));
        const auto logits = Map<T>(k.rows, k.classes, k.gap).random(1, -k.range, k.range);
        const auto labels = labels_for(k.rows, k.classes);
        std::vector<T> losses(static_cast<std::size_t>(k.rows)), expected(losses), without(losses);
        std::vector<T> p(static_cast<std::size_t>(k.rows * k.classes)), p_ref(p);
        cpu::softmax_cross_entropy_forward(k.rows, k.classes, logits.data(), logits.pitch, labels.data(), smoothing,
                                           losses.data(), p.data());
        reference::softmax_cross_entropy_forward(k.rows, k.classes, logits.data(), logits.pitch, labels.data(),
                                                 smoothing, expected.data(), p_ref.data());
        cpu::softmax_cross_entropy_forward(k.rows, k.classes, logits.data(), logits.pitch, labels.data(), smoothing,
                                           without.data(), static_cast<T*>(nullptr));
        if (k.classes > 1) expect_close(losses, expected);
        expect_close(p, p_ref);
        EXPECT_TRUE(same_bits(without, losses));
        auto dz = Map<T>(k.rows, k.classes, k.gap).random(2), dz_ref = dz;
        const T dloss = T(-3);
        cpu::softmax_cross_entropy_backward(k.rows, k.classes, p_ref.data(), labels.data(), smoothing, &dloss,
                                            dz.data(), dz.pitch, accumulate);
        reference::softmax_cross_entropy_backward(k.rows, k.classes, p_ref.data(), labels.data(), smoothing, &dloss,
                                                  dz_ref.data(), dz.pitch, accumulate);
        expect_close(dz, dz_ref);
      }
}

TYPED_TEST(CpuLoss, SigmoidEqualsReference) {
  using T = TypeParam;
  for (const Case& k : cases)
    for (const bool weighted : {false, true})
      for (const bool accumulate : {false, true}) {
        SCOPED_TRACE(concat_text(k.rows, " x ", k.classes, " range ", k.range));
        const auto logits = Map<T>(k.rows, k.classes, k.gap).random(3, -k.range, k.range);
        const auto targets = random_vector<T>(k.rows * k.classes, 4, 0, 1),
                   weights = random_vector<T>(k.rows * k.classes, 5, 0, 2);
        const T* w = weighted ? weights.data() : nullptr;
        std::vector<T> losses(static_cast<std::size_t>(k.rows)), expected(losses);
        cpu::sigmoid_cross_entropy_forward(k.rows, k.classes, logits.data(), logits.pitch, targets.data(), w,
                                           losses.data());
        reference::sigmoid_cross_entropy_forward(k.rows, k.classes, logits.data(), logits.pitch, targets.data(), w,
                                                 expected.data());
        expect_close(losses, expected);
        auto dz = Map<T>(k.rows, k.classes, k.gap).random(6), dz_ref = dz;
        const T dloss = T(-3);
        cpu::sigmoid_cross_entropy_backward(k.rows, k.classes, logits.data(), logits.pitch, targets.data(), w, &dloss,
                                            dz.data(), dz.pitch, accumulate);
        reference::sigmoid_cross_entropy_backward(k.rows, k.classes, logits.data(), logits.pitch, targets.data(), w,
                                                  &dloss, dz_ref.data(), dz.pitch, accumulate);
        expect_close(dz, dz_ref);
      }
}

TYPED_TEST(CpuLoss, ExtremeLogitsStayFinite) {
  using T = TypeParam;
  const std::vector<T> logits{T(1e4), T(-1e4), T(0), T(-1e4), T(1e4), T(0)};
  const std::vector<std::int64_t> labels{0, 0};
  std::vector<T> losses(2), p(6);
  cpu::softmax_cross_entropy_forward(2, 3, logits.data(), 3, labels.data(), T(0), losses.data(), p.data());
  EXPECT_EQ(losses, (std::vector<T>{0, T(2e4)}));
  EXPECT_EQ(p, (std::vector<T>{1, 0, 0, 0, 1, 0}));
  const std::vector<T> targets{0, 1, 0, 0, 1, 1};
  cpu::sigmoid_cross_entropy_forward(2, 3, logits.data(), 3, targets.data(), static_cast<const T*>(nullptr),
                                     losses.data());
  EXPECT_NEAR(losses[0], 2e4 + std::log(2.0), 2e4 * tolerance<T>);
  EXPECT_NEAR(losses[1], std::log(2.0), tolerance<T>);
  std::vector<T> dz(6);
  const T two = 2;  // one for each row
  cpu::sigmoid_cross_entropy_backward(2, 3, logits.data(), 3, targets.data(), static_cast<const T*>(nullptr), &two,
                                      dz.data(), 3, false);
  EXPECT_EQ(dz, (std::vector<T>{1, -1, T(0.5), 0, 0, T(-0.5)}));
}

TYPED_TEST(CpuLoss, NanLogitGivesNanLoss) {
  using T = TypeParam;
  const std::vector<std::int64_t> labels{0, 1};
  for (std::size_t place = 0; place < 3; ++place) {
    std::vector<T> logits{1, 2, 3, 1, 2, 3}, losses(2);
    logits[place] = std::numeric_limits<T>::quiet_NaN();
    cpu::softmax_cross_entropy_forward(2, 3, logits.data(), 3, labels.data(), T(0), losses.data(),
                                       static_cast<T*>(nullptr));
    EXPECT_TRUE(std::isnan(losses[0])) << "NaN at " << place;
    EXPECT_TRUE(std::isfinite(losses[1]));
    reference::softmax_cross_entropy_forward(2, 3, logits.data(), 3, labels.data(), T(0), losses.data(),
                                             static_cast<T*>(nullptr));
    EXPECT_TRUE(std::isnan(losses[0])) << "NaN at " << place;
  }
}

TYPED_TEST(CpuLoss, RefusesLabelsOutOfRange) {
  using T = TypeParam;
  const std::vector<T> logits(6, T(1));
  std::vector<T> losses(2);
  for (const std::int64_t bad : {std::int64_t{-1}, std::int64_t{3}}) {
    const std::vector<std::int64_t> labels{0, bad};
    try {
      cpu::softmax_cross_entropy_forward(2, 3, logits.data(), 3, labels.data(), T(0), losses.data(),
                                         static_cast<T*>(nullptr));
      FAIL() << "label " << bad << " accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), concat_text("[softmax_cross_entropy] label ", bad, " of row 1 is outside [0, 3)"));
    }
  }
}

TYPED_TEST(CpuLoss, SameBitsForAllThreadsAndInstructionSets) {
  using T = TypeParam;
  const Index rows = 900, classes = 101;
  const auto logits = Map<T>(rows, classes).random(7, -20, 20);
  const auto targets = random_vector<T>(rows * classes, 8, 0, 1);
  const auto labels = labels_for(rows, classes);
  const T dloss = T(450);
  expect_same_bits_everywhere([&] {
    std::vector<T> out(static_cast<std::size_t>(2 * rows)), p(static_cast<std::size_t>(rows * classes)), dz(p);
    cpu::softmax_cross_entropy_forward(rows, classes, logits.data(), classes, labels.data(), T(0.1), out.data(),
                                       p.data());
    cpu::softmax_cross_entropy_backward(rows, classes, p.data(), labels.data(), T(0.1), &dloss, dz.data(), classes,
                                        false);
    cpu::sigmoid_cross_entropy_forward(rows, classes, logits.data(), classes, targets.data(),
                                       static_cast<const T*>(nullptr), out.data() + rows);
    cpu::sigmoid_cross_entropy_backward(rows, classes, logits.data(), classes, targets.data(),
                                        static_cast<const T*>(nullptr), &dloss, dz.data(), classes, true);
    out.insert(out.end(), p.begin(), p.end());
    out.insert(out.end(), dz.begin(), dz.end());
    return out;
  });
}

}  // namespace loss_test
