// Reading and writing safetensors files: named tensors and a map of texts.
#pragma once

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/safetensors_header.hpp"
#include "tinyvision/checkpoint/weight_tensors.hpp"
#include "tinyvision/core/files.hpp"

TINYVISION_BEGIN
namespace checkpoint {

/// The contents of a file.
using Safetensors = WeightFile;

namespace detail {

inline const char* stored_name(DType dtype) {
  switch (dtype) {
    case DType::f32: return "F32";
    case DType::f64: return "F64";
    case DType::bf16: return "BF16";
    case DType::u8: return "U8";
    default: return "I64";
  }
}

/// `text` as a JSON string. Throws Error when it is not UTF-8.
inline std::string json_string(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    fail("safetensors", "a name or text is not valid UTF-8: ", text);
  }
}

}  // namespace detail

/// The tensors of a safetensors file given as bytes; `path` serves messages. Throws UsageError (see
/// parse_safetensors_header). `sha256` stays empty.
inline Safetensors parse_safetensors(std::string_view file, const std::string& path) {
  const SafetensorsHeader header = parse_safetensors_header(file, path);
  Safetensors out{{}, header.metadata, {}, path, "safetensors"};
  for (const StoredTensor& stored : header.tensors) {
    Shape shape;
    for (const std::uint64_t extent : stored.shape) shape.push_back(static_cast<Index>(extent));
    out.tensors.emplace_back(stored.name, decode_elements(*find_stored_type(stored.dtype), shape,
                                                          file.data() + header.data_begin + stored.begin));
  }
  return out;
}

/// Reads a whole file. F16 becomes f32 and I8, I16, I32, U16, U32 become i64, both exact; other types stay. Throws
/// UsageError naming the path and what is wrong with it.
inline Safetensors load_safetensors(const std::string& path) {
  const std::string file = read_file(path);
  Safetensors out = parse_safetensors(file, path);
  out.sha256 = sha256_hex(file);
  return out;
}

/// The bytes before the tensors' elements, and the order in which their elements follow: by falling element size, so
/// that every tensor is aligned to its type, otherwise as given. Throws Error for a name that occurs twice or is
/// reserved.
inline std::pair<std::string, std::vector<std::size_t>> safetensors_layout(const NamedTensors& tensors,
                                                                           const Metadata& metadata) {
  std::vector<std::size_t> order(tensors.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return size_of(tensors[a].second.dtype()) > size_of(tensors[b].second.dtype());
  });
  std::vector<std::size_t> begin(tensors.size());
  std::size_t offset = 0;
  for (const std::size_t i : order) begin[i] = offset, offset += tensors[i].second.bytes();

  std::string text = "{";
  if (!metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      if (text.back() != '{') text += ',';
      text += detail::json_string(key) + ":" + detail::json_string(value);
    }
    text += '}';
  }
  std::set<std::string_view> names{"__metadata__"};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    check(tensor.defined(), "safetensors", "tensor '", name, "' is undefined");
    check(names.insert(name).second, "safetensors", "the name '", name, "' occurs twice or is reserved");
    if (text.size() > 1) text += ',';
    text += concat_text(detail::json_string(name), ":{\"dtype\":\"", detail::stored_name(tensor.dtype()),
                        "\",\"shape\":", tensor.shape(), ",\"data_offsets\":[", begin[i], ",",
                        begin[i] + tensor.bytes(), "]}");
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  check(text.size() <= safetensors_header_limit, "safetensors", "the header would take ", text.size(), " bytes");
  std::string head(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) head[i] = static_cast<char>((std::uint64_t{text.size()} >> (8 * i)) & 0xff);
  return {head + text, std::move(order)};
}

/// Writes what `save_safetensors` promises into `file`, without committing it.
inline void write_safetensors(AtomicFile& file, const NamedTensors& tensors, const Metadata& metadata) {
  const auto [head, order] = safetensors_layout(tensors, metadata);
  file.write(head);
  for (const std::size_t i : order) {
    const Tensor packed = tensors[i].second.to(Device::cpu()).packed();
    file.write(packed.raw(), packed.bytes());
  }
}

/// Writes a file, all or nothing: equal arguments give equal bytes. Channel slices are stored without their gaps.
/// Throws UsageError naming the path when it cannot be written, Error for undefined tensors, or names that occur twice.
inline void save_safetensors(const std::string& path, const NamedTensors& tensors, const Metadata& metadata = {}) {
  AtomicFile file(path);
  write_safetensors(file, tensors, metadata);
  file.commit();
}

}  // namespace checkpoint

using checkpoint::load_safetensors;
using checkpoint::Safetensors;
using checkpoint::save_safetensors;

TINYVISION_END
