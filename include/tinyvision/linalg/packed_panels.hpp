// The right-hand operand of a matrix product in the order the micro-kernels read it.
#pragma once

#include <memory>

#include "tinyvision/core/arena.hpp"
#include "tinyvision/core/thread_pool.hpp"
#include "tinyvision/linalg/microkernel.hpp"

TINYVISION_BEGIN
namespace simd {

/// A depth x columns matrix as panels [column / panel_columns][depth][panel_columns], zero padded, for one instruction
/// set.
template <class T>
class PackedPanels {
 public:
  PackedPanels() = default;
  PackedPanels(InstructionSet set, Index depth, Index columns)
      : set_(set), depth_(depth), columns_(columns), panel_columns_(microkernels<T>(set).panel_columns) {
    storage_ = std::make_unique<Scratch<T>>(panels() * depth_ * panel_columns_);
  }

  InstructionSet instruction_set() const { return set_; }
  Index depth() const { return depth_; }
  Index columns() const { return columns_; }
  Index panel_columns() const { return panel_columns_; }
  Index panels() const { return panel_columns_ == 0 ? 0 : (columns_ + panel_columns_ - 1) / panel_columns_; }
  T* panel(Index i) const { return storage_->data() + i * depth_ * panel_columns_; }

  /// Fills rows [first, first + depth) of all panels: B(first + k, j) = alpha * b[k * row + j * column].
  void pack(const T* b, Index row, Index column, Index first, Index depth, T alpha = T(1)) {
    const auto pack_panel = microkernels<T>(set_).pack_panel;
    constexpr Index grain = 512;
    const Index blocks = (depth + grain - 1) / grain;
    parallel_for(panels() * blocks, [&](Index task) {
      const Index j = task / blocks, k = task % blocks * grain;
      pack_panel(b + k * row + j * panel_columns_ * column, row, column, std::min(grain, depth - k),
                 std::min(panel_columns_, columns_ - j * panel_columns_), alpha,
                 panel(j) + (first + k) * panel_columns_);
    });
  }

 private:
  InstructionSet set_ = InstructionSet::portable;
  Index depth_ = 0, columns_ = 0, panel_columns_ = 0;
  std::unique_ptr<Scratch<T>> storage_;
};

}  // namespace simd
TINYVISION_END
