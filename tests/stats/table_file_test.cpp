// Comma- and tab-separated tables: what is read, and the sentence for everything that is wrong with one.
#include "tinyvision/stats/table_file.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace table_file_test {

using namespace tinyvision;
using namespace tinyvision::stats;
using Words = std::vector<std::string>;

template <class Call>
std::string message(Call&& call) {
  try {
    call();
  } catch (const UsageError& error) {
    return error.what();
  }
  return "no UsageError";
}

std::string refusal(const std::string& text) {
  return message([&] { parse_table(text, "t.csv"); });
}

TEST(TableFile, ReadsCommasTabsAndQuotes) {
  const TableFile commas = parse_table("a,b\n1,\"x, \"\"y\"\"\"\n2,\"two\nlines\"\n", "t.csv");
  EXPECT_EQ(commas.columns, (Words{"a", "b"}));
  ASSERT_EQ(commas.rows.size(), 2u);
  EXPECT_EQ(commas.rows[0], (Words{"1", "x, \"y\""}));
  EXPECT_EQ(commas.rows[1][1], "two\nlines");
  const TableFile tabs = parse_table("name, first\tvalue\nr, s\t0.5\n", "t.tsv");
  EXPECT_EQ(tabs.columns, (Words{"name, first", "value"}));
  EXPECT_EQ(tabs.rows[0], (Words{"r, s", "0.5"}));
  // A byte order mark, notes above the header, CR LF, empty lines, spaces around cells, no line end at the end.
  const TableFile dressed = parse_table("\xEF\xBB\xBF# note, with comma\r\n# more\r\na,b\r\n\r\n 1 , 2\r\n3,", "t.csv");
  EXPECT_EQ(dressed.columns, (Words{"a", "b"}));
  EXPECT_EQ(dressed.rows, (std::vector<Words>{{"1", "2"}, {"3", ""}}));
  EXPECT_EQ(parse_table("p\n0.1\n0.2\n", "t.csv").rows.size(), 2u);
}

TEST(TableFile, RefusesWhatIsNoTable) {
  EXPECT_EQ(refusal(""), "[table] t.csv: empty, a header line is needed");
  EXPECT_EQ(refusal("# only a note"), "[table] t.csv: empty, a header line is needed");
  EXPECT_EQ(refusal("a,b\n"), "[table] t.csv: no rows below the header");
  EXPECT_EQ(refusal("# note\na,b\n1,2\n\n3\n"), "[table] t.csv: row 2 (line 5) has 1 cell, the header has 2");
  EXPECT_EQ(refusal("a,b\n1,2,3\n"), "[table] t.csv: row 1 (line 2) has 3 cells, the header has 2");
  EXPECT_EQ(refusal("a,b,a\n1,2,3\n"), "[table] t.csv: line 1: two columns are named 'a'");
  EXPECT_EQ(refusal("a,,c\n1,2,3\n"), "[table] t.csv: line 1: column 2 has no name");
  EXPECT_EQ(refusal("a,b\n1,\"2\n"), "[table] t.csv: line 2: a quoted cell does not end");
  EXPECT_EQ(refusal("a,b\n\"1\"x,2\n"), "[table] t.csv: line 2: text after the closing quote of a cell");
  EXPECT_EQ(refusal("a;b\n1;2\n"),
            "[table] t.csv: the header has semicolons but neither commas nor tabs: separate cells by one of those");
}

const char* const accuracies =
    "network,Pets,Cars,note\nResNet,0.91,,x\nNASNet,+9.3e-1,0.86,\nVGG,91.2%,NA,z\nMobile,\"0,9\",1e999,w\n";

