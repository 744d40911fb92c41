// Image files to 8-bit RGB, through libjpeg-turbo or stb_image (component `image`).
//
// Rules, one each:
//  - The content decides the format (image_format.hpp). JPEG goes to the chosen decoder, PNG to stb_image; GIF is read by
//    gif_image.hpp (first frame), BMP and binary PNM by plain_image.hpp. What is wrapped in gzip is unwrapped.
//  - Files that end early are refused in every format: no pixel is invented.
//  - JPEG: accurate integer inverse DCT ("islow") and smooth ("fancy") chroma upsampling, as TensorFlow decodes by
//    default.
//  - Grey, grey + alpha: R = G = B = grey. Palettes are resolved, colours that they lack are black. Alpha is dropped, not
//    composed. 16 bits keep the upper 8.
//  - Four-component JPEG (CMYK, or YCCK converted to CMYK): with an Adobe marker the inks are stored inverted and
//    R = C*K/255, G = M*K/255, B = Y*K/255; without one R = (255-C)*(255-K)/255 and so on; integer division
//    (TensorFlow's rule). stb_image rounds the same product to nearest, so it may differ by 1; it cannot tell CMYK
//    without an Adobe marker and such a file is refused there.
//  - An orientation stored in EXIF data is ignored, as by TensorFlow's and torchvision's readers.
#pragma once

#include <dlfcn.h>
#include <turbojpeg.h>

#include <cctype>
#include <climits>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "tinyvision/core/files.hpp"
#include "tinyvision/data/gif_image.hpp"
#include "tinyvision/data/image.hpp"
#include "tinyvision/data/image_bytes.hpp"
#include "tinyvision/data/image_format.hpp"
#include "tinyvision/data/plain_image.hpp"
#include "tinyvision/data/png_structure.hpp"
#include "tinyvision/data/stb_image.hpp"

TINYVISION_BEGIN
namespace data {

/// Which library decodes JPEG.
enum class Decoder { turbo, stb };

constexpr const char* to_string(Decoder decoder) { return decoder == Decoder::turbo ? "turbo" : "stb"; }

/// "turbo" or "stb". Throws UsageError for anything else.
inline Decoder parse_decoder(const std::string& text) {
  if (text == "turbo") return Decoder::turbo;
  if (text == "stb") return Decoder::stb;
  fail_usage("decoder", "unknown decoder '", text, "': choose turbo or stb");
}

/// Scans times pixels of a JPEG: each scan visits all pixels, and a small file can hold many that change nothing.
inline constexpr Index maximum_scan_pixels = Index{1} << 32;
/// An image file that is wrapped in gzip may have so many bytes: 64 MiB.
inline constexpr std::size_t largest_gzipped_image = std::size_t{1} << 26;

namespace detail {

/// The version text inside the loaded libturbojpeg: its API has no call for it.
inline std::string find_turbo_version() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&tjInitDecompress), &info) == 0 || info.dli_fname == nullptr)
    return "unknown";
  std::ifstream file(info.dli_fname, std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  // Assembled at run time, so that a search of our own binary cannot find the pattern itself.
  const std::string pattern = std::string("libjpeg-turbo") + " version ";
  const std::size_t at = content.find(pattern);
  if (at == std::string::npos) return "unknown";
  std::size_t end = at + pattern.size();
  while (end < content.size() && (std::isdigit(static_cast<unsigned char>(content[end])) || content[end] == '.')) ++end;
  return content.substr(at + pattern.size(), end - at - pattern.size());
}

inline void check_scans(Index scans, Index height, Index width, std::string_view name) {
  if (scans > 1 && scans > maximum_scan_pixels / (height * width))
    fail_usage("decode", name, ": JPEG of ", height, "x", width, " pixels with ", scans,
               " scans; scans times pixels may be ", maximum_scan_pixels);
}

