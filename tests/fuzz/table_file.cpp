// Tables as text: every row is as wide as the header, and numbers are finite.
#include "tinyvision/stats/table_file.hpp"

#include "fuzz/target.hpp"

FUZZ_TARGET(table_file) {
  using namespace tinyvision;
  fuzz::refuses_or_reads([&] {
    const stats::TableFile table = stats::parse_table(input, fuzz::path);
    check(!table.columns.empty() && !table.rows.empty(), "fuzz", "an empty table");
    for (const auto& row : table.rows) check(row.size() == table.columns.size(), "fuzz", "a row of another width");
    for (const std::string& column : table.columns) {
      fuzz::refuses_or_reads([&] { stats::row_names(table, column); });
      fuzz::refuses_or_reads([&] {
        for (const double value : stats::number_column(table, column).values)
          check(std::isfinite(value), "fuzz", "a number that is not finite");
      });
    }
  });
}
