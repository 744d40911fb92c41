// Rules that hold for every source file: which room may include which, how long a file may be, and what it must not
// contain. docs/architecture.md gives the reasons. Every checker is shown to find a made-up fault.
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

namespace source_rules_test {

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
      {"optim", {"ops"}},
      {"data", {"core"}},
      {"checkpoint", {"core"}},
      {"exchange", {"nn", "checkpoint"}},
      {"stats", {"linalg"}},
      {"train", {"models", "optim", "data", "checkpoint", "stats"}},
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

/// All C++ and CUDA sources, headers included.
std::vector<fs::path> sources() {
  std::vector<fs::path> files;
  for (const char* folder : {"include", "models", "apps", "bench", "tests", "examples", "kernels", "cmake"})
    for (const fs::path& path : files_below(root / folder, {".hpp", ".h", ".inl", ".cpp", ".cu"}))
      files.push_back(path);
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

/// Matches an include: [1] is < or ", [2] the file.
const std::regex& include_line() {
  static const std::regex include(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"])");
  return include;
}

/// A line that breaks the include rule, told so that it can be repaired; empty when the line is fine.
std::string include_fault(const std::string& room, const std::string& line) {
  std::smatch match;
  if (line.find("include") == std::string::npos || !std::regex_search(line, match, include_line())) return "";
  const std::string target = match[2];
  const bool ours = target.rfind("tinyvision/", 0) == 0;
  if (match[1] == "<") return ours ? "own headers are included with quotes: " + target : "";
  if (!ours) return "own headers are included by their full path: " + target;
  const std::size_t begin = std::string("tinyvision/").size();
  const std::string other = target.substr(begin, target.find('/', begin) - begin);
  if (reachable(room).count(other)) return "";
  return "upward include: " + room + " may not use " + other + " (" + target + ")";
}

/// Applications and benchmarks stand above every room: they may include all of them, what applications share and the
/// headers of gpu-check (bench/gpu), not each other and not the tests.
std::string program_fault(const std::string& line) {
  std::smatch match;
  if (line.find("include") == std::string::npos || !std::regex_search(line, match, include_line())) return "";
  const std::string target = match[2];
  if (match[1] == "<")
    return target.rfind("tinyvision/", 0) == 0 ? "own headers are included with quotes: " + target : "";
  const bool fine =
      target.rfind("tinyvision/", 0) == 0 || target.rfind("common/", 0) == 0 || target.rfind("gpu/", 0) == 0;
  return fine && fs::path(target).extension() != ".cpp" ? "" : "not part of the library or of apps/common: " + target;
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

TEST(Includes, OfProgramsGoDownwards) {
  for (const char* folder : {"apps", "bench"})
    for (const fs::path& path : files_below(root / folder, {".hpp", ".cpp"})) {
      const std::vector<std::string> lines = lines_of(read(path));
      for (std::size_t i = 0; i < lines.size(); ++i) {
        const std::string fault = program_fault(lines[i]);
        EXPECT_TRUE(fault.empty()) << shown(path) << ":" << i + 1 << ": " << fault;
      }
    }
  EXPECT_NE(program_fault("#include \"core/folder.hpp\""), "");
  EXPECT_NE(program_fault("#include \"common/app.cpp\""), "");
  EXPECT_NE(program_fault("#include <tinyvision/core/shape.hpp>"), "");
  EXPECT_EQ(program_fault("#include \"common/app.hpp\""), "");
  EXPECT_EQ(include_fault("train", "#include \"common/app.hpp\""),
            "own headers are included by their full path: common/app.hpp");
}

/// Rows of the table below "## Rooms" of docs/architecture.md: room -> what its last column names.
std::map<std::string, std::set<std::string>> documented_rooms(const std::string& text) {
  static const std::regex row(R"(^\| `(?:include/tinyvision/)?(\w+)`[^|]*\|.*\|([^|]*)\|\s*$)");
  static const std::regex word(R"(\w+)");
  std::map<std::string, std::set<std::string>> table;
  const std::size_t begin = text.find("## Rooms");
  if (begin == std::string::npos) return table;
  for (const std::string& line : lines_of(text.substr(begin, text.find("\n## ", begin) - begin))) {
    std::smatch match;
    if (!std::regex_search(line, match, row) || !rooms_below().count(match[1])) continue;
    const std::string below = match[2];
    std::set<std::string>& names = table[match[1]];
    if (below == " nothing of ours ") continue;
    for (std::sregex_iterator it(below.begin(), below.end(), word), end; it != end; ++it) names.insert(it->str());
  }
  return table;
}

TEST(Includes, TheTableIsTheDocumentedOne) {
  std::map<std::string, std::set<std::string>> tested;
  for (const auto& [room, below] : rooms_below()) tested[room] = {below.begin(), below.end()};
  EXPECT_EQ(documented_rooms(read(root / "docs/architecture.md")), tested);
}

TEST(Includes, TheTableHasNoCycle) {
  for (const auto& [room, below] : rooms_below())
    for (const std::string& other : below) EXPECT_EQ(reachable(other).count(room), 0u) << room << " and " << other;
}

// Only the kernels may hold device code, and they see no framework header.
TEST(Includes, KernelsAndFrameworkStayApart) {
  static const std::regex framework(R"(#\s*include\s*"tinyvision/(?!cuda/(kernels|runtime|vendor)\.h))");
  static const std::regex device(R"(__global__|<<<)");
  for (const fs::path& path : files_below(root / "kernels", {".cu", ".h", ".hpp"}))
    EXPECT_FALSE(std::regex_search(read(path), framework)) << shown(path) << " includes a framework header";
  for (const fs::path& path : headers())
    EXPECT_FALSE(std::regex_search(read(path), device)) << shown(path) << " holds device code";
}

TEST(Headers, AreGuarded) {
  for (const fs::path& path : sources()) {
    if (path.extension() != ".hpp" && path.extension() != ".h") continue;
    EXPECT_NE(read(path).find("#pragma once"), std::string::npos) << shown(path);
  }
}

TEST(Sources, AreShort) {
  constexpr std::size_t limit = 500;
  for (const fs::path& path : sources())
    EXPECT_LT(lines_of(read(path)).size(), limit) << shown(path) << " has one purpose too many";
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

/// What no header may hold: a library neither ends the process nor keeps per-object copies of what should exist once.
bool forbidden_in_headers(const std::string& line) {
  static const std::regex forbidden(
      R"((^|[^\w.>])(abort|exit|_exit|quick_exit)\s*\(|(^|[^\w])assert\s*\(|namespace\s*\{|^\s*namespace tinyvision\s*\{)");
  return std::regex_search(line.substr(0, line.find("//")), forbidden);
}

TEST(Headers, HoldNoExitAndNoAnonymousNamespace) {
  for (const fs::path& path : headers()) {
    if (path.filename() == "config.hpp") continue;  // the one place that opens the namespace
    const std::vector<std::string> lines = lines_of(read(path));
    for (std::size_t i = 0; i < lines.size(); ++i)
      EXPECT_FALSE(forbidden_in_headers(lines[i])) << shown(path) << ":" << i + 1 << ": " << lines[i];
  }
  for (const char* line : {"  std::abort();", "  exit(1);", "assert (n > 0);", "namespace {", "namespace tinyvision {"})
    EXPECT_TRUE(forbidden_in_headers(line)) << line;
  for (const char* line : {"  static_assert(n > 0);", "namespace cpu {", "// exit(1)", "  loop.exit();"})
    EXPECT_FALSE(forbidden_in_headers(line)) << line;
}

// docs/ops.md has a line for every operation.
// Several test files are compiled as one (cmake/unity.cmake).
TEST(Tests, HaveANamespaceEach) {
  std::size_t seen = 0;
  for (const fs::path& path : files_below(root / "tests", {".cpp"})) {
    const std::string name = path.stem().string(), text = read(path);
    if (!name.ends_with("_test")) continue;
    ++seen;
    EXPECT_NE(text.find("\nnamespace " + name + " {\n"), std::string::npos) << shown(path);
    EXPECT_EQ(text.find("\nnamespace {\n"), std::string::npos) << shown(path);
  }
  EXPECT_GT(seen, 100u);
}

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

TEST(Docs, NameEveryProgram) {
  const std::string readme = read(root / "README.md");
  for (const auto& entry : fs::directory_iterator(root / "apps")) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string name = entry.path().stem().string();
    EXPECT_NE(readme.find("| `" + name + "` |"), std::string::npos) << name << " has no line in README.md";
  }
}

/// The files of this repository that a document names between backquotes; patterns and placeholders are left out.
std::vector<std::string> paths_named(const std::string& text) {
  static const std::regex path(
      R"(`((?:include|models|apps|bench|tests|examples|docs|cmake|\.ci)/[\w./-]+|\w+\.(?:md|json|txt))`)");
  std::vector<std::string> paths;
  for (std::sregex_iterator it(text.begin(), text.end(), path), end; it != end; ++it) paths.push_back((*it)[1]);
  return paths;
}

TEST(Docs, NameFilesThatExist) {
  std::vector<fs::path> documents = files_below(root / "docs", {".md"});
  for (const char* name : {"README.md", "CONTRIBUTING.md"}) documents.push_back(root / name);
  const std::set<std::string> written{"results.json"};  // by programs
  for (const fs::path& document : documents)
    for (const std::string& path : paths_named(read(document)))
      EXPECT_TRUE(written.count(path) || fs::exists(root / path)) << shown(document) << " names " << path;
  EXPECT_EQ(paths_named("`tests/no_such_test.cpp`, `tests/<room>` and `x.hpp`"),
            std::vector<std::string>{"tests/no_such_test.cpp"});
}

/// Paths of somebody's machine: the project runs from any folder.
bool names_a_machine(const std::string& line) {
  static const std::regex machine(R"((^|[\s"'=(`:])/(work|home|root|Users|tmp/\w+)/|file:///|sandbox|--index-url)");
  return std::regex_search(line, machine);
}

TEST(Sources, NameNoFolderOfSomebodysMachine) {
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
      EXPECT_FALSE(names_a_machine(lines[i])) << shown(path) << ":" << i + 1 << ": " << lines[i];
  }
  EXPECT_TRUE(names_a_machine("read(\"/home/somebody/weights.safetensors\")"));
  EXPECT_FALSE(names_a_machine("../shared/work/data"));
}

}  // namespace source_rules_test
