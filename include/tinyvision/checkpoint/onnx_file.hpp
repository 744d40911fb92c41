// The initialisers of an ONNX model: its weights by name.
//
//   ModelProto   7 graph                          GraphProto   5 initializer (TensorProto), 15 sparse_initializer
//   TensorProto  1 dims  2 data_type  8 name  9 raw_data, or typed data: 4 float  5 int32  7 int64  10 double  11 uint64
//                13 external_data (key, value)  14 data_location (1: external)
//
// raw_data is little endian. float16 and bfloat16 as typed data stand in int32 fields, as do 8- and 16-bit integers.
// External data are read where the model is a file: from a file below the model's own folder, named by a relative path
// that leaves the folder neither by ".." nor by a link; of a model given as bytes they are refused. Sparse initialisers
// are refused. Nodes are not looked at.
//
// Source: onnx.proto3 and "External Data" of github.com/onnx/onnx.
#pragma once

#include <charconv>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/checkpoint/protobuf.hpp"
#include "tinyvision/checkpoint/stored_type.hpp"
#include "tinyvision/checkpoint/weight_tensors.hpp"
#include "tinyvision/core/files.hpp"

TINYVISION_BEGIN
namespace checkpoint {

namespace detail {

inline constexpr std::string_view onnx_where = "ONNX file";

/// TensorProto.DataType -> the stored type's name; empty for those that are unknown.
inline std::string_view onnx_type_name(std::uint64_t type) {
  switch (type) {
    case 1: return "F32";
    case 2: return "U8";
    case 3: return "I8";
    case 4: return "U16";
    case 5: return "I16";
    case 6: return "I32";
    case 7: return "I64";
    case 9: return "BOOL";
    case 10: return "F16";
    case 11: return "F64";
    case 12: return "U32";
    case 13: return "U64";
    case 16: return "BF16";
    default: return {};
  }
}

/// The files that external data come from, read at most once each.
class OnnxExternalData {
 public:
  /// `model` is the model's path; empty when it has none.
  explicit OnnxExternalData(std::string model) : model_(std::move(model)) {}

  /// The bytes that `entries` (location, offset, length) name.
  std::string_view read(const ProtobufMessage& place, const std::map<std::string_view, std::string_view>& entries,
                        std::uint64_t bytes) {
    if (model_.empty()) place.refuse("its data are in another file, and a model without a path has none");
    const auto location = entries.find("location");
    if (location == entries.end()) place.refuse("external data without a location");
    const std::string& file = open(place, std::string(location->second));
    const std::uint64_t offset = number(place, entries, "offset", 0), length = number(place, entries, "length", bytes);
    if (length != bytes) place.refuse("external data of ", length, " bytes where ", bytes, " belong");
    if (offset > file.size() || length > file.size() - offset)
      place.refuse("external data of ", length, " bytes from byte ", offset, " of '", location->second, "', which has ",
                   file.size());
    return std::string_view(file).substr(offset, length);
  }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& [path, bytes] : files_) names.push_back(path);
    return names;
  }

 private:
  static std::uint64_t number(const ProtobufMessage& place, const std::map<std::string_view, std::string_view>& entries,
                              std::string_view key, std::uint64_t otherwise) {
    const auto found = entries.find(key);
    if (found == entries.end()) return otherwise;
    std::uint64_t value = 0;
    const char* end = found->second.data() + found->second.size();
    if (const auto [at, error] = std::from_chars(found->second.data(), end, value); error != std::errc() || at != end)
      place.refuse("external data: ", key, " is '", found->second, "'");
    return value;
  }
  const std::string& open(const ProtobufMessage& place, const std::string& location) {
    namespace fs = std::filesystem;
    if (location.empty() || location.size() > 4096 || location.find('\0') != location.npos ||
        fs::path(location).is_absolute())
      place.refuse("external data in '", location, "', which is no path below the model's folder");
    for (const fs::path& part : fs::path(location))
      if (part == "..") place.refuse("external data in '", location, "', which leaves the model's folder");
    std::error_code code;
    const fs::path folder = fs::weakly_canonical(fs::absolute(model_, code).parent_path(), code);
    const fs::path path = fs::weakly_canonical(folder / location, code);
    const fs::path below = path.lexically_relative(folder);
    if (code || below.empty() || *below.begin() == "..")
      place.refuse("external data in '", location, "', which leaves the model's folder by a link");
    const auto found = files_.find(path.string());
    return found != files_.end() ? found->second
                                 : files_.emplace(path.string(), read_file(path.string())).first->second;
  }

  std::string model_;
  std::map<std::string, std::string> files_;
};

/// Typed data as the bytes that raw_data would have.
template <class Element, class Number>
std::string onnx_raw(const ProtobufMessage& place, const std::vector<Number>& numbers) {
  std::string raw(numbers.size() * sizeof(Element), '\0');
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto element = static_cast<Element>(numbers[i]);
    if constexpr (sizeof(Element) < 8) {  // int32 fields hold sign-extended or unsigned numbers of fewer bits
      const auto wide = static_cast<std::int64_t>(numbers[i]);
      if (wide < -(std::int64_t{1} << (8 * sizeof(Element) - 1)) || wide >= (std::int64_t{1} << (8 * sizeof(Element))))
        place.refuse("typed data hold ", wide, ", which does not fit ", sizeof(Element), " bytes");
    }
    std::memcpy(raw.data() + i * sizeof(Element), &element, sizeof(Element));
  }
  return raw;
}

