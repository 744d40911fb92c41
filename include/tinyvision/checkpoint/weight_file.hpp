// One entrance for weight files of every format. What a file is, its content decides, never its suffix.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "tinyvision/checkpoint/keras_file.hpp"
#include "tinyvision/checkpoint/onnx_file.hpp"
#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/checkpoint/tensorflow_v1.hpp"
#include "tinyvision/checkpoint/tensorflow_v2.hpp"
#include "tinyvision/checkpoint/torch_file.hpp"

TINYVISION_BEGIN
namespace checkpoint {

/// Begin and end of a file, which tell its format: `head` is its first 64 bytes, `tail` its last, less of a shorter
/// file.
struct FileEnds {
  static constexpr std::size_t bytes = 64;
  std::string head{}, tail{};
};

/// A format that can be read.
struct WeightFormat {
  std::string_view name;
  bool (*recognises)(const FileEnds&);
  WeightFile (*load)(const std::string& path, const ReadOptions&);
};

namespace detail {

inline bool looks_like_safetensors(const FileEnds& ends) { return ends.head.size() > 8 && ends.head[8] == '{'; }

/// The first byte of a table's first value, whose key in checkpoints is "": it opens the field that tells V1 from V2.
inline char first_value_byte(const FileEnds& ends) {
  std::string_view head = ends.head;
  std::uint64_t shared = 0, unshared = 0, size = 0;
  const bool whole = take_varint(head, shared) && take_varint(head, unshared) && take_varint(head, size);
  return whole && shared == 0 && unshared == 0 && !head.empty() ? head.front() : '\0';
}
inline bool looks_like_tensorflow_v2(const FileEnds& ends) {
  return is_leveldb_table(ends.tail) && first_value_byte(ends) == '\x08';  // num_shards of BundleHeaderProto
}
/// Any other table; what is wrong with one that is no checkpoint at all, the reader says.
inline bool looks_like_tensorflow_v1(const FileEnds& ends) {
  return is_leveldb_table(ends.tail) && !looks_like_tensorflow_v2(ends);
}

/// Throws UsageError naming the path when the file cannot be read.
inline FileEnds read_file_ends(const std::string& path) {
  FileEnds ends;
  std::ifstream file(path, std::ios::binary);
  if (!file) fail_usage("file", path, ": ", std::strerror(errno));
  ends.head.resize(FileEnds::bytes);
  file.read(ends.head.data(), static_cast<std::streamsize>(ends.head.size()));
  ends.head.resize(static_cast<std::size_t>(file.gcount()));
  file.clear();
  file.seekg(0, std::ios::end);
  const auto size = static_cast<std::size_t>(std::max<std::streamoff>(0, file.tellg()));
  ends.tail.resize(std::min(size, FileEnds::bytes));
  file.seekg(-static_cast<std::streamoff>(ends.tail.size()), std::ios::end);
  file.read(ends.tail.data(), static_cast<std::streamsize>(ends.tail.size()));
  if (!file) fail_usage("file", path, ": cannot be read from end to end: is it a file?");
  return ends;
}

inline bool is_file(const std::string& path) {
  std::error_code code;
  return std::filesystem::exists(path, code) && !std::filesystem::is_directory(path, code);
}

}  // namespace detail

/// The formats that are known, asked in this order.
inline const std::vector<WeightFormat>& weight_formats() {
  static const std::vector<WeightFormat> formats{
      {"TensorFlow V2 checkpoint", detail::looks_like_tensorflow_v2, load_tensorflow_v2},
      {"TensorFlow V1 checkpoint", detail::looks_like_tensorflow_v1, load_tensorflow_v1},
      {"safetensors", detail::looks_like_safetensors,
       [](const std::string& path, const ReadOptions&) { return load_safetensors(path); }},
      {"PyTorch", [](const FileEnds& ends) { return looks_like_torch(ends.head); }, load_torch},
      {"Keras HDF5", [](const FileEnds& ends) { return looks_like_hdf5(ends.head); }, load_keras},
      {"ONNX", [](const FileEnds& ends) { return looks_like_onnx(ends.head); }, load_onnx},
  };
  return formats;
}

/// Reads the weights in `path`, a file of any known format. A V2 checkpoint of TensorFlow, which is several files, is
/// named by its prefix (as TensorFlow does) or its index. Throws UsageError naming path and byte when the format is
/// unknown or the file breaks its rules.
inline WeightFile load_weight_file(const std::string& path, const ReadOptions& options = {}) {
  if (!detail::is_file(path) && detail::is_file(path + ".index")) return load_tensorflow_v2(path + ".index", options);
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) fail_usage("weights", path, ": is a folder, not a file of weights");
  const FileEnds ends = detail::read_file_ends(path);
  std::string names;
  for (const WeightFormat& format : weight_formats()) {
    if (format.recognises(ends)) return format.load(path, options);
    names += (names.empty() ? "" : ", ") + std::string(format.name);
  }
  if (const std::size_t data = path.rfind(".data-");
      data != path.npos && detail::is_file(path.substr(0, data) + ".index"))
    fail_usage("weights", path, ": is part of a TensorFlow V2 checkpoint; name the whole by ", path.substr(0, data));
  std::string first;
  for (std::size_t i = 0; i < std::min<std::size_t>(8, ends.head.size()); ++i) {
    std::array<char, 4> byte{};
    std::snprintf(byte.data(), byte.size(), " %02x", static_cast<unsigned>(static_cast<unsigned char>(ends.head[i])));
    first += byte.data();
  }
  fail_usage("weights", path, ": byte 0: of no known format (", names, "), ",
             first.empty() ? "it is empty" : "it begins with" + first);
}

}  // namespace checkpoint

using checkpoint::load_weight_file;

TINYVISION_END
