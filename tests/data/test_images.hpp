// Images, files and folders made by the tests themselves.
#pragma once

#include <turbojpeg.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "tinyvision/core/random.hpp"
#include "tinyvision/data/image.hpp"

namespace test_images {

using tinyvision::Index;
using tinyvision::data::Image;
using ByteVector = std::vector<std::uint8_t>;

/// A fresh folder, removed at the end of its life.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "tinyvision_data_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline void write_file(const std::string& path, const ByteVector& bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}
inline void write_file(const std::string& path, const std::string& text) {
  write_file(path, ByteVector(text.begin(), text.end()));
}

/// Independent random bytes.
inline Image noise(Index height, Index width, std::uint64_t seed = 1) {
  Image image(height, width);
  const tinyvision::Random random(seed, tinyvision::Stream::test);
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<std::uint8_t>(random.integer(i, 256));
  return image;
}

/// A smooth colour gradient, which survives JPEG well.
inline Image gradient(Index height, Index width, int shift = 0) {
  Image image(height, width);
  for (Index y = 0; y < height; ++y)
    for (Index x = 0; x < width; ++x) {
      image.at(y, x)[0] = static_cast<std::uint8_t>((x * 200 / width + shift) % 256);
      image.at(y, x)[1] = static_cast<std::uint8_t>(y * 200 / height + 20);
      image.at(y, x)[2] = static_cast<std::uint8_t>((x + y) * 100 / (width + height) + 50);
    }
  return image;
}

/// JPEG of `pixels` in TurboJPEG's pixel format (RGB, GRAY or CMYK).
inline ByteVector jpeg(const ByteVector& pixels, Index height, Index width, int format = TJPF_RGB,
                       int subsampling = TJSAMP_444, int quality = 95, int flags = 0) {
  tjhandle handle = tjInitCompress();
  unsigned char* out = nullptr;
  unsigned long size = 0;
  const int rc = tjCompress2(handle, pixels.data(), static_cast<int>(width), 0, static_cast<int>(height), format, &out,
                             &size, subsampling, quality, flags);
  ByteVector bytes;
  if (rc == 0) bytes.assign(out, out + size);
  tjFree(out);
  tjDestroy(handle);
  return bytes;
}
inline ByteVector jpeg(const Image& image, int subsampling = TJSAMP_444, int quality = 95, int flags = 0) {
  return jpeg(image.pixels, image.height, image.width, TJPF_RGB, subsampling, quality, flags);
}

/// PNG from raw rows. `colour`: 0 grey, 2 RGB, 3 palette, 4 grey + alpha, 6 RGBA (PNG specification, section 11.2.2).
inline ByteVector png(const ByteVector& rows, Index height, Index width, int colour, int depth = 8,
                      const ByteVector& palette = {}) {
  const auto big_endian = [](ByteVector& to, unsigned long v) {
    for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<std::uint8_t>(v >> shift));
  };
  ByteVector file{0x89, 'P', 'N', 'G', 13, 10, 26, 10};
  const auto chunk = [&](const char* type, const ByteVector& body) {
    big_endian(file, body.size());
    const std::size_t start = file.size();
    file.insert(file.end(), type, type + 4);
    file.insert(file.end(), body.begin(), body.end());
    big_endian(file, crc32(0, file.data() + start, static_cast<unsigned>(file.size() - start)));
  };
  ByteVector header;
  big_endian(header, static_cast<unsigned long>(width));
  big_endian(header, static_cast<unsigned long>(height));
  header.insert(header.end(), {static_cast<std::uint8_t>(depth), static_cast<std::uint8_t>(colour), 0, 0, 0});
  chunk("IHDR", header);
  if (!palette.empty()) chunk("PLTE", palette);
  ByteVector filtered;
  const std::size_t stride = rows.size() / static_cast<std::size_t>(height);
  for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y) {
    filtered.push_back(0);
    filtered.insert(filtered.end(), rows.begin() + static_cast<long>(y * stride),
                    rows.begin() + static_cast<long>((y + 1) * stride));
  }
  uLongf size = compressBound(filtered.size());
  ByteVector packed(size);
  compress(packed.data(), &size, filtered.data(), filtered.size());
  packed.resize(size);
  chunk("IDAT", packed);
  chunk("IEND", {});
  return file;
}
inline ByteVector png(const Image& image) { return png(image.pixels, image.height, image.width, 2); }

/// The folder of shared test data with `name` in it, when it is there.
inline std::optional<std::string> shared_data(const std::string& name) {
  std::vector<std::string> roots;
  if (const char* root = std::getenv("TV_SHARED_DATA")) roots.push_back(root);
  const auto repository = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  roots.push_back((repository.parent_path() / "shared" / "data").string());
  roots.push_back("../shared/data");
  for (const std::string& root : roots)
    if (std::filesystem::exists(root + "/" + name)) return root + "/" + name;
  return std::nullopt;
}

/// The message of the exception E that `body` throws; "" when it throws none.
template <class E, class Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const E& e) {
    return e.what();
  }
  return "";
}

}  // namespace test_images
