// A batch of decoded images as a network's input: crop, resize, flip, normalise.
//
//   p = i * (crop / out),  low = min(floor(p), crop - 1),  high = min(low + 1, crop - 1),  t = p - low   for each axis
//   top = a00 + (a01 - a00) * tx,  bottom = a10 + (a11 - a10) * tx,  value = top + (bottom - top) * ty
//   y = value * scale[c] + shift[c],  a = byte * byte_scale
// (TensorFlow 1's resize_bilinear with align_corners=False; tinyvision/data/resize.hpp and preprocess.hpp are the
// specification, in f32 and in this order, so that the bits are theirs. (x - 0.5) * 2 and x * 2 - 1 round alike.)
//
// Shapes. `bytes` holds images of different sizes, RGB interleaved without gaps, each where its entry of the table
// says; y is [images, out_h, out_w, 3].
//
// Threads. One per output pixel, neighbours in a row next to each other; an image has its own blocks of 256 threads
// along x, and images follow each other along y of the grid (65535 at most in one launch, more take several).
//
// Repeatability. A pixel depends on four source pixels alone.
#include "support/numbers.h"

namespace tinyvision_kernels {
namespace {

/// Source positions and the weight of the second.
struct Tap {
  Index low, high;
  float t;
};

__device__ Tap tap_of(Index in, Index out, Index i) {
  const float position = static_cast<float>(i) * (static_cast<float>(in) / static_cast<float>(out));
  const Index whole = static_cast<Index>(position), low = whole < in - 1 ? whole : in - 1;
  return {low, low + 1 < in - 1 ? low + 1 : in - 1, position - static_cast<float>(low)};
}

template <class T>
__global__ void __launch_bounds__(256) resize_images(const std::uint8_t* bytes, const InputImage* table,
                                                     InputNormalisation normalisation, Index out_h, Index out_w, T* y) {
  const Index pixel = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (pixel >= out_h * out_w) return;
  const InputImage image = table[blockIdx.y];
  const Index row = pixel / out_w, column = pixel % out_w;
  const Tap down = tap_of(image.crop_height, out_h, row);
  const Tap across = tap_of(image.crop_width, out_w, image.flip ? out_w - 1 - column : column);
  const std::uint8_t* const first = bytes + image.offset + 3 * (image.top * image.width + image.left);
  const std::uint8_t* const upper = first + 3 * down.low * image.width;
  const std::uint8_t* const lower = first + 3 * down.high * image.width;
  T* const target = y + 3 * (static_cast<Index>(blockIdx.y) * out_h * out_w + pixel);
  const auto between = [&](const std::uint8_t* line, int c) {
    const float a = static_cast<float>(line[3 * across.low + c]) * normalisation.byte_scale;
    const float b = static_cast<float>(line[3 * across.high + c]) * normalisation.byte_scale;
    return a + (b - a) * across.t;
  };
  TV_UNROLL
  for (int c = 0; c < 3; ++c) {
    const float top = between(upper, c), bottom = between(lower, c);
    const float value = top + (bottom - top) * down.t;
    target[c] = from_compute<T>(value * normalisation.scale[c] + normalisation.shift[c]);
  }
}

}  // namespace

template <class T>
void input_images(Index images, const std::uint8_t* bytes, const InputImage* table,
                  const InputNormalisation& normalisation, Index out_h, Index out_w, T* y, Stream stream) {
  constexpr Index most = 65535;  // blocks along y of a grid
  for (Index begin = 0; begin < images; begin += most) {
    const Index count = images - begin < most ? images - begin : most;
    TV_LAUNCH(resize_images<T>, dim3(grid_of(out_h * out_w), static_cast<unsigned>(count)), dim3(256), stream, bytes,
              table + begin, normalisation, out_h, out_w, y + begin * out_h * out_w * 3);
  }
}

#define TV_INSTANTIATE(T)                                                                                            \
  template void input_images(Index, const std::uint8_t*, const InputImage*, const InputNormalisation&, Index, Index, \
                             T*, Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(bf16)
#undef TV_INSTANTIATE

}  // namespace tinyvision_kernels
