// Decoded images in one file that is mapped into memory.
//
//   header   "TVPIXEL1", the key (64 hexadecimal digits), number of images, place of the table (64 bits each)
//   pixels   image after image, each from a multiple of 64 on
//   table    for each image: place, height, width (64 bits each); or 0, 0 and the length of a reason why it is unreadable
//   reasons  one after another
//
// The key is the SHA-256 of all that the pixels depend on: the data set's name, its decoder, the names and bytes of its files
// (content_digest.hpp), the shortest side. It is part of the file's name, so a changed input never meets an old cache. A file
// gets its name when it is complete.
#pragma once

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/core/digest.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/core/mapped_file.hpp"
#include "tinyvision/core/thread_pool.hpp"
#include "tinyvision/data/content_digest.hpp"
#include "tinyvision/data/dataset.hpp"
#include "tinyvision/data/preprocess.hpp"

TINYVISION_BEGIN
namespace data {

struct PixelCacheOptions {
  /// ContentDigests::of_all() of the data set, where it is known. Empty: all files are read for it.
  std::string content{};
  /// 0: original pixels. Else larger images are reduced (antialias_bilinear, rounded) until their shortest side has so many
  /// pixels; random crops then cut from other pixels, which decoder() says.
  Index shortest_side = 0;
  bool skip_bad = false;                                    ///< keep unreadable images as such instead of failing
  std::function<void(const std::string&)> announce{};       ///< is told size and place before anything is written
  std::function<void(Index done, Index total)> progress{};  ///< images
  std::function<bool()> should_stop{};
};

/// Thrown when should_stop said so. Nothing stays of what was written.
class PixelCacheStopped : public Error {
 public:
  using Error::Error;
};

namespace detail {

inline constexpr std::string_view pixel_cache_magic = "TVPIXEL1";
inline constexpr std::uint64_t pixel_cache_header = 8 + 64 + 8 + 8;

/// Sides after reduction to `shortest` pixels; the longer side keeps the aspect ratio, rounded, at least 1.
inline std::pair<Index, Index> reduced_size(Index height, Index width, Index shortest) {
  const Index least = std::min(height, width);
  if (shortest == 0 || least <= shortest) return {height, width};
  const auto other = [&](Index side) { return std::max<Index>(1, (side * shortest + least / 2) / least); };
  return {other(height), other(width)};
}

inline Image reduce(const Image& image, Index shortest) {
  const auto [height, width] = reduced_size(image.height, image.width, shortest);
  if (height == image.height && width == image.width) return image;
  std::vector<float> values(static_cast<std::size_t>(3 * height * width));
  resize_crop(image, whole(image), height, width, Resizer::antialias_bilinear, values.data());
  Image out(height, width);
  round_to_bytes(values.data(), 3 * height * width, 1.0f, out.pixels.data());
  return out;
}

/// One image's line of the table.
struct CachedImage {
  std::uint64_t place = 0, height = 0, width = 0;
};

}  // namespace detail

/// SHA-256 of what cached pixels of `dataset` depend on, `options.content` among it.
inline std::string pixel_cache_key(const Dataset& dataset, const PixelCacheOptions& options) {
  return sha256_hex(concat_text("pixels 2\n", dataset.name(), "\n", dataset.decoder(), "\nshortest side ",
                                options.shortest_side, "\n", options.content, "\n"));
}

/// A data set whose images come from such a file. Labels, names and metric are those of the data set behind it.
class CachedDataset : public Dataset {
 public:
  /// Throws UsageError naming the file when it is damaged or was made for another key.
  CachedDataset(std::shared_ptr<const Dataset> behind, const std::string& path, const std::string& key,
                Index shortest_side)
      : Dataset(behind->name(), behind->class_names(), behind->metric()),
        behind_(std::move(behind)),
        file_(path),
        shortest_side_(shortest_side) {
    const std::string_view bytes = file_.bytes();
    const auto refuse = [&](const auto&... what) {
      fail_usage("cache", path, ": ", what..., "; remove the file, and it is made anew");
    };
    if (bytes.size() < detail::pixel_cache_header || !bytes.starts_with(detail::pixel_cache_magic))
      refuse("no cache of images");
    if (bytes.substr(8, 64) != key) refuse("made for other images");
    const auto number = [&](std::uint64_t at) {
      std::uint64_t value;
      std::memcpy(&value, bytes.data() + at, 8);
      return value;
    };
    const std::uint64_t count = number(72), table = number(80), all = bytes.size();
    if (count != static_cast<std::uint64_t>(behind_->size()) || table > all || (all - table) / 24 < count)
      refuse("its table does not fit: ", count, " images");
    std::uint64_t reasons = table + 24 * count;
    for (std::uint64_t i = 0; i < count; ++i) {
      const detail::CachedImage image{number(table + 24 * i), number(table + 24 * i + 8), number(table + 24 * i + 16)};
      if (image.place == 0) {
        if (image.height != 0 || image.width > all - reasons) refuse("damaged at image ", i);
        reasons_.emplace_back(bytes.substr(reasons, image.width));
        reasons += image.width;
      } else if (image.height == 0 || image.width == 0 || image.place > table ||
                 image.height > (table - image.place) / 3 / image.width) {
        refuse("damaged at image ", i);
      } else {
        reasons_.emplace_back();
      }
      images_.push_back(image);
    }
  }

