// A batch of decoded images as a network's input: crop, resize, shift, flip, colours, normalise.
//
//   p = i * (crop / out),  low = min(floor(p), crop - 1),  high = min(low + 1, crop - 1),  t = p - low   for each axis
//   top = a00 + (a01 - a00) * tx,  bottom = a10 + (a11 - a10) * tx,  value = top + (bottom - top) * ty
//   value = clip(adjust_n(... adjust_1(value)), 0, 1)   where colours are adjusted: brightness, saturation, hue, contrast
//   y = value * scale[c] + shift[c],  a = byte * byte_scale
// (TensorFlow 1's resize_bilinear with align_corners=False; tinyvision/data/resize.hpp, colour.hpp and augment.hpp are the
// specification, in f32 and in this order, so that the bits are theirs. (x - 0.5) * 2 and x * 2 - 1 round alike.)
//
// Shapes. `bytes` holds images of different sizes, RGB interleaved without gaps, each where its entry of the table
// says; y is [images, out_h, out_w, 3], means [images, 3].
//
// Threads. One per output pixel, neighbours in a row next to each other; an image has its own blocks of 256 threads
// along x, and images follow each other along y of the grid (65535 at most in one launch, more take several). The mean
// that contrast needs takes a launch of its own before: a block of 256 threads for each image, which computes the pixels
// up to that adjustment; computing them twice costs less than keeping them.
//
// Repeatability. A pixel depends on four source pixels and the mean; the mean is a sum in double whose order is fixed:
// pixel i belongs to thread i mod 256, and then the second half of the sums is added to the first, again and again.
#include "support/numbers.h"

