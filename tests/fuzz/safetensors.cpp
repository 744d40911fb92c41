// safetensors; what is read can be written and read again.
#include "tinyvision/checkpoint/safetensors.hpp"

#include "fuzz/target.hpp"

FUZZ_TARGET(safetensors) {
  using namespace tinyvision;
  fuzz::refuses_or_reads([&] {
    const WeightFile file = checkpoint::parse_safetensors(input, fuzz::path);
    std::string again = checkpoint::safetensors_layout(file.tensors, file.metadata).first;
    for (const std::size_t i : checkpoint::safetensors_layout(file.tensors, file.metadata).second) {
      const Tensor& tensor = file.tensors[i].second;
      again.append(static_cast<const char*>(tensor.raw()), tensor.bytes());
    }
    check(checkpoint::parse_safetensors(again, fuzz::path).names() == file.names(), "fuzz", "names changed");
  });
}
