// tv_weights on a mirror in a folder: fetch, digests of the first use, verify, and what it refuses.
#include <gtest/gtest.h>

#include "apps/program.hpp"
#include "data/test_images.hpp"
#include "tinyvision/core/digest.hpp"

namespace {

using namespace apps_test;
namespace fs = std::filesystem;

class WeightsTest : public ::testing::Test {
 protected:
  WeightsTest() { publish(path_of_file, "weights"); }

  /// Puts a file where the mirror has it.
  void publish(const std::string& path, const std::string& text) {
    test_images::write_file(folder_ / "mirror/" + path, text);
  }
  Outcome weights(Arguments arguments) {
    arguments.insert(arguments.end(), {"--dir", folder_ / "here", "--quiet"});
    return run(folder_.path(), "tv_weights", arguments);
  }
  Outcome fetch(const std::string& name) {
    return weights({"fetch", name, "--mirror", "file://" + folder_ / "mirror"});
  }

  static constexpr const char* path_of_file = "keras/densenet121/densenet121_weights_tf_dim_ordering_tf_kernels.h5";
  test_images::TemporaryFolder folder_;
};

TEST_F(WeightsTest, FetchesRecordsAndVerifies) {
  const std::string digest = tinyvision::sha256_hex("weights"), path = folder_ / "here/" + path_of_file;
  Outcome outcome = fetch("keras/densenet121");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, digest + "  " + path + "  recorded\n");
  EXPECT_NE(text_of(folder_ / "here/digests.json").find(digest), std::string::npos);
  EXPECT_NE(weights({"list"}).out.find("yes"), std::string::npos);
  outcome = weights({"verify"});
  EXPECT_EQ(outcome.out, digest + "  " + path + "  as at first use\n") << outcome.err;

  test_images::write_file(path, "other weights");
  outcome = weights({"verify"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("at first use it was " + digest), std::string::npos) << outcome.err;

  // The address serves another file now: it does not come in place of the first one.
  fs::remove(path);
  publish(path_of_file, "changed");
  outcome = fetch("keras/densenet121");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("expected " + digest), std::string::npos) << outcome.err;
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(WeightsTest, ThePublishersDigestCounts) {
  publish("torchvision/resnet50_v1/resnet50-0676ba61.pth", "not these");
  const Outcome outcome = fetch("torchvision/resnet50_v1");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("expected 0676ba61"), std::string::npos) << outcome.err;
}

TEST_F(WeightsTest, NamesWhatIsWrong) {
  Outcome outcome = fetch("keras/densenet12");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("did you mean keras/densenet121"), std::string::npos) << outcome.err;
  outcome = fetch("slim/inception_v1");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("inception_v1_2016_08_28.tar.gz"), std::string::npos) << outcome.err;
  EXPECT_EQ(weights({"verify"}).code, 2);
  test_images::write_file(folder_ / "here/digests.json", "{");
  outcome = weights({"list"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("digests.json"), std::string::npos) << outcome.err;
}

}  // namespace
