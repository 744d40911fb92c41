// HDF5, upper half: groups, attributes and datasets, as far as weight files of Keras and h5py need them.
//
//   groups    a B-tree of version 1 whose leaves "SNOD" list links, names in a local heap; or link messages in the header
//   datasets  little-endian numbers (hdf5_values.hpp); contiguous, compact, or chunked with a B-tree of version 1
//
// Refused by name: soft and external links, links in a fractal heap (groups of more than 8 links in the newest format),
// external files, filters (compression), other layouts. A contiguous dataset's bytes must lie within the file, chunks must
// be there in full, and no two tensors may share bytes; only then is memory allocated.
//
// Source: HDF5 File Format Specification 3.0, sections III.A to III.D, IV.A.2.f, IV.A.2.g and IV.A.2.i.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/hdf5_values.hpp"

TINYVISION_BEGIN
namespace checkpoint {

/// A group or dataset: its links, attributes and the messages that describe its data.
struct Hdf5Object {
  std::uint64_t address = 0;
  std::map<std::string, std::uint64_t> links{};  ///< of a group: names and addresses of headers
  std::vector<Hdf5Attribute> attributes{};
  std::vector<Hdf5Message> messages{};

  const Hdf5Message* find(Hdf5MessageType type) const {
    for (const Hdf5Message& message : messages)
      if (message.type == type) return &message;
    return nullptr;
  }
  bool is_dataset() const { return find(Hdf5MessageType::layout) != nullptr; }
};

/// A file that is open for reading. The bytes and the path must outlive it.
class Hdf5File {
 public:
  Hdf5File(std::string_view path, std::string_view file) : bytes_(path, file) {}

  Hdf5Object root() { return object(bytes_.root()); }

  /// The object at `address`. Throws UsageError naming path and byte for anything malformed or not supported.
  Hdf5Object object(std::uint64_t address) {
    Hdf5Object out;
    out.address = address;
    out.messages = bytes_.header(address);
    for (const Hdf5Message& message : out.messages) {
      switch (message.type) {
        case Hdf5MessageType::attribute:
          if (!message.shared) out.attributes.push_back(detail::hdf5_attribute(message.bytes));
          break;
        case Hdf5MessageType::link: read_link(message.bytes, out); break;
        case Hdf5MessageType::link_info: check_link_info(message.bytes); break;
        case Hdf5MessageType::symbol_table: read_symbol_table(message.bytes, out); break;
        case Hdf5MessageType::attribute_info: check_attribute_info(message.bytes); break;
        default: break;
      }
    }
    return out;
  }
  /// The object of a group's link. Throws UsageError when there is none of that name.
  Hdf5Object child(const Hdf5Object& group, const std::string& name) {
    const auto found = group.links.find(name);
    if (found == group.links.end()) bytes_.all().refuse(group.address, "the group has no '", name, "'");
    return object(found->second);
  }
  /// The strings of an attribute; none when there is no such attribute.
  std::vector<std::string> texts(const Hdf5Object& object, std::string_view name) {
    for (const Hdf5Attribute& attribute : object.attributes)
      if (attribute.name == name) return detail::hdf5_texts(bytes_, attribute);
    return {};
  }
  static bool has_attribute(const Hdf5Object& object, std::string_view name) {
    for (const Hdf5Attribute& attribute : object.attributes)
      if (attribute.name == name) return true;
    return false;
  }