/// libjpeg-turbo's decompressor for one file. A new one each time: a used one still has the last file's tables, and would
/// decode a file that lacks its own with them.
class TurboDecompressor {
 public:
  /// Reads the header. Throws UsageError naming `name`.
  TurboDecompressor(Bytes bytes, std::string_view name) : bytes_(bytes), name_(name), handle_(tjInitDecompress()) {
    check(handle_ != nullptr, "decode", "libjpeg-turbo cannot start");
    int subsampling = 0;
    if (tjDecompressHeader3(handle_.get(), bytes.data(), size(), &width, &height, &subsampling, &colours) != 0)
      refuse("not a readable JPEG");
    check_pixels(height, width, name);
    // TJFLAG_LIMITSCANS stops at 500 scans, which is enough for all but large images.
    if (Index{height} * width > maximum_scan_pixels / 500)
      check_scans(read_jpeg_markers(bytes).scans, height, width, name);
  }
  /// All pixels in `format`, packed.
  void decode(int format, std::uint8_t* out) {
    constexpr int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS;
    const int code = tjDecompress2(handle_.get(), bytes_.data(), size(), out, width, 0, height, format, flags);
    // A warning (data ended early, bits were damaged) also returns -1: part of the pixels would be invented. Not so for bytes
    // that belong to nothing between the last pixels and the end marker, as in two images of the Pets set. libjpeg tells its
    // first warning alone, so nothing was wrong before.
    const auto harmless = [&] {
      return tjGetErrorCode(handle_.get()) == TJERR_WARNING &&
             std::string_view(tjGetErrorStr2(handle_.get())).ends_with(" extraneous bytes before marker 0xd9");
    };
    if (code != 0 && !harmless()) refuse("corrupt JPEG");
  }

  int width = 0, height = 0, colours = 0;

 private:
  struct Destroy {
    void operator()(void* handle) const { tjDestroy(handle); }
  };
  unsigned long size() const { return static_cast<unsigned long>(bytes_.size()); }
  [[noreturn]] void refuse(const char* what) const {
    fail_usage("decode", name_, ": ", what, ": ", tjGetErrorStr2(handle_.get()));
  }

  Bytes bytes_;
  std::string_view name_;
  std::unique_ptr<void, Destroy> handle_;
};

inline Image decode_jpeg_turbo(Bytes bytes, std::string_view name) {
  TurboDecompressor decompressor(bytes, name);
  Image image(decompressor.height, decompressor.width);
  if (decompressor.colours != TJCS_CMYK && decompressor.colours != TJCS_YCCK) {
    decompressor.decode(TJPF_RGB, image.pixels.data());
    return image;
  }
  std::vector<std::uint8_t> inks(image.pixels.size() / 3 * 4);
  decompressor.decode(TJPF_CMYK, inks.data());
  const int invert = read_jpeg_markers(bytes).adobe ? 0 : 255;
  for (std::size_t i = 0, pixels = inks.size() / 4; i < pixels; ++i) {
    const int black = inks[4 * i + 3] ^ invert;
    for (std::size_t c = 0; c < 3; ++c)
      image.pixels[3 * i + c] = static_cast<std::uint8_t>((inks[4 * i + c] ^ invert) * black / 255);
  }
  return image;
}

/// JPEG and PNG.
inline Image decode_stb(Bytes bytes, ImageFormat format, std::string_view name) {
  if (bytes.size() > INT_MAX) fail_usage("decode", name, ": file of ", bytes.size(), " bytes is too large");
  int width = 0, height = 0, channels = 0;
  Index scans = 0;
  const auto refuse = [&] {
    const char* reason = stb::stbi_failure_reason();
    fail_usage("decode", name, ": corrupt ", to_string(format), ": ", reason != nullptr ? reason : "no reason given");
  };
  if (format == ImageFormat::jpeg) {
    const JpegMarkers markers = read_jpeg_markers(bytes);
    if (!markers.complete) fail_usage("decode", name, ": corrupt JPEG: no end-of-image marker, the data ends early");
    scans = markers.scans;
    if (!markers.sound)
      fail_usage("decode", name, ": corrupt JPEG: a Huffman table that is too large or was never defined");
    if (markers.components == 4 && !markers.adobe)
      fail_usage("decode", name, ": stb_image cannot decode CMYK without an Adobe marker; use the turbo decoder");
  }
  std::vector<std::uint8_t> changed;
  if (format == ImageFormat::png) {  // stb_image does not say that such an image is too large
    const PngHeader header = read_png_header(bytes, name);
    check_pixels(header.height, header.width, name);
    check_png(bytes, header, name);
    changed = with_full_palette(bytes, header);
    if (!changed.empty()) bytes = changed;
  }
  const int size = static_cast<int>(bytes.size());
  if (stb::stbi_info_from_memory(bytes.data(), size, &width, &height, &channels) == 0) refuse();
  check_pixels(height, width, name);
  check_scans(scans, height, width, name);
  struct Free {
    void operator()(void* p) const { stb::stbi_image_free(p); }
  };
  const std::unique_ptr<std::uint8_t, Free> decoded(
      stb::stbi_load_from_memory(bytes.data(), size, &width, &height, &channels, 3));
  if (decoded == nullptr) refuse();
  Image image;
  image.height = height;
  image.width = width;
  image.pixels.assign(decoded.get(),
                      decoded.get() + static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 3);
  return image;
}

}  // namespace detail

