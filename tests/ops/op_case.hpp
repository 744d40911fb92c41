// One row per op: a function of some inputs. `check_op` runs every rule an op must keep.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tinyvision/autograd/grad_check.hpp"
#include "tinyvision/core/kernels.hpp"
#include "tinyvision/core/thread_pool.hpp"

TINYVISION_BEGIN
namespace op_test {

struct OpCase {
  std::string name;
  std::vector<Shape> inputs;
  std::function<Variable(const std::vector<Variable>&)> graph;
};

inline Tensor random_tensor(const Shape& shape, DType dtype, std::uint64_t stream) {
  const Random random(99, Stream::test, stream);
  const Tensor t = Tensor::empty(shape, DType::f64);
  for (Index i = 0; i < t.count(); ++i) t.data<double>()[i] = random.normal(static_cast<std::uint64_t>(i));
  return t.to(dtype).clone();
}

/// Inputs; with `sliced` every one is a channel slice of a wider tensor.
inline std::vector<Variable> make_inputs(const OpCase& op, DType dtype, bool sliced = false,
                                         Device device = Device::cpu()) {
  std::vector<Variable> inputs;
  for (std::size_t k = 0; k < op.inputs.size(); ++k) {
    Tensor value = random_tensor(op.inputs[k], dtype, k).to(device);
    if (sliced && op.inputs[k].rank() == 4 && k == 0) {  // parameters are never slices
      Shape wide = op.inputs[k];
      wide[-1] += 3;
      const Tensor all = random_tensor(wide, dtype, 50 + k).to(device);
      const Tensor slice = all.slice_channels(1, op.inputs[k].back());
      slice.copy_from(value);
      value = slice;
    }
    inputs.emplace_back(value, true);
  }
  return inputs;
}

/// Output and all gradients, for a fixed random gradient of the output.
inline std::vector<Tensor> run_op(const OpCase& op, DType dtype, bool sliced = false, Device device = Device::cpu()) {
  const std::vector<Variable> inputs = make_inputs(op, dtype, sliced, device);
  const Variable y = op.graph(inputs);
  std::vector<Tensor> out{y.value().clone()};
  backward(y, random_tensor(y.shape(), dtype, 77).to(device));
  for (const Variable& input : inputs) out.push_back(input.gradient().defined() ? input.gradient().clone() : Tensor());
  return out;
}

inline std::vector<Tensor> run_reference(const OpCase& op, DType dtype) {
  const KernelScope scope(Kernels::reference);
  return run_op(op, dtype);
}

inline double tolerance(DType dtype) { return dtype == DType::f32 ? 1e-5 : 1e-12; }

/// max|a-b| <= tolerance max|b|.
inline void expect_close(const Tensor& a, const Tensor& b, double tolerance, const std::string& what) {
  ASSERT_EQ(a.defined(), b.defined()) << what;
  if (!a.defined()) return;
  ASSERT_EQ(a.shape(), b.shape()) << what;
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  double scale = 0, difference = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    scale = std::max(scale, std::fabs(y[i]));
    difference = std::max(difference, std::isnan(x[i]) ? HUGE_VAL : std::fabs(x[i] - y[i]));
  }
  EXPECT_LE(difference, tolerance * scale) << what;
}

#if TINYVISION_WITH_CUDA

/// The op on a device against the reference on the CPU, twice with the same bytes.
inline void check_op(const OpCase& op) {
  SCOPED_TRACE(op.name);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const std::vector<Tensor> expected = run_reference(op, dtype);
    const Device device = Device::cuda();
    const std::vector<Tensor> own = run_op(op, dtype, false, device), again = run_op(op, dtype, false, device);
    const std::vector<Tensor> sliced = run_op(op, dtype, true, device);
    for (std::size_t i = 0; i < own.size(); ++i) {
      const std::string what = concat_text(to_string(dtype), i == 0 ? " output" : concat_text(" gradient ", i - 1));
      EXPECT_TRUE(!own[i].defined() || own[i].device() == device) << what;
      expect_close(own[i], expected[i], tolerance(dtype), what);
      expect_close(sliced[i], expected[i], tolerance(dtype), what + ", sliced input");
      expect_close(again[i], own[i], 0, what + ", again");
    }
  }
}

#else

inline void check_op(const OpCase& op) {
  SCOPED_TRACE(op.name);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const std::vector<Tensor> expected = run_reference(op, dtype);
    const std::vector<Tensor> own = run_op(op, dtype), sliced = run_op(op, dtype, true);
    for (std::size_t i = 0; i < own.size(); ++i) {
      const std::string what = concat_text(to_string(dtype), i == 0 ? " output" : concat_text(" gradient ", i - 1));
      expect_close(own[i], expected[i], tolerance(dtype), what);
      expect_close(sliced[i], expected[i], tolerance(dtype), what + ", sliced input");
    }
    const int threads = num_threads();
    for (const int n : {1, 2, 3, 5, 8}) {
      set_num_threads(n);
      const std::vector<Tensor> again = run_op(op, dtype);
      for (std::size_t i = 0; i < own.size(); ++i)
        if (own[i].defined()) {
          EXPECT_EQ(std::memcmp(again[i].packed().raw(), own[i].packed().raw(), own[i].bytes()), 0)
              << n << " threads, " << i;
        }
    }
    set_num_threads(threads);
  }
  const GradientCheck check = grad_check(op.graph, make_inputs(op, DType::f64));
  EXPECT_LT(check.largest_error, 1e-6) << check.worst;
}

#endif

}  // namespace op_test
TINYVISION_END
