// Weights saved by PyTorch's torch.save, in both of its formats, without Python and without executing anything.
//
//   zip (since 1.6)   NAME/data.pkl     a pickle whose tensors refer to storages by key
//                     NAME/data/KEY     the elements of a storage
//                     NAME/byteorder    "little" (missing in files of older versions, which were little endian)
//   legacy            pickles one after another: the magic number 0x1950a86a20f9469cfc6c, the protocol 1001, a dict with
//                     'little_endian', the object, the list of the storages' keys; then for each key the number of its
//                     elements in 8 bytes, and the elements
//
// In either, a tensor is the call torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks), a
// storage the persistent id ('storage', torch.FloatStorage, key, device, elements). These calls and names,
// torch._utils._rebuild_parameter and collections.OrderedDict are all that is known; everything else is refused by name.
// Whole modules (torch.save(model)) name their classes and are therefore refused: save model.state_dict().
//
// What is read: a dict of tensors; or a dict in which 'state_dict' or 'model' is one, beside which numbers and texts become
// metadata and the rest is passed over. A 'module.' before every name (DataParallel) is taken off. Tensors may be strided
// and share storages, but must not have more elements than their storage. Zip entries must be stored, as PyTorch does.
//
// Source: torch/serialization.py's documented layout ("Serialization semantics" in PyTorch's notes), and files it wrote.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/pickle.hpp"
#include "tinyvision/checkpoint/stored_type.hpp"
#include "tinyvision/checkpoint/weight_tensors.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/core/zip_directory.hpp"

TINYVISION_BEGIN
namespace checkpoint {

namespace detail {

inline constexpr std::string_view torch_where = "torch file";
/// The first pickle of the legacy format: PROTO 2, LONG1 of 10 bytes, STOP.
inline constexpr std::string_view torch_legacy_magic{"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15};

/// A storage class of PyTorch and the type of its elements.
inline std::string_view torch_element_type(std::string_view global) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 10> types{{{"torch FloatStorage", "F32"},
                                                                                 {"torch DoubleStorage", "F64"},
                                                                                 {"torch HalfStorage", "F16"},
                                                                                 {"torch BFloat16Storage", "BF16"},
                                                                                 {"torch LongStorage", "I64"},
                                                                                 {"torch IntStorage", "I32"},
                                                                                 {"torch ShortStorage", "I16"},
                                                                                 {"torch CharStorage", "I8"},
                                                                                 {"torch ByteStorage", "U8"},
                                                                                 {"torch BoolStorage", "BOOL"}}};
  for (const auto& [name, type] : types)
    if (name == global) return type;
  return {};
}

inline constexpr std::string_view torch_rebuild_tensor = "torch._utils _rebuild_tensor_v2";
inline constexpr std::string_view torch_rebuild_parameter = "torch._utils _rebuild_parameter";

inline Pickle read_torch_pickle(const ByteView& bytes) {
  static const std::vector<std::string_view> dicts{"collections OrderedDict"};
  static const std::vector<std::string_view> globals{
      "collections OrderedDict", torch_rebuild_tensor, torch_rebuild_parameter, "torch FloatStorage",
      "torch DoubleStorage",     "torch HalfStorage",  "torch BFloat16Storage", "torch LongStorage",
      "torch IntStorage",        "torch ShortStorage", "torch CharStorage",     "torch ByteStorage",
      "torch BoolStorage"};
  return Pickle(bytes, globals, dicts);
}

/// Turns a pickle's values into tensors.
class TorchTensors {
 public:
  using Kind = PickleValue::Kind;

  /// `storages`: the elements by the storages' keys.
  TorchTensors(const Pickle& pickle, std::map<std::string, ByteView, std::less<>> storages, std::uint64_t file_bytes)
      : pickle_(pickle), storages_(std::move(storages)), budget_(16 * file_bytes + 4096) {}

