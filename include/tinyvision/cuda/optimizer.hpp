// The optimiser's update of all tensors in one launch: SGD with Nesterov momentum and weight decay, moving average.
#pragma once

#include <cstring>
#include <vector>

#include "tinyvision/cuda/memory.hpp"

TINYVISION_BEGIN
namespace cuda {

/// The tables of kernels::optimizer_update in device memory. Addresses seldom change from one step to the next, so they
/// are sent only when they do.
template <class T>
class MultiTensorUpdate {
 public:
  void run(const std::vector<kernels::OptimizerEntry<T>>& entries, const kernels::OptimizerSettings& settings) {
    if (entries.empty()) return;
    if (!same(entries) || recording_state().outside) {
      entries_ = entries;
      std::vector<Index> counts;
      for (const auto& e : entries_) counts.push_back(e.count);
      const auto chunks = kernels::optimizer_chunks(static_cast<Index>(counts.size()), counts.data());
      chunk_count_ = static_cast<Index>(chunks.size());
      renew(entry_table_, entries_);
      renew(chunk_table_, chunks);
    }
    if (recording_state().outside || !settings_) settings_ = allocate_to_send(sizeof settings);
    set(settings);
    kernels::optimizer_update(static_cast<const kernels::OptimizerEntry<T>*>(entry_table_.get()),
                              static_cast<const kernels::OptimizerChunk*>(chunk_table_.get()), chunk_count_,
                              static_cast<const kernels::OptimizerSettings*>(settings_.get()), stream());
  }

  /// What the next run, or the next replay of a recorded one, goes by.
  void set(const kernels::OptimizerSettings& settings) const {
    send(std::vector<kernels::OptimizerSettings>{settings}, settings_);
  }

 private:
  bool same(const std::vector<kernels::OptimizerEntry<T>>& entries) const {
    if (entries.size() != entries_.size()) return false;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const auto &a = entries[i], &b = entries_[i];
      if (a.weight != b.weight || a.gradient != b.gradient || a.velocity != b.velocity || a.average != b.average ||
          a.copy != b.copy || a.count != b.count || a.decays != b.decays)
        return false;
    }
    return true;
  }

  template <class Row>
  static void renew(std::shared_ptr<void>& table, const std::vector<Row>& rows) {
    table = allocate_to_send(rows.size() * sizeof(Row));
    send(rows, table);
  }

  std::vector<kernels::OptimizerEntry<T>> entries_;
  Index chunk_count_ = 0;
  std::shared_ptr<void> entry_table_, chunk_table_, settings_;
};

}  // namespace cuda
TINYVISION_END
