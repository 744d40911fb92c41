// Times what feeds a network, on one thread, for bench/peers/data_bench.py.
//
//   tv_bench_data --photos FOLDER --limit L --cache FOLDER --serve     answers each line:
//     decode N      seconds for N images through a bare loop around libjpeg-turbo
//     crops N       seconds for N images: decode, random-resized crop, flip, resize to 224 x 224 (antialiased bilinear), bytes
//     cache N       the same from the cache of decoded images
//     boxes N       N crops on one line: "file top left height width flip;..."
//     pixels I PATH writes the 224 x 224 x 3 bytes of crop I
//     memory E      resident MiB after each of E epochs of the loader (2 threads, batches of 32)
// The JPEG files are read into memory before any clock starts; crop i is that of epoch i / files, place i mod files.
#include <turbojpeg.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "tinyvision/core/files.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"
#include "tinyvision/data/loader.hpp"
#include "tinyvision/data/pixel_cache.hpp"

namespace {

using namespace tinyvision;

struct Photos {
  std::shared_ptr<const data::FileDataset> set;
  std::shared_ptr<const data::CachedDataset> cached;
  std::vector<std::string> files;
  std::vector<std::pair<Index, Index>> sizes;
  data::Preprocessing preprocessing;
  data::AugmentOptions augmentation;

  Photos(const std::string& folder, std::size_t limit, const std::string& cache) {
    std::vector<data::Example> examples;
    const data::FolderSource source(folder);
    for (const std::string& name : source.names())
      if (data::suffix_format(name) == data::ImageFormat::jpeg && examples.size() < limit)
        examples.push_back({name, 0});
    if (examples.empty()) fail_usage("bench", folder, ": no JPEG files");
    set = std::make_shared<data::FileDataset>("photos", folder, examples, std::vector<std::string>{"photo"});
    cached = data::with_pixel_cache(set, cache);
    for (Index i = 0; i < set->size(); ++i) {
      files.push_back(set->source().read(set->source_name(i)));
      sizes.push_back(set->image_size(i));
    }
    preprocessing.resizer = data::Resizer::antialias_bilinear;
    augmentation.mode = data::Augmentation::random_resized_crop;
  }
  data::Bytes bytes(std::size_t i) const {
    const std::string& file = files[i % files.size()];
    return {reinterpret_cast<const std::uint8_t*>(file.data()), file.size()};
  }
  data::AugmentPlan plan(std::size_t i) const {
    const auto [height, width] = sizes[i % files.size()];
    return data::plan_augmentation(height, width, 1, augmentation, 1, static_cast<Index>(i / files.size()),
                                   static_cast<Index>(i % files.size()));
  }
};

double bare_decode(const Photos& photos, std::size_t count) {
  const std::unique_ptr<void, int (*)(void*)> handle(tjInitDecompress(), &tjDestroy);
  std::vector<std::uint8_t> pixels;
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    const data::Bytes bytes = photos.bytes(i);
    int width = 0, height = 0, subsampling = 0, colours = 0;
    tjDecompressHeader3(handle.get(), bytes.data(), bytes.size(), &width, &height, &subsampling, &colours);
    pixels.resize(static_cast<std::size_t>(3 * width * height));
    if (tjDecompress2(handle.get(), bytes.data(), bytes.size(), pixels.data(), width, 0, height, TJPF_RGB,
                      TJFLAG_ACCURATEDCT) != 0)
      fail_usage("bench", "a photo cannot be decoded: ", tjGetErrorStr2(handle.get()));
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void crop(const Photos& photos, std::size_t i, bool from_cache, std::vector<float>& scratch,
          std::vector<std::uint8_t>& out) {
  out.resize(static_cast<std::size_t>(photos.preprocessing.floats()));
  if (from_cache)
    return data::augment_bytes(photos.cached->view(static_cast<Index>(i % photos.files.size())), photos.preprocessing,
                               photos.plan(i), scratch, out.data());
  // As the loader does: of the image, what the crop needs.
  static data::Image decoded;
  data::AugmentPlan plan = photos.plan(i);
  const data::BoxView found = data::decode_box(
      photos.bytes(i), "photo", data::Decoder::turbo, [&](Index, Index) { return plan.box; }, decoded);
  plan.box = found.box;
  data::augment_bytes(found.view, photos.preprocessing, plan, scratch, out.data());
}

double crops(const Photos& photos, std::size_t count, bool from_cache) {
  std::vector<float> scratch;
  std::vector<std::uint8_t> out;
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) crop(photos, i, from_cache, scratch, out);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double resident_mib() {
  std::ifstream file("/proc/self/statm");
  long all = 0, resident = 0;
  file >> all >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

std::string memory(const Photos& photos, Index epochs) {
  data::LoaderOptions options;
  options.threads = 2;
  options.preprocessing = photos.preprocessing;
  options.augmentation = photos.augmentation;
  options.drop_last = false;
  options.bytes = true;
  std::vector<Index> all(static_cast<std::size_t>(photos.set->size()));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<Index>(i);
  data::Loader loader(photos.set, all, options);
  std::string line;
  for (Index e = 0; e < epochs; ++e) {
    for ([[maybe_unused]] const data::Batch& batch : loader.epoch(e)) {
    }
    line += concat_text(e > 0 ? " " : "", resident_mib());
  }
  return line;
}

std::string answer(const Photos& photos, const std::string& line) {
  std::istringstream words(line);
  std::string verb, path;
  std::size_t count = 0;
  words >> verb >> count >> path;
  char text[32];
  const auto seconds = [&](double value) { return std::snprintf(text, sizeof text, "%.9f", value), std::string(text); };
  if (verb == "decode") return seconds(bare_decode(photos, count));
  if (verb == "crops" || verb == "cache") return seconds(crops(photos, count, verb == "cache"));
  if (verb == "memory") return memory(photos, static_cast<Index>(count));
  if (verb == "boxes") {
    std::string boxes;
    for (std::size_t i = 0; i < count; ++i) {
      const data::AugmentPlan plan = photos.plan(i);
      boxes += concat_text(photos.set->path(static_cast<Index>(i % photos.files.size())), " ", plan.box.top, " ",
                           plan.box.left, " ", plan.box.height, " ", plan.box.width, " ", plan.flip ? 1 : 0, ";");
    }
    return boxes;
  }
  if (verb == "pixels" && !path.empty()) {
    std::vector<float> scratch;
    std::vector<std::uint8_t> out, kept;
    crop(photos, count, false, scratch, out);
    crop(photos, count, true, scratch, kept);
    if (out != kept) return "error: the cache gives other pixels";
    write_file_atomically(path, {reinterpret_cast<const char*>(out.data()), out.size()});
    return "written";
  }
  fail_usage("bench", "cannot answer '", line, "'");
}

int run(int argc, char** argv) {
  std::string folder, cache;
  std::size_t limit = 200;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "--photos") == 0) folder = argv[i + 1];
    if (std::strcmp(argv[i], "--cache") == 0) cache = argv[i + 1];
    if (std::strcmp(argv[i], "--limit") == 0) limit = static_cast<std::size_t>(std::atoll(argv[i + 1]));
  }
  if (folder.empty() || cache.empty())
    fail_usage("bench", "usage: tv_bench_data --photos FOLDER --cache FOLDER [--limit L] --serve");
  const Photos photos(folder, limit, cache);
  for (std::string line; std::getline(std::cin, line);) {
    std::printf("%s\n", answer(photos, line).c_str());
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tv_bench_data: error: %s\n", error.what());
    return 2;
  }
}
