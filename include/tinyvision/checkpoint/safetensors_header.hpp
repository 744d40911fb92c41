// The header of a safetensors file: a JSON object that says what lies where in the data that follows it.
//
//   8 bytes   length n of the header, unsigned, little endian, at most 100,000,000
//   n bytes   {"__metadata__":{"name":"text",...},"tensor":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},...}
//             may end in spaces
//   the rest  the tensors' elements, row-major, little endian, without gaps; data_offsets count from here
//
// Source: the format's description at github.com/huggingface/safetensors ("Format").
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/stored_type.hpp"

TINYVISION_BEGIN
namespace checkpoint {

/// Longest header that a reader accepts, so that a wrong length cannot ask for all memory.
inline constexpr std::uint64_t safetensors_header_limit = 100'000'000;

/// One tensor of a header. Offsets count from the end of the header.
struct StoredTensor {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;
  std::uint64_t entry = 0;  ///< byte of the file at which its description begins
};

/// A parsed header, tensors in the order of the text.
struct SafetensorsHeader {
  std::vector<StoredTensor> tensors;
  std::map<std::string, std::string> metadata;
  std::uint64_t data_begin = 0;  ///< byte of the file at which the tensors' elements begin
};

namespace detail {

/// Reads the header's JSON event by event, so that duplicate keys, wrong types and any deeper nesting are refused where
/// they stand.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(SafetensorsHeader& header, const std::string& path, const char* const& cursor, const char* text)
      : header_(header), path_(path), cursor_(cursor), text_(text) {}

  bool key(string_t& name) override {
    switch (place_) {
      case Place::header:
        if (!names_.insert(name).second) refuse("the name '", name, "' occurs twice");
        name_ = name;
        break;
      case Place::metadata:
        if (header_.metadata.contains(name)) refuse("__metadata__ has '", name, "' twice");
        name_ = name;
        break;
      default:
        if (name != "dtype" && name != "shape" && name != "data_offsets")
          refuse(tensor(), "unknown field '", name, "'");
        if (!fields_.insert(name).second) refuse(tensor(), "field '", name, "' occurs twice");
        field_ = name;
    }
    return true;
  }
  bool start_object(std::size_t) override {
    if (place_ == Place::start) {
      place_ = Place::header;
    } else if (place_ == Place::header) {
      place_ = name_ == "__metadata__" ? Place::metadata : Place::tensor;
      if (place_ == Place::tensor)
        header_.tensors.push_back({name_, {}, {}, 0, 0, position() - 1}), fields_.clear(), offsets_ = 0;
    } else {
      unexpected("an object");
    }
    return true;
  }
  bool end_object() override {
    if (place_ == Place::tensor) {
      for (const char* field : {"dtype", "shape", "data_offsets"})
        if (!fields_.contains(field)) refuse(tensor(), "no field '", field, "'");
      if (offsets_ != 2) refuse(tensor(), "data_offsets must be two numbers, got ", offsets_);
    }
    place_ = place_ == Place::header ? Place::start : Place::header;
    return true;
  }
  bool start_array(std::size_t) override {
    if (place_ != Place::tensor || field_ == "dtype") unexpected("an array");
    place_ = Place::array;
    return true;
  }
  bool end_array() override {
    place_ = Place::tensor;
    return true;
  }
  bool string(string_t& text) override {
    if (place_ == Place::metadata) {
      header_.metadata.emplace(name_, text);
    } else if (place_ == Place::tensor && field_ == "dtype") {
      header_.tensors.back().dtype = text;
    } else {
      unexpected("a text");
    }
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::array) unexpected("a number");
    StoredTensor& t = header_.tensors.back();
    if (field_ == "shape") {
      t.shape.push_back(value);
    } else {
      if (++offsets_ > 2) refuse(tensor(), "data_offsets must be two numbers, got more");
      (offsets_ == 1 ? t.begin : t.end) = value;
    }
    return true;
  }
  bool number_integer(number_integer_t value) override {
    if (place_ == Place::array) refuse(tensor(), field_, " holds a negative number: ", value);
    unexpected("a number");
  }
  bool number_float(number_float_t, const string_t& text) override {
    if (place_ == Place::array) refuse(tensor(), field_, " holds ", text, ", which is no 64-bit integer");
    unexpected("a number");
  }
  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a truth value"); }
  bool binary(binary_t&) override { unexpected("bytes"); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    const std::string_view reason = error.what();
    const std::size_t colon = reason.find(": ");
    fail_usage("safetensors", path_, ": byte ", 8 + position,
               ": the header is not valid JSON: ", colon == std::string_view::npos ? reason : reason.substr(colon + 2));
  }

 private:
  enum class Place { start, header, metadata, tensor, array };

  std::string tensor() const { return "tensor '" + name_ + "': "; }
  /// Byte of the file after what was read.
  std::uint64_t position() const { return 8 + static_cast<std::uint64_t>(cursor_ - text_); }
  template <class... Args>
  [[noreturn]] void refuse(const Args&... args) const {
    fail_usage("safetensors", path_, ": header before byte ", position(), ": ", args...);
  }
  [[noreturn]] void unexpected(const char* what) const {
    switch (place_) {
      case Place::start: refuse("must be a JSON object, not ", what);
      case Place::header: refuse("'", name_, "' must be an object, not ", what);
      case Place::metadata: refuse("__metadata__ may hold texts only, but '", name_, "' is ", what);
      case Place::tensor: refuse(tensor(), "field '", field_, "' cannot be ", what);
      default: refuse(tensor(), field_, " must hold integers, not ", what);
    }
  }

