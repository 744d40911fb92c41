// TensorFlow V2 checkpoints ("bundles"): an index beside files of elements.
//
//   PREFIX.index                  a LevelDB table (leveldb_table.hpp)
//     key ""                      BundleHeaderProto: number of data files, byte order, version
//     key NAME                    BundleEntryProto: type, shape, data file, offset, size, masked CRC-32C of the
//                                 elements; or, of a partitioned variable, its slices instead of a place
//     slice_key(NAME, slice)      BundleEntryProto of one slice
//   PREFIX.data-0000k-of-0000n    elements, row-major, little endian; gaps are allowed
//
// Source: tensor_bundle.proto and the comments of tensor_bundle.h of TensorFlow.
//
// Limits: the types of stored_type.hpp, four dimensions, little endian, no compressed blocks in the index. Variables
// that are passed over (tensorflow_names.hpp) are not decoded and their checksums not looked at; their places are.
#pragma once

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/leveldb_table.hpp"
#include "tinyvision/checkpoint/tensorflow_names.hpp"
#include "tinyvision/core/files.hpp"

TINYVISION_BEGIN
namespace checkpoint {
namespace tensorflow {

/// A data file of a bundle.
struct Shard {
  std::string path{};
  std::string_view bytes{};
};

namespace detail {

/// A BundleEntryProto.
struct BundleEntry {
  Variable variable{};  ///< under its key
  std::uint64_t shard = 0, begin = 0, size = 0;
  std::uint32_t checksum = 0;
  std::vector<Slice> slices{};
};

struct Bundle {
  std::uint64_t shards = 0;
  std::vector<BundleEntry> entries{};
};

/// "PREFIX" of "PREFIX.index".
inline std::string bundle_prefix(const std::string& index_path) {
  constexpr std::string_view suffix = ".index";
  if (!index_path.ends_with(suffix))
    fail_usage(where, index_path, ": the index of a V2 checkpoint must be called PREFIX.index, beside PREFIX.data-*");
  return index_path.substr(0, index_path.size() - suffix.size());
}

/// The number of data files. Throws UsageError for what these readers do not know.
inline std::uint64_t read_bundle_header(ProtobufMessage header) {
  std::int64_t shards = 0;
  while (header.next()) {
    if (header.field() == 1) shards = header.int64();
    if (header.field() == 2 && header.uint64() != 0)
      header.refuse("the elements are big endian, which is not supported");
    if (header.field() == 3) check_version(header.message());
  }
  if (shards < 1 || shards > 99999) header.refuse("the checkpoint has ", shards, " data files");  // five digits
  return static_cast<std::uint64_t>(shards);
}

inline BundleEntry read_bundle_entry(ProtobufMessage m, std::string_view key, std::uint64_t shards) {
  BundleEntry entry;
  std::uint64_t type = 0;
  std::int64_t shard = 0, begin = 0, size = 0;
  entry.variable.name = key;
  entry.variable.offset = m.offset();
  const std::string name = LevelDbTable::printable(key);
  for (ProtobufMessage fields = m; fields.next();) switch (fields.field()) {
      case 1: type = fields.uint64(); break;
      case 2: entry.variable.extents = read_extents(fields.message()); break;
      case 3: shard = fields.int64(); break;
      case 4: begin = fields.int64(); break;
      case 5: size = fields.int64(); break;
      case 6: entry.checksum = fields.fixed32(); break;
      default: break;
    }
  for (ProtobufMessage fields = m; fields.next();)  // again: a slice needs the shape
    if (fields.field() == 7) entry.slices.push_back(read_slice(fields.message(), entry.variable.extents));
  entry.variable.type = find_element_type(type);
  if (entry.variable.type == nullptr) m.refuse("tensor '", name, "': unknown dtype ", type);
  if (shard < 0 || static_cast<std::uint64_t>(shard) >= shards)
    m.refuse("tensor '", name, "': in data file ", shard, " of ", shards);
  if (begin < 0 || size < 0) m.refuse("tensor '", name, "': ", size, " bytes at offset ", begin);
  entry.shard = static_cast<std::uint64_t>(shard);
  entry.begin = static_cast<std::uint64_t>(begin);
  entry.size = static_cast<std::uint64_t>(size);
  return entry;
}

inline Bundle read_bundle_index(std::string_view file, const std::string& path, Checksums checksums) {
  Bundle bundle;
  LevelDbTable(where, path, file, checksums).for_each([&](const TableEntry& entry) {
    const ProtobufMessage message(where, path, entry.value, entry.offset);
    if (entry.key.empty()) {
      bundle.shards = read_bundle_header(message);
    } else if (bundle.shards == 0) {
      message.refuse("not a V2 checkpoint: its index has no header");
    } else {
      bundle.entries.push_back(read_bundle_entry(message, entry.key, bundle.shards));
    }
    return true;
  });
  if (bundle.shards == 0) fail_usage(where, path, ": byte 0: not a V2 checkpoint: its index is empty");
  return bundle;
}

/// Throws UsageError unless every entry lies inside its data file, apart from all others.
inline void check_places(const Bundle& bundle, const std::string& path, const std::vector<Shard>& shards) {
  std::vector<const BundleEntry*> order;
  for (const BundleEntry& e : bundle.entries) {
    const std::uint64_t space = shards[e.shard].bytes.size();
    if (e.begin > space || e.size > space - e.begin)
      fail_usage(where, path, ": byte ", e.variable.offset, ": tensor '", LevelDbTable::printable(e.variable.name),
                 "': ", e.size, " bytes at offset ", e.begin, " of ", shards[e.shard].path, ", which has ", space);
    if (e.size > 0) order.push_back(&e);
  }
  std::sort(order.begin(), order.end(), [](const BundleEntry* a, const BundleEntry* b) {
    return std::tie(a->shard, a->begin) < std::tie(b->shard, b->begin);
  });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const BundleEntry &a = *order[i - 1], &b = *order[i];
    if (a.shard == b.shard && a.begin + a.size > b.begin)
      fail_usage(where, path, ": byte ", b.variable.offset, ": tensor '", LevelDbTable::printable(b.variable.name),
                 "' begins at byte ", b.begin, " of ", shards[b.shard].path, ", where tensor '",
                 LevelDbTable::printable(a.variable.name), "' lies: tensors overlap");
  }
}

/// The elements of an entry with a place.
inline Tensor read_bundle_elements(const BundleEntry& entry, std::string_view name, const std::string& path,
                                   const std::vector<Shard>& shards, Checksums checksums) {
  const StoredType& stored = check_readable(entry.variable, path);
  const Shard& shard = shards[entry.shard];
  if (entry.size != entry.variable.count() * stored.size)
    fail_usage(where, path, ": byte ", entry.variable.offset, ": tensor '", name, "': ", entry.variable.type->name, " ",
               extents_text(entry.variable.extents), " needs ", entry.variable.count() * stored.size,
               " bytes, the index says ", entry.size);
  const std::string_view bytes = shard.bytes.substr(entry.begin, entry.size);
  if (checksums == Checksums::verified && masked_crc32c(crc32c(bytes)) != entry.checksum)
    fail_usage(where, shard.path, ": byte ", entry.begin, ": tensor '", name, "': the checksum is ",
               masked_crc32c(crc32c(bytes)), ", the index says ", entry.checksum, ": the file is damaged");
  return decode_elements(stored, shape_of(entry.variable.extents), bytes.data());
}

/// The tensor of an entry, put together when it is partitioned; `slices` are the entries of slices by their keys.
inline Tensor read_bundle_tensor(const BundleEntry& entry, const std::map<std::string_view, const BundleEntry*>& slices,
                                 const std::string& path, const std::vector<Shard>& shards, Checksums checksums) {
  const std::string& name = entry.variable.name;
  if (entry.slices.empty()) return read_bundle_elements(entry, name, path, shards, checksums);
  const StoredType& stored = check_readable(entry.variable, path);
  const auto refuse = [&](const auto&... why) {
    fail_usage(where, path, ": byte ", entry.variable.offset, ": tensor '", name, "': ", why...);
  };
  std::vector<const BundleEntry*> parts;
  std::set<const BundleEntry*> distinct;  // else one slice, named often enough, could ask for any amount of memory
  std::uint64_t elements = 0;
  for (const Slice& slice : entry.slices) {
    const auto found = slices.find(slice_key(name, slice));
    const std::string what = concat_text("its slice ", extents_text(slice.length), " at ", extents_text(slice.begin));
    if (found == slices.end()) refuse(what, " is missing");
    parts.push_back(found->second);
    if (!distinct.insert(found->second).second) refuse(what, " is named twice");
    if (parts.back()->variable.type != entry.variable.type || parts.back()->variable.extents != slice.length)
      refuse(what, " is ", parts.back()->variable.type->name, " ", extents_text(parts.back()->variable.extents));
    if (parts.back()->size != slice.count() * stored.size) refuse(what, " takes ", parts.back()->size, " bytes");
    elements += slice.count();
  }
  if (elements != entry.variable.count())
    refuse("its slices have ", elements, " of ", entry.variable.count(), " elements");
  Assembly assembly(shape_of(entry.variable.extents), stored.in_memory);
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (!assembly.add(entry.slices[i], read_bundle_elements(*parts[i], name, path, shards, checksums)))
      refuse("two of its slices overlap");
  return assembly.tensor();
}

}  // namespace detail

/// The paths of a bundle's data files.
inline std::vector<std::string> shard_paths(const std::string& prefix, std::uint64_t shards) {
  std::vector<std::string> paths;
  for (std::uint64_t k = 0; k < shards; ++k) {
    char suffix[64];
    std::snprintf(suffix, sizeof suffix, ".data-%05llu-of-%05llu", static_cast<unsigned long long>(k),
                  static_cast<unsigned long long>(shards));
    paths.push_back(prefix + suffix);
  }
  return paths;
}

}  // namespace tensorflow

