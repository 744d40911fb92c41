// The first frame of a GIF (GIF89a specification). Where the frame does not reach, the image is black, as TensorFlow has
// it; a transparent pixel has its palette's colour, as in TensorFlow and PIL; colours that the palette lacks are black.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/data/image.hpp"
#include "tinyvision/data/image_bytes.hpp"

TINYVISION_BEGIN
namespace data {
namespace detail {

/// Turns the LZW codes of a GIF (appendix F) into palette indices, at most `most` of them; memory grows with what comes.
class GifCodes {
 public:
  GifCodes(std::uint32_t smallest, std::size_t most) : smallest_(smallest), most_(most) {
    for (std::uint32_t c = 0; c < 1u << smallest; ++c) {
      last_[c] = static_cast<std::uint8_t>(c);
      length_[c] = 1;
    }
    clear();
  }

  /// Takes the bytes of one block; those after the end code or the last pixel are ignored. False for a code that cannot
  /// be.
  bool take(Bytes block) {
    for (const std::uint8_t byte : block) {
      if (ended_) return true;
      bits_ |= std::uint32_t{byte} << held_;
      held_ += 8;
      while (held_ >= width_ && !ended_) {
        const std::uint32_t code = bits_ & ((1u << width_) - 1);
        bits_ >>= width_;
        held_ -= width_;
        if (!step(code)) return false;
      }
    }
    return true;
  }
  const std::vector<std::uint8_t>& indices() const { return indices_; }

 private:
  static constexpr std::uint32_t none = 0xFFFF;

  void clear() {
    width_ = smallest_ + 1;
    next_ = (1u << smallest_) + 2;
    previous_ = none;
  }
  bool step(std::uint32_t code) {
    const std::uint32_t first = 1u << smallest_;
    if (code == first) {
      clear();
      return true;
    }
    if (code == first + 1) {
      ended_ = true;
      return true;
    }
    if (code > next_ || (code == next_ && previous_ == none)) return false;
    const bool grows = previous_ != none && next_ < length_.size();
    if (code == next_ && !grows) return false;
    if (grows) {  // what came last and the first index of what comes now; a code that is just made begins as its begin
      before_[next_] = static_cast<std::uint16_t>(previous_);
      length_[next_] = static_cast<std::uint16_t>(length_[previous_] + 1);
      last_[next_] = first_of(code == next_ ? previous_ : code);
      if (++next_ == 1u << width_ && width_ < 12) ++width_;
    }
    const std::size_t end = indices_.size() + length_[code];
    indices_.resize(end);
    std::uint32_t c = code;
    for (std::size_t i = 1; i <= length_[code]; ++i, c = before_[c]) indices_[end - i] = last_[c];
    if (end >= most_) {
      indices_.resize(most_);
      ended_ = true;
    }
    previous_ = code;
    return true;
  }
  std::uint8_t first_of(std::uint32_t code) const {
    while (length_[code] > 1) code = before_[code];
    return last_[code];
  }

  std::uint32_t smallest_, width_ = 0, next_ = 0, previous_ = none;
  std::uint32_t bits_ = 0, held_ = 0;
  bool ended_ = false;
  std::size_t most_;
  std::vector<std::uint8_t> indices_;
  // A code's string: that of before_, then last_.
  std::array<std::uint16_t, 4096> before_{}, length_{};
  std::array<std::uint8_t, 4096> last_{};
};

/// Height and width of the screen.
inline std::pair<Index, Index> gif_size(const ImageBytes& file) {
  const std::uint32_t version = file.u8(4, "the signature");
  if ((version != '7' && version != '9') || file.u8(5, "the signature") != 'a')
    file.refuse(4, "neither version 87a nor 89a");
  const std::pair<Index, Index> size{file.number(8, 2, "the screen"), file.number(6, 2, "the screen")};
  check_pixels(size.first, size.second, file.name());
  return size;
}

inline Image decode_gif(Bytes bytes, std::string_view name) {
  const ImageBytes file(bytes, ImageFormat::gif, name);
  const auto [screen_height, screen_width] = gif_size(file);
  std::array<std::uint8_t, 768> palette{};
  const auto read_palette = [&](std::size_t at, std::uint32_t flags) {
    if ((flags & 0x80) == 0) return at;
    const Bytes stored = file.range(at, std::size_t{6} << (flags & 7), "a palette");
    palette.fill(0);
    std::copy(stored.begin(), stored.end(), palette.begin());
    return at + stored.size();
  };
  std::size_t at = read_palette(13, file.u8(10, "the screen"));
  // Sub-blocks: a size, as many bytes, and again until the size is 0.
  const auto next_block = [&] {
    const std::size_t length = file.u8(at, "a block");
    const Bytes body = file.range(at + 1, length, "a block");
    at += 1 + length;
    return body;
  };
  for (std::uint32_t kind; (kind = file.u8(at, "a block")) != 0x2C;) {
    if (kind == 0x3B) file.refuse(at, "has no image");
    if (kind != 0x21) file.refuse(at, "an unknown block, ", kind);
    at += 2;  // an extension: a label, and sub-blocks
    while (!next_block().empty()) {
    }
  }

  const Index left = file.number(at + 1, 2, "a frame"), top = file.number(at + 3, 2, "a frame");
  const Index width = file.number(at + 5, 2, "a frame"), height = file.number(at + 7, 2, "a frame");
  if (width == 0 || height == 0 || left + width > screen_width || top + height > screen_height)
    file.refuse(at, "a frame of ", height, "x", width, " at row ", top, ", column ", left, " of an image of ",
                screen_height, "x", screen_width);
  const std::uint32_t flags = file.u8(at + 9, "a frame");
  at = read_palette(at + 10, flags);
  const std::uint32_t smallest = file.u8(at, "image data");
  if (smallest < 1 || smallest > 8) file.refuse(at, "codes of ", smallest, " bits");
  ++at;
  const auto pixels = static_cast<std::size_t>(width * height);
  GifCodes codes(smallest, pixels);
  for (;;) {
    const std::size_t block_at = at;
    const Bytes block = next_block();
    if (block.empty()) break;
    if (!codes.take(block)) file.refuse(block_at, "a code that cannot be");
  }
  if (codes.indices().size() != pixels)
    file.refuse(at, "data of ", codes.indices().size(), " pixels for ", pixels, ": they end early");

  Image image(screen_height, screen_width);
  const std::uint8_t* from = codes.indices().data();
  const auto row = [&](Index y) {
    std::uint8_t* to = image.at(top + y, left);
    for (Index x = 0; x < width; ++x, to += 3) std::copy_n(palette.begin() + 3 * std::ptrdiff_t{*from++}, 3, to);
  };
  if ((flags & 0x40) != 0) {  // interlaced: every eighth row, those half-way between, and so on
    for (const auto& [begin, step] : {std::pair<Index, Index>{0, 8}, {4, 8}, {2, 4}, {1, 2}})
      for (Index y = begin; y < height; y += step) row(y);
  } else {
    for (Index y = 0; y < height; ++y) row(y);
  }
  return image;
}

}  // namespace detail
}  // namespace data
TINYVISION_END
