// A weight file as another: under our names or a peer's, as safetensors or as an ONNX model.
#pragma once

#include <string>

#include "common/network_options.hpp"

namespace tv_app {

/// What is read and written. Without a network (its name is empty) tensors are written as they are read.
struct Conversion {
  NetworkChoice network;         ///< `weights` is the file to read
  std::string map = {};          ///< name map of the file's names; empty: they are ours
  std::string output = {};       ///< .onnx: a model, everything else: safetensors
  std::string output_map = {};   ///< name map of the names to write
  std::string photos = {};       ///< batch norms are restored from their statistics on these
  double crop = 0.875;           ///< of the photos
  tinyvision::Index batch = 16;  ///< of the photos
  bool averages = true, quiet = false;
};

/// Digests of the two files.
struct Converted {
  std::string source, output;
};

/// The map in `folder` of a publisher's files (PUBLISHER_*.map) for a network. Throws UsageError when there is none.
std::string find_name_map(const std::string& folder, const std::string& publisher, const std::string& network);

/// Reads, loads into the network if one is named (so that names and shapes are checked; values are f32), and writes.
/// Throws UsageError when a map or an ONNX model is asked for without a network.
Converted convert(const Conversion& c);

}  // namespace tv_app
