// SHA-256 against the examples of FIPS 180-4 and NIST's test vectors.
#include "tinyvision/core/digest.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace digest_test {

using namespace tinyvision;

TEST(Digest, PublishedVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(
      sha256_hex("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnop"
                 "qrstnopqrstu"),
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  EXPECT_EQ(sha256_hex(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Digest, DoesNotDependOnHowTheMessageIsCut) {
  std::string message;
  for (int i = 0; i < 300; ++i) message += static_cast<char>(i * 7);
  const std::string whole = sha256_hex(message);
  for (std::size_t piece = 1; piece < 140; ++piece) {
    Sha256 digest;
    for (std::size_t i = 0; i < message.size(); i += piece) digest.update(std::string_view(message).substr(i, piece));
    EXPECT_EQ(digest.hex(), whole) << piece;
  }
}

// Lengths around the padding's limits (55, 56, 64 bytes), against digests made with coreutils' sha256sum.
TEST(Digest, LengthsAroundABlock) {
  EXPECT_EQ(sha256_hex(std::string(55, 'x')), "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
  EXPECT_EQ(sha256_hex(std::string(56, 'x')), "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  EXPECT_EQ(sha256_hex(std::string(64, 'x')), "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
}

TEST(Digest, OfAFile) {
  const auto path = std::filesystem::path(testing::TempDir()) / "tinyvision_digest_test";
  std::string bytes(700001, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * i >> 3);
  std::ofstream(path, std::ios::binary) << bytes;
  EXPECT_EQ(sha256_file(path.string()), sha256_hex(bytes));
  std::filesystem::remove(path);
  try {
    sha256_file(path.string());
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos);
  }
}

}  // namespace digest_test
