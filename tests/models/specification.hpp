// The specification's tables, where they are: $TV_SPEC, else ../shared/spec/networks beside the repository.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tinyvision/models/registry.hpp"

TINYVISION_BEGIN
namespace model_test {

inline std::string spec_folder() {
  if (const char* folder = std::getenv("TV_SPEC")) return folder;
  return std::string(TINYVISION_SOURCE_DIR) + "/../shared/spec/networks";
}

/// The fields of every row but the first, which names the columns; none where the file is not there.
inline std::vector<std::vector<std::string>> read_table(const std::string& name) {
  std::vector<std::vector<std::string>> rows;
  std::ifstream in(spec_folder() + "/" + name);
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::vector<std::string> fields;
    std::istringstream words(line);
    for (std::string field; std::getline(words, field, '\t');) fields.push_back(field);
    rows.push_back(fields);
  }
  return rows;
}

/// The numbers of "224x224x3" or "0,1,0,1".
inline std::vector<Index> numbers_of(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == 'x' || c == ','; }, ' ');
  std::istringstream in(text);
  std::vector<Index> numbers;
  for (Index number = 0; in >> number;) numbers.push_back(number);
  return numbers;
}

/// Columns of `<network>.ops.tsv`.
struct SpecifiedOperation {
  std::string id, op, name;
  std::vector<Index> inputs, output, kernel, stride, pads;
  std::string padding, bn_eps, activation, arg;
  bool bias = false, feature = false;
  Index macs = 0;

  explicit SpecifiedOperation(std::vector<std::string> row) {
    row.resize(18);
    id = row[0], op = row[1], name = row[2];
    inputs = numbers_of(row[3]), output = numbers_of(row[5]), kernel = numbers_of(row[6]), stride = numbers_of(row[7]);
    padding = row[8], pads = numbers_of(row[9]), bias = row[11] == "1", bn_eps = row[12], activation = row[13];
    arg = row[14], macs = row[15].empty() ? 0 : std::stoll(row[15]), feature = row[17] == "1";
  }
};

inline std::vector<SpecifiedOperation> specified_operations(const std::string& network, bool public_layout = false) {
  std::vector<SpecifiedOperation> rows;
  for (auto& row : read_table(network + (public_layout ? ".public_checkpoint.ops.tsv" : ".ops.tsv")))
    rows.emplace_back(std::move(row));
  return rows;
}

/// A network as the tables list it: the classes of the public weights, every gamma, the auxiliary head.
inline std::shared_ptr<Network> with_public_classes(const std::string& name, bool public_layout = false,
                                                    bool auxiliary_head = true, Index image_size = 0) {
  NetworkOptions options = NetworkOptions::paper(public_classes(name));
  options.auxiliary_head = auxiliary_head && network_entry(name).has_auxiliary_head;
  options.public_layout = public_layout;
  options.image_size = image_size;
  return make_network(name, options);
}

}  // namespace model_test
TINYVISION_END
