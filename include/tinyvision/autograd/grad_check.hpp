// Gradient check: the tape against finite differences, in f64.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "tinyvision/autograd/variable.hpp"
#include "tinyvision/core/random.hpp"

TINYVISION_BEGIN

struct GradientCheck {
  double largest_error = 0;  ///< largest |tape - difference| / largest |difference| of that input
  std::string worst;         ///< which input and element
};

/// Compares `backward` with the fourth-order central difference
///   f'(x) ~ (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / (12 h)
/// of the scalar s(inputs) = sum_i r_i f(inputs)_i, r fixed random numbers, for every element of every input (at most
/// `elements_per_input` of each, evenly spaced). Inputs must be f64 leaves that require gradients and are restored.
/// Gradients start from non-zero values, so an op that overwrites instead of adding is caught.
inline GradientCheck grad_check(const std::function<Variable(const std::vector<Variable>&)>& f,
                                const std::vector<Variable>& inputs, double h = 1e-4, Index elements_per_input = 64) {
  const Random random(20190502, Stream::test);
  Tensor weights;
  const auto objective = [&] {
    const NoGradient guard;
    const Tensor y = f(inputs).value().packed();
    double sum = 0;
    for (Index i = 0; i < y.count(); ++i) sum += weights.data<double>()[i] * y.data<double>()[i];
    return sum;
  };

  std::vector<Tensor> before;
  for (const Variable& input : inputs) {
    check(input.dtype() == DType::f64 && input.requires_gradient(), "grad_check",
          "inputs must be f64 and require gradients");
    input.clear_gradient();
    const GradientSink sink = input.gradient_sink();
    for (Index i = 0; i < sink.tensor.count(); ++i)
      sink.tensor.data<double>()[i] = random.normal(static_cast<std::uint64_t>(i) + 7000);
    before.push_back(sink.tensor.clone());
  }
  const Variable output = f(inputs);
  weights = Tensor::empty(output.shape(), DType::f64);
  for (Index i = 0; i < weights.count(); ++i) weights.data<double>()[i] = random.normal(static_cast<std::uint64_t>(i));
  backward(output, weights.clone());

  GradientCheck result;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Tensor& value = inputs[k].value();
    double* x = value.data<double>();
    const Index count = value.count(), stride = std::max<Index>(1, count / elements_per_input);
    std::vector<std::pair<Index, double>> differences;
    double scale = 0;
    for (Index i = 0; i < count; i += stride) {
      const double x0 = x[i];
      const auto at = [&](double offset) {
        x[i] = x0 + offset;
        inputs[k].mark_changed();
        return objective();
      };
      const double d = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      x[i] = x0;
      inputs[k].mark_changed();
      differences.emplace_back(i, d);
      scale = std::max(scale, std::fabs(d));
    }
    for (const auto& [i, d] : differences) {
      const double tape = inputs[k].gradient().data<double>()[i] - before[k].data<double>()[i];
      const double error = std::fabs(tape - d) / std::max(1e-8, scale);
      if (error > result.largest_error || std::isnan(error)) {
        result.largest_error = std::isnan(error) ? HUGE_VAL : error;
        result.worst = concat_text("input ", k, " element ", i, ": tape ", tape, ", difference ", d);
      }
    }
  }
  return result;
}

TINYVISION_END