  /// The elements of a dataset; `name` serves messages.
  Tensor read(const Hdf5Object& dataset, std::string_view name) {
    const ByteView layout = needed(dataset, Hdf5MessageType::layout, name);
    const auto refuse = [&](const auto&... why) { layout.refuse(0, "dataset '", name, "': ", why...); };
    if (dataset.find(Hdf5MessageType::external_files)) refuse("its data are in external files");
    if (const Hdf5Message* filters = dataset.find(Hdf5MessageType::filters))
      if (filters->bytes.u8(1, "the filters") > 0) refuse("is compressed or filtered: ", filter_name(filters->bytes));
    const Hdf5Type type = detail::hdf5_type(needed(dataset, Hdf5MessageType::datatype, name));
    if (type.kind != Hdf5Type::Kind::number || !type.number->readable)
      refuse("type ", type.number ? type.number->name : std::string_view(type.text),
             " is not supported (little-endian ", readable_types, " are)");
    const std::vector<std::uint64_t> extents = detail::hdf5_extents(needed(dataset, Hdf5MessageType::dataspace, name));
    if (extents.size() > static_cast<std::size_t>(Shape::max_rank))
      refuse("has ", extents.size(), " dimensions; at most ", Shape::max_rank, " are supported");
    std::uint64_t bytes = 0;
    if (!stored_bytes(extents, type.number->size, bytes)) refuse("the number of its bytes overflows 64 bits");
    Shape shape;
    for (const std::uint64_t extent : extents) shape.push_back(static_cast<Index>(extent));
    if (bytes == 0) return decode_elements(*type.number, shape, nullptr);

    const int version = layout.u8(0, "a layout"), kind = layout.u8(1, "a layout");
    if (version != 3 && !(version == 4 && kind < 2)) refuse("layout version ", version, " is not supported");
    if (kind == 0) {  // in the header itself
      const ByteView data = layout.slice(4, layout.u16(2, "a layout"), "compact data");
      if (data.size() != bytes) refuse("shape and type need ", bytes, " bytes, ", data.size(), " are stored");
      return decode_elements(*type.number, shape, data.all().data());
    }
    if (kind == 1) {
      const std::uint64_t address = layout.u64(2, "a layout"), size = layout.u64(10, "a layout");
      if (address == hdf5_undefined) refuse("was never written");
      if (size != bytes) refuse("shape and type need ", bytes, " bytes, ", size, " are stored");
      const ByteView data = bytes_.at(address, size, "a dataset");
      claim(data);
      return decode_elements(*type.number, shape, data.all().data());
    }
    if (kind != 2) refuse("layout class ", kind, " is not supported");
    return read_chunks(layout, *type.number, shape, name);
  }

 private:
  ByteView needed(const Hdf5Object& dataset, Hdf5MessageType type, std::string_view name) const {
    const Hdf5Message* message = dataset.find(type);
    if (message == nullptr)
      bytes_.all().refuse(dataset.address, "dataset '", name, "' has no message ", static_cast<int>(type));
    if (message->shared) message->bytes.refuse(0, "dataset '", name, "': a shared message is not supported");
    return message->bytes;
  }

  static std::string filter_name(const ByteView& filters) {
    const int id = filters.u16(filters.u8(0, "the filters") == 1 ? 8 : 2, "the filters");
    constexpr std::array<const char*, 7> names{"", "deflate", "shuffle", "fletcher32", "szip", "nbit", "scaleoffset"};
    return concat_text("filter ", id,
                       id > 0 && id < 7 ? concat_text(" (", names[static_cast<std::size_t>(id)], ")") : "");
  }

  void add_link(Hdf5Object& group, const ByteView& place, std::string_view name, std::uint64_t address) {
    if (name.empty() || name.find('/') != name.npos) place.refuse(0, "a link's name '", name, "' is not one");
    if (!group.links.emplace(std::string(name), address).second) place.refuse(0, "link '", name, "' occurs twice");
  }

  void read_link(const ByteView& link, Hdf5Object& group) {
    const int flags = link.u8(1, "a link");
    std::uint64_t at = 2;
    const int type = flags & 8 ? link.u8(at++, "a link") : 0;
    if (flags & 4) at += 8;
    if (flags & 16) at += 1;
    const std::uint64_t width = 1u << (flags & 3);
    std::uint64_t length = 0;
    for (std::uint64_t i = 0; i < width; ++i) length |= std::uint64_t{link.u8(at + i, "a link's name")} << (8 * i);
    const std::string_view name = link.bytes(at + width, length, "a link's name");
    if (type != 0)
      link.refuse(0, "'", name, "' is ",
                  type == 1    ? "a soft"
                  : type == 64 ? "an external"
                               : "an unknown",
                  " link, which is not followed");
    add_link(group, link, name, link.u64(at + width + length, "a link"));
  }
  static void check_link_info(const ByteView& info) {
    const std::uint64_t heap = info.u64(info.u8(1, "the links") & 1 ? 10 : 2, "the links");
    if (heap != hdf5_undefined) info.refuse(0, "the group's links are in a fractal heap, which is not supported");
  }
  static void check_attribute_info(const ByteView& info) {
    const std::uint64_t heap = info.u64(info.u8(1, "the attributes") & 1 ? 4 : 2, "the attributes");
    if (heap != hdf5_undefined) info.refuse(0, "attributes are in a fractal heap, which is not supported");
  }

