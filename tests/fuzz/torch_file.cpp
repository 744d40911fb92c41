// Files of torch.save, zip archives and legacy.
#include "tinyvision/checkpoint/torch_file.hpp"

#include "fuzz/target.hpp"

FUZZ_TARGET(torch_file) {
  fuzz::refuses_or_reads([&] { tinyvision::checkpoint::parse_torch(input, fuzz::path); });
}
