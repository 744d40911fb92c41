// A folder of images: one sub-folder per class, or flat and unlabelled.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>

#include "tinyvision/data/dataset.hpp"

TINYVISION_BEGIN
namespace data {
namespace detail {

inline std::string lower_suffix(const std::filesystem::path& path) {
  std::string suffix = path.extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
  return suffix;
}

/// A file counts as an image when its suffix says so, or when it has no suffix and starts like an image. So a text file
/// called .jpg is listed (and refused when read), a README is not.
inline bool is_image_file(const std::filesystem::path& path) {
  static const std::array<const char*, 10> suffixes{".jpg", ".jpeg", ".jpe", ".jfif", ".png",
                                                    ".bmp", ".gif",  ".ppm", ".pgm",  ".pnm"};
  const std::string suffix = lower_suffix(path);
  if (!suffix.empty()) return std::find(suffixes.begin(), suffixes.end(), suffix) != suffixes.end();
  std::ifstream file(path, std::ios::binary);
  std::array<char, 32> head{};
  file.read(head.data(), head.size());
  const ImageFormat format =
      image_format({reinterpret_cast<const std::uint8_t*>(head.data()), static_cast<std::size_t>(file.gcount())});
  return format != ImageFormat::unknown && format != ImageFormat::gzip;
}

/// Entries of a folder whose names do not start with '.', in byte order of their names (no locale has a say).
inline std::vector<std::filesystem::path> sorted_entries(const std::filesystem::path& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error))
    fail_usage("image_folder", folder.string(), " is not a folder", error ? ": " + error.message() : "");
  std::vector<std::filesystem::path> entries;
  std::filesystem::directory_iterator at(folder, error), end;
  while (!error && at != end) {
    if (!at->path().filename().string().starts_with('.')) entries.push_back(at->path());
    at.increment(error);
  }
  if (error) fail_usage("image_folder", "cannot read folder ", folder.string(), ": ", error.message());
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.native() < b.native(); });
  return entries;
}

}  // namespace detail

/// Names of the image files directly in `folder`, in byte order. Throws UsageError when it cannot be read or has none.
inline std::vector<std::string> list_images(const std::string& folder) {
  std::vector<std::string> names;
  for (const std::filesystem::path& entry : detail::sorted_entries(folder))
    if (entry_type(entry) == std::filesystem::file_type::regular && detail::is_image_file(entry))
      names.push_back(entry.filename().string());
  if (names.empty()) fail_usage("image_folder", folder, ": no images in this folder");
  return names;
}

/// The data set `root/<class>/<image>`: classes are the sub-folders in byte order of their names, images likewise.
/// Other files and hidden entries are passed over. Throws UsageError naming the folder when it cannot be read, when
/// there is no class, or when a class holds no image.
inline std::unique_ptr<FileDataset> read_image_folder(const std::string& root, Metric metric = Metric::top1,
                                                      Decoder decoder = Decoder::turbo) {
  std::vector<Example> examples;
  std::vector<std::string> classes;
  for (const std::filesystem::path& folder : detail::sorted_entries(root)) {
    if (entry_type(folder) != std::filesystem::file_type::directory) continue;
    const std::string name = folder.filename().string();
    const std::size_t before = examples.size();
    for (const std::filesystem::path& entry : detail::sorted_entries(folder))
      if (entry_type(entry) == std::filesystem::file_type::regular && detail::is_image_file(entry))
        examples.push_back({name + "/" + entry.filename().string(), static_cast<std::int64_t>(classes.size())});
    if (examples.size() == before) fail_usage("image_folder", "class folder ", folder.string(), " holds no images");
    classes.push_back(name);
  }
  if (classes.empty()) fail_usage("image_folder", root, ": no class folders in it");
  const std::filesystem::path path(root);
  const std::string name = (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
  return std::make_unique<FileDataset>(name, root, std::move(examples), std::move(classes), metric, decoder);
}

/// The unlabelled images of one folder, as a data set with the single class "unlabelled".
inline std::unique_ptr<FileDataset> read_flat_folder(const std::string& folder, Decoder decoder = Decoder::turbo) {
  std::vector<Example> examples;
  for (std::string& name : list_images(folder)) examples.push_back({std::move(name), 0});
  return std::make_unique<FileDataset>("photos", folder, std::move(examples), std::vector<std::string>{"unlabelled"},
                                       Metric::top1, decoder);
}

}  // namespace data
TINYVISION_END
