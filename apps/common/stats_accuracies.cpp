// Commands of tv_stats on accuracies: their logits, error bars between networks, intervals.
#include <memory>

#include "common/stats_command.hpp"
#include "common/stats_predictions.hpp"
#include "common/stats_tables.hpp"
#include "tinyvision/stats/transforms.hpp"
#include "tinyvision/stats/within_subject.hpp"

namespace tv_app {

using namespace tinyvision;
using stats::NumberColumn;

namespace {

/// A record a row: its name (or number), then what `cell` gives for every column.
template <class Cell>
Json table_records(const NamedTable& table, const std::vector<std::string>& columns, Cell&& cell) {
  Json records = Json::array();
  for (std::size_t r = 0; r < table.file.rows.size(); ++r) {
    Json record;
    if (table.names.empty())
      record["row"] = r + 1;
    else
      record[table.names_column] = table.names[r];
    for (std::size_t c = 0; c < columns.size(); ++c) record[columns[c]] = cell(r, c);
    records.push_back(record);
  }
  return records;
}

/// Whole numbers of a column of counts.
std::vector<Index> counts(const NumberColumn& column, const std::string& path) {
  std::vector<Index> out;
  for (std::size_t r = 0; r < column.values.size(); ++r) {
    if (column.values[r] != std::floor(column.values[r]) || std::fabs(column.values[r]) > 1e15)
      fail_usage("logit", path, ": ", stats::detail::value_text(column.sample(), r), " is ", column.values[r],
                 ", not a count");
    out.push_back(static_cast<Index>(column.values[r]));
  }
  return out;
}

StatsCommand logit_command() {
  struct Options {
    TableChoice table;
    ScaleChoice scale;
    std::vector<std::string> columns;
    std::string correct, total;
    bool add_half = false, inverse = false;
  };
  const auto o = std::make_shared<Options>();
  return {
      "logit", "log-odds of accuracies, or accuracies of log-odds",
      [o](CLI::App& c) {
        add_table_options(c, o->table);
        c.add_option("--columns", o->columns, "columns, separated by commas; all numbers without it")->delimiter(',');
        add_accuracy_scale(c, o->scale);
        c.add_option("--correct", o->correct, "column with the number of right answers, instead of accuracies");
        c.add_option("--total", o->total, "column with the number of examples, beside --correct");
        c.add_flag("--add-half", o->add_half,
                   "with counts: add 1/2 to right and wrong ones, so that 0 and all have a logit");
        c.add_flag("--inverse", o->inverse, "the other way: the columns are log-odds");
      },
      [o](StatsRun& run) -> Json {
        const NamedTable table = open_table(run, o->table);
        if (o->correct.empty() != o->total.empty()) fail_usage("options", "--correct and --total belong together");
        if (!o->correct.empty()) {
          const std::vector<Index> right = counts(table.numbers(o->correct), o->table.path),
                                   all = counts(table.numbers(o->total), o->table.path);
          const stats::Boundary boundary = o->add_half ? stats::Boundary::add_half : stats::Boundary::refuse;
          const auto cell = [&](std::size_t r, std::size_t) {
            try {
              return stats::logit(stats::Accuracy{right[r], all[r]}, boundary);
            } catch (const UsageError& error) {
              fail_usage("logit", o->table.path, ": row ", r + 1,
                         table.names.empty() ? "" : " ('" + table.names[r] + "')", " of columns '", o->correct,
                         "' and '", o->total, "': ", error.what(), " (--add-half)");
            }
          };
          return {{"transform", o->add_half ? "log((k + 1/2) / (n - k + 1/2))" : "log(k / (n - k))"},
                  {"logits", table_records(table, {"logit"}, cell)}};
        }
        if (o->add_half) fail_usage("options", "--add-half needs counts (--correct and --total)");
        if (o->scale.scale == "any") fail_usage("options", "a logit needs accuracies: --scale fraction or percent");
        const std::vector<std::string> names = table.number_columns(o->columns);
        std::vector<std::vector<double>> values;
        for (const std::string& name : names) {
          const NumberColumn column = table.numbers(name);
          values.push_back(column.values);
          if (o->inverse)
            for (double& v : values.back()) v = (o->scale.scale == "percent" ? 100 : 1) * stats::inverse_logit(v);
          else
            values.back() = scaled(column, o->scale).values;
        }
        return {{"transform", o->inverse ? "1 / (1 + exp(-x))" : "log(p / (1 - p))"},
                {o->inverse ? "accuracies" : "logits",
                 table_records(table, names, [&](std::size_t r, std::size_t c) { return values[c][r]; })}};
      }};
}

StatsCommand morey_command() {
  struct Options {
    TableChoice table;
    ScaleChoice scale;
    std::vector<std::string> columns;
    double confidence = 0.95;
  };
  const auto o = std::make_shared<Options>();
  return {
      "morey", "mean of each row (network) over columns (data sets), with within-subject error bars",
      [o](CLI::App& c) {
        add_table_options(c, o->table);
        c.add_option("--columns", o->columns, "data sets, separated by commas; all numbers without it")->delimiter(',');
        add_accuracy_scale(c, o->scale);
        add_confidence(c, o->confidence);
      },
      [o](StatsRun& run) -> Json {
        const NamedTable table = open_table(run, o->table);
        stats::ScoreTable scores{table.names, table.number_columns(o->columns), {}};
        if (scores.rows.empty())
          for (std::size_t r = 0; r < table.file.rows.size(); ++r)
            scores.rows.push_back("row " + std::to_string(r + 1));
        std::vector<std::vector<double>> values;
        for (const std::string& name : scores.columns) values.push_back(scaled(table.numbers(name), o->scale).values);
        for (std::size_t r = 0; r < scores.rows.size(); ++r)
          for (const auto& column : values) scores.values.push_back(column[r]);
        Json rows = Json::array();
        const auto means = stats::within_subject_means(scores, o->confidence);
        for (std::size_t r = 0; r < means.size(); ++r)
          rows.push_back({{"row", scores.rows[r]},
                          {"mean", means[r].mean},
                          {"adjusted_mean", means[r].adjusted_mean},
                          {"standard_error", means[r].standard_error},
                          {"half_width", means[r].half_width}});
        return {{"values", o->scale.scale == "any" ? "as they are" : "logits of accuracies"},
                {"columns", scores.columns},
                {"confidence", o->confidence},
                {"rows", rows}};
      }};
}

StatsCommand interval_command() {
  struct Options {
    std::string predictions;
    Index correct = -1, total = -1;
    double confidence = 0.95;
  };
  const auto o = std::make_shared<Options>();
  return {"interval", "Wilson's and Clopper-Pearson's interval of a proportion",
          [o](CLI::App& c) {
            c.add_option("predictions", o->predictions, "predictions.csv (label, prediction), instead of counts");
            c.add_option("--correct", o->correct, "right answers");
            c.add_option("--total", o->total, "examples");
            add_confidence(c, o->confidence);
          },
          [o](StatsRun& run) -> Json {
            stats::Accuracy a{o->correct, o->total};
            if (!o->predictions.empty()) {
              a = {};
              for (const std::uint8_t hit : read_predictions(run, o->predictions).hits()) a += {hit, 1};
            } else if (o->correct < 0 || o->total < 0) {
              fail_usage("options", "--correct and --total are required, or a file of predictions");
            }
            return {{"correct", a.correct},
                    {"total", a.total},
                    {"proportion", a.value()},
                    {"confidence", o->confidence},
                    {"wilson", interval_json(stats::wilson_interval(a, o->confidence))},
                    {"clopper_pearson", interval_json(stats::clopper_pearson_interval(a, o->confidence))}};
          }};
}

}  // namespace

std::vector<StatsCommand> accuracy_commands() { return {logit_command(), morey_command(), interval_command()}; }

}  // namespace tv_app
