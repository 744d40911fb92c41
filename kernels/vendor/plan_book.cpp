#include "vendor/plan_book.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>

namespace tinyvision_kernels {
namespace vendor {
namespace {

constexpr std::string_view first_line = "tinyvision plans 1\n";

[[noreturn]] void fail(const std::string& path, const std::string& text) {
  throw std::runtime_error("[plan file] " + path + text);
}
[[noreturn]] void fail(const std::string& path, std::size_t line, const std::string& text) {
  fail(path, ", line " + std::to_string(line) + ": " + text);
}

std::string checksum(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

/// Takes `prefix` away; false when the text does not begin so.
bool take(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}
/// The characters of an engine's name.
bool is_name(std::string_view text) {
  return text.substr(0, 3) == "eng" && text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_=-") == text.npos;
}

bool take_plan(std::string_view text, Plan& plan) {
  const std::size_t tab = text.find('\t');
  if (tab == std::string_view::npos || !is_name(text.substr(0, tab))) return false;
  plan.engine = text.substr(0, tab);
  plan.timed = text.substr(tab) == "\ttiming";
  return plan.timed || text.substr(tab) == "\theuristics";
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
File open(const std::string& path, const char* mode) {
  return File(std::fopen(path.c_str(), mode), [](std::FILE* file) { return file ? std::fclose(file) : 0; });
}

}  // namespace

const Plan* PlanBook::find(const std::string& key) const {
  const auto at = plans_.find(key);
  return at == plans_.end() ? nullptr : &at->second;
}

std::string PlanBook::text() const {
  std::string text(first_line);
  for (const auto& [key, plan] : plans_)
    text += key + "\t" + plan.engine + (plan.timed ? "\ttiming\n" : "\theuristics\n");
  return text + "end " + std::to_string(plans_.size()) + " " + checksum(text) + "\n";
}

PlanBook PlanBook::timed() const {
  PlanBook book;
  for (const auto& [key, plan] : plans_)
    if (plan.timed) book.set(key, plan);
  return book;
}

PlanBook PlanBook::parse(const std::string& text, const std::string& path) {
  std::string_view rest = text;
  if (!take(rest, first_line)) fail(path, 1, "a plan file begins with 'tinyvision plans 1'");
  PlanBook book;
  for (std::size_t line = 2;; ++line) {
    const std::size_t begin = text.size() - rest.size(), length = rest.find('\n');
    if (length == std::string_view::npos)
      fail(path, ": ends at byte " + std::to_string(text.size()) + " without its last line, 'end': it was cut off");
    const std::string_view words = rest.substr(0, length);
    rest.remove_prefix(length + 1);
    if (words.substr(0, 4) == "end ") {
      const std::string expected =
          std::to_string(book.size()) + " " + checksum(std::string_view(text).substr(0, begin));
      if (words.substr(4) != expected)
        fail(path, line,
             "the number of plans and the checksum are '" + std::string(words.substr(4)) + "', the lines above give '" +
                 expected + "': it was changed or damaged");
      if (!rest.empty()) fail(path, line + 1, "nothing may follow the line 'end'");
      return book;
    }
    const std::size_t tab = words.find('\t');
    Plan plan;
    if (tab == 0 || tab == std::string_view::npos || !take_plan(words.substr(tab + 1), plan))
      fail(path, line, "not a plan: '" + std::string(words) + "'");
    if (!book.plans_.emplace(std::string(words.substr(0, tab)), plan).second)
      fail(path, line, "a second plan for '" + std::string(words.substr(0, tab)) + "'");
  }
}

PlanBook PlanBook::read(const std::string& path) {
  const File file = open(path, "rb");
  if (!file) {
    if (errno == ENOENT) return {};
    fail(path, std::string(": ") + std::strerror(errno));
  }
  std::string text, piece(1 << 16, '\0');
  while (const std::size_t count = std::fread(piece.data(), 1, piece.size(), file.get()))
    text.append(piece.data(), count);
  if (std::ferror(file.get()) != 0) fail(path, std::string(": ") + std::strerror(errno));
  return parse(text, path);
}

void PlanBook::write(const std::string& path) const {
  const std::string all = text(), beside = path + ".new";
  {
    const File file = open(beside, "wb");
    if (!file || std::fwrite(all.data(), 1, all.size(), file.get()) != all.size() || std::fflush(file.get()) != 0 ||
        fsync(fileno(file.get())) != 0)
      fail(beside, std::string(": ") + std::strerror(errno));
  }
  if (std::rename(beside.c_str(), path.c_str()) != 0) fail(path, std::string(": ") + std::strerror(errno));
}

}  // namespace vendor
}  // namespace tinyvision_kernels
