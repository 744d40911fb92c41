// CRC-32C: the vectors of RFC 3720, appendix B.4, and of pieces.
#include "tinyvision/core/crc32c.hpp"

#include <gtest/gtest.h>

#include <string>

namespace crc32c_test {

using tinyvision::crc32c;

TEST(Crc32c, VectorsOfTheStandard) {
  std::string rising, falling;
  for (int i = 0; i < 32; ++i) rising += static_cast<char>(i), falling += static_cast<char>(31 - i);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c(rising), 0x46dd794eu);
  EXPECT_EQ(crc32c(falling), 0x113fdb5cu);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(Crc32c, GoesOnWhereItStopped) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>(7 * i + i * i);
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    EXPECT_EQ(crc32c(text.substr(cut), crc32c(text.substr(0, cut))), crc32c(text)) << cut;
}

TEST(Crc32c, Masked) {
  EXPECT_EQ(tinyvision::masked_crc32c(0), 0xa282ead8u);
  // Rotation and addition of LevelDB's description, by hand: 0xe3069283 >> 15 = 0x1c60d, << 17 = 0x25060000.
  EXPECT_EQ(tinyvision::masked_crc32c(0xe3069283u), (0x0001c60du | 0x25060000u) + 0xa282ead8u);
}

}  // namespace crc32c_test
