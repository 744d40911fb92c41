// The operations of gpu-check that surround the layers: input, dropout, pools' derivatives, losses, sums, the optimiser's
// update, and a pass of logistic regression.
#pragma once

#include <algorithm>
#include <cmath>

#include "gpu/op_cases.hpp"
#include "tinyvision/cpu/dropout.hpp"
#include "tinyvision/cuda/logistic_regression.hpp"
#include "tinyvision/cuda/optimizer.hpp"
#include "tinyvision/cuda/reduce.hpp"
#include "tinyvision/reference/loss.hpp"
#include "tinyvision/train/batch_feed.hpp"

namespace gpu_check {

/// A dropout of maps, which is its own derivative.
template <class T>
Case dropout_case(Index size, Index channels, Index batch) {
  const Shape map{batch, size, size, channels};
  const Tensor x = operand<T>(map, 1), y = result_tensor<T>(map);
  const Random random(3, Stream::dropout, 0);
  return {bytes_of({x, y}),
          0,
          [=] {
            cuda::dropout<T>(x.rows(), channels, random, Accumulator<T>(0.75), x.data<T>(), channels, y.data<T>(),
                             channels, false);
          },
          y,
          [=] {
            const Tensor e = Tensor::zeros(map, DType::f64), a = in_f64(x);
            cpu::dropout<double>(a.rows(), channels, random, 0.75, a.data<double>(), channels, e.data<double>(),
                                 channels, false);
            return e;
          },
          tolerance_of<T>()};
}

enum class PoolKind { average, average_backward, max_backward };
inline const char* text_of(PoolKind kind) {
  return kind == PoolKind::average            ? "average_pool"
         : kind == PoolKind::average_backward ? "average_pool dx"
                                              : "max_pool dx";
}

template <class T>
Case pool_case(const Layer& layer, PoolKind kind, Index batch) {
  const WindowGeometry g = layer.geometry(batch);
  const Shape in{batch, g.in_h, g.in_w, g.in_c}, out{batch, g.out_h, g.out_w, g.out_c};
  const Tensor from = operand<T>(kind == PoolKind::average ? in : out, 1);
  const Tensor to = result_tensor<T>(kind == PoolKind::average ? out : in);
  Case c{bytes_of({from, to}), 0, {}, to, {}, tolerance_of<T>()};
  const auto in_double = [=](const auto& run) {
    return [=] {
      const Tensor e = Tensor::zeros(to.shape(), DType::f64), a = in_f64(from);
      run(a.data<double>(), e.data<double>());
      return e;
    };
  };
  switch (kind) {
    case PoolKind::average:
      c.run = [=] { cuda::average_pool_forward<T>(g, from.data<T>(), to.data<T>()); };
      c.expected = in_double([g](const double* x, double* y) { cpu::average_pool_forward<double>(g, x, y); });
      break;
    case PoolKind::average_backward:
      c.run = [=] { cuda::average_pool_backward<T>(g, from.data<T>(), to.data<T>(), false); };
      c.expected =
          in_double([g](const double* dy, double* dx) { cpu::average_pool_backward<double>(g, dy, dx, false); });
      break;
    case PoolKind::max_backward: {
      const Tensor x = operand<T>(in, 2), y = result_tensor<T>(out);
      const Tensor places = Tensor::zeros(out, DType::u8, Device::cuda());
      cuda::max_pool_forward<T>(g, x.data<T>(), y.data<T>(), places.data<std::uint8_t>());
      c.bytes += bytes_of({places});
      c.run = [=] { cuda::max_pool_backward<T>(g, from.data<T>(), places.data<std::uint8_t>(), to.data<T>(), false); };
      c.expected = in_double([=](const double* dy, double* dx) {
        const Tensor here = places.to(Device::cpu());
        cpu::max_pool_backward<double>(g, dy, here.data<std::uint8_t>(), dx, false);
      });
    }
  }
  return c;
}

/// Softmax and sigmoid cross-entropy of `classes` classes with label smoothing, their losses per row and derivatives.
enum class LossPart { softmax, softmax_backward, sigmoid, sigmoid_backward };
inline const char* text_of(LossPart part) {
  switch (part) {
    case LossPart::softmax: return "softmax_cross_entropy";
    case LossPart::softmax_backward: return "softmax_cross_entropy dx";
    case LossPart::sigmoid: return "sigmoid_cross_entropy";
    default: return "sigmoid_cross_entropy dx";
  }
}

template <class T>
Case loss_case(LossPart part, Index rows, Index classes) {
  const Shape map{rows, classes};
  const bool backward = part == LossPart::softmax_backward || part == LossPart::sigmoid_backward;
  const bool softmax = part == LossPart::softmax || part == LossPart::softmax_backward;
  std::vector<std::int64_t> classes_of_rows;
  for (Index r = 0; r < rows; ++r) classes_of_rows.push_back(7 * r % classes);
  const Tensor labels_here = Tensor::from_vector<std::int64_t>({rows}, classes_of_rows);
  const Tensor labels = labels_here.to(Device::cuda());
  // In place of probabilities and targets any numbers will do.
  const Tensor x = operand<T>(map, 1), targets = operand<T>(map, 2), upstream = operand<T>({1}, 3);
  const Tensor y = backward ? result_tensor<T>(map) : result_tensor<T>({rows});
  const Tensor probabilities = result_tensor<T>(map);
  const auto run = [=]<class V>(V, const auto& forward_softmax, const auto& backward_softmax,
                                const auto& forward_sigmoid, const auto& backward_sigmoid, const Tensor& logits,
                                const Tensor& wanted, const Tensor& d, const Tensor& l, const Tensor& scratch,
                                const Tensor& to) {
    const std::int64_t* const at = l.template data<std::int64_t>();
    const V* const z = logits.template data<V>();
    const V* const t = wanted.template data<V>();
    V* const out = to.template data<V>();
    switch (part) {
      case LossPart::softmax:
        return forward_softmax(rows, classes, z, classes, at, V(0.1), out, scratch.template data<V>());
      case LossPart::softmax_backward:
        return backward_softmax(rows, classes, z, at, V(0.1), d.template data<V>(), out, classes, false);
      case LossPart::sigmoid: return forward_sigmoid(rows, classes, z, classes, t, static_cast<const V*>(nullptr), out);
      default:
        return backward_sigmoid(rows, classes, z, classes, t, static_cast<const V*>(nullptr), d.template data<V>(), out,
                                classes, false);
    }
  };
  Case c{bytes_of({x, y}), 0, {}, y, {}, tolerance_of<T>()};
  if (!softmax) c.bytes += bytes_of({targets});
  if (part == LossPart::softmax) c.bytes += bytes_of({probabilities});
  c.run = [=] {
    run(T{}, &cuda::softmax_cross_entropy_forward<T>, &cuda::softmax_cross_entropy_backward<T>,
        &cuda::sigmoid_cross_entropy_forward<T>, &cuda::sigmoid_cross_entropy_backward<T>, x, targets, upstream, labels,
        probabilities, y);
  };
  c.expected = [=] {
    const Tensor e = Tensor::zeros(y.shape(), DType::f64);
    run(double{}, &reference::softmax_cross_entropy_forward<double>, &reference::softmax_cross_entropy_backward<double>,
        &reference::sigmoid_cross_entropy_forward<double>, &reference::sigmoid_cross_entropy_backward<double>,
        in_f64(x), in_f64(targets), in_f64(upstream), labels_here, in_f64(probabilities), e);
    return e;
  };
  return c;
}

template <class T>
Case sum_of_squares_case(Index count) {
  const Tensor x = operand<T>({count}, 1), total = result_tensor<double>({1});
  const auto workspace = std::make_shared<cuda::Workspace<double>>(cuda::kernels::sum_workspace(count));
  return {bytes_of({x}),
          0,
          [=] {
            cuda::kernels::sum_of_squares(count, cuda::as_kernel(x.data<T>()), total.data<double>(), false,
                                          workspace->data(), cuda::stream());
          },
          total,
          [=] {
            double sum = 0;
            for (const double v : in_f64(x).template to_vector<double>()) sum += v * v;
            return Tensor::from_vector<double>({1}, {sum});
          },
          tolerance_of<double>()};
}

/// Nesterov momentum, weight decay, a moving average and a bf16 copy of `count` weights. What the update reads is put back
/// before each, which is part of the bytes.
template <class T>
Case optimizer_case(Index count) {
  const Tensor start = operand<T>({3, count}, 1), gradient = operand<T>({count}, 2),
               state = result_tensor<T>({3, count});
  const Tensor copy = result_tensor<bfloat16>({count});
  const auto update = std::make_shared<cuda::MultiTensorUpdate<T>>();
  cuda::kernels::OptimizerSettings settings{};
  settings.learning_rate = 0.1, settings.momentum = 0.9, settings.weight_decay = 8e-5, settings.average_decay = 0.99;
  return {3 * bytes_of({start}) + bytes_of({gradient, copy}) + bytes_of({state}),
          0,
          [=] {
            state.copy_from(start);
            T* const weights = state.data<T>();
            update->run({{weights, gradient.data<T>(), weights + count, weights + 2 * count,
                          cuda::as_kernel(copy.data<bfloat16>()), count, true}},
                        settings);
          },
          state,
          [=] {
            std::vector<double> s = in_f64(start).template to_vector<double>();
            const std::vector<double> g = in_f64(gradient).template to_vector<double>();
            for (std::size_t i = 0; i < g.size(); ++i) {
              double &w = s[i], &v = s[g.size() + i], &a = s[2 * g.size() + i];
              const double total = g[i] + 8e-5 * w;
              v = 0.9 * v + total;
              w -= 0.1 * (total + 0.9 * v);
              a = 0.99 * a + 0.01 * w;
            }
            return Tensor::from_vector<double>({3, count}, s);
          },
          tolerance_of<T>()};
}

/// Photos of height x width to inputs of size x size, with every change of colour.
inline Case input_case(Index height, Index width, Index size, Index batch) {
  data::Preprocessing p;
  p.image_size = size;
  data::AugmentOptions options;
  options.fast_mode = false;
  options.draw_resizer = false;
  const Random random(5, Stream::test, 1);
  data::Image image(height, width);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(random.integer(i % 4099, 256));
  std::vector<data::AugmentPlan> plans;
  std::vector<cuda::kernels::InputImage> table;
  double read = 0;
  for (Index i = 0; i < batch; ++i) {
    plans.push_back(data::plan_augmentation(height, width, 1, options, 1, 0, i));
    cuda::kernels::InputImage entry = detail::input_image(plans.back(), i * height * width * 3);
    entry.height = height, entry.width = width;
    entry.top = plans.back().box.top, entry.left = plans.back().box.left;
    table.push_back(entry);
    read += 3 * static_cast<double>(entry.crop_height * entry.crop_width);
  }
  const Tensor photos = Tensor::empty({batch, height, width, 3}, DType::u8);
  for (Index i = 0; i < batch; ++i)
    std::copy(image.pixels.begin(), image.pixels.end(), photos.data<std::uint8_t>() + i * height * width * 3);
  const Tensor bytes = photos.to(Device::cuda()), y = result_tensor<float>({batch, size, size, 3});
  const std::shared_ptr<void> entries = cuda::allocate_to_send(table.size() * sizeof table[0]);
  cuda::send(table, entries);
  const auto means = std::make_shared<cuda::Workspace<float>>(3 * batch);
  const auto normalisation = detail::input_normalisation(plans.front(), p.normalisation);
  return {read + bytes_of({y}),
          0,
          [=] {
            cuda::kernels::input_images(batch, bytes.data<std::uint8_t>(),
                                        static_cast<const cuda::kernels::InputImage*>(entries.get()), normalisation,
                                        size, size, means->data(), y.data<float>(), cuda::stream());
          },
          y,
          [=] {
            const Tensor e = Tensor::empty(y.shape());
            for (Index i = 0; i < batch; ++i)
              data::augment(image, p, plans[static_cast<std::size_t>(i)], e.data<float>() + i * p.floats());
            return e;
          },
          0};  // the same bits
}

/// Objective and gradient of a multinomial logistic regression.
inline Case logistic_case(Index rows, Index features, Index classes) {
  const Tensor z = operand<float>({rows, features}, 1), x = operand<float>({features + 1, classes}, 2);
  const Tensor gradient = result_tensor<float>({features + 1, classes});
  std::vector<std::int32_t> labels(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < labels.size(); ++i)
    labels[i] = static_cast<std::int32_t>(7 * i) % static_cast<std::int32_t>(classes);
  const auto labels_there = std::make_shared<cuda::DeviceCopy<std::int32_t>>(rows, 1, labels.data(), 1);
  const auto objective = std::make_shared<cuda::Workspace<double>>(1);
  const auto scores =
      std::make_shared<cuda::Workspace<float>>(cuda::kernels::logistic_regression_scores(rows, features, classes));
  const auto workspace =
      std::make_shared<cuda::Workspace<double>>(cuda::kernels::logistic_regression_workspace(rows, features, classes));
  return {bytes_of({z, x, gradient}),
          4.0 * static_cast<double>(rows * features * classes),
          [=] {
            cuda::kernels::logistic_regression(rows, features, classes, z.data<float>(), features, labels_there->data(),
                                               0.5, x.data<float>(), objective->data(), gradient.data<float>(),
                                               scores->data(), workspace->data(), cuda::stream());
          },
          gradient,
          [=] {
            const Tensor a = in_f64(z), u = in_f64(x), e = u.clone(), s = Tensor::empty({rows, classes}, DType::f64);
            const double* const bias = u.data<double>() + features * classes;
            double* const sums = e.data<double>() + features * classes;
            std::fill_n(sums, classes, 0.0);
            linalg::gemm<double>(false, false, rows, classes, features, 1, a.data<double>(), features, u.data<double>(),
                                 classes, 0, s.data<double>(), classes);
            for (Index r = 0; r < rows; ++r) {
              double* const row = s.data<double>() + r * classes;
              double total = 0;
              for (Index c = 0; c < classes; ++c) total += row[c] = std::exp(row[c] + bias[c]);
              for (Index c = 0; c < classes; ++c) {
                row[c] = row[c] / total - (labels[static_cast<std::size_t>(r)] == c ? 1.0 : 0.0);
                sums[c] += row[c];
              }
            }
            linalg::gemm<double>(true, false, features, classes, rows, 1, a.data<double>(), features, s.data<double>(),
                                 classes, 0.5, e.data<double>(), classes);
            return e;
          },
          tolerance_of<float>()};
}

/// All of these in T where they have a T; sizes as add_operations.
template <class T>
void add_training_operations(std::vector<Operation>& all, bool quick) {
  const std::string dtype = to_string(dtype_of<T>);
  const auto small = [&](Index n, Index least) { return quick ? std::min(n, least) : n; };
  const Index size = small(14, 5), channels = small(768, 12);
  all.push_back({"dropout", dtype, concat_text(size, "x", size, "x", channels),
                 [=](Index batch) { return dropout_case<T>(size, channels, batch); }});
  const Layer average{small(35, 6), small(192, 12), small(192, 12), 3, 1};
  const Layer strided{small(112, 7), small(64, 12), small(64, 12), 3, 2};
  for (const PoolKind kind : {PoolKind::average, PoolKind::average_backward, PoolKind::max_backward}) {
    const Layer layer = kind == PoolKind::max_backward ? strided : average;
    all.push_back({text_of(kind), dtype, layer.text(), [=](Index batch) { return pool_case<T>(layer, kind, batch); }});
  }
  const Index count = small(25'000'000, 9000);
  all.push_back({"sum_of_squares", dtype, concat_text(count), [=](Index) { return sum_of_squares_case<T>(count); }});
  if constexpr (!std::is_same_v<T, bfloat16>) {
    const Index classes = small(1001, 21);
    for (const LossPart part :
         {LossPart::softmax, LossPart::softmax_backward, LossPart::sigmoid, LossPart::sigmoid_backward})
      all.push_back({text_of(part), dtype, concat_text("batch x ", classes),
                     [=](Index batch) { return loss_case<T>(part, batch, classes); }});
    all.push_back({"optimizer_update", dtype, concat_text(count), [=](Index) { return optimizer_case<T>(count); }});
  }
}

inline void add_input_and_regression(std::vector<Operation>& all, bool quick) {
  const Index height = quick ? 20 : 375, width = quick ? 27 : 500, size = quick ? 17 : 224;
  all.push_back({"input_images", "f32", concat_text(height, "x", width, " -> ", size, "x", size),
                 [=](Index batch) { return input_case(height, width, size, batch); }});
  const Index features = quick ? 24 : 1024, classes = quick ? 5 : 102;
  all.push_back({"logistic_regression", "f32", concat_text("12 batch x ", features, ", ", classes, " classes"),
                 [=](Index batch) { return logistic_case(12 * batch, features, classes); }});
}

}  // namespace gpu_check