  void read(WeightFile& out) {
    const PickleValue* weights = &pickle_.root();
    if (weights->kind != Kind::dict) pickle_.refuse(*weights, "holds ", to_string(weights->kind), ", not a dict");
    if (!holds_tensors(*weights))
      for (const std::string_view inner : {"state_dict", "model"})
        if (const PickleValue* found = entry(*weights, inner); found && found->kind == Kind::dict) {
          read_metadata(*weights, inner, out);
          weights = found;
          break;
        }
    std::set<std::string_view> names;
    for (std::size_t i = 0; i + 1 < weights->items.size(); i += 2) {
      const PickleValue& key = pickle_[weights->items[i]];
      const PickleValue& value = pickle_[weights->items[i + 1]];
      if (key.kind != Kind::text) pickle_.refuse(key, "a name must be a str, not ", to_string(key.kind));
      if (!is_tensor(value)) {
        out.passed_over.push_back({std::string(key.text), concat_text("is ", to_string(value.kind), ", no tensor")});
        continue;
      }
      if (!names.insert(key.text).second) pickle_.refuse(key, "the name '", key.text, "' occurs twice");
      out.tensors.emplace_back(std::string(key.text), tensor(value, key.text));
    }
    if (out.tensors.empty()) pickle_.refuse(*weights, "holds no tensors by name");
    strip_module(out);
  }

 private:
  static bool is_call(const PickleValue& value, std::string_view name) {
    return value.kind == Kind::call && value.text == name;
  }
  static bool is_tensor(const PickleValue& value) { return value.kind == Kind::call; }

  bool holds_tensors(const PickleValue& dict) const {
    for (std::size_t i = 1; i < dict.items.size(); i += 2)
      if (is_tensor(pickle_[dict.items[i]])) return true;
    return false;
  }
  const PickleValue* entry(const PickleValue& dict, std::string_view name) const {
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleValue& key = pickle_[dict.items[i]];
      if (key.kind == Kind::text && key.text == name) return &pickle_[dict.items[i + 1]];
    }
    return nullptr;
  }
  /// What stands beside the weights.
  void read_metadata(const PickleValue& dict, std::string_view weights, WeightFile& out) const {
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleValue& key = pickle_[dict.items[i]];
      const PickleValue& value = pickle_[dict.items[i + 1]];
      if (key.kind != Kind::text || key.text == weights) continue;
      const std::string name(key.text);
      if (value.kind == Kind::text) {
        out.metadata[name] = value.text;
      } else if (value.kind == Kind::integer || value.kind == Kind::boolean) {
        out.metadata[name] = std::to_string(value.integer);
      } else if (value.kind == Kind::real) {
        out.metadata[name] = format_shortest(value.real);
      } else {
        out.passed_over.push_back({name, concat_text("is ", to_string(value.kind), " beside the weights")});
      }
    }
  }
  static void strip_module(WeightFile& out) {
    constexpr std::string_view prefix = "module.";
    for (const auto& [name, tensor] : out.tensors)
      if (!name.starts_with(prefix)) return;
    for (auto& [name, tensor] : out.tensors) name.erase(0, prefix.size());
  }

  struct Storage {
    const StoredType* type = nullptr;
    ByteView bytes;
    std::uint64_t elements = 0;
  };
  /// ('storage', class, key, device, elements[, view])
  Storage storage(const PickleValue& reference) const {
    const PickleValue& id = pickle_.item(reference, 0, Kind::tuple, "a storage's persistent id");
    if (pickle_.item(id, 0, Kind::text, "a persistent id's kind").text != "storage")
      pickle_.refuse(id, "a persistent id of another kind than 'storage'");
    const PickleValue& type = pickle_.item(id, 1, Kind::global, "a storage's class");
    const PickleValue& key = pickle_.item(id, 2, Kind::text, "a storage's key");
    const std::int64_t elements = pickle_.item(id, 4, Kind::integer, "a storage's size").integer;
    if (id.items.size() > 5) pickle_.item(id, 5, Kind::none, "a storage's view");
    const StoredType* stored = find_stored_type(torch_element_type(type.text));
    if (stored == nullptr) pickle_.refuse(type, "'", type.text, "' is no storage class");
    if (!stored->readable)
      pickle_.refuse(type, "storages of dtype ", stored->name, " are not supported (", readable_types, " are)");
    const auto found = storages_.find(key.text);
    if (found == storages_.end()) pickle_.refuse(key, "the file has no storage '", key.text, "'");
    const std::uint64_t bytes = found->second.size();
    if (elements < 0 || static_cast<std::uint64_t>(elements) > bytes / stored->size)
      pickle_.refuse(id, "storage '", key.text, "' of ", elements, " elements ", stored->name, " has ", bytes,
                     " bytes");
    return {stored, found->second, static_cast<std::uint64_t>(elements)};
  }

