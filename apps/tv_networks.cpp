// tv_networks: the networks, each as a table of its layers and as a graph.
#include "common/app.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/models/registry.hpp"
#include "tinyvision/nn/network_table.hpp"

namespace {

using namespace tinyvision;
using tv_app::Json;

struct Options : tv_app::CommonOptions {
  std::string network, preset = "paper", layout = "paper", dot;
  NetworkOptions structure;
  bool macs = false;
};

/// What the options leave to the preset: the paper's settings, or those of TF-Slim's public weights.
NetworkOptions resolve(const Options& options, const std::string& name) {
  NetworkOptions n = options.preset == "paper" ? NetworkOptions::paper(public_classes(name)) : tf_slim_options(name);
  if (options.structure.classes > 0) n.classes = options.structure.classes;
  n.width = options.structure.width;
  n.image_size = options.structure.image_size;
  n.auxiliary_head = n.auxiliary_head || options.structure.auxiliary_head;
  n.public_layout = options.layout == "public";
  return n;
}

std::vector<LayerRow> table_of(const Network& network) {
  return network_table(network, network.image_size(), network.image_size());
}

Index total_macs(const std::vector<LayerRow>& rows) {
  Index macs = 0;
  for (const LayerRow& row : rows) macs += row.macs;
  return macs;
}

Index trainable_numbers(const Network& network) {
  Index count = 0;
  for (const Parameter& p : network.parameters()) count += p.trainable() ? p.variable.shape().count() : 0;
  return count;
}

void list(const Options& options, tv_app::Results& results) {
  std::printf("%-20s %11s %8s %6s %8s%s  %s\n", "network", "parameters", "feature", "image", "classes",
              options.macs ? "      MACs" : "", "regularisers");
  for (const NetworkEntry& entry : network_entries()) {
    const auto network = make_network(entry.name, resolve(options, entry.name));
    const Index parameters = count_backbone_parameters(network->parameters());
    std::string has = "label smoothing";
    if (entry.slim_dropout_keep != 1) has += ", dropout";
    if (entry.has_auxiliary_head) has += ", auxiliary head";
    if (entry.drops_paths) has += ", drop path";
    Json row = {{"name", entry.name},
                {"parameters", parameters},
                {"feature", network->feature_size()},
                {"image", network->image_size()},
                {"classes", entry.public_classes}};
    std::printf("%-20s %11lld %8lld %6lld %8lld", entry.name.c_str(), static_cast<long long>(parameters),
                static_cast<long long>(network->feature_size()), static_cast<long long>(network->image_size()),
                static_cast<long long>(entry.public_classes));
    if (options.macs) {
      const Index macs = total_macs(table_of(*network));
      std::printf(" %8.3fG", 1e-9 * static_cast<double>(macs));
      row["macs"] = macs;
    }
    std::printf("  %s\n", has.c_str());
    results["networks"].push_back(row);
  }
}

std::string span(const LayerRow& row, Index ReceptiveField::*member) {
  const Index high = row.receptive_field[0].*member, wide = row.receptive_field[1].*member;
  return high == wide ? concat_text(high) : concat_text(high, "x", wide);
}

void describe(const Options& options, tv_app::Results& results) {
  const auto network = make_network(options.network, resolve(options, options.network));
  const std::vector<LayerRow> rows = table_of(*network);
  std::size_t name = 5, kind = 9;
  for (const LayerRow& row : rows) name = std::max(name, row.name.size()), kind = std::max(kind, row.kind.size());
  const int n = static_cast<int>(name), k = static_cast<int>(kind);
  std::printf("%s: %s\n", network->name().c_str(), network->options().text().c_str());
  std::printf("%5s  %-*s  %-*s  %-14s %10s %12s %9s %5s  %s\n", "row", n, "layer", k, "operation", "output",
              "parameters", "MACs", "field", "step", "reads");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const LayerRow& row = rows[i];
    std::string reads;
    for (const int input : row.inputs) reads += (reads.empty() ? "" : ",") + std::to_string(input);
    std::printf("%5zu  %-*s  %-*s  %-14s %10lld %12lld %9s %5s  %s\n", i, n, row.name.c_str(), k, row.kind.c_str(),
                row.output.text().c_str(), static_cast<long long>(row.parameters), static_cast<long long>(row.macs),
                span(row, &ReceptiveField::size).c_str(), span(row, &ReceptiveField::step).c_str(), reads.c_str());
    Json output = Json::array();
    for (int axis = 0; axis < row.output.rank(); ++axis) output.push_back(row.output[axis]);
    results["layers"].push_back({{"name", row.name},
                                 {"operation", row.kind},
                                 {"output", output},
                                 {"parameters", row.parameters},
                                 {"macs", row.macs},
                                 {"receptive_field", {row.receptive_field[0].size, row.receptive_field[1].size}},
                                 {"reads", row.inputs}});
  }
  const Index all = trainable_numbers(*network), backbone = count_backbone_parameters(network->parameters());
  std::printf("%lld parameters, %lld of them before the logits; %lld multiply-adds an image\n",
              static_cast<long long>(all), static_cast<long long>(backbone), static_cast<long long>(total_macs(rows)));
  results["parameters"] = all;
  results["backbone_parameters"] = backbone;
  results["macs"] = total_macs(rows);
  if (!options.dot.empty()) write_file_atomically(options.dot, network_dot(network->name(), rows));
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.structure.classes = 0;
  CLI::App app("tv_networks: the networks, each as a table of its layers and as a graph");
  app.require_subcommand(1);
  CLI::App* every =
      app.add_subcommand("list", "every network: parameters before the logits, feature, image, regularisers");
  every->add_flag("--macs", options.macs, "count multiply-adds too (runs every network once)");
  CLI::App* one = app.add_subcommand(
      "describe",
      "its layers: shapes, parameters, multiply-adds, and what a result sees of the image (field, step, in pixels)");
  one->add_option("network,--network", options.network, network_list())->required();
  one->add_option("--dot", options.dot, "write the graph here, in Graphviz's language");
  one->add_option("--classes", options.structure.classes, "0: as the public weights")->capture_default_str();
  one->add_option("--width", options.structure.width, "width multiplier (MobileNets, BN-Inception, Inception v3)")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  one->add_option("--image-size", options.structure.image_size, "side of the images; 0: the network's own")
      ->capture_default_str();
  one->add_flag("--auxiliary-head", options.structure.auxiliary_head, "with the classifier in the middle");
  one->add_option("--layout", options.layout, "ResNets: paper, or public (strides of the public checkpoints)")
      ->capture_default_str()
      ->check(CLI::IsMember({"paper", "public"}));
  for (CLI::App* command : {every, one}) {
    command->add_option("--preset", options.preset, "paper, or tf_slim (settings of the public weights)")
        ->capture_default_str()
        ->check(CLI::IsMember({"paper", "tf_slim"}));
    tv_app::add_common_options(*command, options, "folder for results.json");
  }
  return tv_app::run_app(app, "tv_networks", options, argc, argv, [&](const Json& config) {
    tv_app::Results results("tv_networks", config);
    every->parsed() ? list(options, results) : describe(options, results);
    results.write(options.out);
  });
}
