// Small pieces of text that several rooms need: suggestions for misspelt names, exact numbers, CSV fields, durations.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tinyvision/core/config.hpp"

TINYVISION_BEGIN

/// Levenshtein's distance: the least number of insertions, deletions and substitutions of bytes that turn a into b.
inline Index edit_distance(std::string_view a, std::string_view b) {
  std::vector<Index> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = static_cast<Index>(j);
  for (std::size_t i = 0; i < a.size(); ++i) {
    Index diagonal = std::exchange(row[0], static_cast<Index>(i + 1));
    for (std::size_t j = 0; j < b.size(); ++j) {
      const Index replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// The at most `k` candidates nearest to `name`, nearest first, ties in the candidates' order. Candidates that share
/// too little with `name` (distance above half of the longer one's length) are no help and are left out.
inline std::vector<std::string> nearest_names(std::string_view name, const std::vector<std::string>& candidates,
                                              std::size_t k = 3) {
  std::vector<std::pair<Index, const std::string*>> ranked;
  for (const std::string& candidate : candidates) {
    const Index distance = edit_distance(name, candidate);
    if (2 * distance <= static_cast<Index>(std::max(name.size(), candidate.size())))
      ranked.emplace_back(distance, &candidate);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min(k, ranked.size()); ++i) names.push_back(*ranked[i].second);
  return names;
}

/// "a, b, c"; after `most` names the rest is counted: "a, b, c and 4 more".
inline std::string join_names(const std::vector<std::string>& names, std::size_t most = 5) {
  std::string out;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i) out += (i > 0 ? ", " : "") + names[i];
  if (names.size() > most) out += " and " + std::to_string(names.size() - most) + " more";
  return out;
}

/// " (did you mean a, b?)", or nothing when no candidate is near. Made to be appended to a message.
inline std::string suggestion(std::string_view name, const std::vector<std::string>& candidates, std::size_t k = 3) {
  const std::vector<std::string> near = nearest_names(name, candidates, k);
  return near.empty() ? "" : " (did you mean " + join_names(near, k) + "?)";
}

/// `value` with 17 significant digits, which determine a double; "nan", "inf" and "-inf" as such. No locale.
inline std::string format_exact(double value) {
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::general, 17);
  return {buffer.data(), end.ptr};
}

/// The shortest text that reads back as the same double.
inline std::string format_shortest(double value) {
  std::array<char, 64> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), end.ptr};
}

/// A field of a comma-separated file (RFC 4180): between quotes where it holds a comma, a quote or a line end.
inline std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

/// "0.8 s", "42 s", "3 min 07 s", "2 h 05 min", "3 d 04 h"; "?" when negative or not finite.
inline std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  std::array<char, 64> text{};
  if (seconds < 9.95) {
    std::snprintf(text.data(), text.size(), "%.1f s", seconds);
    return text.data();
  }
  const auto whole = static_cast<unsigned long long>(std::min(std::round(seconds), 1e15));
  if (whole < 60) {
    std::snprintf(text.data(), text.size(), "%llu s", whole);
  } else if (whole < 3600) {
    std::snprintf(text.data(), text.size(), "%llu min %02llu s", whole / 60, whole % 60);
  } else if (whole < 86400) {
    std::snprintf(text.data(), text.size(), "%llu h %02llu min", whole / 3600, whole % 3600 / 60);
  } else {
    std::snprintf(text.data(), text.size(), "%llu d %02llu h", whole / 86400, whole % 86400 / 3600);
  }
  return text.data();
}

TINYVISION_END
