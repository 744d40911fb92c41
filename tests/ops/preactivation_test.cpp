// Preactivated convolution, the growing concatenation, activated sums and drop path.
#include "tinyvision/ops/preactivation.hpp"

#include <gtest/gtest.h>

#include "ops/op_case.hpp"
#include "tinyvision/ops/drop_path.hpp"
#include "tinyvision/ops/pool.hpp"

namespace preactivation_test {

using namespace tinyvision;
using op_test::check_op;
using op_test::expect_close;
using op_test::random_tensor;
using Inputs = std::vector<Variable>;

BatchNormState norm_state(const Variable& gamma, const Variable& beta) {
  const Index channels = beta.shape()[0];
  const Tensor variance = random_tensor({channels}, DType::f64, 22);
  for (Index c = 0; c < channels; ++c) variance.data<double>()[c] = 0.5 + std::fabs(variance.data<double>()[c]);
  return {gamma, beta, Variable(random_tensor({channels}, beta.dtype(), 21).to(beta.device())),
          Variable(variance.to(beta.dtype()).clone().to(beta.device()))};
}

BatchNormOptions norm_options(bool training, Activation activation) { return {1.001e-5, 0.9, training, activation}; }

TEST(Preactivation, EqualsItsPlainSpelling) {
  for (const Index kernel : {1, 3})
    for (const bool training : {true, false})
      for (const Activation act : {Activation::none, Activation::relu, Activation::relu6}) {
        SCOPED_TRACE(concat_text("kernel ", kernel, " training ", training, " ", to_string(act)));
        const std::vector<Shape> shapes{{2, 5, 6, 7}, {7}, {7}, {kernel, kernel, 7, 4}};
        const auto before = [=](const Inputs& v) {
          return Preactivation{norm_state(v[1], v[2]), norm_options(training, act), {}};
        };
        const op_test::OpCase composite{"preactivated_conv2d", shapes,
                                        [=](const Inputs& v) { return preactivated_conv2d(v[0], before(v), v[3]); }};
        const op_test::OpCase plain{"plain", shapes, [=](const Inputs& v) {
                                      return conv2d(batch_norm(v[0], before(v).state, before(v).options), v[3]);
                                    }};
        check_op(composite);
        const auto a = op_test::run_op(composite, DType::f64), b = op_test::run_op(plain, DType::f64);
        for (std::size_t i = 0; i < a.size(); ++i) expect_close(a[i], b[i], 1e-14, concat_text("part ", i));
        // An input with another reader: contributions add up.
        check_op({"and another reader", shapes, [=](const Inputs& v) {
                    const Variable y = preactivated_conv2d(v[0], before(v), v[3]);
                    return add(y, preactivated_conv2d(relu(v[0]), before(v), v[3]));
                  }});
      }
}

TEST(Preactivation, MovesStatisticsOnceAndAsBatchNormDoes) {
  const Variable x(random_tensor({2, 5, 6, 7}, DType::f64, 1)), w(random_tensor({1, 1, 7, 3}, DType::f64, 2));
  const Variable gamma(Tensor::full({7}, 1, DType::f64)), beta(Tensor::zeros({7}, DType::f64));
  const BatchNormState a = norm_state(gamma, beta), b = norm_state(gamma, beta);
  preactivated_conv2d(x, {a, norm_options(true, Activation::relu), {}}, w);
  batch_norm(x, b, norm_options(true, Activation::relu));
  EXPECT_EQ(a.moving_mean.value().to_vector<double>(), b.moving_mean.value().to_vector<double>());
  EXPECT_EQ(a.moving_variance.value().to_vector<double>(), b.moving_variance.value().to_vector<double>());
}

// A dense block of two layers on one buffer, and with copies: values, statistics and every gradient.
Variable dense(const Inputs& v, bool growing, bool training) {
  const auto before = [&](std::size_t at, Index, const ChannelStatistics& known) {
    return Preactivation{norm_state(v[at], v[at + 1]), norm_options(training, Activation::relu), known};
  };
  const Variable first = average_pool(v[0], {2, 2, Padding::valid()});
  if (!growing) {
    Variable x = first;
    x = concat({x, conv2d(batch_norm(x, before(1, 3, {}).state, before(1, 3, {}).options), v[3])});
    x = concat({x, conv2d(batch_norm(x, before(4, 5, {}).state, before(4, 5, {}).options), v[6])});
    return batch_norm(x, before(7, 7, {}).state, before(7, 7, {}).options);
  }
  GrowingConcat x(first.shape(), 7, v[0].dtype(), v[0].dtype(), v[0].device(), training);
  x.append(average_pool(v[0], {2, 2, Padding::valid()}, x.next(3)));
  x.append(preactivated_conv2d(x.joined(), before(1, 3, x.statistics()), v[3], {}, x.next(2)));
  x.append(preactivated_conv2d(x.joined(), before(4, 5, x.statistics()), v[6], {}, x.next(2)));
  return batch_norm(x.joined(), before(7, 7, {}).state, before(7, 7, {}).options, Tensor(), x.statistics());
}

TEST(Preactivation, GrowingConcatEqualsCopies) {
  const std::vector<Shape> shapes{{2, 8, 10, 3}, {3}, {3}, {3, 3, 3, 2}, {5}, {5}, {1, 1, 5, 2}, {7}, {7}};
  for (const bool training : {true, false}) {
    SCOPED_TRACE(training);
    const auto make = [&](bool growing) {
      return op_test::OpCase{"dense block", shapes, [=](const Inputs& v) { return dense(v, growing, training); }};
    };
    check_op(make(true));
    for (const DType dtype : {DType::f32, DType::f64}) {
      const auto a = op_test::run_op(make(true), dtype), b = op_test::run_op(make(false), dtype);
      for (std::size_t i = 0; i < a.size(); ++i)
        expect_close(a[i], b[i], dtype == DType::f32 ? 1e-5 : 1e-13, concat_text("part ", i));
    }
  }
}

TEST(Preactivation, GrowingConcatRefusesWhatIsNotInItsPlace) {
  GrowingConcat x({1, 2, 2, 1}, 4, DType::f64, DType::f64, Device::cpu(), true);
  try {
    x.append(Variable(Tensor::zeros({1, 2, 2, 2}, DType::f64)));
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("[growing_concat]"), std::string::npos) << error.what();
  }
}