  void read_symbol_table(const ByteView& table, Hdf5Object& group) {
    const ByteView heap = bytes_.signed_part(table.u64(8, "a group"), "HEAP", "a local heap");
    const ByteView names = bytes_.at(heap.u64(24, "a local heap"), heap.u64(8, "a local heap"), "a local heap's data");
    read_group_node(table.u64(0, "a group"), -1, names, group);
  }
  void read_group_node(std::uint64_t address, int level, const ByteView& names, Hdf5Object& group) {
    const ByteView node = bytes_.signed_part(address, "TREE", "a group's B-tree");
    const int own = check_node(node, 0, level);
    for (std::uint64_t i = 0, count = node.u16(6, "a B-tree"); i < count; ++i) {
      const std::uint64_t child = node.u64(32 + 16 * i, "a B-tree");
      if (own > 0) {
        read_group_node(child, own - 1, names, group);
      } else {
        read_symbols(child, names, group);
      }
    }
  }
  /// The node's level, after its kind and level are found right; `level` -1 is any.
  static int check_node(const ByteView& node, int kind, int level) {
    constexpr int highest = 16;
    const int own = node.u8(5, "a B-tree");
    if (node.u8(4, "a B-tree") != kind) node.refuse(4, "a B-tree of another kind than ", kind);
    if (own > highest || (level >= 0 && own != level))
      node.refuse(5, "a B-tree's node of level ", own, " where ", level >= 0 ? level : highest, " belongs");
    return own;
  }
  void read_symbols(std::uint64_t address, const ByteView& names, Hdf5Object& group) {
    const ByteView node = bytes_.signed_part(address, "SNOD", "a group's leaf");
    for (std::uint64_t i = 0, count = node.u16(6, "a group's leaf"); i < count; ++i) {
      const ByteView entry = node.slice(8 + 40 * i, 40, "a group's entry");
      bytes_.follow(entry.position());
      const std::uint64_t name_at = entry.u64(0, "a group's entry");
      if (name_at >= names.size()) entry.refuse(0, "a name at ", name_at, " of a heap of ", names.size(), " bytes");
      const std::string_view rest = names.all().substr(name_at);
      if (rest.find('\0') == rest.npos) names.refuse(name_at, "a name that does not end");
      const std::string_view name = rest.substr(0, rest.find('\0'));
      if (entry.u32(16, "a group's entry") == 2) entry.refuse(0, "'", name, "' is a soft link, which is not followed");
      add_link(group, entry, name, entry.u64(8, "a group's entry"));
    }
  }

