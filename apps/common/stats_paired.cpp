// Commands of tv_stats on paired columns, counts, training curves and p-values.
#include <algorithm>
#include <memory>

#include "common/stats_command.hpp"
#include "common/stats_tables.hpp"
#include "tinyvision/stats/binomial_test.hpp"
#include "tinyvision/stats/multiple_testing.hpp"
#include "tinyvision/stats/paired_tests.hpp"
#include "tinyvision/stats/training_speed.hpp"
#include "tinyvision/stats/transforms.hpp"

namespace tv_app {

using namespace tinyvision;
using stats::NumberColumn;

namespace {

struct PairOptions {
  TableChoice table;
  ScaleChoice scale;
  std::string x, y, alternative = "two-sided";
};

void add_pair_options(CLI::App& c, PairOptions& o) {
  add_table_options(c, o.table);
  c.add_option("--x", o.x, "first column")->required();
  c.add_option("--y", o.y, "second column; differences are x - y, row by row")->required();
  add_number_scale(c, o.scale);
  add_alternative(c, o.alternative);
}

struct PairedColumns {
  NumberColumn x, y;
  Json json;  ///< what they are
};

PairedColumns paired_columns(StatsRun& run, const PairOptions& o, const std::string& test) {
  const NamedTable table = open_table(run, o.table);
  const NumberColumn x = table.numbers(o.x), y = table.numbers(o.y);
  if (o.scale.scale == "auto") stats::check_like_scales(test, x.sample(), y.sample());
  return {scaled(x, o.scale),
          scaled(y, o.scale),
          {{"differences", o.x + " - " + o.y},
           {"values", o.scale.logit ? "logits of accuracies" : "as they are"},
           {"pairs", x.values.size()},
           {"alternative", o.alternative}}};
}

StatsCommand t_test_command() {
  struct Options : PairOptions {
    double confidence = 0.95;
  };
  const auto o = std::make_shared<Options>();
  return {"t-test", "Student's paired t-test of two columns",
          [o](CLI::App& c) {
            add_pair_options(c, *o);
            add_confidence(c, o->confidence);
          },
          [o](StatsRun& run) -> Json {
            const PairedColumns pair = paired_columns(run, *o, "paired_t_test");
            const stats::PairedTTest t = stats::paired_t_test(pair.x.sample(), pair.y.sample(),
                                                              parse_alternative(o->alternative), o->confidence);
            Json out = {{"test", "Student's paired t-test"}};
            out.update(pair.json);
            out.update({{"mean_difference", t.mean_difference},
                        {"t", t.t},
                        {"degrees_of_freedom", t.df},
                        {"p_value", t.p_value},
                        {"confidence", o->confidence},
                        {"interval", interval_json(t.interval)}});
            return out;
          }};
}

StatsCommand wilcoxon_command() {
  struct Options : PairOptions {
    std::string zeros = "wilcox", method = "auto";
    stats::SignedRankOptions test;
  };
  const auto o = std::make_shared<Options>();
  return {"wilcoxon", "Wilcoxon's signed-rank test of two columns",
          [o](CLI::App& c) {
            add_pair_options(c, *o);
            c.add_option("--zeros", o->zeros,
                         "differences of 0: wilcox drops them, pratt ranks them and drops their ranks")
                ->capture_default_str()
                ->check(CLI::IsMember({"wilcox", "pratt"}));
            c.add_option("--method", o->method, "exact, also with ties; normal; auto: exact up to 50 differences")
                ->capture_default_str()
                ->check(CLI::IsMember({"auto", "exact", "normal"}));
            c.add_flag("--continuity", o->test.continuity, "normal: move W+ by 1/2 towards its mean");
            c.add_option("--resolution", o->test.resolution,
                         "round differences to multiples of this, so that printed numbers tie; 0: do not")
                ->capture_default_str();
          },
          [o](StatsRun& run) -> Json {
            const PairedColumns pair = paired_columns(run, *o, "wilcoxon_signed_rank");
            o->test.zeros = o->zeros == "pratt" ? stats::ZeroMethod::pratt : stats::ZeroMethod::wilcoxon;
            o->test.method = o->method == "auto"    ? stats::SignedRankMethod::automatic
                             : o->method == "exact" ? stats::SignedRankMethod::exact
                                                    : stats::SignedRankMethod::normal;
            o->test.alternative = parse_alternative(o->alternative);
            const stats::SignedRankTest w = stats::wilcoxon_signed_rank(pair.x.sample(), pair.y.sample(), o->test);
            Json out = {{"test", "Wilcoxon's signed-rank test"}};
            out.update(pair.json);
            out.update({{"zeros", w.zeros},
                        {"zeros_are", o->zeros == "pratt" ? "ranked, then left out (Pratt)" : "left out (Wilcoxon)"},
                        {"ties", w.ties},
                        {"w_plus", w.positive},
                        {"w_minus", w.negative},
                        {"statistic", w.statistic},
                        {"method", w.exact              ? "exact"
                                   : o->test.continuity ? "normal, continuity corrected"
                                                        : "normal"}});
            if (!w.exact) out["z"] = w.z;
            out["p_value"] = w.p_value;
            return out;
          }};
}

StatsCommand binomial_command() {
  struct Options {
    Index correct = 0, total = 0;
    double p = 0.5;
    std::string alternative = "two-sided";
  };
  const auto o = std::make_shared<Options>();
  return {"binomial", "exact binomial test of a proportion, and its mid-p",
          [o](CLI::App& c) {
            c.add_option("--correct", o->correct, "successes")->required();
            c.add_option("--total", o->total, "trials")->required();
            c.add_option("--p", o->p, "probability under the null hypothesis")->capture_default_str();
            add_alternative(c, o->alternative);
          },
          [o](StatsRun&) -> Json {
            const stats::BinomialTest b =
                stats::binomial_test({o->correct, o->total}, o->p, parse_alternative(o->alternative));
            return {
                {"test", "exact binomial test"}, {"correct", o->correct}, {"total", o->total}, {"probability", o->p},
                {"alternative", o->alternative}, {"p_value", b.exact},    {"mid_p", b.mid_p}};
          }};
}

/// Times of one group of rows, from curves or as they are.
struct Times {
  double slow = 0, fast = 0;
};

StatsCommand speedup_command() {
  struct Options {
    TableChoice table;
    ScaleChoice scale;
    std::string time, slow, fast, by;
    double share = 0.9;
    bool interpolate = false;
  };
  const auto o = std::make_shared<Options>();
  return {
      "speedup", "time to 90 % of the greatest odds, and the geometric-mean speed-up over data sets",
      [o](CLI::App& c) {
        add_table_options(c, o->table);
        c.add_option("--slow", o->slow, "column of accuracies over time of the slower training")->required();
        c.add_option("--fast", o->fast, "the same of the faster one")->required();
        c.add_option("--time", o->time,
                     "column of times (steps, epochs); without it --slow and --fast are times already");
        c.add_option("--by", o->by, "column with the data set of each row; its curves follow each other");
        c.add_option("--share", o->share, "of the greatest odds of the curve")->capture_default_str();
        c.add_flag("--interpolate", o->interpolate, "between measurements, instead of the first one that is there");
        add_accuracy_scale(c, o->scale);
      },
      [o](StatsRun& run) -> Json {
        if (!o->by.empty()) o->table.names = o->time.empty() ? o->by : "none";
        const NamedTable table = open_table(run, o->table);
        std::vector<double> slow, fast;
        Json rows = Json::array();
        const auto add = [&](const std::string& name, const Times& t) {
          slow.push_back(t.slow), fast.push_back(t.fast);
          rows.push_back(
              {{"data_set", name}, {"time_slow", t.slow}, {"time_fast", t.fast}, {"speed_up", t.slow / t.fast}});
        };
        if (o->time.empty()) {
          const NumberColumn a = table.numbers(o->slow), b = table.numbers(o->fast);
          (void)stats::geometric_mean_speed_up(a.sample(), b.sample());  // for its checks
          for (std::size_t r = 0; r < a.values.size(); ++r)
            add(table.names.empty() ? "row " + std::to_string(r + 1) : table.names[r], {a.values[r], b.values[r]});
        } else {
          std::vector<std::string> groups;
          if (o->by.empty())
            groups = {"all rows"};
          else
            for (const std::string& name : stats::text_column(table.file, o->by))
              if (std::find(groups.begin(), groups.end(), name) == groups.end()) groups.push_back(name);
          for (const std::string& group : groups) {
            const stats::TableFile part = o->by.empty() ? table.file : stats::rows_where(table.file, o->by, group);
            const NumberColumn time = stats::number_column(part, o->time);
            const auto reached = [&](const std::string& name) {
              NumberColumn curve = stats::number_column(part, name);
              if (o->scale.scale == "percent") curve.values = stats::fractions(curve.sample(), stats::Scale::percent);
              try {
                return stats::time_to_odds(time.sample(), curve.sample(), o->share,
                                           o->interpolate ? stats::Crossing::interpolated : stats::Crossing::measured)
                    .time;
              } catch (const UsageError& error) {
                throw UsageError(std::string(error.what()) + (o->by.empty() ? "" : ", in the rows of " + group));
              }
            };
            add(group, {reached(o->slow), reached(o->fast)});
          }
        }
        return {
            {"time", o->time.empty() ? Json("as given")
                                     : Json(o->time + " to " + format_shortest(o->share) + " of the greatest odds")},
            {"data_sets", slow.size()},
            {"geometric_mean_slow", stats::geometric_mean(slow)},
            {"geometric_mean_fast", stats::geometric_mean(fast)},
            {"geometric_mean_speed_up", stats::geometric_mean_speed_up(slow, fast)},
            {"quartiles_slow", interval_json(stats::interquartile_range(slow))},
            {"quartiles_fast", interval_json(stats::interquartile_range(fast))},
            {"speed_ups", rows}};
      }};
}

StatsCommand adjust_command() {
  struct Options {
    TableChoice table;
    std::string p;
  };
  const auto o = std::make_shared<Options>();
  return {"adjust", "p-values adjusted for their number: Holm, Benjamini-Hochberg",
          [o](CLI::App& c) {
            add_table_options(c, o->table);
            c.add_option("--p", o->p, "column of p-values")->required();
          },
          [o](StatsRun& run) -> Json {
            const NamedTable table = open_table(run, o->table);
            const NumberColumn p = table.numbers(o->p);
            const std::vector<double> step_down = stats::holm(p.sample()),
                                      step_up = stats::benjamini_hochberg(p.sample());
            Json rows = Json::array();
            for (std::size_t r = 0; r < p.values.size(); ++r)
              rows.push_back({{"row", table.names.empty() ? Json(r + 1) : Json(table.names[r])},
                              {"p_value", p.values[r]},
                              {"holm", step_down[r]},
                              {"benjamini_hochberg", step_up[r]}});
            return {{"tests", p.values.size()}, {"adjusted", rows}};
          }};
}

}  // namespace

std::vector<StatsCommand> paired_commands() {
  return {t_test_command(), wilcoxon_command(), binomial_command(), speedup_command(), adjust_command()};
}

}  // namespace tv_app
