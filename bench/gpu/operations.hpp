// The list of operations of gpu-check.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "gpu/op_cases.hpp"
#include "gpu/training_cases.hpp"

namespace gpu_check {

template <class T>
Case add_case(Index size, Index channels, Index batch) {
  const Shape map{batch, size, size, channels};
  const Tensor a = operand<T>(map, 1), b = operand<T>(map, 2), y = result_tensor<T>(map);
  return {bytes_of({a, b, y}),
          0,
          [=] {
            cuda::add<T>(a.rows(), channels, a.data<T>(), channels, b.data<T>(), channels, Activation::relu,
                         y.data<T>(), channels);
          },
          y,
          [=] {
            const Tensor e = Tensor::zeros(map, DType::f64), p = in_f64(a), q = in_f64(b);
            cpu::add<double>(e.rows(), channels, p.data<double>(), channels, q.data<double>(), channels,
                             Activation::relu, e.data<double>(), channels);
            return e;
          },
          tolerance_of<T>()};
}

template <class T>
Case max_pool_case(const Layer& layer, Index batch) {
  const WindowGeometry g = layer.geometry(batch);
  const Tensor x = operand<T>({batch, g.in_h, g.in_w, g.in_c}, 1);
  const Tensor y = result_tensor<T>({batch, g.out_h, g.out_w, g.out_c});
  return {bytes_of({x, y}),
          0,
          [=] { cuda::max_pool_forward<T>(g, x.data<T>(), y.data<T>(), nullptr); },
          y,
          [=] {
            const Tensor e = Tensor::zeros(y.shape(), DType::f64), a = in_f64(x);
            cpu::max_pool_forward<double>(g, a.data<double>(), e.data<double>(), nullptr);
            return e;
          },
          tolerance_of<T>()};
}

template <class T>
Case global_pool_case(Index size, Index channels, Index batch) {
  const Tensor x = operand<T>({batch, size, size, channels}, 1), y = result_tensor<T>({batch, channels});
  return {
      bytes_of({x, y}),
      0,
      [=] { cuda::global_average_pool_forward<T>(batch, size * size, channels, x.data<T>(), channels, y.data<T>()); },
      y,
      [=] {
        const Tensor e = Tensor::zeros(y.shape(), DType::f64), a = in_f64(x);
        cpu::global_average_pool_forward<double>(batch, size * size, channels, a.data<double>(), channels,
                                                 e.data<double>());
        return e;
      },
      tolerance_of<T>()};
}

template <class T>
Case gemm_case(Index n, Index k, Index batch) {
  const Index m = batch * 16;
  const Tensor a = operand<T>({m, k}, 1), b = operand<T>({k, n}, 2), c = result_tensor<T>({m, n});
  return {bytes_of({a, b, c}),
          2.0 * static_cast<double>(m * n * k),
          [=] { cuda::gemm<T>(false, false, m, n, k, T(1), a.data<T>(), k, b.data<T>(), n, T(0), c.data<T>(), n); },
          c,
          [=] {
            const Tensor e = Tensor::zeros({m, n}, DType::f64), p = in_f64(a), q = in_f64(b);
            linalg::gemm<double>(false, false, m, n, k, 1.0, p.data<double>(), k, q.data<double>(), n, 0.0,
                                 e.data<double>(), n);
            return e;
          },
          tolerance_of<T>()};
}

/// All operations in T, with sizes of images of 224 px, or of a few pixels and channels where `quick`.
template <class T>
void add_operations(std::vector<Operation>& all, bool quick) {
  const std::string dtype = to_string(dtype_of<T>);
  const auto side = [&](Index size) { return quick ? std::min<Index>(size, 6) : size; };
  const auto wide = [&](Index channels) { return quick ? std::min<Index>(channels, 16) : channels; };
  const std::vector<Layer> convolutions = {{224, 3, 64, 7, 2},   {56, 64, 64, 3, 1},    {28, 128, 128, 3, 1},
                                           {14, 256, 256, 3, 1}, {7, 512, 512, 3, 1},   {56, 64, 256, 1, 1},
                                           {28, 512, 128, 1, 1}, {14, 1024, 256, 1, 1}, {14, 96, 576, 1, 1}};
  const std::vector<Layer> depthwise = {
      {112, 32, 32, 3, 1}, {112, 96, 96, 3, 2}, {28, 192, 192, 3, 1}, {14, 576, 576, 3, 1}, {7, 960, 960, 3, 1}};
  for (const Direction d : {Direction::forward, Direction::backward_input, Direction::backward_weight}) {
    for (Layer l : convolutions) {
      l.size = side(l.size), l.in = wide(l.in), l.out = wide(l.out);
      all.push_back({std::string("conv2d") + text_of(d), dtype, l.text(),
                     [=](Index batch) { return conv2d_case<T>(l, d, batch); }});
    }
    for (Layer l : depthwise) {
      l.size = side(l.size), l.in = l.out = wide(l.in);
      all.push_back({std::string("depthwise") + text_of(d), dtype, l.text(),
                     [=](Index batch) { return depthwise_case<T>(l, d, batch); }});
    }
  }
  const auto map_text = [](Index size, Index channels) { return concat_text(size, "x", size, "x", channels); };
  for (const auto& [size, channels] : {std::pair<Index, Index>{56, 256}, {14, 1024}, {112, 96}}) {
    const Index s = side(size), c = wide(channels);
    for (const NormPart p :
         {NormPart::statistics, NormPart::apply, NormPart::backward_reduce, NormPart::backward_apply})
      all.push_back({std::string("batch_norm ") + text_of(p), dtype, map_text(s, c),
                     [=](Index batch) { return batch_norm_case<T>(s, c, p, batch); }});
    all.push_back({"add + relu", dtype, map_text(s, c), [=](Index batch) { return add_case<T>(s, c, batch); }});
  }
  const Layer pool{side(112), wide(64), wide(64), 3, 2};
  all.push_back({"max_pool", dtype, pool.text(), [=](Index batch) { return max_pool_case<T>(pool, batch); }});
  const Index s = side(7), c = wide(2048);
  all.push_back(
      {"global_average_pool", dtype, map_text(s, c), [=](Index batch) { return global_pool_case<T>(s, c, batch); }});
}

inline std::vector<Operation> operations(bool quick) {
  std::vector<Operation> listed, all;
  add_operations<bfloat16>(listed, quick);
  add_operations<float>(listed, quick);
  add_operations<double>(listed, quick);
  add_training_operations<bfloat16>(listed, quick);
  add_training_operations<float>(listed, quick);
  add_training_operations<double>(listed, quick);
  add_input_and_regression(listed, quick);
  for (const Operation& o : listed)  // the quick sizes of several layers are the same
    if (std::none_of(all.begin(), all.end(),
                     [&](const Operation& a) { return a.name == o.name && a.dtype == o.dtype && a.shape == o.shape; }))
      all.push_back(o);
  const Index n = quick ? 24 : 1024, k = quick ? 40 : 1024;
  all.push_back({"gemm", "f32", concat_text("16 batch x ", n, " x ", k),
                 [=](Index batch) { return gemm_case<float>(n, k, batch); }});
  all.push_back({"gemm", "f64", concat_text("16 batch x ", n, " x ", k),
                 [=](Index batch) { return gemm_case<double>(n, k, batch); }});
  return all;
}

/// What one operation came to.
struct OperationResult {
  double error = 0, tolerance = 0;
  bool repeatable = false;
  bool passed() const { return error <= tolerance && repeatable; }
};

inline OperationResult check_operation(const Operation& operation, Index check_batch) {
  OperationResult result;
  const Case c = operation.make(check_batch);
  const auto run = [&](int poison) {
    cuda::kernels::set_bytes(c.result.raw(), poison, c.result.bytes(), cuda::stream());
    c.run();
    return c.result.to(Device::cpu());
  };
  const Tensor first = run(0xFF), second = run(0x5A);
  result.repeatable = std::memcmp(first.raw(), second.raw(), first.bytes()) == 0;
  const std::vector<double> got = first.to_vector<double>(), expected = c.expected().to_vector<double>();
  double largest = 0;
  for (const double v : expected) largest = std::max(largest, std::fabs(v));
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = std::fabs(got[i] - expected[i]);
    if (!(difference <= result.error * largest)) result.error = difference / largest;  // NaN stays
  }
  result.tolerance = c.tolerance;
  return result;
}

}  // namespace gpu_check
