// MD5: the vectors of RFC 1321, section A.5, and every way of cutting a message.
#include "tinyvision/core/md5.hpp"

#include <gtest/gtest.h>

#include "data/test_images.hpp"
#include "tinyvision/core/mapped_file.hpp"

namespace md5_test {

using namespace tinyvision;

TEST(Md5, VectorsOfTheRfc) {
  EXPECT_EQ(md5_hex(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(md5_hex("a"), "0cc175b9c0f1b6a831c399e269772661");
  EXPECT_EQ(md5_hex("abc"), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(md5_hex("message digest"), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(md5_hex("abcdefghijklmnopqrstuvwxyz"), "c3fcd3d76192e4007dfb496cca67e13b");
  EXPECT_EQ(md5_hex("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
            "d174ab98d277d9f5a5611c2c9f419d9f");
  EXPECT_EQ(md5_hex("12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
            "57edf4a22be3c955ac49da2e2107b67a");
}

TEST(Md5, DoesNotDependOnTheCuts) {
  std::string message;
  for (int i = 0; i < 300; ++i) message += static_cast<char>(i * 7);
  for (std::size_t length = 0; length <= message.size(); length += 13) {
    const std::string text = message.substr(0, length);
    for (const std::size_t cut : {std::size_t{1}, std::size_t{55}, std::size_t{64}, std::size_t{65}}) {
      Md5 pieces;
      for (std::size_t at = 0; at < text.size(); at += cut) pieces.update(std::string_view(text).substr(at, cut));
      EXPECT_EQ(pieces.hex(), md5_hex(text)) << length << " bytes in pieces of " << cut;
    }
  }
}

TEST(Md5, OfFiles) {
  const test_images::TemporaryFolder folder;
  test_images::write_file(folder / "a", std::string("message digest"));
  EXPECT_EQ(md5_file(folder / "a"), "f96b697d7cb7938d525a2f31aaf161d0");
  EXPECT_EQ(MappedFile(folder / "a").bytes(), "message digest");
  test_images::write_file(folder / "empty", std::string());
  EXPECT_EQ(MappedFile(folder / "empty").bytes(), "");
  EXPECT_THROW(md5_file(folder / "none"), UsageError);
  EXPECT_THROW(MappedFile(folder / "none"), UsageError);
  EXPECT_THROW(MappedFile{folder.path()}, UsageError);
}

}  // namespace md5_test
