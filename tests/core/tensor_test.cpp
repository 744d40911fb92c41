// Tensors: sharing, slices with a pitch, copies and conversions.
#include "tinyvision/core/tensor.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <numeric>

namespace tensor_test {

using namespace tinyvision;

Tensor counted(const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.count()));
  std::iota(values.begin(), values.end(), 0.0f);
  return Tensor::from_vector(shape, values);
}

TEST(Tensor, UndefinedTensor) {
  const Tensor none;
  EXPECT_FALSE(none.defined());
  EXPECT_EQ(none.text(), "undefined");
  EXPECT_THROW(none.data<float>(), Error);
  EXPECT_FALSE(none.same_storage(none));
}

TEST(Tensor, MakesAndFills) {
  const Tensor zeros = Tensor::zeros({2, 3}, DType::f64);
  EXPECT_EQ(zeros.to_vector<double>(), std::vector<double>(6, 0));
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::u8, DType::i64}) {
    const Tensor t = Tensor::full({4}, 3, dtype);
    EXPECT_EQ(t.dtype(), dtype);
    EXPECT_EQ(t.bytes(), 4 * size_of(dtype));
    EXPECT_EQ(t.to_vector<double>(), std::vector<double>(4, 3));
  }
  const Tensor scalar = Tensor::full({}, 2.5);
  EXPECT_EQ(scalar.count(), 1);
  EXPECT_EQ(scalar.item(), 2.5);
  EXPECT_THROW(zeros.item(), Error);
  EXPECT_THROW(Tensor::from_vector({2, 2}, std::vector<float>{1, 2, 3}), Error);
  const Tensor empty = Tensor::zeros({0, 5});
  EXPECT_EQ(empty.count(), 0);
  EXPECT_TRUE(empty.defined());
  EXPECT_TRUE(empty.clone().to_vector<float>().empty());
}

TEST(Tensor, DataChecksTheType) {
  const Tensor t = Tensor::zeros({2});
  EXPECT_NO_THROW(t.data<float>());
  try {
    t.data<double>();
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "[tensor] data<f64> of a f32 tensor");
  }
}

TEST(Tensor, IsAlignedForVectors) {
  for (int i = 1; i < 20; ++i) EXPECT_EQ(reinterpret_cast<std::uintptr_t>(Tensor::empty({i, 3}).raw()) % 64, 0u);
}

TEST(Tensor, CopiesShareStorageClonesDoNot) {
  const Tensor a = counted({2, 2});
  const Tensor b = a;
  EXPECT_TRUE(a.same_storage(b));
  EXPECT_EQ(a.use_count(), 2);
  b.data<float>()[0] = 9;
  EXPECT_EQ(a.data<float>()[0], 9);
  const Tensor c = a.clone();
  EXPECT_FALSE(a.same_storage(c));
  c.data<float>()[0] = 1;
  EXPECT_EQ(a.data<float>()[0], 9);
}

TEST(Tensor, Reshape) {
  const Tensor a = counted({2, 6});
  const Tensor b = a.reshape({3, 4});
  EXPECT_TRUE(a.same_storage(b));
  EXPECT_EQ(b.pitch(), 4);
  EXPECT_EQ(b.to_vector<float>(), a.to_vector<float>());
  EXPECT_THROW(a.reshape({5}), Error);
  EXPECT_THROW(a.slice_channels(0, 3).reshape({6}), Error);
}

TEST(Tensor, ChannelSlices) {
  const Tensor a = counted({1, 2, 2, 5});
  const Tensor s = a.slice_channels(1, 3);
  EXPECT_EQ(s.shape(), (Shape{1, 2, 2, 3}));
  EXPECT_EQ(s.pitch(), 5);
  EXPECT_FALSE(s.contiguous());
  EXPECT_EQ(s.text(), "[1,2,2,3] f32 pitch 5");
  EXPECT_EQ(s.to_vector<float>(), (std::vector<float>{1, 2, 3, 6, 7, 8, 11, 12, 13, 16, 17, 18}));
  EXPECT_EQ(s.slice_channels(2, 1).to_vector<float>(), (std::vector<float>{3, 8, 13, 18}));
  EXPECT_FALSE(s.packed().same_storage(s));
  EXPECT_TRUE(a.packed().same_storage(a));
  s.fill(-1);
  EXPECT_EQ(a.to_vector<float>(),
            (std::vector<float>{0, -1, -1, -1, 4, 5, -1, -1, -1, 9, 10, -1, -1, -1, 14, 15, -1, -1, -1, 19}));
  EXPECT_THROW(a.slice_channels(3, 3), Error);
  EXPECT_THROW(a.slice_channels(-1, 2), Error);
  EXPECT_EQ(a.slice_channels(5, 0).count(), 0);
}

