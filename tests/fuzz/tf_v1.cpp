// TensorFlow V1 checkpoints, with checksums and without, because no change of a file gets past them.
#include "fuzz/target.hpp"
#include "tinyvision/checkpoint/tensorflow_v1.hpp"

FUZZ_TARGET(tf_v1) {
  using namespace tinyvision::checkpoint;
  for (const Checksums checksums : {Checksums::verified, Checksums::ignored})
    fuzz::refuses_or_reads([&] { parse_tensorflow_v1(input, fuzz::path, {}, checksums); });
}
