// Rules that hold for every source file: which room may include which, how long a header may be, and what a header must
// not contain. docs/architecture.md gives the reasons.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path root = TINYVISION_SOURCE_DIR;

/// What a room's headers may include besides their own room: the rooms named here and whatever those may include.
/// The table of docs/architecture.md, "Rooms".
const std::map<std::string, std::vector<std::string>>& rooms_below() {
  static const std::map<std::string, std::vector<std::string>> table{
      {"core", {}},
      {"linalg", {"core"}},
      {"reference", {"core"}},
      {"cpu", {"linalg"}},
      {"cuda", {"core"}},
      {"autograd", {"core"}},
      {"ops", {"reference", "cpu", "cuda", "autograd"}},
      {"nn", {"ops"}},
      {"models", {"nn"}},
      {"optim", {"linalg", "autograd"}},
      {"data", {"core"}},
      {"checkpoint", {"core"}},
      {"train", {"nn", "models", "optim", "data", "checkpoint"}},
      {"stats", {"core"}},
      {"report", {"stats", "data"}},
      {"audit", {"train", "report"}},
  };
  return table;
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// All files below `folder` with one of these extensions, in order.
std::vector<fs::path> files_below(const fs::path& folder, const std::set<std::string>& extensions) {
  std::vector<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file() && extensions.count(entry.path().extension().string())) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

/// The public headers, .inl parts included.
std::vector<fs::path> headers() {
  std::vector<fs::path> files = files_below(root / "include/tinyvision", {".hpp", ".h", ".inl"});
  for (const fs::path& model : files_below(root / "models", {".hpp"})) files.push_back(model);
  return files;
}

std::string shown(const fs::path& path) { return fs::relative(path, root).string(); }

/// "include/tinyvision/core/shape.hpp" -> "core", "models/resnet_v1.hpp" -> "models".
std::string room_of(const fs::path& path) {
  const fs::path relative = fs::relative(path, root);
  auto part = relative.begin();
  if (*part == "models") return "models";
  std::advance(part, 2);
  return part->string();
}

/// The room itself and everything below it.
std::set<std::string> reachable(const std::string& room) {
  std::set<std::string> seen{room};
  std::vector<std::string> open{room};
  while (!open.empty()) {
    const std::string next = open.back();
    open.pop_back();
    const auto row = rooms_below().find(next);
    if (row == rooms_below().end()) continue;
    for (const std::string& below : row->second)
      if (seen.insert(below).second) open.push_back(below);
  }
  return seen;
}

/// A line that breaks the include rule, told so that it can be repaired; empty when the line is fine.
std::string include_fault(const std::string& room, const std::string& line) {
  static const std::regex include(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  std::smatch match;
  if (!std::regex_search(line, match, include)) return "";
  const std::string target = match[2];
  const bool ours = target.rfind("tinyvision/", 0) == 0;
  if (match[1] == "<") return ours ? "own headers are included with quotes: " + target : "";
  if (!ours) return "own headers are included by their full path: " + target;
  const std::size_t begin = std::string("tinyvision/").size();
  const std::string other = target.substr(begin, target.find('/', begin) - begin);
  if (reachable(room).count(other)) return "";
  return "upward include: " + room + " may not use " + other + " (" + target + ")";
}

TEST(Includes, GoDownwardsOnly) {
  const std::vector<fs::path> files = headers();
  ASSERT_FALSE(files.empty());
  for (const fs::path& path : files) {
    const std::string room = room_of(path);
    EXPECT_TRUE(rooms_below().count(room)) << shown(path) << ": no such room, add it to the table";
    const std::vector<std::string> lines = lines_of(read(path));
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::string fault = include_fault(room, lines[i]);
      EXPECT_TRUE(fault.empty()) << shown(path) << ":" << i + 1 << ": " << fault;
    }
  }
}

TEST(Includes, AnUpwardIncludeIsFound) {
  EXPECT_EQ(include_fault("core", "#include \"tinyvision/ops/conv2d.hpp\""),
            "upward include: core may not use ops (tinyvision/ops/conv2d.hpp)");
  EXPECT_NE(include_fault("cpu", "#  include \"tinyvision/reference/conv2d.hpp\""), "");
  EXPECT_NE(include_fault("core", "#include <tinyvision/core/shape.hpp>"), "");
  EXPECT_NE(include_fault("core", "#include \"shape.hpp\""), "");
  EXPECT_EQ(include_fault("ops", "#include \"tinyvision/core/shape.hpp\""), "");
  EXPECT_EQ(include_fault("core", "#include <vector>"), "");
}

TEST(Includes, TheTableHasNoCycle) {
  for (const auto& [room, below] : rooms_below())
    for (const std::string& other : below) EXPECT_EQ(reachable(other).count(room), 0u) << room << " and " << other;
}

// Only the kernels may hold device code, and they see no framework header.
TEST(Includes, KernelsAndFrameworkStayApart) {
  static const std::regex framework(R"(#\s*include\s*"tinyvision/(?!cuda/kernels\.h))");
  static const std::regex device(R"(__global__|<<<)");
  for (const fs::path& path : files_below(root / "kernels", {".cu", ".h", ".hpp"}))
    EXPECT_FALSE(std::regex_search(read(path), framework)) << shown(path) << " includes a framework header";
  for (const fs::path& path : headers())
    EXPECT_FALSE(std::regex_search(read(path), device)) << shown(path) << " holds device code";
}

TEST(Headers, AreGuardedAndShort) {
  constexpr std::size_t limit = 500;
  for (const fs::path& path : headers()) {
    const std::string text = read(path);
    EXPECT_LT(lines_of(text).size(), limit) << shown(path) << " has one purpose too many";
    const bool guarded = path.extension() == ".inl" || text.find("#pragma once") != std::string::npos;
    EXPECT_TRUE(guarded) << shown(path) << " has no #pragma once";
  }
}

// Applications are options and wiring.
TEST(Apps, AreShort) {
  constexpr std::size_t limit = 150;
  if (!fs::exists(root / "apps")) GTEST_SKIP() << "no apps";
  for (const auto& entry : fs::directory_iterator(root / "apps"))
    if (entry.path().extension() == ".cpp") {
      EXPECT_LE(lines_of(read(entry.path())).size(), limit) << shown(entry.path());
    }
}

// A library neither ends the process nor keeps per-object copies of what should exist once.
TEST(Headers, HoldNoExitAndNoAnonymousNamespace) {
  static const std::regex forbidden(
      R"((^|[^\w.>])(abort|exit|_exit|quick_exit)\s*\(|(^|[^\w])assert\s*\(|namespace\s*\{|^\s*namespace tinyvision\s*\{)");
  for (const fs::path& path : headers()) {
    if (path.filename() == "config.hpp") continue;  // the one place that opens the namespace
    const std::vector<std::string> lines = lines_of(read(path));
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::string code = lines[i].substr(0, lines[i].find("//"));
      EXPECT_FALSE(std::regex_search(code, forbidden)) << shown(path) << ":" << i + 1 << ": " << lines[i];
    }
  }
}

