// Lists in text files: lines and tables, with the line's number in every message.
#pragma once

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace data {

/// One line of a list, without its end.
struct ListLine {
  std::string_view text;
  Index number = 0;  ///< from 1

  /// Throws UsageError `[list] where:number: ...`.
  template <class... Args>
  [[noreturn]] void refuse(std::string_view where, const Args&... args) const {
    fail_usage("list", where, ":", number, ": ", args...);
  }
};

/// The lines of `text`, which ends "\n" or "\r\n" each (the last may have none). Empty lines are left out, numbers count
/// them. Throws UsageError naming `where` and the line on NUL bytes and on lines above 64 KiB (no list is like that). The
/// lines are views into `text`.
inline std::vector<ListLine> read_lines(std::string_view text, std::string_view where) {
  constexpr std::size_t longest = 65536;
  std::vector<ListLine> lines;
  Index number = 0;
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    ListLine line{text.substr(at, end - at), ++number};
    if (line.text.ends_with('\r')) line.text.remove_suffix(1);
    if (line.text.size() > longest) line.refuse(where, "a line of ", line.text.size(), " bytes");
    if (line.text.find('\0') != std::string_view::npos) line.refuse(where, "a NUL byte: this is no text");
    if (!line.text.empty()) lines.push_back(line);
    at = end + 1;
  }
  return lines;
}

/// The parts of a line between `separator`; with ' ' any run of spaces and tabs separates and none is empty.
inline std::vector<std::string_view> split_fields(std::string_view line, char separator) {
  std::vector<std::string_view> fields;
  if (separator == ' ') {
    for (std::size_t at = line.find_first_not_of(" \t"); at != std::string_view::npos;) {
      const std::size_t end = std::min(line.find_first_of(" \t", at), line.size());
      fields.push_back(line.substr(at, end - at));
      at = line.find_first_not_of(" \t", end);
    }
    return fields;
  }
  for (std::size_t at = 0; at <= line.size();) {
    const std::size_t end = std::min(line.find(separator, at), line.size());
    fields.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return fields;
}

/// A whole number in [low, high]. Throws UsageError naming file, line, text and bounds.
inline Index parse_number(std::string_view text, const ListLine& line, std::string_view where, Index low, Index high) {
  Index value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    line.refuse(where, "'", text, "' is not a whole number");
  if (value < low || value > high) line.refuse(where, value, " is not in ", low, "..", high);
  return value;
}

}  // namespace data
TINYVISION_END
