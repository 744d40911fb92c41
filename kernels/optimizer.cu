// One step of stochastic gradient descent and of the moving average, for many tensors in one launch.
//
//   g = gradient + wd w   (where the tensor decays and wd is not 0)
//   v = m v + g
//   w = w - lr (g + m v)
//   average = d average + (1 - d) w,  d = average_decay, or min(average_decay, (1 + t) / (10 + t))
//   copy = w rounded to bf16
// (tinyvision/optim/sgd.hpp and ema.hpp are the specification; each value in the type of the tensor, one rounding per
// operation.)
//
// Threads. A table cuts the tensors into chunks of 4096 elements; a block of 256 threads takes one chunk, and thread t
// of it the 16 bytes number t, t + 256, ..., so that neighbours lie next to each other. Tensors that are not aligned,
// and what is left over at the end of one, go element by element. A network has some hundred tensors, many of a few
// dozen elements: one launch each would take longer than the work.
//
// Repeatability. No sums: an element depends on itself and on the settings, which are read from device memory.
#include "support/numbers.h"

namespace tinyvision_kernels {
namespace {

constexpr int threads = 256;

/// The settings as the tensors' arithmetic wants them.
template <class T>
struct Factors {
  T rate, momentum, weight_decay, keep, take;
};

template <class T>
__device__ Factors<T> factors_of(const OptimizerSettings& s) {
  double keep = s.average_decay;
  if (s.ramp_up) {
    const double ramp = static_cast<double>(1 + s.step) / static_cast<double>(10 + s.step);
    keep = ramp < keep ? ramp : keep;
  }
  return {static_cast<T>(s.learning_rate), static_cast<T>(s.momentum), static_cast<T>(s.weight_decay),
          static_cast<T>(keep), static_cast<T>(1 - keep)};
}

template <class T, int V>
__device__ bool aligned(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % (sizeof(T) * V) == 0;
}

/// Elements [begin, end), a multiple of V of them.
template <class T, int V>
__device__ void update_range(const OptimizerEntry<T>& e, Index begin, Index end, const Factors<T>& f) {
  const bool decays = e.decays && f.weight_decay != T(0);  // adding 0 * w would turn an infinite weight into NaN
  for (Index i = begin + V * static_cast<Index>(threadIdx.x); i < end; i += V * threads) {
    Pack<T, V> w = load_pack<T, V>(e.weight + i);
    if (e.gradient) {
      const Pack<T, V> gradient = load_pack<T, V>(e.gradient + i);
      Pack<T, V> v = load_pack<T, V>(e.velocity + i);
      TV_UNROLL
      for (int k = 0; k < V; ++k) {
        const T g = decays ? gradient.v[k] + f.weight_decay * w.v[k] : gradient.v[k];
        v.v[k] = f.momentum * v.v[k] + g;
        w.v[k] -= f.rate * (g + f.momentum * v.v[k]);
      }
      store_pack(e.velocity + i, v);
      store_pack(e.weight + i, w);
    }
    if (e.average) {
      Pack<T, V> average = load_pack<T, V>(e.average + i);
      TV_UNROLL
      for (int k = 0; k < V; ++k) average.v[k] = f.keep * average.v[k] + f.take * w.v[k];
      store_pack(e.average + i, average);
    }
    if (e.copy) {
      Pack<bf16, V> copy;
      TV_UNROLL
      for (int k = 0; k < V; ++k) copy.v[k] = from_compute<bf16>(static_cast<float>(w.v[k]));
      store_pack(e.copy + i, copy);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(threads, 1)
    update(const OptimizerEntry<T>* entries, const OptimizerChunk* chunks, const OptimizerSettings* settings) {
  constexpr int pack = 16 / static_cast<int>(sizeof(T));
  if (settings->finite && *settings->finite == 0) return;
  const OptimizerChunk chunk = chunks[blockIdx.x];
  const OptimizerEntry<T> e = entries[chunk.entry];
  const Factors<T> f = factors_of<T>(*settings);
  const Index end = chunk.begin + optimizer_chunk_size < e.count ? chunk.begin + optimizer_chunk_size : e.count;
  Index packed_end = chunk.begin;
  if (aligned<T, pack>(e.weight) && aligned<T, pack>(e.gradient) && aligned<T, pack>(e.velocity) &&
      aligned<T, pack>(e.average) && aligned<bf16, pack>(e.copy))
    packed_end = end - (end - chunk.begin) % pack;
  update_range<T, pack>(e, chunk.begin, packed_end, f);
  update_range<T, 1>(e, packed_end, end, f);
}

}  // namespace

std::vector<OptimizerChunk> optimizer_chunks(Index entries, const Index* counts) {
  std::vector<OptimizerChunk> chunks;
  for (Index entry = 0; entry < entries; ++entry)
    for (Index begin = 0; begin < counts[entry]; begin += optimizer_chunk_size) chunks.push_back({entry, begin});
  return chunks;
}

template <class T>
void optimizer_update(const OptimizerEntry<T>* entries, const OptimizerChunk* chunks, Index chunk_count,
                      const OptimizerSettings* settings, Stream stream) {
  if (chunk_count == 0) return;
  TV_LAUNCH(update<T>, dim3(static_cast<unsigned>(chunk_count)), dim3(threads), stream, entries, chunks, settings);
}

#define TV_INSTANTIATE(T)                                                                                          \
  template void optimizer_update(const OptimizerEntry<T>*, const OptimizerChunk*, Index, const OptimizerSettings*, \
                                 Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(double)
#undef TV_INSTANTIATE

}  // namespace tinyvision_kernels
