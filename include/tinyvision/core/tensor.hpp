// Tensor: shared storage + shape + dtype + device. Cheap to copy; knows nothing of gradients.
//
// Memory is row-major. The last dimension is contiguous; all other dimensions collapse to "rows" (the pixels of an NHWC
// batch) that are `pitch()` elements apart, pitch >= last extent. A pitch above the last extent makes a tensor a
// *channel slice* of a wider one: an op can write its output straight into a concatenation.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "tinyvision/core/arena.hpp"
#include "tinyvision/core/device_memory.hpp"
#include "tinyvision/core/dtype.hpp"
#include "tinyvision/core/shape.hpp"

TINYVISION_BEGIN

/// Bytes owned together.
struct Storage {
  std::shared_ptr<void> data;
  std::size_t bytes = 0;
  Device device;

  static std::shared_ptr<Storage> allocate_cpu(std::size_t bytes) {
    Arena& arena = Arena::cpu();
    std::shared_ptr<void> block(arena.allocate(bytes), [&arena, bytes](void* p) { arena.deallocate(p, bytes); });
    return std::make_shared<Storage>(Storage{std::move(block), bytes, Device::cpu()});
  }
  static std::shared_ptr<Storage> allocate(std::size_t bytes, Device device) {
    if (device.kind == Device::Kind::cpu) return allocate_cpu(bytes);
    return std::make_shared<Storage>(Storage{device_memory(device).allocate(bytes), bytes, device});
  }
};

class Tensor {
 public:
  /// No tensor: `defined()` is false.
  Tensor() = default;

  /// Uninitialised tensor.
  static Tensor empty(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu()) {
    Tensor t;
    t.shape_ = shape;
    t.dtype_ = dtype;
    t.pitch_ = shape.back();
    try {
      t.storage_ = Storage::allocate(static_cast<std::size_t>(shape.count()) * size_of(dtype), device);
    } catch (const OutOfMemory& error) {
      throw OutOfMemory(concat_text(error.what(), "; it is for a tensor ", shape, " ", to_string(dtype),
                                    ", and a smaller batch needs less"));
    }
    return t;
  }
  static Tensor zeros(const Shape& shape, DType dtype = DType::f32, Device device = Device::cpu()) {
    Tensor t = empty(shape, dtype, device);
    if (t.on_cpu()) {
      std::memset(t.raw(), 0, t.bytes());
    } else {
      device_memory(device).clear(t.raw(), t.bytes());
    }
    return t;
  }
  static Tensor full(const Shape& shape, double value, DType dtype = DType::f32, Device device = Device::cpu()) {
    Tensor t = empty(shape, dtype, device);
    t.fill(value);
    return t;
  }
  template <class T>
  static Tensor from_vector(const Shape& shape, const std::vector<T>& values) {
    check(shape.count() == static_cast<Index>(values.size()), "tensor", "shape ", shape, " needs ", shape.count(),
          " values, got ", values.size());
    Tensor t = empty(shape, dtype_of<T>);
    if (!values.empty()) std::memcpy(t.raw(), values.data(), t.bytes());
    return t;
  }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  Index dim(int axis) const { return shape_[axis]; }
  DType dtype() const { return dtype_; }
  Device device() const { return storage_ ? storage_->device : Device::cpu(); }
  bool on_cpu() const { return device().kind == Device::Kind::cpu; }
  Index count() const { return shape_.count(); }
  Index rows() const { return shape_.rows(); }
  /// Elements from one row (pixel) to the next.
  Index pitch() const { return pitch_; }
  bool contiguous() const { return pitch_ == shape_.back() || rows() <= 1; }
  /// Bytes of the elements, without gaps.
  std::size_t bytes() const { return static_cast<std::size_t>(count()) * size_of(dtype_); }

  /// Pointer to the first element, in the memory of the tensor's device. Throws Error when T is not the tensor's dtype.
  template <class T>
  T* data() const {
    check(defined(), "tensor", "undefined tensor");
    check(dtype_of<T> == dtype_, "tensor", "data<", to_string(dtype_of<T>), "> of a ", to_string(dtype_), " tensor");
    return static_cast<T*>(raw());
  }
  void* raw() const {
    return static_cast<char*>(storage_->data.get()) + static_cast<std::size_t>(offset_) * size_of(dtype_);
  }

  /// The same elements under another shape of equal count. Shares storage; needs a contiguous tensor.
  Tensor reshape(const Shape& shape) const {
    check(shape.count() == count(), "reshape", "cannot view ", shape_, " as ", shape);
    check(contiguous(), "reshape", "tensor ", shape_, " is a channel slice (pitch ", pitch_, "); make a copy first");
    Tensor t = *this;
    t.shape_ = shape;
    t.pitch_ = shape.back();
    return t;
  }
  /// Channels [begin, begin + count) of every pixel. Shares storage.
  Tensor slice_channels(Index begin, Index channels) const {
    check(begin >= 0 && channels >= 0 && begin + channels <= shape_.back(), "slice_channels", "[", begin, ", ",
          begin + channels, ") of ", shape_);
    Tensor t = *this;
    t.shape_[-1] = channels;
    t.offset_ += begin;
    return t;
  }
  /// Entries [begin, begin + count) of the first dimension. Shares storage.
  Tensor slice_batch(Index begin, Index entries) const {
    check(shape_.rank() >= 1 && begin >= 0 && entries >= 0 && begin + entries <= shape_[0], "slice_batch", "[", begin,
          ", ", begin + entries, ") of ", shape_);
    Tensor t = *this;
    const Index rows_per_entry = shape_.rank() == 1 ? 0 : rows() / std::max<Index>(1, shape_[0]);
    t.shape_[0] = entries;
    if (shape_.rank() == 1) t.pitch_ = entries;
    t.offset_ += begin * (shape_.rank() == 1 ? 1 : rows_per_entry * pitch_);
    return t;
  }