  Index size() const override { return behind_->size(); }
  std::int64_t label(Index i) const override { return behind_->label(i); }
  std::span<const std::int8_t> presence(Index i) const override { return behind_->presence(i); }
  std::string path(Index i) const override { return behind_->path(i); }
  std::string content(Index i) const override { return behind_->content(i); }
  std::string stamp(Index i) const override { return behind_->stamp(i); }
  ImageView view(Index i) const override {
    check_index(i);
    const detail::CachedImage& image = images_[static_cast<std::size_t>(i)];
    if (image.place == 0) fail_usage("cache", reasons_[static_cast<std::size_t>(i)]);
    return {static_cast<Index>(image.height), static_cast<Index>(image.width),
            reinterpret_cast<const std::uint8_t*>(file_.bytes().data() + image.place)};
  }
  Image image(Index i) const override {
    const ImageView pixels = view(i);
    Image out(pixels.height, pixels.width);
    std::copy(pixels.pixels, pixels.end(), out.pixels.begin());
    return out;
  }
  std::string decoder() const override {
    return behind_->decoder() +
           (shortest_side_ > 0 ? concat_text(", kept with a shortest side of ", shortest_side_, " pixels") : "");
  }
  const std::string& file() const { return file_.path(); }

 private:
  std::shared_ptr<const Dataset> behind_;
  MappedFile file_;
  Index shortest_side_;
  std::vector<detail::CachedImage> images_;
  std::vector<std::string> reasons_;
};

namespace detail {

/// Bytes that the file will take, from the sizes that the images' headers state.
inline std::uint64_t plan_pixels(const Dataset& dataset, const PixelCacheOptions& options) {
  std::vector<std::uint64_t> bytes(static_cast<std::size_t>(dataset.size()));
  constexpr Index piece = 256;
  for (Index begin = 0; begin < dataset.size(); begin += piece) {
    if (options.should_stop && options.should_stop())
      throw PixelCacheStopped("[cache] stopped before anything was written");
    parallel_for(std::min(piece, dataset.size() - begin), [&](Index k) {
      try {
        const auto [height, width] = dataset.image_size(begin + k);
        const auto [h, w] = reduced_size(height, width, options.shortest_side);
        bytes[static_cast<std::size_t>(begin + k)] = static_cast<std::uint64_t>((3 * h * w + 63) / 64 * 64);
      } catch (const UsageError&) {
        if (!options.skip_bad) throw;
      }
    });
  }
  std::uint64_t sum = pixel_cache_header + 64;
  for (const std::uint64_t b : bytes) sum += b + 24;
  return sum;
}

inline void write_pixel_cache(const Dataset& dataset, const std::string& path, const std::string& key,
                              const PixelCacheOptions& options) {
  AtomicFile file(path);
  std::uint64_t at = 0;
  const auto write = [&](std::string_view bytes) {
    file.write(bytes);
    at += bytes.size();
  };
  const auto write_number = [&](std::uint64_t value) { write({reinterpret_cast<const char*>(&value), 8}); };
  const auto align = [&] { write(std::string((64 - at % 64) % 64, '\0')); };
  write(pixel_cache_magic);
  write(key);
  write_number(static_cast<std::uint64_t>(dataset.size()));
  write_number(0);  // the table's place, when it is known
  std::vector<CachedImage> images;
  std::string reasons;
  constexpr Index piece = 64;
  for (Index begin = 0; begin < dataset.size(); begin += piece) {
    if (options.should_stop && options.should_stop())
      throw PixelCacheStopped(concat_text("[cache] ", path, " was not finished; nothing of it is kept"));
    std::vector<Image> decoded(static_cast<std::size_t>(std::min(piece, dataset.size() - begin)));
    std::vector<std::string> failed(decoded.size());
    parallel_for(static_cast<Index>(decoded.size()), [&](Index k) {
      try {
        decoded[static_cast<std::size_t>(k)] = reduce(dataset.image(begin + k), options.shortest_side);
      } catch (const UsageError& error) {
        if (!options.skip_bad) throw;
        failed[static_cast<std::size_t>(k)] = error.what();
      }
    });
    for (std::size_t k = 0; k < decoded.size(); ++k) {
      if (decoded[k].empty()) {
        images.push_back({0, 0, failed[k].size()});
        reasons += failed[k];
        continue;
      }
      align();
      images.push_back(
          {at, static_cast<std::uint64_t>(decoded[k].height), static_cast<std::uint64_t>(decoded[k].width)});
      write({reinterpret_cast<const char*>(decoded[k].pixels.data()), decoded[k].pixels.size()});
    }
    if (options.progress) options.progress(begin + static_cast<Index>(decoded.size()), dataset.size());
  }
  align();
  const std::uint64_t table = at;
  for (const CachedImage& image : images)
    for (const std::uint64_t value : {image.place, image.height, image.width}) write_number(value);
  write(reasons);
  file.rewrite(80, {reinterpret_cast<const char*>(&table), 8});
  file.commit();
}

}  // namespace detail

/// `dataset` with its images in a file below `folder`, which is made when it is not there: size announced and compared with
/// the disk's free space first. Throws UsageError for an unreadable image (unless skip_bad), a full disk or a damaged file;
/// PixelCacheStopped. Safe to share between processes: each writes its own file, and the last one to finish gives the name.
inline std::shared_ptr<const CachedDataset> with_pixel_cache(std::shared_ptr<const Dataset> dataset,
                                                             const std::string& folder,
                                                             PixelCacheOptions options = {}) {
  check(dataset != nullptr, "cache", "no data set");
  if (options.shortest_side < 0) fail_usage("cache", "a shortest side of ", options.shortest_side, " pixels");
  ensure_writable_folder(folder);
  if (options.content.empty()) options.content = ContentDigests(dataset, {.skip_bad = options.skip_bad}).of_all();
  const std::string key = pixel_cache_key(*dataset, options);
  const std::string path = folder + "/" + dataset->name() + "-" + key.substr(0, 16) + ".pixels";
  if (!std::filesystem::exists(path)) {
    const std::uint64_t bytes = detail::plan_pixels(*dataset, options);
    if (options.announce)
      options.announce(
          concat_text("keeping the decoded images in ", path, ": ", dataset->size(), " images, ", bytes, " bytes"));
    const auto space = std::filesystem::space(folder);
    if (bytes > space.available)
      fail_usage("cache", path, ": takes ", bytes, " bytes, ", space.available, " are free on that disk");
    detail::write_pixel_cache(*dataset, path, key, options);
  }
  return std::make_shared<CachedDataset>(std::move(dataset), path, key, options.shortest_side);
}

}  // namespace data
TINYVISION_END
