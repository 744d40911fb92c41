// kernels/optimizer.cu on the emulated device against tinyvision/optim/sgd.hpp and ema.hpp: the same bits.
#include <algorithm>
#include <limits>

#include "kernels/device_map.hpp"
#include "tinyvision/optim/ema.hpp"
#include "tinyvision/optim/sgd.hpp"

namespace optimizer_test {

using namespace tinyvision;
using namespace device_test;

constexpr Index chunk = device::optimizer_chunk_size;

/// A tensor of the device: which of its arrays exist, and by how many elements they, or array `only`, miss their
/// alignment.
struct Case {
  Index count;
  bool decays = true, gradient = true, average = true, copy = true;
  Index offset = 0;
  int only = -1;
};

struct Options {
  double learning_rate = 0.045, momentum = 0.9, weight_decay = 4e-5, average_decay = 0.9999;
  bool ramp_up = false;
};

/// An array between guards that must stay as they are. Its storage is aligned, so that `begin` says how it is.
template <class V>
struct Guarded {
  Index count, begin;
  std::vector<V> values;
  V guard;
  Guarded(const Case& k, int number, V guard_)
      : count(k.count),
        begin(k.only < 0 || k.only == number ? k.offset : 0),
        values(static_cast<std::size_t>(count + begin + 4), guard_),
        guard(guard_) {}
  V* data() { return values.data() + begin; }
  bool guards_stand() const {
    for (Index i = 0; i < static_cast<Index>(values.size()); ++i)
      if ((i < begin || i >= begin + count) && std::memcmp(&values[static_cast<std::size_t>(i)], &guard, sizeof guard))
        return false;
    return true;
  }
};

template <class T>
struct Arrays {
  Guarded<T> weight, gradient, velocity, average;
  Guarded<device::bf16> copy;
  Arrays(const Case& k, std::uint64_t seed)
      : weight(k, 0, T(77)), gradient(k, 1, T(77)), velocity(k, 2, T(77)), average(k, 3, T(77)), copy(k, 4, {0x4321}) {
    const Random random(21, Stream::test, seed);
    for (Index i = 0; i < k.count; ++i) {
      weight.data()[i] = average.data()[i] = static_cast<T>(random.normal(static_cast<std::uint64_t>(i)));
      velocity.data()[i] = T(0);
    }
  }
  void draw_gradient(std::uint64_t seed) {
    const Random random(22, Stream::test, seed);
    for (Index i = 0; i < gradient.count; ++i)
      gradient.data()[i] = static_cast<T>(1e-2 * random.normal(static_cast<std::uint64_t>(i)));
  }
};

template <class T>
void expect_same_bits(Guarded<T>& found, const T* expected, const char* what) {
  const auto bytes = static_cast<std::size_t>(found.count) * sizeof(T);
  EXPECT_TRUE(bytes == 0 || std::memcmp(found.data(), expected, bytes) == 0) << what;
  EXPECT_TRUE(found.guards_stand()) << what << " was written outside";
}

/// Three steps of all tensors at once, and the same by Sgd and Ema, tensor by tensor.
template <class T>
void check(const std::vector<Case>& cases, const Options& o) {
  const DType dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
  in_both_orders([&] {
    std::vector<Arrays<T>> arrays;
    std::vector<Variable> variables;
    std::vector<bool> decays;
    std::vector<Index> counts;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      arrays.emplace_back(cases[i], i);
      Tensor value = Tensor::zeros({cases[i].count}, dtype);
      std::copy_n(arrays[i].weight.data(), cases[i].count, value.template data<T>());
      variables.emplace_back(value, true);
      decays.push_back(cases[i].decays);
      counts.push_back(cases[i].count);
    }
    const Sgd sgd(variables, decays, o.momentum, o.weight_decay);
    const Ema ema(variables, o.average_decay, o.ramp_up);
    std::vector<device::OptimizerEntry<T>> table;
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const Case& k = cases[i];
      Arrays<T>& a = arrays[i];
      table.push_back({a.weight.data(), k.gradient ? a.gradient.data() : nullptr,
                       k.gradient ? a.velocity.data() : nullptr, k.average ? a.average.data() : nullptr,
                       k.copy ? a.copy.data() : nullptr, k.count, k.decays});
    }
    const std::vector<device::OptimizerChunk> chunks =
        device::optimizer_chunks(static_cast<Index>(counts.size()), counts.data());
    device::OptimizerSettings settings{0, o.momentum, o.weight_decay, o.average_decay, 0, o.ramp_up, nullptr};
    for (Index t = 0; t < 3; ++t) {
      settings.learning_rate = o.learning_rate * std::pow(0.5, static_cast<double>(t));
      settings.step = t;
      for (std::size_t i = 0; i < cases.size(); ++i) {
        arrays[i].draw_gradient(1000 * static_cast<std::uint64_t>(t) + i);
        variables[i].clear_gradient();
        if (cases[i].gradient)
          std::copy_n(arrays[i].gradient.data(), cases[i].count,
                      variables[i].gradient_sink().tensor.template data<T>());
      }
      sgd.add_weight_decay();
      sgd.step(settings.learning_rate);
      ema.update(t);
      const auto launches = emulation::device().launches;
      device::optimizer_update<T>(table.data(), chunks.data(), static_cast<Index>(chunks.size()), &settings, nullptr);
      EXPECT_EQ(emulation::device().launches - launches, chunks.empty() ? 0u : 1u);
    }
    std::vector<char> bytes{0};
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const Case& k = cases[i];
      SCOPED_TRACE(::testing::Message() << "tensor " << i << " of " << k.count);
      Arrays<T>& a = arrays[i];
      expect_same_bits(a.weight, variables[i].value().template data<T>(), "weight");
      if (k.gradient) expect_same_bits(a.velocity, sgd.entries()[i].velocity.template data<T>(), "velocity");
      if (k.average) expect_same_bits(a.average, ema.shadows()[i].template data<T>(), "average");
      for (Index e = 0; k.copy && e < k.count; ++e)
        EXPECT_EQ(a.copy.data()[e].bits, narrow<device::bf16>(static_cast<double>(a.weight.data()[e])).bits)
            << "copy of element " << e;
      EXPECT_TRUE(a.copy.guards_stand()) << "the copy was written outside";
      keep(bytes, a.weight.values), keep(bytes, a.velocity.values);
      keep(bytes, a.average.values), keep(bytes, a.copy.values);
    }
    return bytes;
  });
}

