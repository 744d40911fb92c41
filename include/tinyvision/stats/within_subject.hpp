// Error bars of means over the same subjects: Cousineau's normalisation with Morey's correction.
//
// Models (conditions) are measured on the same data sets (subjects). How hard a data set is moves all models together;
// an error bar that contains it says nothing about the models' differences. Subtracting each data set's mean over the
// models removes it (D. Cousineau, Tutorials in Quantitative Methods for Psychology 1, 2005), but makes the variances
// too small by (M - 1) / M, which the factor sqrt(M / (M - 1)) restores (R. D. Morey, "Confidence intervals from
// normalized data: a correction to Cousineau (2005)", Tutorials in Quantitative Methods for Psychology 4, 2008).
// Kornblith, Shlens, Le (CVPR 2019), section 3.1, use it on logits.
#pragma once

#include <cmath>
#include <vector>

#include "tinyvision/stats/distributions.hpp"
#include "tinyvision/stats/sample.hpp"

TINYVISION_BEGIN
namespace stats {

/// One row of the table (a model).
struct WithinSubjectMean {
  double mean = 0;            ///< of the row's values
  double adjusted_mean = 0;   ///< of x[m, d] - mean over n of x[n, d]; the rows' adjusted means sum to 0
  double standard_error = 0;  ///< of the adjusted values, times Morey's factor
  double half_width = 0;      ///< standard_error times the two-sided quantile of t with D - 1 degrees of freedom
};

/// For a table of M rows (models, conditions) and D columns (data sets, subjects) with values x[m, d]:
///   a[m, d] = x[m, d] - (1/M) sum_n x[n, d],   standard error = sd_d(a[m, .]) / sqrt D * sqrt(M / (M - 1)),
/// sd with divisor D - 1. Assumes additive effects of row and column and rows of equal variance. Ties and zeros need no
/// treatment; a row that follows the columns' means exactly has standard error 0. Throws UsageError when M < 2 or D <
/// 2, on cells that are not finite and on duplicate names.
inline std::vector<WithinSubjectMean> within_subject_means(const ScoreTable& table, double confidence = 0.95) {
  constexpr std::string_view where = "within_subject_means";
  detail::check_table(where, table, 2, 2);
  detail::check_confidence(where, confidence);
  const std::size_t rows = table.rows.size(), columns = table.columns.size();
  const double m = static_cast<double>(rows), d = static_cast<double>(columns);
  std::vector<double> column_mean(columns, 0);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < columns; ++c) column_mean[c] += table(r, c) / m;
  const double quantile = detail::student_quantile_two_sided(confidence, d - 1);
  std::vector<WithinSubjectMean> result;
  std::vector<double> adjusted(columns);
  for (std::size_t r = 0; r < rows; ++r) {
    WithinSubjectMean row;
    for (std::size_t c = 0; c < columns; ++c) {
      adjusted[c] = table(r, c) - column_mean[c];
      row.mean += table(r, c) / d;
    }
    row.adjusted_mean = detail::mean(adjusted);
    const double squares = detail::squared_deviations(adjusted, row.adjusted_mean);
    row.standard_error = std::sqrt(squares / (d - 1) / d * (m / (m - 1)));
    row.half_width = quantile * row.standard_error;
    result.push_back(row);
  }
  return result;
}

}  // namespace stats
TINYVISION_END
