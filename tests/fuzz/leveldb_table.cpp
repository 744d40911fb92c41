// LevelDB tables; keys ascend and values lie inside the file.
#include "tinyvision/checkpoint/leveldb_table.hpp"

#include "fuzz/target.hpp"

FUZZ_TARGET(leveldb_table) {
  using namespace tinyvision;
  using namespace tinyvision::checkpoint;
  for (const Checksums checksums : {Checksums::verified, Checksums::ignored})
    fuzz::refuses_or_reads([&] {
      std::string last;
      bool first = true;
      LevelDbTable("fuzz", fuzz::path, input, checksums).for_each([&](const TableEntry& entry) {
        check(first || entry.key > last, "fuzz", "keys do not ascend");
        check(input.substr(entry.offset, entry.value.size()) == entry.value, "fuzz", "the value is elsewhere");
        last = entry.key;
        first = false;
        return true;
      });
    });
}
