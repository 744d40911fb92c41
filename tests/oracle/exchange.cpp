// What check_maps.py and check_onnx.py compare with other programs:
//
//   oracle_exchange names MAP NETWORK FILE TABLE        FILE's variables under our names against a table of variables
//   oracle_exchange forward MAP NETWORK FILE IN OUT     outputs of our network with FILE's weights for the images in IN
//   oracle_exchange onnx NETWORK HEIGHT WIDTH MODEL IN OUT   a network with random weights as a model, and its outputs
#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>

#include "tinyvision/checkpoint/keras_file.hpp"
#include "tinyvision/checkpoint/name_map.hpp"
#include "tinyvision/checkpoint/onnx_file.hpp"
#include "tinyvision/checkpoint/torch_file.hpp"
#include "tinyvision/exchange/onnx_export.hpp"
#include "tinyvision/models/registry.hpp"

namespace {

using namespace tinyvision;
using checkpoint::ExpectedTensor;

WeightFile load_any(const std::string& path) {
  const std::string head = read_file(path).substr(0, 64);
  if (checkpoint::looks_like_torch(head)) return load_torch(path);
  if (checkpoint::looks_like_hdf5(head)) return load_keras(path);
  if (checkpoint::looks_like_onnx(head)) return load_onnx(path);
  return load_safetensors(path);
}

/// The variables of a specification's table, with as many classes as the map's peer has.
std::vector<ExpectedTensor> read_table(const std::string& path, Index classes) {
  std::vector<ExpectedTensor> expected;
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string name, kind, shape, group;
    fields >> name >> kind >> shape >> group;
    ExpectedTensor e{.name = name};
    std::istringstream extents(shape);
    for (std::string extent; std::getline(extents, extent, ',');) e.shape.push_back(std::stoll(extent));
    if (group != "backbone" && e.shape.back() == 1001) e.shape[-1] = classes;
    e.required = group != "aux";
    expected.push_back(e);
  }
  return expected;
}

void check_names(const std::string& map_path, const std::string& network, const std::string& path,
                 const std::string& table) {
  const checkpoint::NameMap map = checkpoint::load_name_map(map_path, network);
  std::vector<ExpectedTensor> expected = read_table(table, map.classes);
  const WeightFile file = load_any(path);
  const WeightFile ours = apply_name_map(map, file, expected);
  const checkpoint::MatchedWeights matched = match_weights(ours, expected);
  std::size_t aux = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) aux += !matched.tensors[i].defined();
  std::printf("%zu of the file's %zu variables; %zu of ours, %zu of an auxiliary head missing, %zu passed over\n",
              file.tensors.size() - ours.passed_over.size(), file.tensors.size(), ours.tensors.size(), aux,
              ours.passed_over.size());
}

void write_outputs(const Network& network, const std::string& in, const std::string& out) {
  const NoGradient guard;
  const Outputs outputs = network.forward(Variable(load_safetensors(in).tensor("images")), {});
  save_safetensors(out, {{"logits", outputs.logits.value()}, {"feature", outputs.feature.value()}});
}

void forward(const std::string& map_path, const std::string& name, const std::string& path, const std::string& in,
             const std::string& out) {
  const checkpoint::NameMap map = checkpoint::load_name_map(map_path, name);
  const auto network = make_network(name, NetworkOptions::paper(map.classes));  // peers have every gamma
  std::vector<ExpectedTensor> expected;
  for (const Parameter& p : network->parameters()) expected.push_back({.name = p.name, .shape = p.variable.shape()});
  const auto matched = match_weights(apply_name_map(map, load_any(path), expected), expected);
  for (std::size_t i = 0; i < expected.size(); ++i) network->parameters()[i].variable.set_value(matched.tensors[i]);
  write_outputs(*network, in, out);
}

void write_onnx(const std::string& name, Index height, Index width, const std::string& model, const std::string& in,
                const std::string& out) {
  NetworkOptions options;
  options.classes = 11;
  const auto network = make_network(name, options);
  initialise(network->parameters(), 9);
  const Random random(5, Stream::test);
  for (std::size_t t = 0; t < network->parameters().size(); ++t) {  // batch norms that all do something
    const Parameter& p = network->parameters()[t];
    if (p.is_weight()) continue;
    const bool scale = p.kind == ParameterKind::bn_gamma || p.kind == ParameterKind::bn_moving_variance;
    const Tensor values = Tensor::empty(p.variable.shape(), DType::f32);
    for (Index i = 0; i < values.count(); ++i) {
      const double draw = random.uniform((t << 20) | static_cast<std::uint64_t>(i), 0, 1);
      values.data<float>()[i] = static_cast<float>(scale ? 0.5 + draw : (draw - 0.5) / 5);
    }
    p.variable.set_value(values);
  }
  exchange::save_onnx(model, *network, height, width, {{"network", name}});
  write_outputs(*network, in, out);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> a(argv + 1, argv + argc);
  try {
    if (a.size() == 5 && a[0] == "names") return check_names(a[1], a[2], a[3], a[4]), 0;
    if (a.size() == 6 && a[0] == "forward") return forward(a[1], a[2], a[3], a[4], a[5]), 0;
    if (a.size() == 7 && a[0] == "onnx")
      return write_onnx(a[1], std::stoll(a[2]), std::stoll(a[3]), a[4], a[5], a[6]), 0;
    std::fputs("usage: see the head of tests/oracle/exchange.cpp\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  return 2;
}
