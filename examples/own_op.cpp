// An operation of one's own: softplus, a smooth form of ReLU.
//
//   y = log(1 + exp(x))        dy/dx = 1 / (1 + exp(-x))
//
// An op computes at once, and hands the tape a function that turns the gradient of its result into the gradient of its
// input. The gradient check compares that function with finite differences.
#include <cmath>
#include <cstdio>

#include "tinyvision/autograd/grad_check.hpp"
#include "tinyvision/core/dtype.hpp"

using namespace tinyvision;

/// x of any shape, f32 or f64 -> the same shape.
Variable softplus(const Variable& x) {
  const Tensor input = x.value().packed();
  const Tensor y = Tensor::empty(x.shape(), x.dtype());
  visit_float("softplus", x.dtype(), [&]<class T>(T) {
    // max(x, 0) + log(1 + exp(-|x|)) is the same function and cannot overflow.
    for (Index i = 0; i < y.count(); ++i) {
      const T value = input.data<T>()[i];
      y.data<T>()[i] = (value > T(0) ? value : T(0)) + std::log1p(std::exp(-std::fabs(value)));
    }
  });
  if (!needs_record(x)) return Variable(y);
  return Variable::result("softplus", y, {x}, [x, input](const Tensor& gradient) {
    const Tensor dy = gradient.packed();
    const GradientSink dx = x.gradient_sink();
    visit_float("softplus", dy.dtype(), [&]<class T>(T) {
      for (Index i = 0; i < dy.count(); ++i) {
        const T contribution = dy.data<T>()[i] / (T(1) + std::exp(-input.data<T>()[i]));
        // Another op may have contributed to this gradient before: then add.
        T& target = dx.tensor.data<T>()[i];
        target = dx.accumulate ? target + contribution : contribution;
      }
    });
  });
}

int main() {
  const Variable x(Tensor::from_vector<double>({5}, {-30, -1, 0, 1, 30}), true);
  const std::vector<double> y = softplus(x).value().to_vector<double>();
  for (const double value : y) std::printf("%.6f ", value);

  const GradientCheck check = grad_check([](const std::vector<Variable>& in) { return softplus(in[0]); }, {x});
  std::printf("\ngradient check: relative error %.1e\n", check.largest_error);
  return check.largest_error < 1e-6 ? 0 : 1;
}
