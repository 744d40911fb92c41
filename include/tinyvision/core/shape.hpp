// Shape: up to four extents. Images are [N,H,W,C], matrices [rows, columns], vectors [n], scalars [].
#pragma once

#include <array>
#include <initializer_list>
#include <ostream>
#include <string>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN

class Shape {
 public:
  static constexpr int max_rank = 4;

  Shape() = default;
  Shape(std::initializer_list<Index> extents) {
    check(static_cast<int>(extents.size()) <= max_rank, "shape", "at most 4 dimensions, got ", extents.size());
    for (const Index extent : extents) push_back(extent);
  }

  int rank() const { return rank_; }
  Index operator[](int axis) const { return extents_[index(axis)]; }
  Index& operator[](int axis) { return extents_[index(axis)]; }
  Index back() const { return rank_ == 0 ? 1 : extents_[static_cast<std::size_t>(rank_ - 1)]; }
  void push_back(Index extent) {
    check(rank_ < max_rank, "shape", "at most 4 dimensions");
    check(extent >= 0, "shape", "negative extent ", extent);
    extents_[static_cast<std::size_t>(rank_++)] = extent;
  }

  /// Number of elements; 1 for a scalar.
  Index count() const {
    Index product = 1;
    for (int i = 0; i < rank_; ++i) product *= extents_[static_cast<std::size_t>(i)];
    return product;
  }
  /// Product of all extents but the last: the number of pixels of an image batch, of rows of a matrix.
  Index rows() const { return back() == 0 ? 0 : count() / back(); }

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i)
      if (a[i] != b[i]) return false;
    return true;
  }

  std::string text() const {
    std::string out = "[";
    for (int i = 0; i < rank_; ++i) {
      if (i > 0) out += ',';
      out += std::to_string((*this)[i]);
    }
    out += ']';
    return out;
  }
  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.text(); }

 private:
  std::size_t index(int axis) const {
    const int i = axis < 0 ? axis + rank_ : axis;
    check(i >= 0 && i < rank_, "shape", "axis ", axis, " of a shape of rank ", rank_);
    return static_cast<std::size_t>(i);
  }

  std::array<Index, max_rank> extents_{};
  int rank_ = 0;
};

TINYVISION_END