  /// A contiguous copy with storage of its own, on the same device.
  Tensor clone() const {
    Tensor t = empty(shape_, dtype_, device());
    t.copy_from(*this);
    return t;
  }
  /// This tensor if contiguous, else a contiguous copy.
  Tensor packed() const { return contiguous() ? *this : clone(); }

  /// This tensor if it is on `target`, else a contiguous copy there.
  Tensor to(Device target) const {
    if (target == device()) return *this;
    Tensor t = empty(shape_, dtype_, target);
    t.copy_from(*this);
    return t;
  }

  /// Copies the elements of `source` (same shape and dtype, any device) into this tensor's storage.
  void copy_from(const Tensor& source) const {
    check(source.shape_ == shape_ && source.dtype_ == dtype_, "copy_from", "into ", text(), " from ", source.text());
    if (count() == 0) return;
    const std::size_t size = size_of(dtype_);
    const std::size_t row_bytes = static_cast<std::size_t>(shape_.back()) * size;
    if (!on_cpu() || !source.on_cpu()) {
      device_memory(on_cpu() ? source.device() : device())
          .copy(raw(), static_cast<std::size_t>(pitch_) * size, device(), source.raw(),
                static_cast<std::size_t>(source.pitch_) * size, source.device(), row_bytes, rows());
      return;
    }
    if (contiguous() && source.contiguous()) {
      std::memcpy(raw(), source.raw(), bytes());
      return;
    }
    for (Index row = 0; row < rows(); ++row) {
      std::memcpy(static_cast<char*>(raw()) + static_cast<std::size_t>(row * pitch_) * size,
                  static_cast<const char*>(source.raw()) + static_cast<std::size_t>(row * source.pitch_) * size,
                  row_bytes);
    }
  }

  /// A copy with another element type. bf16 rounds to nearest even; f64 to f32 rounds to nearest; to integers truncates.
  Tensor to(DType dtype) const {
    if (dtype == dtype_) return *this;
    Tensor out = empty(shape_, dtype, device());
    if (!on_cpu()) {
      device_memory(device()).convert(dtype_, raw(), pitch_, dtype, out.raw(), rows(), shape_.back());
      return out;
    }
    visit_any(dtype_, [&]<class From>(From) {
      visit_any(dtype, [&]<class To>(To) {
        const From* source = data<From>();
        To* target = out.data<To>();
        const Index columns = shape_.back();
        for (Index row = 0; row < rows(); ++row)
          for (Index c = 0; c < columns; ++c) target[row * columns + c] = convert<To>(source[row * pitch_ + c]);
      });
    });
    return out;
  }

  void fill(double value) const {
    if (!on_cpu()) return device_memory(device()).fill(dtype_, raw(), rows(), shape_.back(), pitch_, value);
    visit_any(dtype_, [&]<class T>(T) {
      T* p = data<T>();
      for (Index row = 0; row < rows(); ++row)
        for (Index c = 0; c < shape_.back(); ++c) p[row * pitch_ + c] = convert<T>(value);
    });
  }

  /// The single element of a tensor of one element, as double.
  double item() const {
    check(count() == 1, "item", "needs one element, tensor is ", shape_);
    if (!on_cpu()) return to(Device::cpu()).item();
    return visit_any(dtype_, [&]<class T>(T) { return convert<double>(*data<T>()); });
  }
  /// All elements in order, converted to T.
  template <class T>
  std::vector<T> to_vector() const {
    const Tensor t = to(Device::cpu()).to(dtype_of<T>).packed();
    const T* p = t.data<T>();
    return std::vector<T>(p, p + t.count());
  }

  /// True when both share the same first byte.
  bool same_storage(const Tensor& other) const {
    return storage_ && storage_ == other.storage_ && offset_ == other.offset_;
  }
  /// Number of handles that share the storage.
  long use_count() const { return storage_.use_count(); }

  std::string text() const {
    if (!defined()) return "undefined";
    return concat_text(shape_, " ", to_string(dtype_), contiguous() ? "" : concat_text(" pitch ", pitch_),
                       on_cpu() ? "" : " on " + device().text());
  }

 private:
  template <class To, class From>
  static To convert(From value) {
    if constexpr (std::is_same_v<To, From>) {
      return value;
    } else if constexpr (std::is_same_v<From, bfloat16>) {
      return static_cast<To>(static_cast<float>(value));
    } else if constexpr (std::is_same_v<To, bfloat16>) {
      return bfloat16(static_cast<float>(value));
    } else {
      return static_cast<To>(value);
    }
  }

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  Index offset_ = 0;
  Index pitch_ = 0;
  DType dtype_ = DType::f32;
};

TINYVISION_END
