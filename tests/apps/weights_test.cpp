// tv_weights on a mirror in a folder: fetch, digests of the first use, verify, import, and what it refuses.
#include <gtest/gtest.h>

#include "apps/program.hpp"
#include "apps/small_data.hpp"
#include "checkpoint/bundle_writer.hpp"
#include "tinyvision/checkpoint/name_map_export.hpp"
#include "tinyvision/core/digest.hpp"
#include "tinyvision/models/public_weights.hpp"

namespace weights_test {

using namespace apps_test;
using namespace tinyvision;
namespace fs = std::filesystem;

class WeightsTest : public ::testing::Test {
 protected:
  WeightsTest() { publish(path_of_file, "weights"); }

  /// Puts a file where the mirror has it.
  void publish(const std::string& path, const std::string& text) {
    test_images::write_file(folder_ / "mirror/" + path, text);
  }
  Outcome weights(Arguments arguments, const Trouble& trouble = {}) {
    arguments.insert(arguments.end(), {"--dir", folder_ / "here", "--quiet"});
    return run(folder_.path(), "tv_weights", arguments, trouble);
  }
  /// Puts the folder "packed" where TF-Slim's archive of MobileNet v1 is kept, as if it had just been fetched.
  void pack(const std::string& network) {
    const std::string path = folder_ / "here/slim/" + network + "/" + archive_name;
    fs::create_directories(fs::path(path).parent_path());
    fs::remove(folder_ / "here/digests.json");
    ASSERT_EQ(std::system(("tar -czf '" + path + "' -C '" + folder_ / "packed" + "' .").c_str()), 0);
  }
  /// Names of what a folder of the weights holds.
  std::vector<std::string> files_in(const std::string& name) {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(folder_ / "here/" + name))
      files.push_back(entry.path().filename().string());
    std::sort(files.begin(), files.end());
    return files;
  }

