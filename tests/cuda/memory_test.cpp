#include "emulation/memory.hpp"

#include <gtest/gtest.h>

#include "tinyvision/core/tensor.hpp"
#include "tinyvision/cuda/memory.hpp"

namespace memory_test {

using namespace tinyvision;

Tensor ramp(const Shape& shape, DType dtype) {
  const Tensor t = Tensor::empty(shape, DType::f64);
  for (Index i = 0; i < t.count(); ++i) t.data<double>()[i] = 0.37 * static_cast<double>(i) - 5;
  return t.to(dtype).clone();
}

TEST(DeviceTensor, GoesThereAndBack) {
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16, DType::u8, DType::i64}) {
    const Tensor host = dtype == DType::u8 ? Tensor::full({2, 3, 5}, 7, dtype) : ramp({2, 3, 5}, dtype);
    const Tensor there = host.to(Device::cuda());
    EXPECT_EQ(there.device().text(), "cuda:0");
    EXPECT_EQ(there.text(), host.text() + " on cuda:0");
    EXPECT_TRUE(there.to(Device::cuda()).same_storage(there));
    const Tensor back = there.clone().to(Device::cpu());
    EXPECT_EQ(std::memcmp(back.raw(), host.raw(), host.bytes()), 0) << to_string(dtype);
  }
}

TEST(DeviceTensor, SlicesKeepTheirGaps) {
  const Tensor wide = Tensor::full({4, 6}, 1).to(Device::cuda()), part = ramp({4, 3}, DType::f32);
  wide.slice_channels(2, 3).copy_from(part);
  wide.slice_channels(5, 1).fill(9);
  const Tensor back = wide.to(Device::cpu());
  for (Index r = 0; r < 4; ++r)
    for (Index c = 0; c < 6; ++c) {
      const float expected = c < 2 ? 1 : c == 5 ? 9 : part.data<float>()[r * 3 + c - 2];
      EXPECT_EQ(back.data<float>()[r * 6 + c], expected) << r << "," << c;
    }
  EXPECT_EQ(wide.slice_channels(2, 3).to_vector<float>(), part.to_vector<float>());
  EXPECT_EQ(wide.slice_batch(1, 1).slice_channels(2, 1).item(), part.data<float>()[3]);
}

TEST(DeviceTensor, FillsAndConversionsAreThoseOfTheCpu) {
  for (const DType from : {DType::f32, DType::f64, DType::bf16})
    for (const DType to : {DType::f32, DType::f64, DType::bf16}) {
      const Tensor host = ramp({3, 11}, from).slice_channels(1, 7);
      EXPECT_EQ(host.to(Device::cuda()).to(to).to_vector<double>(), host.to(to).to_vector<double>());
      EXPECT_EQ(Tensor::full({3}, 0.3, from, Device::cuda()).to_vector<double>(),
                Tensor::full({3}, 0.3, from).to_vector<double>());
    }
  EXPECT_EQ(Tensor::zeros({3}, DType::i64, Device::cuda()).to_vector<std::int64_t>(),
            (std::vector<std::int64_t>(3, 0)));
}

TEST(DeviceTensor, MemoryIsUsedAgain) {
  const std::size_t before = cuda::arena()->statistics().in_use;
  void* first = nullptr;
  {
    const Tensor t = Tensor::empty({1000}, DType::f32, Device::cuda());
    first = t.raw();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 256, 0u);
    EXPECT_GT(cuda::arena()->statistics().in_use, before);
  }
  EXPECT_EQ(cuda::arena()->statistics().in_use, before);
  EXPECT_EQ(Tensor::empty({1000}, DType::f32, Device::cuda()).raw(), first);
}

template <class Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(DeviceTensor, OutOfMemoryIsAnErrorAndTheCpuStillWorks) {
  const std::string text = error_of([] { Tensor::empty({1 << 30, 2}, DType::f64, Device::cuda()); });
  EXPECT_EQ(text.find("[cuda] out of memory: 17179869184 bytes asked for, "), 0u) << text;
  EXPECT_NE(text.find("; it is for a tensor [1073741824,2] f64, and a smaller batch needs less"), std::string::npos)
      << text;
  EXPECT_THROW(Tensor::empty({1 << 30, 2}, DType::f64, Device::cuda()), UsageError);  // exit code 2
  EXPECT_EQ(Tensor::full({2}, 3).to_vector<float>(), (std::vector<float>{3, 3}));
  EXPECT_EQ(Tensor::full({2}, 3, DType::f32, Device::cuda()).to_vector<float>(), (std::vector<float>{3, 3}));
}

TEST(DeviceTensor, AnotherDeviceIsRefused) {
  Tensor::zeros({1}, DType::f32, Device::cuda());
  EXPECT_THROW(Tensor::zeros({1}, DType::f32, Device::cuda(3)), UsageError);
  const std::string text = error_of([] { Tensor::zeros({1}, DType::f32, Device::cuda(3)); });
  EXPECT_EQ(text, "[device] cuda:3 asked for, but this process works on cuda:0");
}

// What makes the emulated device worth testing on: host code that reads device memory does not get away with it.
TEST(DeviceTensorDeathTest, TheHostCannotReadIt) {
  const Tensor t = Tensor::full({4}, 1, DType::f32, Device::cuda());
  EXPECT_DEATH(static_cast<void>(*static_cast<volatile float*>(t.raw())), "");
}

}  // namespace memory_test