inline std::pair<std::string, Tensor> read_onnx_tensor(ProtobufMessage tensor, OnnxExternalData& external) {
  std::vector<std::uint64_t> extents, varints;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::string_view name, raw;
  std::uint64_t type = 0;
  int data_field = 0;  // the last field with elements
  bool outside = false;
  std::map<std::string_view, std::string_view> entries;
  const auto data = [&](int field) {
    if (data_field != 0 && data_field != field) tensor.refuse("a tensor with data in two fields, ", data_field, " too");
    data_field = field;
  };
  while (tensor.next()) switch (tensor.field()) {
      case 1: tensor.append_varints(extents); break;
      case 2: type = tensor.uint64(); break;
      case 4: data(4), tensor.append_fixed(floats); break;
      case 5: data(5), tensor.append_varints(varints); break;
      case 7: data(7), tensor.append_varints(varints); break;
      case 8: name = tensor.bytes(); break;
      case 9: data(9), raw = tensor.bytes(); break;
      case 10: data(10), tensor.append_fixed(doubles); break;
      case 11: data(11), tensor.append_varints(varints); break;
      case 13: {
        ProtobufMessage entry = tensor.message();
        std::string_view key, value;
        while (entry.next()) {
          if (entry.field() == 1) key = entry.bytes();
          if (entry.field() == 2) value = entry.bytes();
        }
        entries[key] = value;
        break;
      }
      case 14: outside = tensor.uint64() == 1; break;
      default: break;
    }
  const auto refuse = [&](const auto&... why) { tensor.refuse("tensor '", name, "': ", why...); };
  const StoredType* stored = find_stored_type(onnx_type_name(type));
  if (stored == nullptr || !stored->readable)
    refuse("data type ", type, " is not supported (", readable_types, " are)");
  if (extents.size() > static_cast<std::size_t>(Shape::max_rank))
    refuse("has ", extents.size(), " dimensions; at most ", Shape::max_rank, " are supported");
  std::uint64_t bytes = 0;
  if (!stored_bytes(extents, stored->size, bytes)) refuse("the number of its bytes overflows 64 bits");
  std::string unpacked;
  if (outside) {
    if (data_field != 0) refuse("has data both in the model and outside");
    raw = external.read(tensor, entries, bytes);
  } else if (data_field == 4 && type == 1) {
    raw = {reinterpret_cast<const char*>(floats.data()), floats.size() * 4};
  } else if (data_field == 10 && type == 11) {
    raw = {reinterpret_cast<const char*>(doubles.data()), doubles.size() * 8};
  } else if (data_field == 7 && type == 7) {
    raw = {reinterpret_cast<const char*>(varints.data()), varints.size() * 8};
  } else if (data_field == 11 && type == 12) {
    raw = unpacked = onnx_raw<std::uint32_t>(tensor, varints);
  } else if (data_field == 5 && stored->size < 8 && type != 1 && type != 12) {
    unpacked = stored->size == 1   ? onnx_raw<std::uint8_t>(tensor, varints)
               : stored->size == 2 ? onnx_raw<std::uint16_t>(tensor, varints)
                                   : onnx_raw<std::uint32_t>(tensor, varints);
    raw = unpacked;
  } else if (data_field != 9 && data_field != 0) {
    refuse("data type ", type, " stands in field ", data_field, ", where it does not belong");
  }
  if (raw.size() != bytes) refuse("shape and type need ", bytes, " bytes, ", raw.size(), " are there");
  Shape shape;
  for (const std::uint64_t extent : extents) shape.push_back(static_cast<Index>(extent));
  return {std::string(name), decode_elements(*stored, shape, raw.data())};
}

inline WeightFile read_onnx(std::string_view file, const std::string& path, OnnxExternalData external) {
  WeightFile out;
  out.path = path;
  out.format = "ONNX";
  std::set<std::string> names;
  bool has_graph = false;
  ProtobufMessage model(onnx_where, path, file);
  while (model.next()) {
    if (model.field() == 2) out.metadata["producer"] = model.bytes();
    if (model.field() != 7) continue;
    if (has_graph) model.refuse("a second graph");
    has_graph = true;
    ProtobufMessage graph = model.message();
    while (graph.next()) {
      if (graph.field() == 15) graph.refuse("sparse initialisers are not supported");
      if (graph.field() != 5) continue;
      auto [name, tensor] = read_onnx_tensor(graph.message(), external);
      if (!names.insert(name).second) graph.refuse("the name '", name, "' occurs twice");
      out.tensors.emplace_back(name, tensor);
    }
  }
  if (!has_graph) fail_usage(onnx_where, path, ": byte 0: no ONNX model: it has no graph");
  out.further_files = external.files();
  return out;
}

}  // namespace detail

/// Whether a file that begins so may be an ONNX model: its first field is ir_version, a small number.
inline bool looks_like_onnx(std::string_view head) {
  return head.size() >= 3 && head[0] == '\x08' && head[1] >= 1 && head[1] < 32 &&
         (head[2] == '\x12' || head[2] == '\x1a' || head[2] == '\x22' || head[2] == '\x3a' || head[2] == '\x42');
}

/// The initialisers of a model given as bytes; `path` serves messages. Throws UsageError naming path and byte. `sha256`
/// stays empty.
inline WeightFile parse_onnx(std::string_view file, const std::string& path) {
  return detail::read_onnx(file, path, detail::OnnxExternalData(""));
}

/// Reads a model and the external data it names. `sha256` is the model's own.
inline WeightFile load_onnx(const std::string& path, const ReadOptions& = {}) {
  const std::string file = read_file(path);
  WeightFile out = detail::read_onnx(file, path, detail::OnnxExternalData(path));
  out.sha256 = sha256_hex(file);
  return out;
}

}  // namespace checkpoint

using checkpoint::load_onnx;

TINYVISION_END
