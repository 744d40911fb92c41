// Decoding of a part: the pixels of a box are those of the whole image, bit for bit, at less work.
//
// A baseline JPEG's coefficients have to be read from the top, but rows above the box need no inverse transform, columns
// beside it neither, and what lies below is not read at all. Smooth chroma upsampling looks one pixel beyond the box; the
// rows and columns that it looks at are decoded with it. Everything else (other formats, progressive, arithmetic and
// four-component JPEG) is decoded whole.
//
// Damage above the box and in it is found as by decode_image, and so is a file that was cut short; damaged bits below it
// are not.
#pragma once

// clang-format off
#include <cstdio>  // jpeglib.h needs it before itself
#include <jpeglib.h>
// clang-format on

#include <algorithm>
#include <csetjmp>
#include <functional>
#include <string_view>

#include "tinyvision/data/decode.hpp"

TINYVISION_BEGIN
namespace data {

/// Names a box within an image of the given height and width.
using ChooseBox = std::function<Box(Index height, Index width)>;

/// Pixels of which only a box is asked for.
struct BoxView {
  ImageView view;
  Box box;  ///< within `view`
};

namespace detail {

/// libjpeg's decompressor. Its errors come back by longjmp, so the functions that call it hold no objects that would have
/// to be destroyed.
class BoxDecompressor {
 public:
  BoxDecompressor() {
    state_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = [](j_common_ptr state) {
      Errors& errors = *reinterpret_cast<Errors*>(state->err);
      errors.base.format_message(state, errors.reason);
      std::longjmp(errors.stop, 1);
    };
    errors_.base.emit_message = [](j_common_ptr state, int level) {
      if (level >= 0) return;  // a trace
      Errors& errors = *reinterpret_cast<Errors*>(state->err);
      if (errors.base.num_warnings++ == 0) errors.base.format_message(state, errors.reason);
    };
    made_ = start();
  }
  BoxDecompressor(const BoxDecompressor&) = delete;
  BoxDecompressor& operator=(const BoxDecompressor&) = delete;
  ~BoxDecompressor() {
    if (made_) jpeg_destroy_decompress(&state_);
  }

  /// Reads the header; false when it is none, or one of a file that has to be decoded whole.
  bool open(Bytes bytes) {
    if (!made_ || setjmp(errors_.stop) != 0) return false;
    jpeg_mem_src(&state_, bytes.data(), static_cast<unsigned long>(bytes.size()));
    jpeg_read_header(&state_, TRUE);
    return state_.num_components != 4 && state_.progressive_mode == FALSE && state_.arith_code == FALSE &&
           jpeg_has_multiple_scans(&state_) == FALSE;
  }
  Index height() const { return static_cast<Index>(state_.image_height); }
  Index width() const { return static_cast<Index>(state_.image_width); }

  /// The columns that are decoded for a box: its own and at least what its pixels depend on. False: see reason().
  bool begin(const Box& box, Index& left, Index& width) {
    if (setjmp(errors_.stop) != 0) return false;
    state_.out_color_space = JCS_RGB;
    state_.dct_method = JDCT_ISLOW;
    state_.do_fancy_upsampling = TRUE;
    jpeg_start_decompress(&state_);
    JDIMENSION x = static_cast<JDIMENSION>(std::max<Index>(0, box.left - margin));
    JDIMENSION columns = static_cast<JDIMENSION>(std::min(this->width(), box.left + box.width + margin)) - x;
    if (columns < state_.output_width) jpeg_crop_scanline(&state_, &x, &columns);
    left = static_cast<Index>(x);
    width = static_cast<Index>(columns);
    return true;
  }
  /// The box's rows of begin()'s columns into rows[box.height][width][3]; `spare` holds one more row.
  bool read(const Box& box, std::uint8_t* rows, std::uint8_t* spare, std::size_t row_bytes) {
    if (setjmp(errors_.stop) != 0) return false;
    const JDIMENSION top = static_cast<JDIMENSION>(box.top), bottom = static_cast<JDIMENSION>(box.top + box.height);
    if (box.top > margin) jpeg_skip_scanlines(&state_, static_cast<JDIMENSION>(box.top - margin));
    while (state_.output_scanline < top) jpeg_read_scanlines(&state_, &spare, 1);
    while (state_.output_scanline < bottom) {
      std::uint8_t* some[16];
      const JDIMENSION count = std::min<JDIMENSION>(16, bottom - state_.output_scanline);
      for (JDIMENSION i = 0; i < count; ++i) some[i] = rows + (state_.output_scanline - top + i) * row_bytes;
      jpeg_read_scanlines(&state_, some, count);
    }
    return errors_.base.num_warnings == 0;  // a warning says that part of the pixels was invented
  }
  const char* reason() const { return errors_.reason; }

 private:
  /// Smooth upsampling makes a pixel of two neighbouring chroma samples each way.
  static constexpr Index margin = 2;

  struct Errors {
    jpeg_error_mgr base{};
    std::jmp_buf stop;
    char reason[JMSG_LENGTH_MAX] = "";
  };

  bool start() {
    if (setjmp(errors_.stop) != 0) return false;
    jpeg_create_decompress(&state_);
    return true;
  }

  jpeg_decompress_struct state_{};
  Errors errors_;
  bool made_ = false;
};

}  // namespace detail

/// Decodes the box that `choose` names, told the image's height and width, once. `scratch` takes the pixels: the box and
/// perhaps more around it. Errors are those of decode_image; Error when the box does not lie in the image. Thread-safe.
inline BoxView decode_box(Bytes bytes, std::string_view name, Decoder decoder, const ChooseBox& choose,
                          Image& scratch) {
  const auto whole_image = [&]() -> BoxView {
    scratch = decode_image(bytes, name, decoder);
    return {scratch, choose(scratch.height, scratch.width)};
  };
  if (decoder != Decoder::turbo || image_format(bytes) != ImageFormat::jpeg || !read_jpeg_markers(bytes).complete)
    return whole_image();
  // A new one each time: a used one still has the last file's tables, and would decode a file that lacks its own with them.
  detail::BoxDecompressor decompressor;
  if (!decompressor.open(bytes)) return whole_image();
  const Index height = decompressor.height(), width = decompressor.width();
  detail::check_pixels(height, width, name);
  const Box box = choose(height, width);
  check_box(height, width, box, "decode_box");
  const auto refuse = [&] { fail_usage("decode", name, ": corrupt JPEG: ", decompressor.reason()); };
  Index left = 0, columns = 0;
  if (!decompressor.begin(box, left, columns)) refuse();
  const std::size_t row_bytes = static_cast<std::size_t>(3 * columns);
  // One row more while decoding, for rows above the box.
  scratch.pixels.resize(static_cast<std::size_t>(box.height + 1) * row_bytes);
  const std::size_t used = static_cast<std::size_t>(box.height) * row_bytes;
  if (!decompressor.read(box, scratch.pixels.data(), scratch.pixels.data() + used, row_bytes)) refuse();
  scratch.pixels.resize(used);
  scratch.height = box.height;
  scratch.width = columns;
  return {scratch, {0, box.left - left, box.height, box.width}};
}

}  // namespace data
TINYVISION_END
