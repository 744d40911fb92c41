// TensorFlow V1 checkpoints: one file, as TF-Slim published its networks.
//
//   the file   a LevelDB table (leveldb_table.hpp) of SavedTensorSlices messages
//   key ""     its field 1, SavedTensorSliceMeta: every variable's name, shape, type and the slices it is saved in
//   other keys its field 2, SavedSlice: one slice with its elements as numbers of a TensorProto (float_val and so on)
//
// Source: saved_tensor_slice.proto and tensor.proto of TensorFlow. Elements as a TensorProto's tensor_content are
// neither written nor read by TensorFlow's Saver, and not read here.
//
// Limits: the types of stored_type.hpp, four dimensions, no compressed blocks. Variables that are passed over
// (tensorflow_names.hpp) are not decoded.
#pragma once

#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/leveldb_table.hpp"
#include "tinyvision/checkpoint/tensorflow_names.hpp"
#include "tinyvision/core/files.hpp"

TINYVISION_BEGIN
namespace checkpoint {
namespace tensorflow {
namespace detail {

/// A slice with the TensorProto of its elements.
struct SavedSlice {
  Slice slice{};
  ProtobufMessage elements;
};

/// What a file says of a variable and what it has of it.
struct SlicedVariable {
  Variable variable{};
  std::size_t promised = 0;  ///< slices
  std::vector<SavedSlice> saved{};
};

/// The variables of a SavedTensorSliceMeta.
inline std::vector<SlicedVariable> read_v1_meta(ProtobufMessage meta) {
  std::vector<SlicedVariable> variables;
  while (meta.next()) {
    if (meta.field() == 2) check_version(meta.message());
    if (meta.field() != 1) continue;
    SlicedVariable& v = variables.emplace_back();
    std::uint64_t type = 0;
    v.variable.offset = meta.field_offset();
    for (ProtobufMessage m = meta.message(); m.next();) {
      if (m.field() == 1) v.variable.name = m.bytes();
      if (m.field() == 2) v.variable.extents = read_extents(m.message());
      if (m.field() == 3) type = m.uint64();
    }
    v.variable.type = find_element_type(type);
    if (v.variable.type == nullptr) meta.refuse("tensor '", v.variable.name, "': unknown dtype ", type);
    for (ProtobufMessage m = meta.message(); m.next();) {  // again: a slice needs the shape
      if (m.field() != 4) continue;
      read_slice(m.message(), v.variable.extents);
      ++v.promised;
    }
  }
  return variables;
}

/// The field of a TensorProto that holds elements of this type; narrow integers share one. 0 for types that V1
/// checkpoints have no place for.
inline std::uint32_t elements_field(std::string_view stored) {
  if (stored == "F32") return 5;
  if (stored == "F64") return 6;
  if (stored == "I64") return 10;
  if (stored == "F16") return 13;
  return stored == "U32" || stored == "BF16" ? 0 : 7;
}

/// Integers of a TensorProto as the elements of a tensor that stores them as T.
template <class T>
Tensor narrow_integers(const std::vector<std::uint64_t>& integers, const StoredType& stored, const Shape& shape,
                       const Variable& variable, std::uint64_t offset, std::string_view path) {
  std::vector<T> values(integers.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<std::int64_t>(integers[i]);
    if (value < static_cast<std::int64_t>(std::numeric_limits<T>::min()) ||
        value > static_cast<std::int64_t>(std::numeric_limits<T>::max()))
      fail_usage(where, path, ": byte ", offset, ": tensor '", variable.name, "': ", value, " is no ",
                 variable.type->name);
    values[i] = static_cast<T>(value);
  }
  return decode_elements(stored, shape, reinterpret_cast<const char*>(values.data()));
}

/// The elements of one slice. Throws UsageError unless there are as many as its extents say.
inline Tensor read_v1_slice(const SavedSlice& saved, const Variable& variable, const StoredType& stored,
                            std::string_view path) {
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<std::uint64_t> integers;
  const std::uint32_t field = elements_field(stored.name);
  if (field == 0)
    fail_usage(where, path, ": byte ", variable.offset, ": tensor '", variable.name, "': ", variable.type->name,
               " has no place in a V1 checkpoint");
  for (ProtobufMessage m = saved.elements; m.next();) {
    if (m.field() != field) continue;
    if (stored.name == "F32") {
      m.append_fixed(floats);
    } else if (stored.name == "F64") {
      m.append_fixed(doubles);
    } else {
      m.append_varints(integers);
    }
  }
  const std::uint64_t offset = saved.elements.offset(), count = floats.size() + doubles.size() + integers.size();
  if (count != saved.slice.count())
    fail_usage(where, path, ": byte ", offset, ": tensor '", variable.name, "': a slice ",
               extents_text(saved.slice.length), " of ", variable.type->name, " has ", count, " values");
  const Shape shape = shape_of(saved.slice.length);
  const auto integer = [&]<class T>(T) { return narrow_integers<T>(integers, stored, shape, variable, offset, path); };
  if (stored.name == "F32") return decode_elements(stored, shape, reinterpret_cast<const char*>(floats.data()));
  if (stored.name == "F64") return decode_elements(stored, shape, reinterpret_cast<const char*>(doubles.data()));
  if (stored.name == "I8") return integer(std::int8_t{});
  if (stored.name == "I16") return integer(std::int16_t{});
  if (stored.name == "I32") return integer(std::int32_t{});
  if (stored.name == "I64") return integer(std::int64_t{});
  if (stored.name == "U8") return integer(std::uint8_t{});
  return integer(std::uint16_t{});  // U16, and the bits of F16
}

/// The tensor of `v`, put together from its slices.
inline Tensor read_v1_tensor(const SlicedVariable& v, std::string_view path) {
  const Variable& variable = v.variable;
  const StoredType& stored = check_readable(variable, path);
  std::vector<Tensor> parts;
  std::uint64_t elements = 0;
  for (const SavedSlice& saved : v.saved) {
    parts.push_back(read_v1_slice(saved, variable, stored, path));
    elements += static_cast<std::uint64_t>(parts.back().count());
  }
  if (elements != variable.count() || v.saved.size() != v.promised)
    fail_usage(where, path, ": byte ", variable.offset, ": tensor '", variable.name, "': the file has ", v.saved.size(),
               " of ", v.promised, " slices with ", elements, " of ", variable.count(), " elements");
  if (parts.size() == 1) return parts[0];
  Assembly assembly(shape_of(variable.extents), stored.in_memory);
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (!assembly.add(v.saved[i].slice, parts[i]))
      fail_usage(where, path, ": byte ", v.saved[i].elements.offset(), ": tensor '", variable.name,
                 "': two of its slices overlap");
  return assembly.tensor();
}

}  // namespace detail
}  // namespace tensorflow

/// The tensors of a V1 checkpoint given as bytes; `path` serves messages. Which variables are read, and under which
/// names, says tensorflow_names.hpp. Throws UsageError with path and byte for whatever is wrong: the table
/// (leveldb_table.hpp), messages that are not whole, unknown types, shapes that overflow, slices that leave their
/// variable, overlap, are missing or belong to none, and values beyond their type. `sha256` stays empty.
inline WeightFile parse_tensorflow_v1(std::string_view file, const std::string& path, const ReadOptions& options = {},
                                      Checksums checksums = Checksums::verified) {
  using namespace tensorflow;
  std::vector<tensorflow::detail::SlicedVariable> variables;
  std::map<std::string_view, std::size_t> by_name;
  bool described = false;
  LevelDbTable(where, path, file, checksums).for_each([&](const TableEntry& entry) {
    ProtobufMessage slices(where, path, entry.value, entry.offset);
    while (slices.next()) {
      if (entry.key.empty() && slices.field() == 1) {
        if (described) slices.refuse("the variables are described twice");
        described = true;
        variables = tensorflow::detail::read_v1_meta(slices.message());
        for (std::size_t i = 0; i < variables.size(); ++i)
          if (!by_name.emplace(variables[i].variable.name, i).second)
            fail_usage(where, path, ": byte ", variables[i].variable.offset, ": the name '", variables[i].variable.name,
                       "' occurs twice");
      } else if (!entry.key.empty() && slices.field() == 2) {
        std::string_view name;
        for (ProtobufMessage m = slices.message(); m.next();)
          if (m.field() == 1) name = m.bytes();
        const auto found = by_name.find(name);
        if (found == by_name.end()) slices.refuse("a slice of '", name, "', which the file does not describe");
        auto& v = variables[found->second];
        ProtobufMessage slice(where, path, {}, slices.bytes_offset()), elements = slice;
        for (ProtobufMessage m = slices.message(); m.next();) {
          if (m.field() == 2) slice = m.message();
          if (m.field() == 3) elements = m.message();
        }
        v.saved.push_back({read_slice(slice, v.variable.extents), elements});
      } else {
        slices.refuse("belongs to no V1 checkpoint");
      }
    }
    return true;
  });
  if (!described) fail_usage(where, path, ": byte 0: not a V1 checkpoint: no description of variables");

  std::vector<Variable> all;
  for (const auto& v : variables) all.push_back(v.variable);
  Choices choices = choose_variables(all, options, path);
  WeightFile out{{}, {}, {}, path, "TensorFlow V1 checkpoint"};
  for (const Choice& choice : choices.taken) {
    out.tensors.emplace_back(choice.name, tensorflow::detail::read_v1_tensor(variables[choice.index], path));
    if (choice.averaged) out.averaged.push_back(choice.name);
  }
  out.passed_over = std::move(choices.passed_over);
  return out;
}

/// Reads a V1 checkpoint. Throws UsageError as parse_tensorflow_v1 does, or when the file cannot be read.
inline WeightFile load_tensorflow_v1(const std::string& path, const ReadOptions& options = {}) {
  const std::string file = read_file(path);
  WeightFile out = parse_tensorflow_v1(file, path, options);
  out.sha256 = sha256_hex(file);
  return out;
}

}  // namespace checkpoint
TINYVISION_END
