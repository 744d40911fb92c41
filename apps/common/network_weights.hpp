// Weight files and networks: what a network needs, what is loaded, what is said about it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/network_options.hpp"
#include "tinyvision/checkpoint/weight_tensors.hpp"

TINYVISION_BEGIN
namespace checkpoint {
struct ExpectedTensor;
}
TINYVISION_END

namespace tv_app {

/// tinyvision::load_weight_file, compiled once: the readers of all formats take a while.
tinyvision::WeightFile read_weights(const std::string& path, const tinyvision::checkpoint::ReadOptions& options = {});

/// All variables as (name, value); they share storage with the network.
tinyvision::checkpoint::NamedTensors named_values(const tinyvision::Network& network);

/// What the network needs of a weight file that may lack the kinds `may_lack` (`--allow-missing`). Where logits are new, an
/// auxiliary head is new as a whole, as in TF-Slim's instructions for fine-tuning.
std::vector<tinyvision::checkpoint::ExpectedTensor> expected_tensors(const tinyvision::Network& network,
                                                                     const std::vector<std::string>& may_lack = {});

/// `file` without the variables of an auxiliary head that the network was built without: evaluation does not read them.
tinyvision::WeightFile without_spare_head(const tinyvision::Network& network, tinyvision::WeightFile file);

/// Fills the network and returns the SHA-256 of the file. Of the kinds in `may_lack`, gammas that the file does not have
/// become 1, logits (also those of another shape) and an auxiliary head keep their values. What was chosen among a
/// checkpoint's variables is said on standard error.
std::string load_network(const tinyvision::Network& network, const tinyvision::WeightFile& whole,
                         const std::vector<std::string>& may_lack = {});
std::string load_network(const tinyvision::Network& network, const NetworkChoice& choice,
                         std::vector<std::string> may_lack = {});

/// The number of classes of a weight file: the size of its logits layer's bias.
tinyvision::Index classes_in_weights(const NetworkChoice& choice);

/// Refuses to train with batch statistics when the weights' batch norms were folded.
void refuse_folded(const tinyvision::Network& network, const std::string& path);

}  // namespace tv_app
