#include "tinyvision/core/text.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace text_test {

using namespace tinyvision;

TEST(Text, EditDistance) {
  EXPECT_EQ(edit_distance("", ""), 0);
  EXPECT_EQ(edit_distance("abc", ""), 3);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("sunday", "saturday"), 3);
  EXPECT_EQ(edit_distance("weights", "wieghts"), 2);
}

TEST(Text, NearestNames) {
  const std::vector<std::string> names{"--weights", "--steps", "--batch", "--weight-decay"};
  EXPECT_EQ(nearest_names("--wieghts", names, 1), std::vector<std::string>{"--weights"});
  EXPECT_EQ(nearest_names("zzzzzzzzzz", names), std::vector<std::string>{});
  EXPECT_EQ(nearest_names("b", {"a", "bb", "b"}, 2), (std::vector<std::string>{"b", "bb"}));
  EXPECT_EQ(nearest_names("xa", {"xb", "xc", "xd"}, 2), (std::vector<std::string>{"xb", "xc"}));  // ties as given
  EXPECT_EQ(suggestion("--stpes", names), " (did you mean --steps?)");
  EXPECT_EQ(suggestion("qqqqqqqq", names), "");
}

TEST(Text, JoinNames) {
  EXPECT_EQ(join_names({}), "");
  EXPECT_EQ(join_names({"a", "b"}), "a, b");
  EXPECT_EQ(join_names({"a", "b", "c", "d"}, 2), "a, b and 2 more");
}

TEST(Text, NumbersReadBackExactly) {
  for (const double value : {0.1, 1.0 / 3, 2.5e-308, 4.9e-324, 1.7976931348623157e308, -0.0, 123456789.125}) {
    EXPECT_EQ(std::strtod(format_exact(value).c_str(), nullptr), value);
    EXPECT_EQ(std::strtod(format_shortest(value).c_str(), nullptr), value);
  }
  EXPECT_EQ(format_exact(0.1), "0.10000000000000001");
  EXPECT_EQ(format_exact(-2), "-2");
  EXPECT_EQ(format_exact(std::numeric_limits<double>::quiet_NaN()), "nan");
  EXPECT_EQ(format_exact(-std::numeric_limits<double>::infinity()), "-inf");
  EXPECT_EQ(format_shortest(0.1), "0.1");
}

TEST(Text, Durations) {
  EXPECT_EQ(format_duration(0.04), "0.0 s");
  EXPECT_EQ(format_duration(9.94), "9.9 s");
  EXPECT_EQ(format_duration(9.96), "10 s");
  EXPECT_EQ(format_duration(59.4), "59 s");
  EXPECT_EQ(format_duration(59.6), "1 min 00 s");
  EXPECT_EQ(format_duration(187), "3 min 07 s");
  EXPECT_EQ(format_duration(2 * 3600 + 5 * 60 + 59), "2 h 05 min");
  EXPECT_EQ(format_duration(86400 * 3 + 4 * 3600), "3 d 04 h");
  EXPECT_EQ(format_duration(-1), "?");
  EXPECT_EQ(format_duration(std::numeric_limits<double>::infinity()), "?");
}

}  // namespace text_test
