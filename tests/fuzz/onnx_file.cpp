// ONNX models.
#include "tinyvision/checkpoint/onnx_file.hpp"

#include "fuzz/target.hpp"

FUZZ_TARGET(onnx_file) {
  fuzz::refuses_or_reads([&] { tinyvision::checkpoint::parse_onnx(input, fuzz::path); });
}