  SafetensorsHeader& header_;
  const std::string& path_;
  const char* const& cursor_;  // how far the parser has read
  const char* text_;
  Place place_ = Place::start;
  std::string name_, field_;
  std::set<std::string, std::less<>> names_, fields_;
  int offsets_ = 0;
};

/// A character iterator that leaves its position where others can see it.
struct WatchedIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at = nullptr;
  const char** cursor = nullptr;

  reference operator*() const { return *at; }
  WatchedIterator& operator++() {
    *cursor = ++at;
    return *this;
  }
  WatchedIterator operator++(int) {
    const WatchedIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const WatchedIterator& a, const WatchedIterator& b) { return a.at == b.at; }
};

/// Checks type, shape and extent of one tensor.
inline void check_stored_tensor(const StoredTensor& t, std::uint64_t data_bytes, const std::string& path) {
  const auto refuse = [&](const auto&... why) {
    fail_usage("safetensors", path, ": byte ", t.entry, ": tensor '", t.name, "': ", why...);
  };
  const StoredType* type = find_stored_type(t.dtype);
  if (type == nullptr) refuse("unknown dtype '", t.dtype, "'");
  if (t.begin > t.end) refuse("data_offsets [", t.begin, ",", t.end, "] end before they begin");
  if (t.end > data_bytes) refuse("data_offsets [", t.begin, ",", t.end, "] exceed the ", data_bytes, " bytes of data");
  std::uint64_t bytes = 0;
  if (!stored_bytes(t.shape, type->size, bytes)) refuse("the number of its bytes overflows 64 bits");
  if (bytes != t.end - t.begin)
    refuse("shape and dtype ", t.dtype, " need ", bytes, " bytes, data_offsets [", t.begin, ",", t.end, "] hold ",
           t.end - t.begin);
  if (!type->readable) refuse("dtype ", t.dtype, " is not supported (", readable_types, " are)");
  if (t.shape.size() > static_cast<std::size_t>(Shape::max_rank))
    refuse("has ", t.shape.size(), " dimensions; at most ", Shape::max_rank, " are supported");
}

}  // namespace detail

/// Reads and checks the header of the safetensors file whose bytes are `file`. Throws UsageError naming `path` and the
/// byte or the tensor when any rule of the format is broken: length, JSON, duplicate names, types, shapes, and offsets
/// that cover the data exactly once.
inline SafetensorsHeader parse_safetensors_header(std::string_view file, const std::string& path) {
  if (file.size() < 8)
    fail_usage("safetensors", path, ": truncated: the file has ", file.size(),
               " bytes, the header's length alone takes 8");
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 8; ++i) length |= std::uint64_t{static_cast<unsigned char>(file[i])} << (8 * i);
  if (length > safetensors_header_limit)
    fail_usage("safetensors", path, ": byte 0: header length ", length, " exceeds the limit of ",
               safetensors_header_limit, " (not a safetensors file?)");
  if (length > file.size() - 8)
    fail_usage("safetensors", path, ": truncated: the header ends at byte ", 8 + length, ", the file at ", file.size());
  std::string_view text = file.substr(8, length);
  if (text.empty() || text.front() != '{') fail_usage("safetensors", path, ": byte 8: the header must begin with '{'");
  while (text.back() == ' ') text.remove_suffix(1);
  if (text.back() != '}')
    fail_usage("safetensors", path, ": byte ", 8 + text.size() - 1, ": the header must end with '}' and spaces");

  SafetensorsHeader header;
  header.data_begin = 8 + length;
  const char* cursor = text.data();
  detail::HeaderReader reader(header, path, cursor, text.data());
  nlohmann::json::sax_parse(detail::WatchedIterator{text.data(), &cursor},
                            detail::WatchedIterator{text.data() + text.size(), &cursor}, &reader);

  const std::uint64_t data_bytes = file.size() - header.data_begin;
  std::vector<const StoredTensor*> order;
  for (const StoredTensor& t : header.tensors) {
    detail::check_stored_tensor(t, data_bytes, path);
    order.push_back(&t);
  }
  std::sort(order.begin(), order.end(), [](const StoredTensor* a, const StoredTensor* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::uint64_t covered = 0;
  for (const StoredTensor* t : order) {
    if (t->begin != covered)
      fail_usage("safetensors", path, ": byte ", header.data_begin + std::min(t->begin, covered), ": tensor '", t->name,
                 "' begins at ", t->begin, " of the data, where ", covered,
                 " is expected: ", t->begin > covered ? "a hole" : "tensors overlap");
    covered = t->end;
  }
  if (covered != data_bytes)
    fail_usage("safetensors", path, ": byte ", header.data_begin + covered, ": ", data_bytes - covered,
               " bytes after the last tensor");
  return header;
}

}  // namespace checkpoint
TINYVISION_END
