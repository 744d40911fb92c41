// tv_features and tv_linear_probe on photos and weights made here: what their results say of the network.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "apps/program.hpp"
#include "data/test_images.hpp"
#include "tinyvision/checkpoint/safetensors.hpp"
#include "tinyvision/models/registry.hpp"

namespace {

using namespace tinyvision;
using apps_test::Arguments;

TEST(Features, ResultsNameTheNetworksOptions) {
  const test_images::TemporaryFolder folder;
  for (int i = 0; i < 12; ++i)
    test_images::write_file(folder / "data/" + (i % 2 == 0 ? "cat" : "dog") + "/" + std::to_string(i) + ".jpg",
                            test_images::jpeg(test_images::gradient(40, 44, 7 * i)));
  NetworkOptions options = NetworkOptions::paper(11);
  options.width = 0.25;
  options.image_size = 32;
  const auto network = make_network("mobilenet_v1", options);
  initialise(network->parameters(), 3);
  checkpoint::NamedTensors values;
  for (const Parameter& p : network->parameters()) values.emplace_back(p.name, p.variable.value());
  checkpoint::save_safetensors(folder / "w.safetensors", values);
  for (const std::string app : {"tv_features", "tv_linear_probe"}) {
    Arguments arguments{"--network",
                        "mobilenet_v1",
                        "--width",
                        "0.25",
                        "--image-size",
                        "32",
                        "--weights",
                        folder / "w.safetensors",
                        "--data",
                        folder / "data",
                        "--train-per-class",
                        "4",
                        "--out",
                        folder / app,
                        "--quiet"};
    if (app == "tv_linear_probe") arguments.insert(arguments.end(), {"--lambdas", "2"});
    const auto outcome = apps_test::run(folder.path(), app, arguments);
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const auto results = nlohmann::json::parse(apps_test::text_of(folder / app + "/results.json"));
    EXPECT_EQ(results.value("network", ""), network->options().text()) << app;
  }
}

}  // namespace