  static constexpr const char* archive_name = "mobilenet_v1_1.0_224.tgz";
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

/// A network with random weights, as TF-Slim publishes it or (with a map) as its peer does; values that the peer does not
/// have are those the map fills in.
std::shared_ptr<Network> random_network(const std::string& name, Index classes, bool slim) {
  NetworkOptions options = slim ? tf_slim_options(name) : NetworkOptions::paper(classes);
  const auto network = make_network(name, options);
  initialise(network->parameters(), 3);
  return network;
}
void expect_values(const std::string& path, const Network& network) {
  const WeightFile file = load_weight_file(path);
  EXPECT_EQ(file.tensors.size(), network.parameters().size());
  for (const Parameter& p : network.parameters()) {
    const Tensor* found = file.find(p.name);
    ASSERT_NE(found, nullptr) << p.name;
    EXPECT_EQ(found->to_vector<float>(), p.variable.value().to_vector<float>()) << p.name;
  }
}

TEST_F(WeightsTest, ImportsACheckpointOfTfSlim) {
  const auto network = random_network("mobilenet_v1", 1001, true);
  fs::create_directories(folder_ / "packed");
  tf_files::write_bundle(folder_ / "packed/model.ckpt", named_values(*network));
  pack("mobilenet_v1");
  const Outcome outcome = weights({"import", "slim/mobilenet_v1"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::string output = folder_ / "here/slim/mobilenet_v1/mobilenet_v1.safetensors";
  EXPECT_NE(outcome.out.find(sha256_file(output) + "  " + output + "\n"), std::string::npos) << outcome.out;
  EXPECT_EQ(files_in("slim/mobilenet_v1"), (std::vector<std::string>{"mobilenet_v1.safetensors", archive_name}));
  expect_values(output, *network);
}

TEST_F(WeightsTest, ImportFollowsNoLinkOutOfTheArchive) {
  const auto network = random_network("mobilenet_v1", 1001, true);
  fs::create_directories(folder_ / "elsewhere");
  tf_files::write_bundle(folder_ / "elsewhere/model.ckpt", named_values(*network));
  fs::create_directories(folder_ / "packed");
  for (const char* part : {"model.ckpt.index", "model.ckpt.data-00000-of-00001"})
    fs::create_symlink(folder_ / "elsewhere/" + part, folder_ / "packed/" + part);
  pack("mobilenet_v1");
  const Outcome outcome = weights({"import", "slim/mobilenet_v1"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("is a link"), std::string::npos) << outcome.err;
  EXPECT_EQ(files_in("slim/mobilenet_v1"), (std::vector<std::string>{archive_name}));
}

TEST_F(WeightsTest, NothingOfAFailedImportStays) {
  const auto network = random_network("mobilenet_v1", 1001, true);
  // Half of the variables: the conversion fails after the archive was unpacked.
  checkpoint::NamedTensors values = named_values(*network);
  values.resize(values.size() / 2);
  fs::create_directories(folder_ / "packed");
  tf_files::write_bundle(folder_ / "packed/model.ckpt", values);
  pack("mobilenet_v1");
  Outcome outcome = weights({"import", "slim/mobilenet_v1"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("MobilenetV1/"), std::string::npos) << outcome.err;
  EXPECT_EQ(files_in("slim/mobilenet_v1"), (std::vector<std::string>{archive_name}));

  // No checkpoint in it.
  fs::remove_all(folder_ / "packed");
  test_images::write_file(folder_ / "packed/notes.txt", "nothing");
  pack("mobilenet_v1");
  outcome = weights({"import", "slim/mobilenet_v1"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("holds 0 checkpoints, not one: notes.txt"), std::string::npos) << outcome.err;
  EXPECT_EQ(files_in("slim/mobilenet_v1"), (std::vector<std::string>{archive_name}));
}

TEST_F(WeightsTest, AFullDiskIsNamedAndNothingStays) {
  const auto network = random_network("mobilenet_v1", 1001, true);
  fs::create_directories(folder_ / "packed");
  tf_files::write_bundle(folder_ / "packed/model.ckpt", named_values(*network));
  pack("mobilenet_v1");
  // The disk is full while unpacking, or while writing the result, which is larger by its header.
  const rlim_t values = fs::file_size(folder_ / "packed/model.ckpt.data-00000-of-00001");
  for (const rlim_t most : {values / 2, values}) {
    const Outcome outcome = weights({"import", "slim/mobilenet_v1"}, {.file_bytes = most});
    EXPECT_TRUE(outcome.code == 1 || outcome.code == 2) << outcome.code;
    EXPECT_NE(outcome.err.find("File too large"), std::string::npos) << outcome.err;
    EXPECT_EQ(files_in("slim/mobilenet_v1"), (std::vector<std::string>{archive_name})) << most;
  }
  EXPECT_EQ(weights({"import", "slim/mobilenet_v1"}).code, 0);
}

TEST_F(WeightsTest, ImportsFilesOfPeersByTheirMaps) {
  const auto network = random_network("densenet121", 1000, false);
  const auto map = checkpoint::load_name_map(TINYVISION_SOURCE_DIR "/models/maps/keras_densenet.map", "densenet121");
  fs::create_directories(folder_ / "here/keras/densenet121");
  // What lies there is read by its content: the peer's names in a safetensors file.
  save_safetensors(folder_ / "here/" + path_of_file, checkpoint::export_with_name_map(map, named_values(*network)));
  const Outcome outcome = weights({"import", "keras/densenet121", "--maps", TINYVISION_SOURCE_DIR "/models/maps"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  expect_values(folder_ / "here/keras/densenet121/densenet121.safetensors", *network);
  EXPECT_EQ(weights({"import", "keras/densenet121", "--maps", folder_ / "none"}).code, 2);
}

TEST_F(WeightsTest, ImportNamesWhatIsWrong) {
  Outcome outcome = weights({"import", "slim/inception_v1"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("tv_weights fetch slim/inception_v1"), std::string::npos) << outcome.err;
  test_images::write_file(folder_ / "here/slim/inception_v1/inception_v1_2016_08_28.tar.gz", "no archive");
  outcome = weights({"import", "slim/inception_v1"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("inception_v1_2016_08_28.tar.gz: Unrecognized archive format"), std::string::npos)
      << outcome.err;
}

TEST(PublicWeights, EveryFileOfAPeerHasAMap) {
  for (const PublicWeights& weights : public_weights) {
    const std::string publisher(weights.name.substr(0, weights.name.find('/'))), network(weights.network);
    ASSERT_NO_THROW(make_network(network)) << weights.name;
    if (publisher == "slim") continue;
    int maps = 0;
    for (const auto& entry : fs::directory_iterator(TINYVISION_SOURCE_DIR "/models/maps")) {
      if (!entry.path().filename().string().starts_with(publisher + "_")) continue;
      const auto served = checkpoint::networks_of_map(text_of(entry.path().string()));
      if (std::find(served.begin(), served.end(), network) == served.end()) continue;
      ++maps;
      EXPECT_EQ(checkpoint::load_name_map(entry.path().string(), network).classes, weights.classes) << weights.name;
    }
    EXPECT_EQ(maps, 1) << weights.name;
  }
}

}  // namespace weights_test
