#include "tinyvision/data/formats/text_lists.hpp"

#include <gtest/gtest.h>

#include "data/test_images.hpp"

namespace text_lists_test {

using namespace tinyvision;
using namespace tinyvision::data;
using test_images::message_of;

std::vector<std::string> texts(std::string_view text) {
  std::vector<std::string> all;
  for (const ListLine& line : read_lines(text, "x.txt")) all.emplace_back(line.text);
  return all;
}

TEST(TextLists, LinesOfUnixAndWindowsWithTheirNumbers) {
  EXPECT_EQ(texts("a\nb"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(texts("a\r\n\r\n b c \r\n"), (std::vector<std::string>{"a", " b c "}));
  EXPECT_EQ(texts("\xEF\xBB\xBF"
                  "a\n"),
            std::vector<std::string>{"a"});  // a byte order mark
  EXPECT_TRUE(texts("").empty());
  EXPECT_TRUE(texts("\n\n").empty());
  const std::string text = "one\n\n\r\nfour\n";
  const std::vector<ListLine> lines = read_lines(text, "x.txt");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1].number, 4);
  EXPECT_NE(message_of<UsageError>([&] { lines[1].refuse("x.txt", "bad ", 7); }).find("x.txt:4: bad 7"),
            std::string::npos);
}

TEST(TextLists, WhatIsNoTextIsRefusedWithItsLine) {
  const auto refusal = [](const std::string& text) {
    return message_of<UsageError>([&] { read_lines(text, "x.txt"); });
  };
  EXPECT_NE(refusal(std::string("a\nb\0c\n", 6)).find("x.txt:2: a NUL byte"), std::string::npos);
  EXPECT_NE(refusal("a\n" + std::string(70000, 'x')).find("x.txt:2: a line of 70000 bytes"), std::string::npos);
}

TEST(TextLists, FieldsBetweenSpacesOrTabs) {
  using Fields = std::vector<std::string_view>;
  EXPECT_EQ(split_fields("000012  -1", ' '), (Fields{"000012", "-1"}));
  EXPECT_EQ(split_fields("  a \t b ", ' '), (Fields{"a", "b"}));
  EXPECT_TRUE(split_fields("   ", ' ').empty());
  EXPECT_EQ(split_fields("a b\t\tc\t", '\t'), (Fields{"a b", "", "c", ""}));
  EXPECT_EQ(split_fields("", '\t'), Fields{""});
}

TEST(TextLists, WholeNumbersWithinBounds) {
  const ListLine line{"", 3};
  EXPECT_EQ(parse_number("-1", line, "x.txt", -1, 1), -1);
  EXPECT_EQ(parse_number("37", line, "x.txt", 1, 37), 37);
  for (const char* text : {"", "1.5", "+1", " 1", "1 ", "0x1", "one", "99999999999999999999"})
    EXPECT_NE(message_of<UsageError>([&] {
                parse_number(text, line, "x.txt", 0, 9);
              }).find(concat_text("x.txt:3: '", text, "' is not a whole number")),
              std::string::npos)
        << text;
  EXPECT_NE(
      message_of<UsageError>([&] { parse_number("38", line, "x.txt", 1, 37); }).find("x.txt:3: 38 is not in 1..37"),
      std::string::npos);
}

}  // namespace text_lists_test
