// Learning-rate schedules: functions of the step alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN

/// Linear warm-up, then a decay. `from` is the step at which the exponential ones begin: `decay_from`, else the end of the
/// warm-up.
///   t < warmup_steps:  base (t + 1) / warmup_steps
///   constant:          base
///   cosine:            base/2 (1 + cos(pi (t - warmup) / (steps - warmup)))   (Loshchilov and Hutter, SGDR, ICLR 2017)
///   exponential:       base rate^floor(max(0, t - from) / steps_per_epoch)     (one factor per epoch)
///   continuous:        base rate^(max(0, t - from) / steps_per_epoch)          (a factor per epoch, a little at each step)
struct Schedule {
  enum class Kind { constant, cosine, exponential, continuous };
  Kind kind = Kind::cosine;
  double base = 0.01;
  Index steps = 1;  ///< total number of steps, warm-up included
  Index warmup_steps = 0;
  double rate = 0.975;         ///< exponential ones only; the paper's pretraining
  double steps_per_epoch = 1;  ///< exponential ones only
  double decay_from = -1;      ///< exponential ones only: a step, or below 0 the end of the warm-up

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
      default: {
        const double epochs =
            (decay_from < 0 ? after : std::max(0.0, static_cast<double>(t) - decay_from)) / steps_per_epoch;
        return base * std::pow(rate, kind == Kind::continuous ? epochs : std::floor(epochs));
      }
    }
  }
};

/// "constant", "cosine", "exponential" or "continuous". Throws UsageError for anything else.
inline Schedule::Kind parse_schedule(const std::string& text) {
  if (text == "constant") return Schedule::Kind::constant;
  if (text == "cosine") return Schedule::Kind::cosine;
  if (text == "exponential") return Schedule::Kind::exponential;
  if (text == "continuous") return Schedule::Kind::continuous;
  fail_usage("schedule", "unknown schedule '", text, "': choose constant, cosine, exponential or continuous");
}

TINYVISION_END