namespace tinyvision_kernels {
namespace {

constexpr int block = 256;

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

struct Pixel {
  float v[3];
};

__device__ Pixel resized_pixel(const std::uint8_t* bytes, const InputImage& image, float byte_scale, Index out_h,
                               Index out_w, Index row, Index column) {
  row -= image.shift_y;
  column = (image.flip ? out_w - 1 - column : column) - image.shift_x;
  if (row < 0 || row >= out_h || column < 0 || column >= out_w) return {};  // black came in
  const Tap down = tap_of(image.crop_height, out_h, row), across = tap_of(image.crop_width, out_w, column);
  const std::uint8_t* const first = bytes + image.offset + 3 * (image.top * image.width + image.left);
  const std::uint8_t* const upper = first + 3 * down.low * image.width;
  const std::uint8_t* const lower = first + 3 * down.high * image.width;
  const auto between = [&](const std::uint8_t* line, int c) {
    const float a = static_cast<float>(line[3 * across.low + c]) * byte_scale;
    const float b = static_cast<float>(line[3 * across.high + c]) * byte_scale;
    return a + (b - a) * across.t;
  };
  Pixel pixel;
  TV_UNROLL
  for (int c = 0; c < 3; ++c) {
    const float top = between(upper, c), bottom = between(lower, c);
    pixel.v[c] = top + (bottom - top) * down.t;
  }
  return pixel;
}

__device__ float larger(float a, float b) { return a < b ? b : a; }
__device__ float smaller(float a, float b) { return b < a ? b : a; }

__device__ Pixel with_saturation(const Pixel& x, float factor) {
  const float value = larger(larger(x.v[0], x.v[1]), x.v[2]);
  const float range = value - smaller(smaller(x.v[0], x.v[1]), x.v[2]);
  const float ratio = value > 0 ? (range * factor > value ? value / range : factor) : 0.0f;
  return {{value - (value - x.v[0]) * ratio, value - (value - x.v[1]) * ratio, value - (value - x.v[2]) * ratio}};
}

__device__ Pixel with_hue(const Pixel& x, float delta) {
  const float r = x.v[0], g = x.v[1], b = x.v[2];
  const float high = larger(larger(r, g), b), low = smaller(smaller(r, g), b), range = high - low;
  if (range <= 0) return x;
  float hue = high == r ? (g - b) / range : high == g ? 2 + (b - r) / range : 4 + (r - g) / range;
  hue += 6 * delta;
  hue -= 6 * floorf(hue / 6);
  const int whole = static_cast<int>(hue), sector = whole < 5 ? whole : 5;
  const float fraction = hue - static_cast<float>(sector);
  const float middle = low + (sector % 2 == 0 ? fraction : 1 - fraction) * range;
  switch (sector) {
    case 0: return {{high, middle, low}};
    case 1: return {{middle, high, low}};
    case 2: return {{low, high, middle}};
    case 3: return {{low, middle, high}};
    case 4: return {{middle, low, high}};
    default: return {{high, low, middle}};
  }
}

/// The first `steps` adjustments. `mean` is that of the pixels as contrast finds them.
__device__ Pixel adjusted(Pixel x, const InputImage& image, int steps, const float* mean) {
  for (int step = 0; step < steps; ++step) {
    const float amount = image.colour[step].amount;
    switch (image.colour[step].kind) {
      case ColourAdjustment::brightness:
        for (int c = 0; c < 3; ++c) x.v[c] += amount;
        break;
      case ColourAdjustment::saturation: x = with_saturation(x, amount); break;
      case ColourAdjustment::hue: x = with_hue(x, amount); break;
      default:
        for (int c = 0; c < 3; ++c) x.v[c] = (x.v[c] - mean[c]) * amount + mean[c];
    }
  }
  return x;
}

__global__ void __launch_bounds__(block) contrast_means(const std::uint8_t* bytes, const InputImage* table,
                                                        float byte_scale, Index out_h, Index out_w, float* means) {
  TV_SHARED(double, sums, block);
  const InputImage& image = table[blockIdx.x];
  int before = 0;  // adjustments before contrast
  while (before < image.colour_steps && image.colour[before].kind != ColourAdjustment::contrast) ++before;
  if (before == image.colour_steps) return;  // the whole block
  double sum[3] = {0, 0, 0};
  for (Index pixel = threadIdx.x; pixel < out_h * out_w; pixel += block) {
    const Pixel x = adjusted(resized_pixel(bytes, image, byte_scale, out_h, out_w, pixel / out_w, pixel % out_w), image,
                             before, nullptr);
    for (int c = 0; c < 3; ++c) sum[c] += static_cast<double>(x.v[c]);
  }
  for (int c = 0; c < 3; ++c) {
    sums[threadIdx.x] = sum[c];
    __syncthreads();
    for (unsigned half = block / 2; half > 0; half /= 2) {
      if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
      __syncthreads();
    }
    if (threadIdx.x == 0)
      means[3 * blockIdx.x + static_cast<unsigned>(c)] =
          static_cast<float>(sums[0] / static_cast<double>(out_h * out_w));
    __syncthreads();
  }
}

template <class T>
__global__ void __launch_bounds__(block)
    prepare_images(const std::uint8_t* bytes, const InputImage* table, InputNormalisation normalisation, Index out_h,
                   Index out_w, const float* means, T* y) {
  const Index pixel = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (pixel >= out_h * out_w) return;
  const InputImage& image = table[blockIdx.y];
  Pixel x = resized_pixel(bytes, image, normalisation.byte_scale, out_h, out_w, pixel / out_w, pixel % out_w);
  if (image.colour_steps > 0) {
    x = adjusted(x, image, image.colour_steps, means + 3 * blockIdx.y);
    for (int c = 0; c < 3; ++c) x.v[c] = smaller(larger(x.v[c], 0.0f), 1.0f);
  }
  T* const target = y + 3 * (static_cast<Index>(blockIdx.y) * out_h * out_w + pixel);
  TV_UNROLL
  for (int c = 0; c < 3; ++c) target[c] = from_compute<T>(x.v[c] * normalisation.scale[c] + normalisation.shift[c]);
}

}  // namespace

template <class T>
void input_images(Index images, const std::uint8_t* bytes, const InputImage* table,
                  const InputNormalisation& normalisation, Index out_h, Index out_w, float* means, T* y,
                  Stream stream) {
  constexpr Index most = 65535;  // blocks along y of a grid
  if (means && images > 0)
    TV_LAUNCH(contrast_means, dim3(static_cast<unsigned>(images)), dim3(block), stream, bytes, table,
              normalisation.byte_scale, out_h, out_w, means);
  for (Index begin = 0; begin < images; begin += most) {
    const Index count = images - begin < most ? images - begin : most;
    TV_LAUNCH(prepare_images<T>, dim3(grid_of(out_h * out_w), static_cast<unsigned>(count)), dim3(block), stream, bytes,
              table + begin, normalisation, out_h, out_w, means ? means + 3 * begin : nullptr,
              y + begin * out_h * out_w * 3);
  }
}

#define TV_INSTANTIATE(T)                                                                                            \
  template void input_images(Index, const std::uint8_t*, const InputImage*, const InputNormalisation&, Index, Index, \
                             float*, T*, Stream);
TV_INSTANTIATE(float)
TV_INSTANTIATE(bf16)
#undef TV_INSTANTIATE

}  // namespace tinyvision_kernels
