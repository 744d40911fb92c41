// Training states: whole, checked, and never lost.
#include "tinyvision/checkpoint/state_file.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <thread>

#include "checkpoint/folder.hpp"

namespace state_file_test {

using namespace tinyvision;
using namespace tinyvision::checkpoint;
namespace fs = std::filesystem;

StateFile numbered(int step, Index size = 100) {
  StateFile state;
  state.tensors = {{"weight/w", Tensor::full({size}, step)}, {"steps", Tensor::full({}, step, DType::i64)}};
  state.metadata = {{"fingerprint", "abc"}, {"steps", std::to_string(step)}};
  return state;
}
std::string error_of(const std::string& folder) {
  try {
    load_state(folder);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "loaded";
}
void flip_bit(const std::string& path, std::size_t at) {
  std::string bytes = read_file(path);
  bytes[at] = static_cast<char>(bytes[at] ^ 4);
  std::ofstream(path, std::ios::binary) << bytes;
}
std::size_t entries(const std::string& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(StateFile, RoundTripAndTheOneBefore) {
  const TestFolder folder;
  EXPECT_FALSE(load_state(folder.root()).has_value());
  EXPECT_FALSE(load_state(folder.path("none")).has_value());
  for (int step = 1; step <= 3; ++step) {
    save_state(folder.path("run"), numbered(step));
    const auto state = load_state(folder.path("run"));
    ASSERT_TRUE(state.has_value());
    EXPECT_EQ(state->metadata, numbered(step).metadata);
    EXPECT_EQ(state->tensor("weight/w").to_vector<float>(), std::vector<float>(100, static_cast<float>(step)));
    EXPECT_EQ(state->tensor("steps").item(), step);
    EXPECT_EQ(state->notice, "");
    EXPECT_THROW(state->tensor("weight/v"), UsageError);
  }
  EXPECT_EQ(load_state_file(folder.path("run/state.previous.safetensors")).metadata.at("steps"), "2");
  EXPECT_EQ(entries(folder.path("run")), 2u);
}

TEST(StateFile, EqualStatesGiveEqualBytes) {
  const TestFolder folder;
  save_state(folder.path("a"), numbered(5));
  save_state(folder.path("b"), numbered(5));
  EXPECT_EQ(read_file(folder.path("a/state.safetensors")), read_file(folder.path("b/state.safetensors")));
}

TEST(StateFile, TheDigestCoversEverything) {
  const StateFile state = numbered(1);
  const std::string digest = state_digest(state.tensors, state.metadata);
  const auto differs = [&](const StateFile& other) { return state_digest(other.tensors, other.metadata) != digest; };
  StateFile other = numbered(1);
  EXPECT_FALSE(differs(other));
  other.metadata["steps"] = "2";
  EXPECT_TRUE(differs(other));
  other = numbered(1);
  other.tensors[0].first = "weight/v";
  EXPECT_TRUE(differs(other));
  other = numbered(1);
  other.tensors[0].second = other.tensors[0].second.reshape({10, 10});
  EXPECT_TRUE(differs(other));
  other = numbered(1);
  other.tensors[0].second.data<float>()[99] = std::nextafter(1.0f, 2.0f);
  EXPECT_TRUE(differs(other));
  other = numbered(1);
  std::swap(other.tensors[0], other.tensors[1]);
  EXPECT_TRUE(differs(other));
}

TEST(StateFile, ADamagedFileIsNamedAndTheOneBeforeIsUsed) {
  const TestFolder folder;
  save_state(folder.root(), numbered(1));
  save_state(folder.root(), numbered(2));
  const std::string newest = folder.path("state.safetensors"), previous = folder.path("state.previous.safetensors");
  const std::size_t size = read_file(newest).size();
  flip_bit(newest, size - 3);
  const auto state = load_state(folder.root());
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->metadata.at("steps"), "1");
  EXPECT_EQ(state->path, previous);
  EXPECT_NE(state->notice.find(newest + ": corrupt"), std::string::npos) << state->notice;
  EXPECT_NE(state->notice.find("continuing from the state before it, " + previous), std::string::npos) << state->notice;
  flip_bit(previous, size - 3);
  const std::string error = error_of(folder.root());
  EXPECT_NE(error.find(newest), std::string::npos) << error;
  EXPECT_NE(error.find(previous), std::string::npos) << error;
}

TEST(StateFile, EveryFlippedBitAndEveryTruncationIsFound) {
  const TestFolder folder;
  save_state(folder.root(), numbered(1, 3));
  const std::string path = folder.path("state.safetensors"), good = read_file(path);
  const auto header = parse_safetensors_header(good, path);
  const auto refused = [&](const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    try {
      load_state_file(path);
    } catch (const UsageError& error) {
      return std::string(error.what()).find(path) != std::string::npos;
    }
    return false;
  };
  for (std::size_t at = 0; at < good.size(); ++at) {
    if (at >= 8 && at < header.data_begin && good[at] == ' ') continue;  // padding carries nothing
    std::string damaged = good;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_TRUE(refused(damaged)) << at;
  }
  for (std::size_t size = 0; size < good.size(); size += 3) EXPECT_TRUE(refused(good.substr(0, size))) << size;
  EXPECT_FALSE(refused(good));
}

TEST(StateFile, WeightsAreNoState) {
  const TestFolder folder;
  save_safetensors(folder.path("state.safetensors"), {{"w", Tensor::full({1}, 1)}});
  EXPECT_NE(error_of(folder.root()).find("has no checksum: not a training state"), std::string::npos);
  StateFile reserved = numbered(1);
  reserved.metadata["sha256"] = "x";
  EXPECT_THROW(save_state(folder.root(), reserved), Error);
}

TEST(StateFile, AFullDiskLeavesTheStatesAsTheyWere) {
  const TestFolder folder;
  save_state(folder.root(), numbered(1));
  save_state(folder.root(), numbered(2));
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{50000, 50000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(9);
    try {
      save_state(folder.root(), numbered(3, 100000));
    } catch (const UsageError& error) {
      ::_exit(std::string(error.what()).find(folder.path("state.safetensors") + ": writing: ") != std::string::npos
                  ? 0
                  : 1);
    }
    ::_exit(2);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(entries(folder.root()), 2u);
  EXPECT_EQ(load_state(folder.root())->metadata.at("steps"), "2");
  EXPECT_EQ(load_state_file(folder.path("state.previous.safetensors")).metadata.at("steps"), "1");
}

// A child saves as fast as it can and is killed at a random moment, 25 times. What is on the disk must load, be at
// least the state before the one that was being written, and never go backwards.
TEST(StateFile, SurvivesKillAtAnyMoment) {
  const TestFolder folder;
  int last = 0;
  save_state(folder.root(), numbered(last, 40000));
  for (int round = 0; round < 25; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      for (int step = last + 1;; ++step) save_state(folder.root(), numbered(step, 40000));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(2000 + (round * 7919) % 23000));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    const auto state = load_state(folder.root());
    ASSERT_TRUE(state.has_value());
    EXPECT_EQ(state->notice, "") << "the newest state must have a name at every moment";
    const int step = std::stoi(state->metadata.at("steps"));
    EXPECT_GE(step, last);
    EXPECT_EQ(state->tensor("weight/w").to_vector<float>(), std::vector<float>(40000, static_cast<float>(step)));
    last = step;
  }
  EXPECT_GT(last, 0);
  save_state(folder.root(), numbered(last + 1));
  EXPECT_EQ(entries(folder.root()), 2u) << "temporary files of killed processes are removed";
}

}  // namespace state_file_test
