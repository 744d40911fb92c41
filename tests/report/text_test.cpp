#include "tinyvision/report/text.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace report = tinyvision::report;

namespace text_test {

TEST(Text, EscapesMarkup) {
  EXPECT_EQ(report::escape_markup("<a href=\"x\" title='y'>&amp;"),
            "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;");
  EXPECT_EQ(report::escape_markup("plain, with\ttab\nand line"), "plain, with\ttab\nand line");
  EXPECT_EQ(report::escape_markup(""), "");
}

TEST(Text, KeepsUtf8AndReplacesWhatIsNot) {
  const std::string good = "\xC3\xA9 \xE2\x86\x92 \xF0\x9F\x98\x80";  // two, three and four bytes
  EXPECT_EQ(report::escape_markup(good), good);
  const std::string sign = "\xEF\xBF\xBD";
  EXPECT_EQ(report::escape_markup("a\xFFz"), "a" + sign + "z");
  EXPECT_EQ(report::escape_markup("\xC3"), sign);                        // cut off
  EXPECT_EQ(report::escape_markup("\xC3<"), sign + "&lt;");              // must not swallow the next character
  EXPECT_EQ(report::escape_markup("\xC0\xAF"), sign + sign);             // overlong "/"
  EXPECT_EQ(report::escape_markup("\xED\xA0\x80"), sign + sign + sign);  // surrogate
  EXPECT_EQ(report::escape_markup("\xF4\x90\x80\x80"), sign + sign + sign + sign);  // above U+10FFFF
  EXPECT_EQ(report::escape_markup(std::string("a\0b\x1b\x7f", 5)), "a" + sign + "b" + sign + sign);
}

// RFC 4648, section 10.
TEST(Text, Base64) {
  EXPECT_EQ(report::base64(""), "");
  EXPECT_EQ(report::base64("f"), "Zg==");
  EXPECT_EQ(report::base64("fo"), "Zm8=");
  EXPECT_EQ(report::base64("foo"), "Zm9v");
  EXPECT_EQ(report::base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(report::base64("\xFF\xFE\x00\x80"), "//4=");  // the literal ends at its zero byte
  EXPECT_EQ(report::base64(std::string("\xFF\xFE\x00\x80", 4)), "//4AgA==");
}

TEST(Text, Numbers) {
  EXPECT_EQ(report::format_fixed(-0.04, 1), "0.0");
  EXPECT_EQ(report::format_fixed(-0.06, 1), "-0.1");
  EXPECT_EQ(report::format_fixed(1234.5678, 2), "1234.57");
  EXPECT_EQ(report::format_fixed(std::nan(""), 2), "n/a");
  EXPECT_EQ(report::format_fixed(std::numeric_limits<double>::max(), 0).size(), 309u);
  EXPECT_EQ(report::format_significant(0.000012345, 2), "1.2e-05");
  EXPECT_EQ(report::format_percent(0.90771, 2), "90.77\u00A0%");
  EXPECT_EQ(report::format_percent(std::nan("")), "n/a");
  EXPECT_EQ(report::format_p_value(0.04567), "0.046");
  EXPECT_EQ(report::format_p_value(2.13e-7), "2.1e-07");
  EXPECT_EQ(report::format_p_value(1), "1.000");
}

}  // namespace text_test
