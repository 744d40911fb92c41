// MATLAB files; what is read can be written and read again.
#include "tinyvision/data/formats/mat_file.hpp"

#include "fuzz/target.hpp"
#include "tinyvision/data/formats/mat_writer.hpp"

FUZZ_TARGET(mat_file) {
  using namespace tinyvision;
  using namespace tinyvision::data;
  fuzz::refuses_or_reads([&] {
    const MatVariables variables = read_mat(input, fuzz::path);
    for (const auto& [name, value] : variables) {
      if (value.kind != MatValue::Kind::numeric) continue;
      const MatVariables again = read_mat(write_mat({{name, value}}, true), fuzz::path);
      check(again.size() == 1 && again[0].first == name && again[0].second.dims == value.dims &&
                again[0].second.numbers.size() == value.numbers.size(),
            "fuzz", "the array changed");
    }
  });
}
