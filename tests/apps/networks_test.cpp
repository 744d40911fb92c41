// tv_networks: the list, and a network as a table and a graph.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/program.hpp"
#include "data/test_images.hpp"
#include "tinyvision/models/registry.hpp"

namespace networks_test {

using namespace apps_test;

struct Desk {
  test_images::TemporaryFolder folder;
  Outcome networks(const Arguments& arguments) { return run(folder.path(), "tv_networks", arguments); }
  nlohmann::json results() { return nlohmann::json::parse(text_of(folder / "out/results.json")); }
};

TEST(Networks, ListsAll) {
  Desk desk;
  const Outcome outcome = desk.networks({"list", "--out", desk.folder / "out"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const std::string& name : tinyvision::network_names())
    EXPECT_NE(outcome.out.find("\n" + name + " "), std::string::npos) << name;
  EXPECT_EQ(desk.results()["networks"].size(), tinyvision::network_names().size());
}

TEST(Networks, DescribesOne) {
  Desk desk;
  const Outcome outcome =
      desk.networks({"describe", "mobilenet_v1", "--width", "0.25", "--classes", "5", "--image-size", "64", "--dot",
                     desk.folder / "g.dot", "--out", desk.folder / "out"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("MobilenetV1/Conv2d_13_pointwise"), std::string::npos) << outcome.out;
  const auto results = desk.results();
  EXPECT_EQ(results["layers"].back()["output"], nlohmann::json({5}));
  EXPECT_EQ(results["layers"][1]["output"], nlohmann::json({32, 32, 8}));
  EXPECT_EQ(results["parameters"].get<int>() - results["backbone_parameters"].get<int>(), 256 * 5 + 5);
  EXPECT_EQ(text_of(desk.folder / "g.dot").rfind("digraph", 0), 0u);
}

TEST(Networks, RefusesWhatItDoesNotKnow) {
  Desk desk;
  for (const Arguments& arguments :
       {Arguments{}, Arguments{"describe"}, Arguments{"describe", "resnet51_v1"},
        Arguments{"describe", "resnet50_v1", "--auxiliary-head"}, Arguments{"describe", "mobilenet_v1", "--width", "0"},
        Arguments{"describe", "inception_v1", "--width", "0.25"},
        Arguments{"describe", "inception_v1", "--layout", "public"}})
    EXPECT_EQ(desk.networks(arguments).code, 2) << (arguments.empty() ? "" : arguments.back());
  const Outcome small = desk.networks({"describe", "inception_v3", "--image-size", "64"});
  EXPECT_EQ(small.code, 2);
  EXPECT_NE(small.err.find("[inception_v3] images of 64x64 pixels are too small"), std::string::npos) << small.err;
}

}  // namespace networks_test
