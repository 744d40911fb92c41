// The least time of every operation of gpu-check on a card that is not at hand: its bytes and its arithmetic at given rates.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "gpu/operations.hpp"
#include "gpu/tables.hpp"

namespace gpu_check {

/// Bytes and floating-point operations per second. Those of an H100 SXM: memory as a copy reaches it, bf16 as a large
/// product reaches it, f32 and f64 outside the tensor cores.
struct Rates {
  double bandwidth = 3.0e12, bf16 = 790e12, f32 = 60e12, f64 = 30e12;
  double flops(const std::string& dtype) const { return dtype == "bf16" ? bf16 : dtype == "f32" ? f32 : f64; }
};

/// A row per operation. Work grows linearly with the batch, so operands of one and two images tell that of `batch`.
inline Json predictions(const std::vector<Operation>& operations, Index batch, const Rates& rates) {
  Json rows = Json::array();
  for (const Operation& operation : operations) {
    const auto work = [&](Index images) {
      const Case c = operation.make(images);
      return std::pair(c.bytes, c.flops);
    };
    const auto one = work(1), two = work(2);
    const auto at_batch = [&](double a, double b) { return a + (b - a) * static_cast<double>(batch - 1); };
    const double bytes = at_batch(one.first, two.first), flops = at_batch(one.second, two.second);
    const double moving = bytes / rates.bandwidth, computing = flops / rates.flops(operation.dtype);
    rows.push_back({{"operation", operation.name},
                    {"dtype", operation.dtype},
                    {"shape", operation.shape},
                    {"bytes", bytes},
                    {"flops", flops},
                    {"predicted_seconds", std::max(moving, computing)},
                    {"bound_by", moving >= computing ? "memory" : "arithmetic"},
                    {"measured_seconds", nullptr}});
    cuda::arena()->release_cached();
  }
  return rows;
}

inline std::string prediction_table(const Json& rows, Index batch, const Rates& rates) {
  char head[512];
  std::snprintf(
      head, sizeof head,
      "# Predicted times\n\nThe least time of each operation at %lld images: every operand read once and every "
      "result written once at %.2f TB/s, or its arithmetic at %.0f (bf16), %.0f (f32) and %.0f (f64) TFLOP/s, "
      "whichever takes longer. No card has been at hand, so nothing is measured.\n\n",
      static_cast<long long>(batch), rates.bandwidth * 1e-12, rates.bf16 * 1e-12, rates.f32 * 1e-12, rates.f64 * 1e-12);
  std::string out = head;
  out +=
      "| operation | dtype | shape | MB | GFLOP | predicted us | bound by | measured us "
      "|\n|---|---|---|---|---|---|---|---|\n";
  for (const Json& r : rows)
    out += "| " + words(r, "operation") + " | " + words(r, "dtype") + " | " + words(r, "shape") + " | " +
           cell(r, "bytes", "%.1f", 1e-6) + " | " + cell(r, "flops", "%.1f", 1e-9) + " | " +
           cell(r, "predicted_seconds", "%.1f", 1e6) + " | " + words(r, "bound_by") + " | not measured |\n";
  return out;
}

}  // namespace gpu_check
