// Folders for tests that read and write files.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

/// A fresh folder that goes away with the object.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (std::filesystem::path(testing::TempDir()) / "tinyvision_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code code;
    std::filesystem::remove_all(root_, code);
  }
  std::string root() const { return root_; }
  std::string path(const std::string& name) const { return root_ + "/" + name; }

 private:
  std::string root_;
};

/// A folder of the shared data ($TV_SHARED_DATA, or ../shared/data beside the repository); empty when it is missing.
inline std::string shared_data(const std::string& name) {
  const char* set = std::getenv("TV_SHARED_DATA");
  std::filesystem::path root = set != nullptr ? set : "";
#ifdef TINYVISION_SOURCE_DIR
  if (set == nullptr) root = std::filesystem::path(TINYVISION_SOURCE_DIR) / "../shared/data";
#endif
  const std::filesystem::path path = root / name;
  return !root.empty() && std::filesystem::exists(path) ? path.string() : "";
}
