// The seeds of every fuzz target, and their neighbours, in the ordinary test program.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "fuzz/target.hpp"

namespace replay_test {

namespace fs = std::filesystem;

std::vector<std::string> seeds_of(const std::string& target) {
  std::vector<std::string> seeds;
  const fs::path folder = fs::path(TINYVISION_SOURCE_DIR) / "tests/fuzz/seeds" / target;
  if (!fs::exists(folder)) return seeds;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    seeds.push_back(bytes.str());
  }
  return seeds;
}

TEST(Fuzz, SeedsAndTheirNeighboursAreReadOrRefused) {
  ASSERT_FALSE(fuzz::targets().empty());
  for (const auto& [name, target] : fuzz::targets()) {
    const std::vector<std::string> seeds = seeds_of(name);
    EXPECT_FALSE(seeds.empty()) << name << " has no seeds";
    for (const std::string& seed : seeds) {
      EXPECT_NO_THROW(target(seed)) << name;
      // Every bit of small seeds, fewer of large ones; and every length.
      const std::size_t step = 1 + seed.size() / 1024;
      for (std::size_t at = 0; at < seed.size(); at += step) {
        EXPECT_NO_THROW(target(seed.substr(0, at))) << name << ", cut at " << at;
        for (int bit = 0; bit < 8; ++bit) {
          std::string changed = seed;
          changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
          EXPECT_NO_THROW(target(changed)) << name << ", bit " << bit << " of byte " << at;
        }
      }
    }
  }
}

TEST(Fuzz, EverySeedBelongsToATarget) {
  for (const auto& entry : fs::directory_iterator(fs::path(TINYVISION_SOURCE_DIR) / "tests/fuzz/seeds"))
    EXPECT_TRUE(fuzz::targets().contains(entry.path().filename().string())) << entry.path();
}

TEST(Fuzz, AWrongRefusalIsFound) {
  const auto refusal = [](const char* text) {
    return [text] { fuzz::refuses_or_reads([text] { throw tinyvision::UsageError(text); }); };
  };
  EXPECT_NO_THROW(refusal("[x] input.fuzz: byte 1: bad")());
  EXPECT_ANY_THROW(refusal("[x] bad")());
  EXPECT_ANY_THROW(fuzz::refuses_or_reads([] { throw tinyvision::Error("input.fuzz"); }));
  EXPECT_ANY_THROW(fuzz::refuses_or_reads([] { throw tinyvision::OutOfMemory("input.fuzz"); }));
}

}  // namespace replay_test