// docs/ops.md has a line for every operation.
TEST(Docs, NameEveryOperation) {
  static const std::regex operation(R"(^inline Variable (\w+)\()");
  const std::string table = read(root / "docs/ops.md");
  int found = 0;
  for (const fs::path& path : files_below(root / "include/tinyvision/ops", {".hpp"}))
    for (const std::string& line : lines_of(read(path))) {
      std::smatch match;
      if (!std::regex_search(line, match, operation)) continue;
      ++found;
      EXPECT_NE(table.find("`" + match[1].str() + "`"), std::string::npos)
          << shown(path) << ": " << match[1] << " has no line in docs/ops.md";
    }
  EXPECT_GT(found, 0);
}

// No path of somebody's machine: the project runs from any folder.
TEST(Sources, NameNoFolderOfSomebodysMachine) {
  static const std::regex machine(R"((^|[\s"'=(`])/(work|home|root|Users)/)");
  static const std::set<std::string> text{".hpp", ".h",  ".cpp",   ".inl",  ".cu",   ".md", ".txt",
                                          ".py",  ".sh", ".cmake", ".json", ".toml", ".in", ""};
  std::vector<fs::path> files;
  for (const char* folder :
       {"include", "models", "apps", "bench", "tests", "examples", "kernels", "docs", "cmake", ".ci"})
    for (const fs::path& path : files_below(root / folder, text)) files.push_back(path);
  for (const auto& entry : fs::directory_iterator(root))
    if (entry.is_regular_file() && text.count(entry.path().extension().string())) files.push_back(entry.path());
  for (const fs::path& path : files) {
    if (path.filename() == "source_rules_test.cpp" || fs::file_size(path) > (1u << 20)) continue;
    const std::vector<std::string> lines = lines_of(read(path));
    for (std::size_t i = 0; i < lines.size(); ++i)
      EXPECT_FALSE(std::regex_search(lines[i], machine)) << shown(path) << ":" << i + 1 << ": " << lines[i];
  }
}

}  // namespace
