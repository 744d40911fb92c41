// Keras's HDF5 files, both layouts.
#include "fuzz/target.hpp"
#include "tinyvision/checkpoint/keras_file.hpp"

FUZZ_TARGET(hdf5_file) {
  fuzz::refuses_or_reads([&] { tinyvision::checkpoint::parse_keras(input, fuzz::path); });
}
