// Commands of tv_stats on correlations and lines.
#include <algorithm>
#include <memory>

#include "common/stats_command.hpp"
#include "common/stats_tables.hpp"
#include "tinyvision/stats/dependent_correlations.hpp"
#include "tinyvision/stats/linear_fit.hpp"
#include "tinyvision/stats/training_speed.hpp"
#include "tinyvision/stats/transforms.hpp"

namespace tv_app {

using namespace tinyvision;
using stats::NumberColumn;

namespace {

const char* values_text(const ScaleChoice& scale) { return scale.logit ? "logits of accuracies" : "as they are"; }

Json correlation_record(const stats::Correlation& r, bool ranks) {
  return {{ranks ? "rho" : "r", r.r},
          {ranks ? "rho2" : "r2", r.r2},
          {"p_value", r.p_value},
          {"interval", interval_json(r.interval)},
          {"pairs", r.n}};
}

StatsCommand correlation_command(bool ranks) {
  struct Options {
    TableChoice table;
    ScaleChoice scale;
    std::string x;
    std::vector<std::string> y;
    double confidence = 0.95;
  };
  const auto o = std::make_shared<Options>();
  return {
      ranks ? "spearman" : "pearson",
      ranks ? "Spearman's rank correlation of columns, with p"
            : "Pearson's correlation of columns, with p and interval",
      [o](CLI::App& c) {
        add_table_options(c, o->table);
        c.add_option("--x", o->x, "one column")->required();
        c.add_option("--y", o->y, "the other, or several separated by commas; all numbers without it")->delimiter(',');
        add_number_scale(c, o->scale);
        add_confidence(c, o->confidence);
      },
      [o, ranks](StatsRun& run) -> Json {
        const NamedTable table = open_table(run, o->table);
        const NumberColumn x = scaled(table.numbers(o->x), o->scale);
        Json rows = Json::array();
        for (const std::string& name : table.number_columns(o->y, {o->x})) {
          const NumberColumn y = scaled(table.numbers(name), o->scale);
          Json row = {{"y", name}};
          row.update(correlation_record(ranks ? stats::spearman(x.sample(), y.sample(), o->confidence)
                                              : stats::pearson(x.sample(), y.sample(), o->confidence),
                                        ranks));
          rows.push_back(row);
        }
        return {{"correlation", ranks ? "Spearman's rho (mid-ranks)" : "Pearson's r"},
                {"x", o->x},
                {"values", values_text(o->scale)},
                {"confidence", o->confidence},
                {"correlations", rows}};
      }};
}

StatsCommand fit_command() {
  struct Options {
    TableChoice table;
    ScaleChoice scale;
    std::string x, y;
    Index points = 11;
    stats::BandOptions band;
  };
  const auto o = std::make_shared<Options>();
  return {
      "fit", "line of one column over another in logits, with a bootstrap band",
      [o](CLI::App& c) {
        add_table_options(c, o->table);
        c.add_option("--x", o->x, "column of the horizontal axis")->required();
        c.add_option("--y", o->y, "column of the vertical axis")->required();
        add_accuracy_scale(c, o->scale);
        c.add_option("--points", o->points,
                     "where the band is computed: so many points from the least x to the greatest")
            ->capture_default_str()
            ->check(CLI::Range(2, 10000));
        c.add_option("--resamples", o->band.resamples, "bootstrap resamples of the rows")
            ->capture_default_str()
            ->check(CLI::Range(2, 10000000));
        add_confidence(c, o->band.confidence);
      },
      [o](StatsRun& run) -> Json {
        const NamedTable table = open_table(run, o->table);
        if (o->scale.scale == "any") o->scale.logit = false;
        const NumberColumn x = scaled(table.numbers(o->x), o->scale), y = scaled(table.numbers(o->y), o->scale);
        const stats::LinearFit fit = stats::linear_fit(x.sample(), y.sample());
        const auto [least, greatest] = std::minmax_element(x.values.begin(), x.values.end());
        std::vector<double> grid;
        for (Index i = 0; i < o->points; ++i)
          grid.push_back(*least + (*greatest - *least) * static_cast<double>(i) / static_cast<double>(o->points - 1));
        o->band.seed = run.seed();
        const auto band = stats::bootstrap_band(x.sample(), y.sample(), grid, o->band);
        Json points = Json::array();
        const double unit = o->scale.scale == "percent" ? 100 : 1;
        const auto accuracy = [&](double v) { return unit * stats::inverse_logit(v); };
        for (std::size_t i = 0; i < grid.size(); ++i) {
          Json point;
          if (o->scale.logit)
            point = {{"x_accuracy", accuracy(grid[i])},
                     {"y_accuracy", accuracy(fit(grid[i]))},
                     {"low_accuracy", accuracy(band[i].low)},
                     {"high_accuracy", accuracy(band[i].high)}};
          point.update({{"x", grid[i]}, {"y", fit(grid[i])}, {"low", band[i].low}, {"high", band[i].high}});
          points.push_back(point);
        }
        Json out = {{"x", o->x},
                    {"y", o->y},
                    {"values", values_text(o->scale)},
                    {"pairs", fit.n},
                    {"slope", fit.slope},
                    {"slope_error", fit.slope_error},
                    {"intercept", fit.intercept},
                    {"residual_deviation", fit.residual_deviation},
                    {"p_value", fit.p_value}};
        const auto [low, high] = std::minmax_element(y.values.begin(), y.values.end());
        if (*low != *high) {  // a constant y has a line but no correlation
          const stats::Correlation r = stats::pearson(x.sample(), y.sample(), o->band.confidence);
          out.update({{"r", r.r}, {"r2", r.r2}});
        }
        out.update({{"resamples", o->band.resamples}, {"confidence", o->band.confidence}, {"band", points}});
        return out;
      }};
}

Json difference_record(const char* test, const stats::CorrelationDifference& d) {
  return {{"test", test},
          {"statistic", d.df > 0 ? "t" : "z"},
          {"value", d.statistic},
          {"degrees_of_freedom", d.df > 0 ? Json(d.df) : Json()},
          {"p_two_sided", d.p_two_sided},
          {"p_greater", d.p_greater}};
}

Json compare(const stats::OverlappingCorrelations& r, double confidence) {
  const stats::MengTest meng = stats::meng_test(r, confidence);
  return {{"question", "is r_jk greater than r_jh? (they share j)"},
          {"examples", r.n},
          {"r_jk", r.jk},
          {"r_jh", r.jh},
          {"r_kh", r.kh},
          {"confidence", confidence},
          {"meng_interval_of_z_difference", interval_json(meng.z_difference)},
          {"tests",
           {difference_record("Meng, Rosenthal, Rubin", meng), difference_record("Hotelling", stats::hotelling_test(r)),
            difference_record("Hotelling-Williams", stats::williams_test(r)),
            difference_record("Dunn and Clark", stats::dunn_clark_test(r)),
            difference_record("Steiger", stats::steiger_test(r))}}};
}

Json compare(const stats::NonoverlappingCorrelations& r) {
  return {{"question", "is r_jk greater than r_hm? (four different columns)"},
          {"examples", r.n},
          {"r_jk", r.jk},
          {"r_hm", r.hm},
          {"r_jh", r.jh},
          {"r_jm", r.jm},
          {"r_kh", r.kh},
          {"r_km", r.km},
          {"tests",
           {difference_record("Pearson and Filon", stats::pearson_filon_test(r)),
            difference_record("Dunn and Clark", stats::dunn_clark_test(r)),
            difference_record("Steiger", stats::steiger_test(r)),
            difference_record("Raghunathan's ZPF", stats::raghunathan_test(r))}}};
}

StatsCommand compare_command() {
  struct Options {
    TableChoice table;
    ScaleChoice scale;
    std::string j, k, h, m;
    std::vector<double> correlations;
    Index examples = 0;
    double confidence = 0.95;
  };
  const auto o = std::make_shared<Options>();
  return {"compare-correlations", "tests of two correlations of the same examples: r_jk and r_jh, or r_jk and r_hm",
          [o](CLI::App& c) {
            add_table_options(c, o->table, false);
            c.add_option("--j", o->j, "column of the first correlation");
            c.add_option("--k", o->k, "the other column of the first correlation");
            c.add_option("--h", o->h, "column of the second correlation");
            c.add_option("--m", o->m, "the other column of the second; without it that is j, and the two overlap");
            c.add_option("--correlations", o->correlations,
                         "instead of a table: jk,jh,kh, or jk,hm,jh,jm,kh,km, separated by commas")
                ->delimiter(',');
            c.add_option("--examples", o->examples, "number of examples behind --correlations");
            add_number_scale(c, o->scale);
            add_confidence(c, o->confidence);
          },
          [o](StatsRun& run) -> Json {
            const std::vector<double>& r = o->correlations;
            if (!r.empty() && !o->table.path.empty()) fail_usage("options", "give a table or --correlations, not both");
            if (r.size() == 3)
              return compare(stats::OverlappingCorrelations{r[0], r[1], r[2], o->examples}, o->confidence);
            if (r.size() == 6)
              return compare(stats::NonoverlappingCorrelations{r[0], r[1], r[2], r[3], r[4], r[5], o->examples});
            if (!r.empty()) fail_usage("options", "--correlations needs 3 or 6 numbers, got ", r.size());
            if (o->j.empty() || o->k.empty() || o->h.empty())
              fail_usage("options", "--j, --k and --h are required (and --m when the correlations share no column)");
            const NamedTable table = open_table(run, o->table);
            const auto column = [&](const std::string& name) { return scaled(table.numbers(name), o->scale); };
            const NumberColumn j = column(o->j), k = column(o->k), h = column(o->h);
            if (o->m.empty())
              return compare(stats::overlapping_correlations(j.sample(), k.sample(), h.sample()), o->confidence);
            const NumberColumn m = column(o->m);
            return compare(stats::nonoverlapping_correlations(j.sample(), k.sample(), h.sample(), m.sample()));
          }};
}

StatsCommand size_command() {
  struct Options {
    TableChoice table;
    std::string sizes, correlations;
  };
  const auto o = std::make_shared<Options>();
  return {"size-regression", "Fisher's z of correlations over the logarithm of training-set sizes",
          [o](CLI::App& c) {
            add_table_options(c, o->table);
            c.add_option("--sizes", o->sizes, "column of training-set sizes")->required();
            c.add_option("--correlations", o->correlations, "column of correlations")->required();
          },
          [o](StatsRun& run) -> Json {
            const NamedTable table = open_table(run, o->table);
            const NumberColumn sizes = table.numbers(o->sizes), correlations = table.numbers(o->correlations);
            const stats::SizeRegression fit = stats::fisher_z_regression(sizes.sample(), correlations.sample());
            Json points = Json::array();
            for (std::size_t i = 0; i < fit.z.size(); ++i)
              points.push_back({{"row", table.names.empty() ? Json(i + 1) : Json(table.names[i])},
                                {"log10_size", fit.log_sizes[i]},
                                {"fisher_z", fit.z[i]}});
            return {{"pairs", fit.line.n},
                    {"r", fit.correlation.r},
                    {"r2", fit.correlation.r2},
                    {"p_value", fit.correlation.p_value},
                    {"slope_per_decade", fit.line.slope},
                    {"slope_error", fit.line.slope_error},
                    {"intercept", fit.line.intercept},
                    {"points", points}};
          }};
}

}  // namespace

std::vector<StatsCommand> correlation_commands() {
  return {correlation_command(false), correlation_command(true), fit_command(), compare_command(), size_command()};
}

}  // namespace tv_app