TEST(Tensor, BatchSlices) {
  const Tensor a = counted({3, 2, 2, 2});
  EXPECT_EQ(a.slice_batch(1, 1).to_vector<float>(), (std::vector<float>{8, 9, 10, 11, 12, 13, 14, 15}));
  EXPECT_EQ(a.slice_batch(1, 2).shape(), (Shape{2, 2, 2, 2}));
  EXPECT_EQ(a.slice_channels(1, 1).slice_batch(2, 1).to_vector<float>(), (std::vector<float>{17, 19, 21, 23}));
  EXPECT_EQ(counted({5}).slice_batch(2, 2).to_vector<float>(), (std::vector<float>{2, 3}));
  EXPECT_TRUE(counted({5}).slice_batch(2, 2).contiguous());
  EXPECT_EQ(a.slice_batch(3, 0).count(), 0);
  EXPECT_THROW(a.slice_batch(2, 2), Error);
  EXPECT_THROW(Tensor::full({}, 1).slice_batch(0, 1), Error);
}

TEST(Tensor, CopyFrom) {
  const Tensor wide = Tensor::zeros({2, 5});
  wide.slice_channels(1, 2).copy_from(counted({2, 2}));
  EXPECT_EQ(wide.to_vector<float>(), (std::vector<float>{0, 0, 1, 0, 0, 0, 2, 3, 0, 0}));
  const Tensor narrow = Tensor::zeros({2, 2});
  narrow.copy_from(wide.slice_channels(1, 2));
  EXPECT_EQ(narrow.to_vector<float>(), (std::vector<float>{0, 1, 2, 3}));
  EXPECT_THROW(narrow.copy_from(counted({4})), Error);
  EXPECT_THROW(narrow.copy_from(Tensor::zeros({2, 2}, DType::f64)), Error);
}

TEST(Tensor, Conversions) {
  const Tensor a = Tensor::from_vector({3}, std::vector<double>{1.0 / 3, -2.75, 200.5});
  EXPECT_EQ(a.to(DType::f32).to_vector<float>(), (std::vector<float>{1.0f / 3, -2.75f, 200.5f}));
  EXPECT_EQ(a.to(DType::i64).to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, -2, 200}));
  EXPECT_EQ(a.to(DType::bf16).to_vector<float>()[0], static_cast<float>(bfloat16(1.0f / 3)));
  EXPECT_TRUE(a.to(DType::f64).same_storage(a));
  const Tensor bytes = Tensor::from_vector({2}, std::vector<std::uint8_t>{0, 255});
  EXPECT_EQ(bytes.to(DType::bf16).to_vector<double>(), (std::vector<double>{0, 255}));
  EXPECT_EQ(bytes.to(DType::i64).to(DType::u8).to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{0, 255}));
  const Tensor slice = counted({2, 3}).slice_channels(1, 2);
  EXPECT_EQ(slice.to(DType::f64).to_vector<double>(), (std::vector<double>{1, 2, 4, 5}));
  EXPECT_TRUE(slice.to(DType::f64).contiguous());
}

TEST(Tensor, StorageGoesBackToTheArena) {
  const std::size_t before = Arena::cpu().statistics().in_use;
  {
    const Tensor a = Tensor::empty({1000});
    const Tensor view = a.slice_channels(10, 5);
    EXPECT_EQ(Arena::cpu().statistics().in_use, before + Arena::block_size(4000));
  }
  EXPECT_EQ(Arena::cpu().statistics().in_use, before);
}

TEST(Tensor, DevicesWithoutAllocatorAreRefused) {
  if constexpr (!with_cuda) {
    EXPECT_THROW(Device::cuda(0), UsageError);
    EXPECT_THROW(Tensor::empty({1}, DType::f32, Device{Device::Kind::cuda, 0}), Error);
  }
  EXPECT_EQ(Device::cpu().text(), "cpu");
}

}  // namespace tensor_test
