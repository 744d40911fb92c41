#include "tinyvision/core/shape.hpp"

#include <gtest/gtest.h>

namespace shape_test {

using namespace tinyvision;

TEST(Shape, Basics) {
  const Shape images{8, 56, 48, 3};
  EXPECT_EQ(images.rank(), 4);
  EXPECT_EQ(images.count(), 8 * 56 * 48 * 3);
  EXPECT_EQ(images.rows(), 8 * 56 * 48);
  EXPECT_EQ(images.back(), 3);
  EXPECT_EQ(images[-1], 3);
  EXPECT_EQ(images[-4], 8);
  EXPECT_EQ(images.text(), "[8,56,48,3]");
}

TEST(Shape, ScalarAndEmpty) {
  const Shape scalar;
  EXPECT_EQ(scalar.rank(), 0);
  EXPECT_EQ(scalar.count(), 1);
  EXPECT_EQ(scalar.rows(), 1);
  EXPECT_EQ(scalar.back(), 1);
  EXPECT_EQ(scalar.text(), "[]");
  const Shape none{4, 0};
  EXPECT_EQ(none.count(), 0);
  EXPECT_EQ(none.rows(), 0);
  const Shape no_rows{0, 4};
  EXPECT_EQ(no_rows.count(), 0);
  EXPECT_EQ(no_rows.rows(), 0);
}

TEST(Shape, Equality) {
  EXPECT_EQ((Shape{1, 2}), (Shape{1, 2}));
  EXPECT_NE((Shape{1, 2}), (Shape{1, 3}));
  EXPECT_NE((Shape{1, 2}), (Shape{1, 2, 1}));
  EXPECT_NE(Shape{}, Shape{1});
}

TEST(Shape, RefusesWhatIsNoShape) {
  EXPECT_THROW((Shape{1, 2, 3, 4, 5}), Error);
  EXPECT_THROW((Shape{1, -1}), Error);
  EXPECT_THROW((Shape{1, 2}[2]), Error);
  EXPECT_THROW((Shape{1, 2}[-3]), Error);
  Shape full{1, 2, 3, 4};
  EXPECT_THROW(full.push_back(5), Error);
  EXPECT_EQ(full.text(), "[1,2,3,4]");
}

}  // namespace shape_test
