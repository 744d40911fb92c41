// Folders with links in them: followed, and named where they lead in a circle.
#include "tinyvision/data/file_source.hpp"

#include <gtest/gtest.h>

#include "data/test_images.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"

namespace file_source_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;
namespace fs = std::filesystem;

struct Set {
  TemporaryFolder folder;
  Set() {
    write_file(folder / "set/a/1.jpg", jpeg(noise(4, 4)));
    write_file(folder / "set/b/2.jpg", jpeg(noise(4, 4)));
  }
  std::string listing() const {
    return message_of<UsageError>([&] { FolderSource(folder / "set").names(); });
  }
  std::string reading() const {
    return message_of<UsageError>([&] { read_image_folder(folder / "set"); });
  }
};

TEST(FolderLinks, AreFollowed) {
  const Set set;
  write_file(set.folder / "elsewhere/3.jpg", jpeg(noise(4, 4)));
  fs::create_directory_symlink(set.folder / "elsewhere", set.folder / "set/c");
  fs::create_directory_symlink(set.folder / "elsewhere", set.folder / "set/d");  // twice is no circle
  fs::create_symlink(set.folder / "none", set.folder / "set/dangling");
  EXPECT_EQ(FolderSource(set.folder / "set").names(),
            (std::vector<std::string>{"a/1.jpg", "b/2.jpg", "c/3.jpg", "d/3.jpg"}));
  EXPECT_EQ(read_image_folder(set.folder / "set")->classes(), 4);
}

TEST(FolderLinks, ALinkToAFolderAboveIsNamed) {
  const Set set;
  fs::create_directory_symlink("..", set.folder / "set/a/up");
  EXPECT_NE(set.listing().find("set/a/up: a link that leads back to "), std::string::npos) << set.listing();
  EXPECT_EQ(set.reading(), "");  // looks no deeper than it must
}

TEST(FolderLinks, ALinkToItselfIsNamed) {
  const Set set;
  fs::create_symlink("self", set.folder / "set/self");
  EXPECT_NE(set.listing().find("set/self: "), std::string::npos) << set.listing();
  EXPECT_NE(set.reading().find("set/self: "), std::string::npos) << set.reading();
  fs::remove(set.folder / "set/self");
  fs::create_symlink("self.jpg", set.folder / "set/a/self.jpg");
  EXPECT_NE(set.reading().find("set/a/self.jpg: "), std::string::npos) << set.reading();
}

}  // namespace file_source_test