  std::vector<std::uint64_t> numbers(const PickleValue& tuple, std::string_view what) const {
    std::vector<std::uint64_t> out;
    for (std::size_t i = 0; i < tuple.items.size(); ++i) {
      const PickleValue& number = pickle_.item(tuple, i, Kind::integer, what);
      if (number.integer < 0) pickle_.refuse(number, what, " is negative: ", number.integer);
      out.push_back(static_cast<std::uint64_t>(number.integer));
    }
    return out;
  }

  Tensor tensor(const PickleValue& outer, std::string_view name) {
    const PickleValue* call = &outer;
    if (is_call(*call, torch_rebuild_parameter))  // (tensor, requires_grad, hooks)
      call = &pickle_.item(pickle_[call->items[0]], 0, Kind::call, "a parameter's tensor");
    if (!is_call(*call, torch_rebuild_tensor))
      pickle_.refuse(*call, "tensor '", name, "' is made by '", call->text, "'");
    const PickleValue& arguments = pickle_[call->items[0]];
    const Storage from = storage(pickle_.item(arguments, 0, Kind::reference, "a tensor's storage"));
    const PickleValue& offset = pickle_.item(arguments, 1, Kind::integer, "a tensor's offset");
    if (offset.integer < 0) pickle_.refuse(offset, "a tensor's offset is negative: ", offset.integer);
    const auto start = static_cast<std::uint64_t>(offset.integer);
    const std::vector<std::uint64_t> size =
        numbers(pickle_.item(arguments, 2, Kind::tuple, "a tensor's size"), "a size");
    const std::vector<std::uint64_t> stride =
        numbers(pickle_.item(arguments, 3, Kind::tuple, "a tensor's stride"), "a stride");
    if (size.size() != stride.size())
      pickle_.refuse(*call, "tensor '", name, "' has ", size.size(), " sizes and ", stride.size(), " strides");
    if (size.size() > static_cast<std::size_t>(Shape::max_rank))
      pickle_.refuse(*call, "tensor '", name, "' has ", size.size(), " dimensions; at most ", Shape::max_rank,
                     " are supported");
    std::uint64_t bytes = 0, last = start;
    if (!stored_bytes(size, from.type->size, bytes))
      pickle_.refuse(*call, "tensor '", name, "': the number of its bytes overflows 64 bits");
    const std::uint64_t count = bytes / from.type->size;
    if (count > from.elements)
      pickle_.refuse(*call, "tensor '", name, "' has ", count, " elements, its storage ", from.elements);
    for (std::size_t i = 0; count > 0 && i < size.size(); ++i) {
      std::uint64_t reach = 0;
      if (!multiply(size[i] - 1, stride[i], reach) || __builtin_add_overflow(last, reach, &last))
        pickle_.refuse(*call, "tensor '", name, "': its last element's place overflows 64 bits");
    }
    if (count > 0 && last >= from.elements)
      pickle_.refuse(*call, "tensor '", name, "' reaches element ", last, " of a storage of ", from.elements);
    const std::uint64_t in_memory = count * size_of(from.type->in_memory);
    if (in_memory > budget_) pickle_.refuse(*call, "tensors share storages too often: more than 16 times the file");
    budget_ -= in_memory;
    Shape shape;
    for (const std::uint64_t extent : size) shape.push_back(static_cast<Index>(extent));
    return gather(from, shape, start, stride);
  }