TEST(TableFile, NumbersAreNamedByRowAndColumn) {
  const TableFile table = parse_table(accuracies, "t.csv");
  const Words names = row_names(table, "network");
  EXPECT_EQ(message([&] { number_column(table, "Cars", names); }),
            "[table] t.csv: row 1 ('ResNet') of column 'Cars' is empty (a missing cell?)");
  EXPECT_EQ(
      message([&] { number_column(table, "Pets", names); }),
      "[table] t.csv: row 3 ('VGG') of column 'Pets' is '91.2%', not a number: write percentages without the sign");
  EXPECT_EQ(message([&] { number_column(table, "network"); }),
            "[table] t.csv: row 1 of column 'network' is 'ResNet', not a number");
  const TableFile rest = rows_where(table, "network", "Mobile");
  EXPECT_EQ(message([&] { number_column(rest, "Pets"); }),
            "[table] t.csv: row 1 of column 'Pets' is '0,9', not a number (a decimal comma? Write a point)");
  EXPECT_EQ(message([&] { number_column(rest, "Cars"); }),
            "[table] t.csv: row 1 of column 'Cars' is '1e999', too large for a number");
  EXPECT_EQ(message([&] { number_column(rows_where(table, "network", "VGG"), "Cars"); }),
            "[table] t.csv: row 1 of column 'Cars' is 'NA', not a number (a missing cell?)");
  const NumberColumn column = number_column(rows_where(table, "network", "NASNet"), "Pets", {"NASNet"});
  EXPECT_EQ(column.values, std::vector<double>{0.93});
  EXPECT_EQ(stats::detail::value_text(column.sample(), 0), "row 1 ('NASNet') of column 'Pets'");
  EXPECT_EQ(message([&] { text_column(table, "note"); }),
            "[table] t.csv: row 2 of column 'note' is empty (a missing cell?)");
}

TEST(TableFile, OnlyWholeNumbersAreNumbers) {
  for (const char* text : {"0x10", "1.2.3", "1e", "--1", "+-1", "inf", "1 2", ".", "e5", "+"}) {
    double value = 0;
    EXPECT_FALSE(stats::detail::read_number(text, value)) << text;
  }
  for (const char* text : {"-0", ".5", "5.", "1E-3", "+7"}) {
    double value = 0;
    EXPECT_TRUE(stats::detail::read_number(text, value)) << text;
  }
}

TEST(TableFile, TellsNumbersFromText) {
  const TableFile table = parse_table("a,b,c,d\n1,x,,\n,2,,3\n", "t.csv");
  EXPECT_TRUE(holds_numbers(table, "a"));
  EXPECT_FALSE(holds_numbers(table, "b"));
  EXPECT_FALSE(holds_numbers(table, "c"));  // nothing at all
  EXPECT_TRUE(holds_numbers(table, "d"));
}

TEST(TableFile, NamesAreUniqueAndColumnsExist) {
  const TableFile table = parse_table("network,x\na,1\nb,2\na,3\n", "t.csv");
  EXPECT_EQ(message([&] { row_names(table, "network"); }),
            "[table] t.csv: rows 1 and 3 of column 'network' have the same name 'a'");
  EXPECT_EQ(message([&] { (void)table.column("netwrok"); }),
            "[table] t.csv: no column 'netwrok' (did you mean network?); there are network, x");
  EXPECT_EQ(message([&] { rows_where(table, "network", "c"); }),
            "[table] t.csv: no row has 'c' in column 'network'; there are a, b");
  EXPECT_EQ(rows_where(table, "network", "a").rows.size(), 2u);
}

TEST(TableFile, JoinsByName) {
  const TableFile first = parse_table("network,x\na,1\nb,2\n", "1.csv");
  const TableFile joined = join_tables(first, parse_table("y,network\n5,b\n7,c\n6,a\n", "2.csv"), "network");
  EXPECT_EQ(joined.columns, (Words{"network", "x", "y"}));
  EXPECT_EQ(joined.rows, (std::vector<Words>{{"a", "1", "6"}, {"b", "2", "5"}}));
  EXPECT_EQ(message([&] { join_tables(first, parse_table("network,y\na,5\n", "2.csv"), "network"); }),
            "[table] 2.csv: no row 'b' in column 'network', which is row 2 of 1.csv");
  EXPECT_EQ(message([&] { join_tables(first, parse_table("network,x\na,5\nb,6\n", "2.csv"), "network"); }),
            "[table] column 'x' is in 1.csv and in 2.csv");
}

}  // namespace table_file_test
