// Reading and writing safetensors files: named tensors and a map of texts.
#pragma once

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/safetensors_header.hpp"
#include "tinyvision/core/digest.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/core/tensor.hpp"
#include "tinyvision/core/text.hpp"

TINYVISION_BEGIN
namespace checkpoint {

static_assert(std::endian::native == std::endian::little, "safetensors files are little endian");

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
using Metadata = std::map<std::string, std::string>;

/// The contents of a file.
struct Safetensors {
  NamedTensors tensors;  ///< in the order of the file's header
  Metadata metadata;
  std::string sha256;  ///< of the whole file
  std::string path;

  /// The tensor of that name, or nullptr.
  const Tensor* find(std::string_view name) const {
    for (const auto& [key, tensor] : tensors)
      if (key == name) return &tensor;
    return nullptr;
  }
  /// The tensor of that name. Throws UsageError with the nearest names when there is none.
  const Tensor& tensor(std::string_view name) const {
    if (const Tensor* found = find(name)) return *found;
    fail_usage("safetensors", path, ": no tensor '", name, "'", suggestion(name, names()));
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [key, tensor] : tensors) all.push_back(key);
    return all;
  }
};

namespace detail {

/// IEEE-754 binary16 to binary32, exact for every value; NaN keeps its payload.
inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16, exponent = (half >> 10) & 31u, fraction = half & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
  const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // subnormal or zero
  return sign != 0 ? -magnitude : magnitude;
}

/// Elements stored as From, at any alignment, converted one by one.
template <class From, class To, class Convert>
void widen(const char* source, const Tensor& target, Convert convert) {
  To* out = target.data<To>();
  for (Index i = 0; i < target.count(); ++i) {
    From value;
    std::memcpy(&value, source + static_cast<std::size_t>(i) * sizeof(From), sizeof(From));
    out[i] = convert(value);
  }
}

inline Tensor read_stored_tensor(const StoredTensor& stored, const char* source) {
  Shape shape;
  for (const std::uint64_t extent : stored.shape) shape.push_back(static_cast<Index>(extent));
  const Tensor t = Tensor::empty(shape, find_stored_type(stored.dtype)->in_memory);
  const auto integer = [](auto value) { return static_cast<std::int64_t>(value); };
  if (stored.dtype == "F16") {
    widen<std::uint16_t, float>(source, t, half_to_float);
  } else if (stored.dtype == "I8") {
    widen<std::int8_t, std::int64_t>(source, t, integer);
  } else if (stored.dtype == "I16") {
    widen<std::int16_t, std::int64_t>(source, t, integer);
  } else if (stored.dtype == "I32") {
    widen<std::int32_t, std::int64_t>(source, t, integer);
  } else if (stored.dtype == "U16") {
    widen<std::uint16_t, std::int64_t>(source, t, integer);
  } else if (stored.dtype == "U32") {
    widen<std::uint32_t, std::int64_t>(source, t, integer);
  } else if (t.bytes() > 0) {
    std::memcpy(t.raw(), source, t.bytes());
  }
  return t;
}

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
  Safetensors out{{}, header.metadata, {}, path};
  for (const StoredTensor& stored : header.tensors)
    out.tensors.emplace_back(stored.name,
                             detail::read_stored_tensor(stored, file.data() + header.data_begin + stored.begin));
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
