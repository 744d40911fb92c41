// f32 tensors as a V2 checkpoint of TensorFlow.
#pragma once

#include <map>

#include "checkpoint/tensorflow_builder.hpp"
#include "tinyvision/checkpoint/weight_tensors.hpp"
#include "tinyvision/core/files.hpp"

namespace tf_files {

inline void write_bundle(const std::string& prefix, const tinyvision::checkpoint::NamedTensors& values) {
  std::string data;
  std::map<std::string, std::string> entries{{"", number(1, 1)}};
  for (const auto& [name, tensor] : values) {
    const std::string content(static_cast<const char*>(tensor.raw()), tensor.bytes());
    std::vector<std::int64_t> extents;
    for (int axis = 0; axis < tensor.shape().rank(); ++axis) extents.push_back(tensor.dim(axis));
    entries[name] = number(1, 1) + bytes(2, shape(extents)) + number(4, data.size()) + number(5, content.size()) +
                    varint(8 * 6 + 5) + fixed32(tinyvision::masked_crc32c(tinyvision::crc32c(content)));
    data += content;
  }
  tinyvision::write_file_atomically(prefix + ".index", table_of({entries.begin(), entries.end()}));
  tinyvision::write_file_atomically(prefix + ".data-00000-of-00001", data);
}

}  // namespace tf_files