/// The JPEG decoder with its version, as recorded in results: "libjpeg-turbo 2.1.5 (islow, fancy upsampling)".
inline const std::string& decoder_name(Decoder decoder) {
  static const std::string stb = "stb_image (interface " + std::to_string(STBI_VERSION) + ")";
  static const std::string turbo = "libjpeg-turbo " + detail::find_turbo_version() + " (islow, fancy upsampling)";
  return decoder == Decoder::turbo ? turbo : stb;
}

/// Decodes the bytes of an image file. `name` (its path) appears in messages. Throws UsageError when they are no image,
/// are truncated or damaged (libjpeg's warnings count, but for extraneous bytes before the end marker), or hold more than
/// `maximum_pixels`. Thread-safe.
inline Image decode_image(Bytes bytes, std::string_view name, Decoder decoder = Decoder::turbo) {
  const ImageFormat format = image_format(bytes);
  if (bytes.empty()) fail_usage("decode", name, ": empty file");
  if (format == ImageFormat::gzip) {  // as 26 files of ImageNet are; once only
    const std::string inner = inflate({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, Deflated::gzip,
                                      largest_gzipped_image, name);
    const Bytes view{reinterpret_cast<const std::uint8_t*>(inner.data()), inner.size()};
    if (image_format(view) == ImageFormat::gzip) fail_usage("decode", name, ": gzip within gzip");
    return decode_image(view, name, decoder);
  }
  if (format == ImageFormat::unknown)
    fail_usage("decode", name, ": not an image (the leading bytes are those of no JPEG, PNG, GIF, BMP or PNM file)");
  if (format == ImageFormat::gif) return detail::decode_gif(bytes, name);
  if (format == ImageFormat::bmp) return detail::decode_bmp(bytes, name);
  if (format == ImageFormat::pnm) return detail::decode_pnm(bytes, name);
  if (format == ImageFormat::jpeg && decoder == Decoder::turbo) return detail::decode_jpeg_turbo(bytes, name);
  return detail::decode_stb(bytes, format, name);
}

/// Height and width that an image file's header states, without decoding it. Throws UsageError when there is none.
inline std::pair<Index, Index> decoded_size(Bytes bytes, std::string_view name) {
  const ImageFormat format = image_format(bytes);
  const detail::ImageBytes file(bytes, format, name);
  switch (format) {
    case ImageFormat::gzip: {
      const Image whole = decode_image(bytes, name);
      return {whole.height, whole.width};
    }
    case ImageFormat::png: {
      const PngHeader header = read_png_header(bytes, name);
      detail::check_pixels(header.height, header.width, name);
      return {header.height, header.width};
    }
    case ImageFormat::jpeg: {  // stb_image would read its Huffman tables, and past their ends
      const detail::TurboDecompressor header(bytes, name);
      return {header.height, header.width};
    }
    case ImageFormat::gif: return detail::gif_size(file);
    case ImageFormat::bmp: {
      const detail::BmpSize size = detail::bmp_size(file);
      return {size.height, size.width};
    }
    case ImageFormat::pnm: {
      const detail::PnmHeader header = detail::pnm_header(file);
      return {header.height, header.width};
    }
    default: fail_usage("decode", name, ": not an image");
  }
}

/// Reads and decodes one image file; see decode_image.
inline Image read_image(const std::string& path, Decoder decoder = Decoder::turbo) {
  const std::string bytes = read_file(path);
  return decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, path, decoder);
}

}  // namespace data
TINYVISION_END
