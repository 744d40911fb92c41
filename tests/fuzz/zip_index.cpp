// Zip archives; a member has the size that the directory states.
#include "tinyvision/data/archive/zip_index.hpp"

#include "fuzz/target.hpp"

FUZZ_TARGET(zip_index) {
  using namespace tinyvision;
  fuzz::refuses_or_reads([&] {
    const ZipDirectory directory("zip", fuzz::path, input);
    for (const auto& [name, entry] : directory.entries()) {
      if (entry.original_size > 1 << 23) continue;
      fuzz::refuses_or_reads([&, n = name, e = entry] {
        check(data::read_zip_member(directory, n, e, fuzz::path).size() == e.original_size, "fuzz", "another size");
      });
    }
  });
}
