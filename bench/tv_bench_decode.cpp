// Times JPEG decoding and resizing on one thread, for bench/peers/cpu_bench.py.
//
//   tv_bench_decode --decode FOLDER --limit L --serve    answers each line "decode N" with the seconds for N images
// Decodes with libjpeg-turbo and resizes to 224 px with TF1's bilinear sampling (no antialiasing), as torchvision's faster
// way does. The files are read into memory before the clock starts; N cycles through them.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "tinyvision/core/files.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"
#include "tinyvision/data/preprocess.hpp"

namespace {

using namespace tinyvision;

/// The first `limit` JPEG files below `folder`, in path order.
std::vector<std::string> read_jpegs(const std::string& folder, std::size_t limit) {
  std::vector<std::string> paths, files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string suffix = entry.path().extension().string();
    if (suffix == ".jpg" || suffix == ".jpeg" || suffix == ".JPEG") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  for (std::size_t i = 0; i < std::min(limit, paths.size()); ++i) files.push_back(read_file(paths[i]));
  if (files.empty()) fail_usage("bench", folder, ": no JPEG files");
  return files;
}

double seconds_of(const std::vector<std::string>& files, std::size_t count) {
  data::Preprocessing p;
  p.crop = 1;
  std::vector<float> out(static_cast<std::size_t>(p.floats()));
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    const std::string& file = files[i % files.size()];
    const data::Bytes bytes(reinterpret_cast<const std::uint8_t*>(file.data()), file.size());
    data::preprocess(data::decode_image(bytes, "photo", data::Decoder::turbo), p, out.data());
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run(int argc, char** argv) {
  std::string folder;
  std::size_t limit = 200;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "--decode") == 0) folder = argv[i + 1];
    if (std::strcmp(argv[i], "--limit") == 0) limit = static_cast<std::size_t>(std::atoll(argv[i + 1]));
  }
  if (folder.empty()) fail_usage("bench", "usage: tv_bench_decode --decode FOLDER [--limit L] --serve");
  const std::vector<std::string> files = read_jpegs(folder, limit);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb;
    std::size_t count = 0;
    if (!(words >> verb >> count) || verb != "decode") fail_usage("bench", "expected 'decode N', got '", line, "'");
    std::printf("%.9f\n", seconds_of(files, count));
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tv_bench_decode: error: %s\n", error.what());
    return 2;
  }
}
