// kernels/transpose.cu and kernels/epilogue.cu on the emulated device.
#include "kernels/device_map.hpp"
#include "tinyvision/core/activation.hpp"

namespace transpose_test {

using namespace tinyvision;
using namespace device_test;

template <class To, class From>
void check_transpose(Index rows, Index columns, bool accumulate) {
  SCOPED_TRACE(::testing::Message() << rows << "x" << columns << " " << sizeof(From) << " to " << sizeof(To)
                                    << " bytes, accumulate " << accumulate);
  const Map<From> x(rows, columns, 0, 1);
  const Map<To> before(columns, rows, 0, 2);
  in_both_orders([&] {
    Map<To> y = before;
    device::transpose(rows, columns, x.values.data(), y.data(), accumulate, nullptr);
    for (Index r = 0; r < rows; ++r)
      for (Index c = 0; c < columns; ++c) {
        const auto from = static_cast<std::size_t>(r * columns + c), to = static_cast<std::size_t>(c * rows + r);
        const float old = accumulate ? widen(before.values[to]) : 0.0f;
        EXPECT_EQ(widen(y.values[to]), widen(narrow<To>(static_cast<double>(old + widen(x.values[from])))))
            << r << "," << c;
      }
    return y.values;
  });
}

TEST(TransposeKernel, MovesAndRounds) {
  for (const auto& [rows, columns] : {std::pair<Index, Index>{1, 1}, {32, 32}, {33, 65}, {3, 100}, {70, 1}, {40, 31}})
    for (const bool accumulate : {false, true}) {
      check_transpose<float, float>(rows, columns, accumulate);
      check_transpose<device::bf16, float>(rows, columns, accumulate);
      check_transpose<float, device::bf16>(rows, columns, accumulate);
      check_transpose<device::bf16, device::bf16>(rows, columns, accumulate);
    }
  device::transpose<float, float>(0, 5, nullptr, nullptr, false, nullptr);
}

template <class T>
void check_epilogue(Index rows, Index channels, Index gap, int terms, Activation activation) {
  SCOPED_TRACE(::testing::Message() << rows << "x" << channels << " gap " << gap << " terms " << terms << " "
                                    << to_string(activation) << " " << sizeof(T) << " bytes");
  const Map<T> before(rows, channels, gap, 1), residual(rows, channels, 2 * gap, 2);
  const Map<float> scale(channels, 1, 0, 3), shift(channels, 1, 0, 4);
  const bool scaled = terms & 1, shifted = terms & 2, added = terms & 4;
  in_both_orders([&] {
    Map<T> y = before;
    const device::Epilogue<T> e{scaled ? scale.values.data() : nullptr, shifted ? shift.values.data() : nullptr,
                                added ? residual.values.data() : nullptr, residual.pitch,
                                static_cast<device::Activation>(activation)};
    device::apply_epilogue(rows, channels, e, y.data(), y.pitch, nullptr);
    Map<double> expected = wide(before);
    for (Index r = 0; r < rows; ++r)
      for (Index c = 0; c < channels; ++c) {
        double& v = expected.values[static_cast<std::size_t>(r * y.pitch + c)];
        const auto channel = static_cast<std::size_t>(c);
        if (scaled) v *= scale.values[channel];
        if (shifted) v += shift.values[channel];
        if (added) v += widen(residual.values[static_cast<std::size_t>(r * residual.pitch + c)]);
        v = activate(v, activation);
      }
    EXPECT_LE(difference(y, expected), 1e-6 + rounding<T>());
    return y.values;
  });
}

TEST(EpilogueKernel, EqualsTheFormula) {
  for (const auto& [channels, gap] : {std::pair<Index, Index>{16, 0}, {16, 8}, {5, 0}, {8, 3}})
    for (int terms = 0; terms < 8; ++terms)
      for (const Activation activation : {Activation::none, Activation::relu, Activation::relu6}) {
        check_epilogue<float>(7, channels, gap, terms, activation);
        check_epilogue<device::bf16>(7, channels, gap, terms, activation);
      }
  device::apply_epilogue<float>(0, 4, {}, nullptr, 4, nullptr);
}

}  // namespace transpose_test