  /// The strided elements, row-major.
  static Tensor gather(const Storage& from, const Shape& shape, std::uint64_t start,
                       const std::vector<std::uint64_t>& stride) {
    const std::size_t size = from.type->size;
    const char* source = from.bytes.all().data();
    std::uint64_t packed_stride = 1;
    bool packed = true;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      if (shape[axis] > 1) packed = packed && stride[static_cast<std::size_t>(axis)] == packed_stride;
      packed_stride *= static_cast<std::uint64_t>(shape[axis]);
    }
    if (packed || shape.count() == 0)
      return decode_elements(*from.type, shape, source + (shape.count() == 0 ? 0 : start * size));
    std::string elements(static_cast<std::size_t>(shape.count()) * size, '\0');
    std::array<Index, static_cast<std::size_t>(Shape::max_rank)> at{};
    for (char* to = elements.data(); to != elements.data() + elements.size(); to += size) {
      std::uint64_t place = start;
      for (int axis = 0; axis < shape.rank(); ++axis)
        place +=
            static_cast<std::uint64_t>(at[static_cast<std::size_t>(axis)]) * stride[static_cast<std::size_t>(axis)];
      std::memcpy(to, source + place * size, size);
      for (int axis = shape.rank() - 1; axis >= 0; --axis) {
        if (++at[static_cast<std::size_t>(axis)] < shape[axis]) break;
        at[static_cast<std::size_t>(axis)] = 0;
      }
    }
    return decode_elements(*from.type, shape, elements.data());
  }

  const Pickle& pickle_;
  std::map<std::string, ByteView, std::less<>> storages_;
  std::uint64_t budget_;  ///< bytes that may still be allocated
};

inline void read_torch_zip(std::string_view file, WeightFile& out) {
  const ZipDirectory archive(torch_where, out.path, file);
  const ByteView whole(torch_where, out.path, file);
  constexpr std::string_view pickle_name = "data.pkl";
  std::string root;
  bool found = false;
  for (const auto& [name, entry] : archive.entries()) {
    if (name.ends_with("/constants.pkl"))
      whole.refuse(entry.header, "'", name, "': the file is a TorchScript program; save a state_dict instead");
    if (!name.ends_with(pickle_name) || name.size() == pickle_name.size() ||
        name[name.size() - pickle_name.size() - 1] != '/')
      continue;
    if (found) whole.refuse(entry.header, "a second entry 'data.pkl': '", name, "'");
    root = name.substr(0, name.size() - pickle_name.size());
    found = true;
  }
  if (!found) whole.refuse(0, "the archive has no entry NAME/data.pkl");
  if (archive.find(root + "byteorder") != nullptr) {
    const ByteView order = archive.read(root + "byteorder");
    if (order.all() != "little") order.refuse(0, "the byte order is '", order.all().substr(0, 16), "', not 'little'");
  }
  const Pickle pickle = read_torch_pickle(archive.read(root + std::string(pickle_name)));
  std::map<std::string, ByteView, std::less<>> storages;
  for (const auto& [name, entry] : archive.entries())
    if (name.starts_with(root + "data/")) storages.emplace(name.substr(root.size() + 5), archive.read(name));
  TorchTensors(pickle, std::move(storages), file.size()).read(out);
}

/// The sizes of the storages' elements, by key, as the object's persistent ids claim them.
inline void collect_storage_types(const Pickle& pickle, std::map<std::string_view, std::size_t>& sizes) {
  std::vector<bool> seen;
  std::vector<const PickleValue*> open{&pickle.root()};
  while (!open.empty()) {
    const PickleValue& value = *open.back();
    open.pop_back();
    if (value.kind == PickleValue::Kind::reference) {
      const PickleValue& id = pickle.item(value, 0, PickleValue::Kind::tuple, "a storage's persistent id");
      const StoredType* type =
          find_stored_type(torch_element_type(pickle.item(id, 1, PickleValue::Kind::global, "a storage's class").text));
      if (type == nullptr) pickle.refuse(id, "a storage of an unknown class");
      const std::string_view key = pickle.item(id, 2, PickleValue::Kind::text, "a storage's key").text;
      if (const auto [at, fresh] = sizes.emplace(key, type->size); !fresh && at->second != type->size)
        pickle.refuse(id, "storage '", key, "' has two types");
      continue;
    }
    for (const PickleId inner : value.items) {
      if (seen.size() <= inner) seen.resize(inner + 1);
      if (seen[inner]) continue;
      seen[inner] = true;
      open.push_back(&pickle[inner]);
    }
  }
}

