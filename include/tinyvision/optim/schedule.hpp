// Learning-rate schedules: functions of the step alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN

/// Linear warm-up, then a decay.
///   t < warmup_steps:  base (t + 1) / warmup_steps
///   constant:          base
///   cosine:            base/2 (1 + cos(pi (t - warmup) / (steps - warmup)))   (Loshchilov and Hutter, SGDR, ICLR 2017)
///   exponential:       base rate^floor((t - warmup) / steps_per_epoch)         (one factor per epoch)
struct Schedule {
  enum class Kind { constant, cosine, exponential };
  Kind kind = Kind::cosine;
  double base = 0.01;
  Index steps = 1;  ///< total number of steps, warm-up included
  Index warmup_steps = 0;
  double rate = 0.975;         ///< exponential only; the paper's pretraining
  double steps_per_epoch = 1;  ///< exponential only

  /// Learning rate of step t = 0, 1, ..., steps - 1.
  double operator()(Index t) const {
    if (t < warmup_steps) return base * static_cast<double>(t + 1) / static_cast<double>(warmup_steps);
    const double after = static_cast<double>(t - warmup_steps);
    switch (kind) {
      case Kind::constant: return base;
      case Kind::cosine: {
        const double span = static_cast<double>(std::max<Index>(1, steps - warmup_steps));
        return 0.5 * base * (1 + std::cos(3.14159265358979323846 * std::min(1.0, after / span)));
      }
      default: return base * std::pow(rate, std::floor(after / steps_per_epoch));
    }
  }
};

/// "constant", "cosine" or "exponential". Throws UsageError for anything else.
inline Schedule::Kind parse_schedule(const std::string& text) {
  if (text == "constant") return Schedule::Kind::constant;
  if (text == "cosine") return Schedule::Kind::cosine;
  if (text == "exponential") return Schedule::Kind::exponential;
  fail_usage("schedule", "unknown schedule '", text, "': choose constant, cosine or exponential");
}

TINYVISION_END