std::vector<Case> edges() {
  std::vector<Case> all;
  for (const Index n : {Index{0}, Index{1}, Index{3}, Index{4}, Index{5}, Index{1023}, chunk - 1, chunk, chunk + 1,
                        2 * chunk, 2 * chunk + 1027})
    all.push_back({n});
  all.push_back({chunk + 5, false});
  all.push_back({chunk + 6, true, false});          // statistics: average and copy alone
  all.push_back({33, false, false, true, false});   // average alone
  all.push_back({70, true, false, false, false});   // nothing
  all.push_back({1030, true, true, false, false});  // no average, no copy
  all.push_back({1031, true, true, true, false});
  all.push_back({1032, true, true, false, true});
  for (const Index offset : {1, 2, 3}) all.push_back({chunk + 9, true, true, true, true, offset});
  for (const int only : {0, 1, 2, 3, 4}) all.push_back({chunk + 11, true, true, true, true, 1, only});
  return all;
}

TEST(OptimizerKernel, SameBitsAsTheCpuInF32) {
  check<float>(edges(), {});
  check<float>(edges(), {.average_decay = 0.99, .ramp_up = true});
  check<float>(edges(), {.momentum = 0, .weight_decay = 0});
}
TEST(OptimizerKernel, SameBitsAsTheCpuInF64) {
  check<double>(edges(), {.weight_decay = 0.1});
  check<double>(edges(), {.average_decay = 0.15, .ramp_up = true});
}

TEST(OptimizerKernel, ManySmallTensorsInOneLaunch) {
  std::vector<Case> cases;
  for (Index i = 0; i < 150; ++i)
    cases.push_back({1 + i * 7 % 61, i % 3 == 0, i % 5 != 0, i % 4 != 0, i % 2 == 0, i % 3});
  check<float>(cases, {.ramp_up = true});
}

TEST(OptimizerKernel, NothingToDoIsNoLaunch) {
  check<float>({}, {});
  check<float>({{0}, {0}}, {});
}

TEST(OptimizerKernel, ChunksCoverEachTensorInOrder) {
  const std::vector<Index> counts{0, 1, chunk, 3 * chunk + 1, 0, 2};
  const auto chunks = device::optimizer_chunks(static_cast<Index>(counts.size()), counts.data());
  std::vector<std::pair<Index, Index>> found,
      expected{{1, 0}, {2, 0}, {3, 0}, {3, chunk}, {3, 2 * chunk}, {3, 3 * chunk}, {5, 0}};
  for (const auto& c : chunks) found.emplace_back(c.entry, c.begin);
  EXPECT_EQ(found, expected);
}

TEST(OptimizerKernel, NoDecayLeavesInfiniteWeightsInfinite) {
  std::vector<float> w{std::numeric_limits<float>::infinity()}, g{0.5f}, v{0};
  const device::OptimizerEntry<float> entry{w.data(), g.data(), v.data(), nullptr, nullptr, 1, true};
  const device::OptimizerChunk whole{0, 0};
  const device::OptimizerSettings settings{0.1, 0.9, 0, 0.9, 0, false, nullptr};
  device::optimizer_update<float>(&entry, &whole, 1, &settings, nullptr);
  EXPECT_EQ(w[0], std::numeric_limits<float>::infinity());
  EXPECT_EQ(v[0], 0.5f);
}

}  // namespace optimizer_test