inline void read_torch_legacy(std::string_view file, WeightFile& out) {
  using Kind = PickleValue::Kind;
  const ByteView whole(torch_where, out.path, file);
  std::uint64_t at = torch_legacy_magic.size();
  const auto next = [&] {
    Pickle pickle = read_torch_pickle(whole.slice(at, whole.size() - at, "a pickle"));
    at += pickle.size();
    return pickle;
  };
  const std::uint64_t protocol_at = at;
  if (const Pickle protocol = next(); protocol.root().kind != Kind::integer || protocol.root().integer != 1001)
    whole.refuse(protocol_at, "the protocol is not 1001");
  const Pickle system = next();
  bool little = false;
  for (std::size_t i = 0; system.root().kind == Kind::dict && i + 1 < system.root().items.size(); i += 2)
    if (system[system.root().items[i]].text == "little_endian")
      little = system[system.root().items[i + 1]].integer != 0;
  if (!little) system.refuse(system.root(), "the file was written on a big-endian machine, or does not tell");
  const Pickle object = next();
  const Pickle keys = next();
  if (keys.root().kind != Kind::list) keys.refuse(keys.root(), "the storages' keys are ", to_string(keys.root().kind));

  std::map<std::string_view, std::size_t> element_sizes;
  collect_storage_types(object, element_sizes);
  std::map<std::string, ByteView, std::less<>> storages;
  for (std::size_t i = 0; i < keys.root().items.size(); ++i) {
    const std::string_view key = keys.item(keys.root(), i, Kind::text, "a storage's key").text;
    const auto size = element_sizes.find(key);
    if (size == element_sizes.end()) whole.refuse(at, "storage '", key, "' belongs to no tensor");
    std::uint64_t bytes = 0;
    if (!multiply(whole.u64(at, "a storage's size"), size->second, bytes))
      whole.refuse(at, "the bytes of storage '", key, "' overflow 64 bits");
    if (!storages.emplace(std::string(key), whole.slice(at + 8, bytes, "a storage")).second)
      whole.refuse(at, "storage '", key, "' occurs twice");
    at += 8 + bytes;
  }
  if (at != whole.size()) whole.refuse(at, whole.size() - at, " bytes after the last storage");
  TorchTensors(object, std::move(storages), file.size()).read(out);
}

}  // namespace detail

/// Whether a file that begins so was written by torch.save, or is another zip archive.
inline bool looks_like_torch(std::string_view head) {
  return head.starts_with("PK\3\4") || head.starts_with(detail::torch_legacy_magic);
}

/// The tensors of a file of torch.save given as bytes; `path` serves messages. Throws UsageError naming path and byte.
/// `sha256` stays empty.
inline WeightFile parse_torch(std::string_view file, const std::string& path) {
  WeightFile out;
  out.path = path;
  if (file.starts_with("PK")) {
    out.format = "PyTorch (zip)";
    detail::read_torch_zip(file, out);
  } else if (file.starts_with(detail::torch_legacy_magic)) {
    out.format = "PyTorch (legacy)";
    detail::read_torch_legacy(file, out);
  } else {
    fail_usage(detail::torch_where, path, ": byte 0: neither a zip archive nor PyTorch's magic number");
  }
  return out;
}

/// Reads a whole file. F16 becomes f32 and narrow integers i64, both exact; other types stay.
inline WeightFile load_torch(const std::string& path, const ReadOptions& = {}) {
  const std::string file = read_file(path);
  WeightFile out = parse_torch(file, path);
  out.sha256 = sha256_hex(file);
  return out;
}

}  // namespace checkpoint

using checkpoint::load_torch;

TINYVISION_END