/// The tensors of a V2 checkpoint whose index is given as bytes; `path` is that of the index and serves messages, and
/// `open` is called once with the number of data files and returns them. Which variables are read, and under which
/// names, says tensorflow_names.hpp. Throws UsageError with path and byte for whatever is wrong: the table
/// (leveldb_table.hpp), messages that are not whole, unknown types, shapes that overflow, tensors that leave their data
/// file or overlap, sizes that are not those of the shape, checksums, slices that are missing or overlap. `sha256`
/// stays empty.
template <class Open>
WeightFile parse_tensorflow_v2(std::string_view index, const std::string& path, Open&& open,
                               const ReadOptions& options = {}, Checksums checksums = Checksums::verified) {
  using namespace tensorflow;
  const auto bundle = tensorflow::detail::read_bundle_index(index, path, checksums);
  const std::vector<Shard> shards = open(bundle.shards);
  check(shards.size() == bundle.shards, where, "asked for ", bundle.shards, " data files, got ", shards.size());
  tensorflow::detail::check_places(bundle, path, shards);

  std::vector<Variable> variables;
  std::vector<const tensorflow::detail::BundleEntry*> entries;
  std::map<std::string_view, const tensorflow::detail::BundleEntry*> slices;
  for (const auto& entry : bundle.entries) {
    if (entry.variable.name.front() == '\0') {  // as the keys of slices begin, and no variable's name
      slices.emplace(entry.variable.name, &entry);
    } else {
      variables.push_back(entry.variable);
      entries.push_back(&entry);
    }
  }
  Choices choices = choose_variables(variables, options, path);
  WeightFile out{{}, {}, {}, path, "TensorFlow V2 checkpoint"};
  for (const Choice& choice : choices.taken) {
    out.tensors.emplace_back(
        choice.name, tensorflow::detail::read_bundle_tensor(*entries[choice.index], slices, path, shards, checksums));
    if (choice.averaged) out.averaged.push_back(choice.name);
  }
  out.passed_over = std::move(choices.passed_over);
  for (const Shard& shard : shards) out.further_files.push_back(shard.path);
  return out;
}

/// Reads a V2 checkpoint by the path of its index, PREFIX.index. `sha256` is that of the index and the data files one
/// after another, as `cat PREFIX.index PREFIX.data-* | sha256sum` prints it. Throws UsageError as parse_tensorflow_v2
/// does, or when a file cannot be read.
inline WeightFile load_tensorflow_v2(const std::string& index_path, const ReadOptions& options = {}) {
  const std::string prefix = tensorflow::detail::bundle_prefix(index_path), index = read_file(index_path);
  std::vector<std::string> files;
  Sha256 digest;
  digest.update(index);
  WeightFile out = parse_tensorflow_v2(
      index, index_path,
      [&](std::uint64_t count) {
        std::vector<tensorflow::Shard> shards;
        for (std::string& path : tensorflow::shard_paths(prefix, count)) {
          files.push_back(read_file(path));
          digest.update(files.back());
          shards.push_back({std::move(path), {}});
        }
        for (std::size_t k = 0; k < files.size(); ++k) shards[k].bytes = files[k];
        return shards;
      },
      options);
  out.sha256 = digest.hex();
  return out;
}

}  // namespace checkpoint
TINYVISION_END
