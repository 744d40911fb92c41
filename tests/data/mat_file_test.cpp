// MATLAB files: what the writer writes, official label files, and every way of being broken.
#include "tinyvision/data/formats/mat_file.hpp"

#include <gtest/gtest.h>

#include <set>

#include "data/test_images.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/data/formats/mat_writer.hpp"

namespace mat_file_test {

using namespace tinyvision;
using namespace tinyvision::data;
using namespace test_images;

MatVariables some_variables() {
  MatValue cell;
  cell.kind = MatValue::Kind::cell;
  cell.dims = {1, 3};
  cell.cells = {MatValue::characters("Ram C/V"), MatValue::row({}), MatValue::row({2.5})};
  MatValue structure;
  structure.kind = MatValue::Kind::structure;
  structure.dims = {2, 1};
  structure.fields = {{"fname", {MatValue::characters("a.jpg"), MatValue::characters("")}},
                      {"inner", {cell, MatValue::row({1, 2, 3})}}};
  return {{"labels", MatValue::row({1, -2, 1e300})}, {"class_names", cell}, {"annotations", structure}};
}

void expect_same(const MatValue& a, const MatValue& b) {
  ASSERT_EQ(a.kind, b.kind);
  ASSERT_EQ(a.dims, b.dims);
  EXPECT_EQ(a.numbers, b.numbers);
  EXPECT_EQ(a.text, b.text);
  ASSERT_EQ(a.cells.size(), b.cells.size());
  for (std::size_t i = 0; i < a.cells.size(); ++i) expect_same(a.cells[i], b.cells[i]);
  ASSERT_EQ(a.fields.size(), b.fields.size());
  for (std::size_t f = 0; f < a.fields.size(); ++f) {
    EXPECT_EQ(a.fields[f].first, b.fields[f].first);
    ASSERT_EQ(a.fields[f].second.size(), b.fields[f].second.size());
    for (std::size_t i = 0; i < a.fields[f].second.size(); ++i)
      expect_same(a.fields[f].second[i], b.fields[f].second[i]);
  }
}

TEST(MatFile, ReadsWhatWasWritten) {
  const MatVariables written = some_variables();
  for (const bool compressed : {false, true}) {
    const MatVariables read = read_mat(write_mat(written, compressed), "test.mat");
    ASSERT_EQ(read.size(), written.size());
    for (std::size_t i = 0; i < read.size(); ++i) {
      EXPECT_EQ(read[i].first, written[i].first);
      expect_same(read[i].second, written[i].second);
    }
    EXPECT_EQ(find_variable(read, "annotations", "f").field("fname", 0, "f").string("f"), "a.jpg");
  }
}

TEST(MatFile, SaysWhatIsNotThere) {
  const MatVariables read = read_mat(write_mat(some_variables(), true), "test.mat");
  EXPECT_NE(message_of<UsageError>([&] {
              find_variable(read, "trnid", "setid.mat");
            }).find("setid.mat: no variable 'trnid'; there is labels, class_names, annotations"),
            std::string::npos);
  const MatValue& annotations = find_variable(read, "annotations", "f");
  EXPECT_NE(message_of<UsageError>([&] { annotations.field("class", 1, "f"); }).find("element 1 has no field 'class'"),
            std::string::npos);
  EXPECT_THROW(annotations.field("fname", 2, "f"), UsageError);
  EXPECT_NE(message_of<UsageError>([&] { annotations.field("fname", 0, "f").number("f"); }).find("1x5 text"),
            std::string::npos);
}

/// A file with one numeric array, in the given stored type and byte order.
template <class T>
std::string stored(std::uint32_t type, const std::vector<T>& values, bool big) {
  const auto put = [&](std::string& out, auto value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    if (big) std::reverse(bytes, bytes + sizeof value);
    out.append(bytes, sizeof value);
  };
  std::string body;
  const auto element = [&](std::uint32_t kind, const std::string& data) {
    if (data.size() <= 4 && !data.empty()) {  // the short form
      put(body, static_cast<std::uint32_t>(data.size() << 16 | kind));
      body += data + std::string(4 - data.size(), '\0');
      return;
    }
    put(body, kind);
    put(body, static_cast<std::uint32_t>(data.size()));
    body += data + std::string((8 - data.size() % 8) % 8, '\0');
  };
  std::string flags, dims, numbers;
  put(flags, std::uint32_t{6}), put(flags, std::uint32_t{0});
  put(dims, std::int32_t{1}), put(dims, static_cast<std::int32_t>(values.size()));
  for (const T value : values) put(numbers, value);
  element(6, flags), element(5, dims), element(1, "x"), element(type, numbers);
  std::string out(124, ' ');
  put(out, std::uint16_t{0x0100});
  out += big ? "MI" : "IM";
  put(out, std::uint32_t{14}), put(out, static_cast<std::uint32_t>(body.size()));
  return out + body;
}

TEST(MatFile, EveryStoredTypeInBothByteOrders) {
  for (const bool big : {false, true}) {
    const auto read = [](const std::string& bytes) { return read_mat(bytes, "f").front().second.numbers; };
    EXPECT_EQ(read(stored<std::int8_t>(1, {-1, 2, 3, 4, 5}, big)), (std::vector<double>{-1, 2, 3, 4, 5}));
    EXPECT_EQ(read(stored<std::uint8_t>(2, {255, 2}, big)), (std::vector<double>{255, 2}));
    EXPECT_EQ(read(stored<std::int16_t>(3, {-300, 300}, big)), (std::vector<double>{-300, 300}));
    EXPECT_EQ(read(stored<std::uint16_t>(4, {60000}, big)), (std::vector<double>{60000}));
    EXPECT_EQ(read(stored<std::int32_t>(5, {-70000, 1}, big)), (std::vector<double>{-70000, 1}));
    EXPECT_EQ(read(stored<std::uint32_t>(6, {4000000000u}, big)), (std::vector<double>{4000000000.0}));
    EXPECT_EQ(read(stored<float>(7, {0.5f, -1.5f}, big)), (std::vector<double>{0.5, -1.5}));
    EXPECT_EQ(read(stored<double>(9, {0.1}, big)), (std::vector<double>{0.1}));
    EXPECT_EQ(read(stored<std::int64_t>(12, {-5000000000}, big)), (std::vector<double>{-5e9}));
    EXPECT_EQ(read(stored<std::uint64_t>(13, {5000000000u}, big)), (std::vector<double>{5e9}));
  }
}

TEST(MatFile, TruncatedAnywhereIsRefused) {
  for (const bool compressed : {false, true}) {
    const std::string whole = write_mat(some_variables(), compressed);
    Index complete = 0;
    for (std::size_t length = 0; length < whole.size(); ++length) {
      try {
        // At the end of a variable what is there is a file; everywhere else it is not.
        complete += read_mat(whole.substr(0, length), "cut.mat").size() < 3 ? 1 : 100;
      } catch (const UsageError& error) {
        EXPECT_NE(std::string(error.what()).find("cut.mat"), std::string::npos) << error.what();
      }
    }
    EXPECT_GE(complete, 3);
    EXPECT_LT(complete, 40);
  }
}

TEST(MatFile, DamagedBytesNeverPassUnseenOrHang) {
  const std::string whole = write_mat(some_variables(), false);
  for (std::size_t at = 124; at < whole.size(); ++at)
    for (const int flip : {1, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      try {
        read_mat(bytes, "bad.mat");
      } catch (const UsageError&) {
      }
    }
  SUCCEED();
}

TEST(MatFile, RefusesByName) {
  const auto message = [](std::string bytes) { return message_of<UsageError>([&] { read_mat(bytes, "f.mat"); }); };
  EXPECT_NE(message("\x89HDF\r\n").find("7.3"), std::string::npos);
  EXPECT_NE(message(std::string(512, ' ') + "\x89HDF\r\n").find("7.3"), std::string::npos);
  EXPECT_NE(message(std::string(200, '\0')).find("no byte order mark"), std::string::npos);
  EXPECT_NE(message("").find("byte 124"), std::string::npos);
  std::string one = write_mat({{"x", MatValue::row({1, 2})}}, false);
  const std::size_t flags = 128 + 8 + 8;
  const auto changed = [&](std::size_t at, int value) {
    std::string bytes = one;
    bytes[at] = static_cast<char>(value);
    return message(bytes);
  };
  EXPECT_NE(changed(flags, 3).find("an object"), std::string::npos) << changed(flags, 3);
  EXPECT_NE(changed(flags, 5).find("sparse"), std::string::npos);
  EXPECT_NE(changed(flags, 16).find("unknown class"), std::string::npos);
  EXPECT_NE(changed(flags + 1, 8).find("complex"), std::string::npos);
  EXPECT_NE(changed(flags + 16, 3).find("values of 8 bytes expected"), std::string::npos) << changed(flags + 16, 3);
  // A dimension of 2^31 - 1 asks for nothing.
  EXPECT_NE(changed(flags + 19, 0x7f).find("a dimension"), std::string::npos) << changed(flags + 19, 0x7f);
  // Cells within cells within cells ...
  MatValue deep = MatValue::row({1});
  for (int level = 0; level < 20; ++level) {
    MatValue outer;
    outer.kind = MatValue::Kind::cell;
    outer.dims = {1, 1};
    outer.cells = {deep};
    deep = outer;
  }
  EXPECT_NE(message(write_mat({{"deep", deep}}, false)).find("nest more than 16 deep"), std::string::npos);
}

TEST(MatFile, OfficialLabelFiles) {
  const auto annotations = shared_data("annotations");
  if (!annotations) GTEST_SKIP() << "no shared annotation files";
  const auto read = [&](const std::string& name) { return read_mat(read_file(*annotations + "/" + name), name); };
  const MatVariables sets = read("flowers/setid.mat");
  EXPECT_EQ(find_variable(sets, "trnid", "f").elements(), 1020);
  EXPECT_EQ(find_variable(sets, "valid", "f").elements(), 1020);
  EXPECT_EQ(find_variable(sets, "tstid", "f").elements(), 6149);
  const MatVariables labels = read("flowers/imagelabels.mat");
  const std::vector<double>& values = find_variable(labels, "labels", "f").numbers;
  EXPECT_EQ(values.size(), 8189u);
  EXPECT_EQ(std::set<double>(values.begin(), values.end()).size(), 102u);
  const MatVariables cars = read("cars/cars_train_annos.mat");
  const MatValue& train = find_variable(cars, "annotations", "f");
  EXPECT_EQ(train.elements(), 8144);
  EXPECT_EQ(train.field("fname", 0, "f").string("f"), "00001.jpg");
  EXPECT_EQ(train.field("class", 0, "f").number("f"), 14);
  EXPECT_FALSE(find_variable(read("cars/cars_test_annos.mat"), "annotations", "f").has_field("class"));
  EXPECT_EQ(find_variable(read("cars/cars_meta.mat"), "class_names", "f").cells.size(), 196u);
}

}  // namespace mat_file_test
