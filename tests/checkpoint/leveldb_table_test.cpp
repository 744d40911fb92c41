// LevelDB tables and protocol buffers made by hand: what is sound is read, every fault is refused with path and byte.
#include "tinyvision/checkpoint/leveldb_table.hpp"

#include <gtest/gtest.h>

#include "checkpoint/tensorflow_builder.hpp"

namespace leveldb_table_test {

using namespace tinyvision;
using namespace tf_files;
using checkpoint::LevelDbTable;
using checkpoint::ProtobufMessage;
using checkpoint::TableEntry;

/// "key=value key=value", or the error.
std::string contents(const std::string& file) {
  std::string out;
  try {
    LevelDbTable("test", "t.ckpt", file).for_each([&](const TableEntry& e) {
      EXPECT_EQ(file.substr(e.offset, e.value.size()), e.value);
      out += (out.empty() ? "" : " ") + std::string(e.key) + "=" + std::string(e.value);
      return true;
    });
  } catch (const UsageError& error) {
    return error.what();
  }
  return out;
}
void expect_refused(const std::string& file, std::uint64_t byte, const std::string& message) {
  const std::string error = contents(file);
  EXPECT_EQ(error.find("[test] t.ckpt: byte " + std::to_string(byte) + ": "), 0u) << error;
  EXPECT_NE(error.find(message), std::string::npos) << error;
}

TEST(LevelDbTable, KeysShareTheirBeginAndGoOverBlocks) {
  const std::string first = block(entry(0, "able", "1") + entry(2, "out", "2") + entry(0, "b", ""));
  const std::string second = block(entry(0, "box", "3") + entry(3, "er", "4"), 0, 3);
  EXPECT_EQ(contents(table({first, second})), "able=1 about=2 b= box=3 boxer=4");
  EXPECT_EQ(contents(table({block("")})), "");
  int seen = 0;
  LevelDbTable("test", "t", table({first, second})).for_each([&](const TableEntry&) { return ++seen < 2; });
  EXPECT_EQ(seen, 2);
}

TEST(LevelDbTable, Footer) {
  const std::string good = table_of({{"a", "1"}});
  for (std::size_t size = 0; size < good.size(); ++size)
    expect_refused(good.substr(0, size), size, "does not end with the 48 bytes of a LevelDB table's footer");
  expect_refused(good + "x", good.size() + 1, "footer");
  const std::size_t at = good.size() - 48;
  const auto with_footer = [&](const std::string& filters, const std::string& index) {
    return good.substr(0, at) + footer(filters, index);
  };
  expect_refused(with_footer(std::string(40, '\xff'), ""), at, "cut off or longer than 64 bits");
  const std::string here = place(0, 5);
  expect_refused(with_footer(varint(at) + varint(0), here), at, "exceeds the " + std::to_string(at) + " bytes");
  expect_refused(with_footer(varint(~std::uint64_t{0}) + varint(1), here), at, "exceeds");
  expect_refused(with_footer(varint(1) + varint(~std::uint64_t{0}), here), at, "exceeds");
  expect_refused(with_footer(varint(0) + varint(at - 4), here), at, "exceeds");
}

TEST(LevelDbTable, Blocks) {
  const std::string a = block(entry(0, "a", "1")), b = block(entry(0, "b", "2"));
  expect_refused(table({block(entry(0, "a", "1"), 1)}), a.size() - 5, "compressed (Snappy), which is not supported");
  expect_refused(table({block(entry(0, "a", "1"), 2)}), a.size() - 5, "compressed (method 2)");
  std::string damaged = table({a, b});
  damaged[a.size() + 4] ^= 1;
  expect_refused(damaged, a.size(), "checksum");
  expect_refused(table({block(entry(0, "a", "1"), 0, 1000)}), a.size() - 9, "1000 restarts do not fit");
  const std::string none =
      table({std::string("\0\0", 2) + std::string(1, '\0') + fixed32(masked_crc32c(crc32c(std::string(3, '\0'))))});
  expect_refused(none, 0, "no room for its restarts");

  const std::uint64_t index = a.size() + b.size() + block("").size();
  const auto place_at = [&](std::size_t i, const std::string& before) {  // where the index's i-th value stands
    return index + before.size() * i + 4 * (i + 1);
  };
  const std::string first = place(0, a.size());
  expect_refused(table({a, b}, {first, first}), place_at(1, first), "blocks overlap");
  expect_refused(table({a, b}, {first, place(a.size() - 1, b.size())}), place_at(1, first), "blocks overlap");
  expect_refused(table({a, b}, {place(index - 1, a.size())}), index + 4, "lies over the index");
  expect_refused(table({a, b}, {varint(1000) + varint(10)}), index + 4, "exceeds");
  expect_refused(table({a, b}, {varint(1000)}), index + 4, "cut off");
  expect_refused(table({b, a}), a.size() + 4, "key 'a' does not follow 'b'");
  expect_refused(table({a, a}), a.size() + 4, "it occurs twice");
}

TEST(LevelDbTable, Entries) {
  const auto refused = [](const std::string& entries, const std::string& message) {
    expect_refused(table({block(entry(0, "a", "1") + entries)}), 5, message);
  };
  refused("\x80", "is cut off");
  refused(std::string(11, '\x80'), "is cut off");
  refused(varint(0) + varint(9) + varint(0) + "b",
          "has a key of 9 further bytes and a value of 0, the block has 1 more");
  refused(varint(0) + varint(1) + varint(9) + "b", "a value of 9");
  refused(varint(0) + varint(1) + varint(~std::uint64_t{0}) + "b", "a value of 18446744073709551615");
  refused(entry(2, "b", ""), "shares 2 bytes with a key of 1");
  refused(entry(~std::uint64_t{0}, "b", ""), "shares");
  refused(entry(0, std::string(70000, 'b'), ""), "a key of 70000 bytes; at most 65536 are read");
  expect_refused(table({block(entry(0, "a", "1") + entry(1, "", "2"))}), 8,
                 "key 'a' does not follow 'a': it occurs twice");
  expect_refused(table({block(entry(0, "b", "1") + entry(0, "a\n\xff", "2"))}), 11, "key 'a?\?' does not follow 'b'");
  // Few bytes for many long keys.
  std::string expanding = entry(0, std::string(60000, 'k'), "");
  for (int i = 1; i < 100; ++i) expanding += entry(60000, std::string(static_cast<std::size_t>(i), 'l'), "");
  EXPECT_NE(contents(table({block(expanding)})).find("the keys take over 16 times the file's size"), std::string::npos);
}

/// "field:value ..." of a message whose fields are numbers, fixed numbers or bytes; or the error.
std::string fields(const std::string& message) {
  std::string out;
  try {
    for (ProtobufMessage m("test", "p", message, 100); m.next();) {
      out += std::to_string(m.field()) + ":";
      switch (m.type()) {
        case checkpoint::WireType::varint: out += std::to_string(m.int64()); break;
        case checkpoint::WireType::fixed32: out += std::to_string(m.fixed32()); break;
        case checkpoint::WireType::fixed64: out += std::to_string(m.fixed64()); break;
        default: out += std::string(m.bytes()) + "@" + std::to_string(m.bytes_offset());
      }
      out += " ";
    }
  } catch (const UsageError& error) {
    return error.what();
  }
  return out;
}

TEST(Protobuf, EveryWireType) {
  EXPECT_EQ(fields(""), "");
  EXPECT_EQ(fields(number(1, 150) + number(536870911, ~std::uint64_t{0}) + bytes(2, "testing") + bytes(3, "") +
                   varint(8 * 4 + 5) + fixed32(7) + varint(8 * 5 + 1) + fixed32(1) + fixed32(1)),
            "1:150 536870911:-1 2:testing@120 3:@129 4:7 5:4294967297 ");
  EXPECT_EQ(fields(std::string("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11)), "1:-9223372036854775808 ");
}

TEST(Protobuf, WhatIsMalformed) {
  const auto refused = [](const std::string& message, std::uint64_t byte, const std::string& text) {
    const std::string error = fields(message);
    EXPECT_EQ(error.find("[test] p: byte " + std::to_string(byte) + ": "), 0u) << error;
    EXPECT_NE(error.find(text), std::string::npos) << error;
  };
  refused("\x80", 100, "a field's key is cut off");
  refused(number(1, 1) + "\x08", 102, "field 1: the varint is cut off");
  refused("\x08" + std::string(10, '\x80'), 100, "longer than 64 bits");
  refused("\x08" + std::string(9, '\xff') + "\x02", 100, "longer than 64 bits");
  refused(std::string(1, '\0') + "a", 100, "field number 0 does not exist");
  refused(varint(std::uint64_t{1} << 40) + "a", 100, "does not exist");
  refused("\x0b", 100, "wire type 3 is not supported");
  refused("\x0c", 100, "wire type 4 is not supported");
  refused("\x0e", 100, "wire type 6");
  refused("\x0f", 100, "wire type 7");
  refused("\x0d" + std::string(3, 'x'), 100, "takes 4 bytes from byte 101, the message ends at byte 104");
  refused("\x09" + std::string(7, 'x'), 100, "takes 8 bytes");
  refused("\x0a\x05" + std::string(4, 'x'), 100, "takes 5 bytes from byte 102, the message ends at byte 106");
  refused("\x0a" + varint(~std::uint64_t{0}), 100, "takes 18446744073709551615 bytes");
  refused("\x0a", 100, "the length is cut off");
}

template <class Use>
std::string error_of(const std::string& message, Use use) {
  try {
    ProtobufMessage m("test", "p", message);
    m.next();
    use(m);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(Protobuf, TypesAndPackedNumbers) {
  EXPECT_EQ(error_of(number(3, 1), [](auto& m) { m.bytes(); }),
            "[test] p: byte 0: field 3: has wire type 0 where 2 belongs");
  EXPECT_NE(error_of(bytes(3, "x"), [](auto& m) { m.uint64(); }), "");
  EXPECT_NE(error_of(number(3, 1), [](auto& m) { m.fixed32(); }), "");
  EXPECT_NE(error_of(number(3, 1), [](auto& m) { m.fixed64(); }), "");
  EXPECT_NE(error_of(number(3, 1), [](auto& m) { m.message(); }), "");

  std::vector<std::uint64_t> numbers;
  std::vector<float> values;
  std::vector<double> wide;
  const double two = 2;
  const std::string eight(reinterpret_cast<const char*>(&two), 8);
  const std::string message = bytes(1, varint(5) + varint(300)) + number(1, 7) + bytes(2, floats({1, 2})) +
                              varint(8 * 2 + 5) + floats({3}) + varint(8 * 3 + 1) + eight + bytes(3, eight + eight);
  for (ProtobufMessage m("test", "p", message); m.next();) {
    if (m.field() == 1) m.append_varints(numbers);
    if (m.field() == 2) m.append_fixed(values);
    if (m.field() == 3) m.append_fixed(wide);
  }
  EXPECT_EQ(numbers, (std::vector<std::uint64_t>{5, 300, 7}));
  EXPECT_EQ(values, (std::vector<float>{1, 2, 3}));
  EXPECT_EQ(wide, (std::vector<double>{2, 2, 2}));
  EXPECT_NE(
      error_of(bytes(1, "\x05\x80"), [&](auto& m) { m.append_varints(numbers); }).find("the packed varint at byte 3"),
      std::string::npos);
  EXPECT_NE(
      error_of(bytes(1, "12345"), [&](auto& m) { m.append_fixed(values); }).find("numbers of 4 bytes into 5 bytes"),
      std::string::npos);
  EXPECT_NE(error_of(number(1, 5), [&](auto& m) { m.append_fixed(values); }), "");
}

TEST(Protobuf, ReadersRefuseWithThePlace) {
  const std::string message = number(1, 1) + number(2, 2);
  ProtobufMessage m("test", "p", message, 7);
  const auto refusal = [&] {
    try {
      m.refuse("no ", 5);
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
  };
  EXPECT_EQ(refusal(), "[test] p: byte 7: no 5");
  m.next(), m.next();
  EXPECT_EQ(refusal(), "[test] p: byte 9: field 2: no 5");
}

TEST(Protobuf, MessagesWithinMessagesEnd) {
  std::string nested;
  for (int i = 0; i < 200; ++i) nested = bytes(1, nested);
  ProtobufMessage m("test", "p", nested);
  int depth = 0;
  try {
    while (m.next()) m = m.message(), ++depth;
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("more than 100 deep"), std::string::npos) << error.what();
  }
  EXPECT_EQ(depth, ProtobufMessage::max_depth);
}

}  // namespace leveldb_table_test