  struct Chunk {
    std::vector<std::uint64_t> begin;
    ByteView data;
  };
  void collect_chunks(std::uint64_t address, int level, std::size_t rank, std::uint64_t chunk_bytes,
                      std::vector<Chunk>& chunks) {
    const ByteView node = bytes_.signed_part(address, "TREE", "a dataset's B-tree");
    const int own = check_node(node, 1, level);
    const std::uint64_t key = 8 + 8 * (rank + 1);
    for (std::uint64_t i = 0, count = node.u16(6, "a B-tree"); i < count; ++i) {
      const ByteView entry = node.slice(24 + i * (key + 8), key + 8, "a B-tree's entry");
      const std::uint64_t child = entry.u64(key, "a B-tree");
      if (own > 0) {
        collect_chunks(child, own - 1, rank, chunk_bytes, chunks);
        continue;
      }
      bytes_.follow(entry.position());
      if (entry.u32(0, "a chunk") != chunk_bytes)
        entry.refuse(0, "a chunk of ", entry.u32(0, "a chunk"), " bytes where ", chunk_bytes, " belong");
      Chunk chunk{{}, bytes_.at(child, chunk_bytes, "a chunk")};
      for (std::size_t axis = 0; axis < rank; ++axis) chunk.begin.push_back(entry.u64(8 + 8 * axis, "a chunk"));
      claim(chunk.data);
      chunks.push_back(std::move(chunk));
    }
  }
  Tensor read_chunks(const ByteView& layout, const StoredType& type, const Shape& shape, std::string_view name) {
    const std::size_t rank = static_cast<std::size_t>(shape.rank());
    if (layout.u8(2, "a layout") != rank + 1) layout.refuse(2, "dataset '", name, "': chunks of another rank");
    const std::uint64_t address = layout.u64(3, "a layout");
    if (address == hdf5_undefined) layout.refuse(3, "dataset '", name, "' was never written");
    std::vector<std::uint64_t> extents;
    std::uint64_t chunk_bytes = type.size, expected = 1;
    for (std::size_t axis = 0; axis < rank; ++axis) {
      extents.push_back(layout.u32(11 + 4 * axis, "a layout"));
      const auto whole = static_cast<std::uint64_t>(shape[static_cast<int>(axis)]);
      if (extents.back() == 0) layout.refuse(11 + 4 * axis, "dataset '", name, "': a chunk's extent is 0");
      expected *= (whole + extents.back() - 1) / extents.back();
    }
    if (!stored_bytes(extents, type.size, chunk_bytes))
      layout.refuse(0, "dataset '", name, "': the bytes of a chunk overflow 64 bits");
    std::vector<Chunk> chunks;
    collect_chunks(address, -1, rank, chunk_bytes, chunks);
    std::sort(chunks.begin(), chunks.end(), [](const Chunk& a, const Chunk& b) { return a.begin < b.begin; });
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      for (std::size_t axis = 0; axis < rank; ++axis)
        if (chunks[i].begin[axis] % extents[axis] != 0 ||
            chunks[i].begin[axis] >= static_cast<std::uint64_t>(shape[static_cast<int>(axis)]))
          layout.refuse(0, "dataset '", name, "': a chunk begins where none belongs");
      if (i > 0 && chunks[i].begin == chunks[i - 1].begin)
        layout.refuse(0, "dataset '", name, "': a chunk occurs twice");
    }
    if (chunks.size() != expected)
      layout.refuse(0, "dataset '", name, "': ", chunks.size(), " of ", expected, " chunks were written");
    std::string elements(static_cast<std::size_t>(shape.count()) * type.size, '\0');
    for (const Chunk& chunk : chunks) place_chunk(chunk, extents, type.size, shape, elements);
    return decode_elements(type, shape, elements.data());
  }
  /// Copies the part of a chunk that lies within the shape, row by row.
  static void place_chunk(const Chunk& chunk, const std::vector<std::uint64_t>& extents, std::size_t size,
                          const Shape& shape, std::string& elements) {
    const std::size_t rank = extents.size();
    std::uint64_t rows = 1;
    for (std::size_t axis = 0; axis + 1 < rank; ++axis) rows *= extents[axis];
    const std::uint64_t row = rank == 0 ? 1 : extents[rank - 1];
    for (std::uint64_t r = 0; r < rows; ++r) {
      std::uint64_t rest = r, to = 0, scale = 1, length = 1;
      bool inside = true;
      if (rank > 0) {
        const auto whole = static_cast<std::uint64_t>(shape.back());
        length = std::min(row, whole - chunk.begin[rank - 1]);
        to = chunk.begin[rank - 1];
        scale = whole;
      }
      for (std::size_t axis = rank < 2 ? 0 : rank - 1; axis-- > 0;) {
        const std::uint64_t place = chunk.begin[axis] + rest % extents[axis];
        const auto whole = static_cast<std::uint64_t>(shape[static_cast<int>(axis)]);
        inside = inside && place < whole;
        rest /= extents[axis];
        to += place * scale;
        scale *= whole;
      }
      if (inside) std::memcpy(elements.data() + to * size, chunk.data.all().data() + r * row * size, length * size);
    }
  }

  /// Notes that these bytes belong to a tensor. Throws UsageError when they belong to another already.
  void claim(const ByteView& data) {
    const std::uint64_t begin = data.position(), end = begin + data.size();
    const auto next = claimed_.lower_bound(begin);
    if ((next != claimed_.end() && next->first < end) || (next != claimed_.begin() && std::prev(next)->second > begin))
      data.refuse(0, "two tensors share bytes");
    claimed_.emplace(begin, end);
  }

  Hdf5Bytes bytes_;
  std::map<std::uint64_t, std::uint64_t> claimed_;  ///< begin and end of tensors' bytes
};

}  // namespace checkpoint
TINYVISION_END
