// Tar archives; members lie inside the archive, and their names inside the folder.
#include "tinyvision/data/archive/tar_index.hpp"

#include "fuzz/target.hpp"

FUZZ_TARGET(tar_index) {
  using namespace tinyvision;
  fuzz::refuses_or_reads([&] {
    for (const auto& [name, member] : data::index_tar(input, fuzz::path)) {
      data::check_member_name(name, "fuzz");
      check(member.begin <= input.size() && member.size <= input.size() - member.begin, "fuzz", "a member outside");
    }
  });
}
