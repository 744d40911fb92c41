// The paper's search over learning rate and weight decay (Kornblith et al., appendices A.5 and A.6).
//
// Fine-tuning: 7 logarithmically spaced learning rates from 1e-4 to 0.1, and for each 7 logarithmically spaced "weight decay
// to learning rate ratios" from 1e-6 to 1e-3 as well as no weight decay. From random initialisation: 1e-3 to 1 and 1e-5 to
// 1e-2. 56 points either way.
//
// How a ratio r becomes a decay at rate lr, the text leaves open:
//   ratio/lr   r / lr: what is constant along r is lr x decay, by how much a step shrinks the weights. The sentence before
//              the grid asks for it: "the optimal weight decay at a given learning rate varied inversely with the learning
//              rate ... Thus, our grid consisted of". The default.
//   ratio*lr   r lr: the ratio of the two, word for word. Then the largest decay of fine-tuning is 1e-4, at the largest
//              rate, and most points are as good as without any.
//   absolute   r: for grids that list decays.
#pragma once

#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "tinyvision/core/text.hpp"
#include "tinyvision/optim/log_spaced.hpp"

TINYVISION_BEGIN

/// What turns a ratio into a weight decay, see above.
enum class DecayRule { ratio_over_rate, ratio_times_rate, absolute };

constexpr const char* to_string(DecayRule rule) {
  return rule == DecayRule::ratio_over_rate    ? "ratio/lr"
         : rule == DecayRule::ratio_times_rate ? "ratio*lr"
                                               : "absolute";
}

/// Throws UsageError for an unknown name.
inline DecayRule parse_decay_rule(const std::string& text) {
  for (const DecayRule rule : {DecayRule::ratio_over_rate, DecayRule::ratio_times_rate, DecayRule::absolute})
    if (text == to_string(rule)) return rule;
  fail_usage("decay_rule", "unknown rule '", text, "': choose ratio/lr, ratio*lr or absolute");
}

/// One setting of the search. A ratio of 0 is no weight decay.
struct GridPoint {
  double rate = 0, ratio = 0, weight_decay = 0;

  /// "lr_0.001_ratio_1e-05": as text that reads back as the same numbers, and a file name.
  std::string name() const { return concat_text("lr_", format_shortest(rate), "_ratio_", format_shortest(ratio)); }
};

/// The values that are combined.
struct SearchGrid {
  std::vector<double> rates, ratios;
  DecayRule rule = DecayRule::ratio_over_rate;
};

/// The paper's grid: 7 rates, and no decay before 7 ratios.
inline SearchGrid paper_grid(bool random_initialisation, DecayRule rule = DecayRule::ratio_over_rate) {
  SearchGrid grid{random_initialisation ? log_spaced(-3, 0, 7) : log_spaced(-4, -1, 7), {0}, rule};
  for (const double ratio : random_initialisation ? log_spaced(-5, -2, 7) : log_spaced(-6, -3, 7))
    grid.ratios.push_back(ratio);
  return grid;
}

/// All combinations, rate by rate. Throws UsageError for an empty list, a rate that is not positive, a ratio that is
/// negative, values that are not finite, and a point that occurs twice.
inline std::vector<GridPoint> grid_points(const SearchGrid& grid) {
  constexpr auto where = "grid_search";
  if (grid.rates.empty() || grid.ratios.empty())
    fail_usage(where, grid.rates.size(), " learning rates and ", grid.ratios.size(), " decay ratios make no point");
  std::vector<GridPoint> points;
  for (const double rate : grid.rates) {
    if (!(rate > 0) || !std::isfinite(rate)) fail_usage(where, "a learning rate must be positive, got ", rate);
    for (const double ratio : grid.ratios) {
      if (!(ratio >= 0) || !std::isfinite(ratio)) fail_usage(where, "a decay ratio must be 0 or above, got ", ratio);
      for (const GridPoint& p : points)
        if (p.rate == rate && p.ratio == ratio)
          fail_usage(where, "learning rate ", rate, " with ratio ", ratio, " occurs twice");
      const double decay = grid.rule == DecayRule::ratio_over_rate    ? ratio / rate
                           : grid.rule == DecayRule::ratio_times_rate ? ratio * rate
                                                                      : ratio;
      points.push_back({rate, ratio, decay});
    }
  }
  return points;
}

/// What became of a point: whether its loss stayed finite, and then its value on the validation examples.
struct GridScore {
  GridPoint point;
  bool finite = false;
  double value = 0;
};

/// Number of the point with the best validation value. Points that did not stay finite do not take part. Of equal values
/// the larger decay, that is the stronger regularisation, wins, then the smaller learning rate; so the order of the points
/// does not matter. Throws Error when no point is finite.
inline std::size_t choose_grid_point(std::span<const GridScore> scores) {
  std::size_t best = scores.size();
  const auto beats = [](const GridScore& a, const GridScore& b) {
    if (a.value != b.value) return a.value > b.value;
    if (a.point.weight_decay != b.point.weight_decay) return a.point.weight_decay > b.point.weight_decay;
    return a.point.rate < b.point.rate;
  };
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (scores[i].finite && !std::isnan(scores[i].value) && (best == scores.size() || beats(scores[i], scores[best])))
      best = i;
  check(best < scores.size(), "grid_search", "none of the ", scores.size(), " points stayed finite");
  return best;
}

TINYVISION_END
