// What tables say of tensors and of the differences between two files.
#include "common/weight_tables.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace weight_tables_test {

using namespace tinyvision;
using tv_app::tensor_difference;

Tensor of(std::vector<float> values) { return Tensor::from_vector({static_cast<Index>(values.size())}, values); }
constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();

TEST(WeightTables, RowOfATensor) {
  const auto row = tv_app::tensor_row("w", Tensor::from_vector({2, 2}, std::vector<float>{1, -3, 5, 1}));
  EXPECT_EQ(row.shape, "[2,2]");
  EXPECT_EQ(row.dtype, "f32");
  EXPECT_EQ(row.mean, 1);
  EXPECT_EQ(row.norm, 6);
  const float bytes[] = {1, -3, 5, 1};
  EXPECT_EQ(row.sha256, sha256_hex({reinterpret_cast<const char*>(bytes), sizeof bytes}));
  // Of a channel slice only its own elements count.
  const Tensor wide = Tensor::from_vector({2, 2}, std::vector<float>{3, 9, 4, 9});
  EXPECT_EQ(tv_app::tensor_row("s", wide.slice_channels(0, 1)).norm, 5);
  EXPECT_TRUE(std::isnan(tv_app::tensor_row("e", Tensor::zeros({0})).mean));
}

TEST(WeightTables, DifferencesOfBits) {
  EXPECT_EQ(tensor_difference(of({1, 2}), of({1, 2}), -1), "");
  EXPECT_EQ(tensor_difference(of({1, nan}), of({1, nan}), -1), "");
  EXPECT_EQ(tensor_difference(Tensor::zeros({0, 2}), Tensor::zeros({0, 2}), -1), "");
  EXPECT_EQ(tensor_difference(of({1, 2, 3}), of({1, 2.5f, 2}), -1), "2 of 3 values, by 1 at most");
  EXPECT_EQ(tensor_difference(of({0.0f}), of({-0.0f}), -1), "1 of 1 values, by 0 at most");
  EXPECT_EQ(tensor_difference(of({1}), of({1, 2}), -1), "shapes [1] and [2]");
  EXPECT_EQ(tensor_difference(of({1}), Tensor::full({1}, 1, DType::f64), -1), "dtypes f32 and f64");
}

TEST(WeightTables, DifferencesWithinATolerance) {
  EXPECT_EQ(tensor_difference(of({1, 2}), of({1, 2.5f}), 0.5), "");
  EXPECT_EQ(tensor_difference(of({1, 2}), of({1, 2.5f}), 0.4), "1 of 2 values, by 0.5 at most");
  EXPECT_EQ(tensor_difference(of({0.0f}), of({-0.0f}), 0), "");
  EXPECT_EQ(tensor_difference(of({1}), Tensor::full({1}, 1, DType::f64), 0), "");
  EXPECT_EQ(tensor_difference(of({1}), Tensor::full({1}, 2, DType::f64), 0), "1 of 1 values, by 1 at most");
  EXPECT_EQ(tensor_difference(of({infinity}), of({infinity}), 0), "");
  EXPECT_EQ(tensor_difference(of({infinity, 1}), of({-infinity, 1}), 9), "1 of 2 values, by inf at most");
  EXPECT_EQ(tensor_difference(of({nan, 1}), of({1, 1}), 9), "1 of 2 values, by inf at most");
  EXPECT_EQ(tensor_difference(of({nan, 1}), of({1, 3}), 9), "2 of 2 values, by inf at most");
}

TEST(WeightTables, ComparisonByName) {
  WeightFile a{{{"x", of({1})}, {"y", of({2})}, {"gone", of({3})}}, {}, "", "a"};
  WeightFile b{{{"new", of({4})}, {"y", of({2.5f})}, {"x", of({1})}}, {}, "", "b"};
  const auto differences = tv_app::compare_weights(a, b, -1);
  ASSERT_EQ(differences.size(), 3u);
  EXPECT_EQ(differences[0].name + ": " + differences[0].what, "y: 1 of 1 values, by 0.5 at most");
  EXPECT_EQ(differences[1].name + ": " + differences[1].what, "gone: only in a");
  EXPECT_EQ(differences[2].name + ": " + differences[2].what, "new: only in b");
  EXPECT_TRUE(tv_app::compare_weights(a, a, -1).empty());
}

TEST(WeightTables, DescriptionOfAFile) {
  WeightFile file{{{"x", of({1})}}, {}, "", "w.ckpt", "TensorFlow V1 checkpoint"};
  EXPECT_EQ(tv_app::describe(file), "w.ckpt: TensorFlow V1 checkpoint, 1 tensors");
  file.averaged = {"x"};
  file.passed_over = {{"a", "step counter"}, {"b", "optimiser slot"}, {"c", "optimiser slot"}};
  EXPECT_EQ(tv_app::describe(file),
            "w.ckpt: TensorFlow V1 checkpoint, 1 tensors, 1 of them moving averages; passed over: 2 optimiser slot, 1 "
            "step counter");
}

}  // namespace weight_tables_test
