// TensorFlow V2 checkpoints: the length of the index in 4 bytes, the index, the bytes of every data file.
#include <algorithm>
#include <cstring>

#include "fuzz/target.hpp"
#include "tinyvision/checkpoint/tensorflow_v2.hpp"

FUZZ_TARGET(tf_v2) {
  using namespace tinyvision::checkpoint;
  if (input.size() < 4) return;
  std::uint32_t size = 0;
  std::memcpy(&size, input.data(), 4);
  const std::string_view rest = input.substr(4), index = rest.substr(0, std::min<std::size_t>(size, rest.size()));
  const std::string_view data = rest.substr(index.size());
  const auto open = [&](std::uint64_t count) { return std::vector<tensorflow::Shard>(count, {fuzz::path, data}); };
  for (const Checksums checksums : {Checksums::verified, Checksums::ignored})
    fuzz::refuses_or_reads([&] { parse_tensorflow_v2(index, fuzz::path, open, {}, checksums); });
}