TEST(Preactivation, ActivatedSum) {
  for (const Activation act : {Activation::none, Activation::relu, Activation::relu6}) {
    const std::vector<Shape> shapes{{2, 3, 5, 7}, {2, 3, 5, 7}};
    check_op({concat_text("add_activation ", to_string(act)), shapes,
              [=](const Inputs& v) { return add_activation(v[0], v[1], act); }});
    check_op({"twice the same", {{2, 3, 5, 7}}, [=](const Inputs& v) { return add_activation(v[0], v[0], act); }});
  }
}

TEST(DropPath, DropsWholeExamplesAndScalesTheOthers) {
  check_op({"drop_path", {{6, 2, 3, 5}}, [](const Inputs& v) {
              return drop_path(v[0], 0.6, Random(3, Stream::drop_path, 4), 7);
            }});
  const Variable x(Tensor::full({400, 2, 3}, 1, DType::f64));
  const auto drop = [&](std::uint64_t step, std::uint64_t path) {
    return drop_path(x, 0.7, Random(1, Stream::drop_path, step), path).value().to_vector<double>();
  };
  const std::vector<double> y = drop(0, 0);
  Index kept = 0;
  for (std::size_t n = 0; n < 400; ++n) {
    EXPECT_TRUE(y[6 * n] == 0 || y[6 * n] == 1 / 0.7);
    for (std::size_t i = 1; i < 6; ++i) EXPECT_EQ(y[6 * n + i], y[6 * n]);
    kept += y[6 * n] != 0;
  }
  EXPECT_NEAR(static_cast<double>(kept), 280, 37);  // four standard deviations
  EXPECT_EQ(drop(0, 0), y);
  EXPECT_NE(drop(0, 1), y);
  EXPECT_NE(drop(1, 0), y);
  EXPECT_TRUE(drop_path(x, 1, Random(1, Stream::drop_path), 0).same(x));
  EXPECT_THROW(drop_path(x, 0, Random(1, Stream::drop_path), 0), Error);
}

}  // namespace preactivation_test
