// Text for reports: markup escaping, base64, and numbers that do not depend on the locale.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN
namespace report {

namespace detail {

/// Length in bytes of the well-formed UTF-8 character at the start of `text` (RFC 3629), 0 if there is none.
inline std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return text.empty() ? 0 : 1;
  const std::size_t length = lead >= 0xC2 && lead < 0xE0   ? 2
                             : lead >= 0xE0 && lead < 0xF0 ? 3
                             : lead >= 0xF0 && lead < 0xF5 ? 4
                                                           : 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0u) != 0x80u) return 0;
  // Overlong forms, surrogates, and code points above U+10FFFF.
  if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F) || (lead == 0xF0 && byte(1) < 0x90) ||
      (lead == 0xF4 && byte(1) > 0x8F))
    return 0;
  return length;
}

}  // namespace detail

/// `text` for use as HTML or XML character data or inside a quoted attribute. Bytes that are not UTF-8 and control
/// characters that XML forbids (a file name can hold both) become U+FFFD, so the page stays well-formed.
inline std::string escape_markup(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = detail::utf8_length(text);
    const char c = text.front();
    if (length == 0 || (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
      out += "\xEF\xBF\xBD";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return out;
}

/// Base64 with padding (RFC 4648, section 4).
inline std::string base64(std::string_view bytes) {
  static constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t present = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = (group << 8) | (j < present ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) out += j <= present ? alphabet[(group >> (18 - 6 * j)) & 63u] : '=';
  }
  return out;
}

/// `value` with a fixed number of decimals; "n/a" when not finite; never "-0".
inline std::string format_fixed(double value, int decimals) {
  if (!std::isfinite(value)) return "n/a";
  std::array<char, 400> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed, decimals);
  std::string out(buffer.data(), end.ptr);
  if (out.front() == '-' && out.find_first_not_of("-0.") == std::string::npos) out.erase(0, 1);
  return out;
}

/// `value` with a number of significant digits, as "%g" prints it; "n/a" when not finite.
inline std::string format_significant(double value, int digits) {
  if (!std::isfinite(value)) return "n/a";
  std::array<char, 64> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::general, digits);
  return std::string(buffer.data(), end.ptr);
}

/// A fraction as percent: 0.9077 -> "90.8 %" (with a no-break space).
inline std::string format_percent(double fraction, int decimals = 1) {
  const std::string number = format_fixed(100 * fraction, decimals);
  return number == "n/a" ? number : number + "\u00A0%";
}

/// A p-value: three decimals from 0.001 up, else two significant digits ("2.1e-07").
inline std::string format_p_value(double p) {
  if (!std::isfinite(p)) return "n/a";
  return p >= 0.001 ? format_fixed(p, 3) : format_significant(p, 2);
}

/// Estimated width of `text` in units of the font size, for a sans-serif face: used to reserve room, not to place
/// glyphs.
inline double text_width(std::string_view text) {
  double width = 0;
  while (!text.empty()) {
    const char c = text.front();
    if (std::string_view("iljtfrI.,:;!|'() ").find(c) != std::string_view::npos) {
      width += 0.36;
    } else if (std::string_view("mwMW%@").find(c) != std::string_view::npos) {
      width += 0.92;
    } else {
      width += (c >= 'A' && c <= 'Z') ? 0.72 : 0.6;
    }
    text.remove_prefix(std::max<std::size_t>(1, detail::utf8_length(text)));
  }
  return width;
}

}  // namespace report
TINYVISION_END
