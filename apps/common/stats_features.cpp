// Commands of tv_stats on features: an embedding, and near duplicates.
#include <algorithm>
#include <memory>

#include "common/predictions.hpp"
#include "common/stats_command.hpp"
#include "common/stats_matrices.hpp"
#include "tinyvision/stats/near_duplicates.hpp"
#include "tinyvision/stats/tsne.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

std::string row_name(const StatsMatrix& matrix, Index row) {
  return matrix.names.empty() ? std::to_string(row + 1) : matrix.names[static_cast<std::size_t>(row)];
}

StatsCommand tsne_command() {
  struct Options {
    MatrixChoice features;
    stats::TsneOptions tsne;
    std::string start = "pca";
  };
  const auto o = std::make_shared<Options>();
  return {"tsne", "t-SNE embedding of features, written to embedding.csv in the folder of --out",
          [o](CLI::App& c) {
            add_matrix_options(c, o->features, "features",
                               "safetensors of tv_features, or a table with a column a feature");
            c.add_option("--perplexity", o->tsne.perplexity, "how many neighbours count")->capture_default_str();
            c.add_option("--components", o->tsne.components, "dimensions of the embedding: 1, 2 or 3")
                ->capture_default_str();
            c.add_option("--theta", o->tsne.theta, "Barnes-Hut's accuracy; 0: exact")->capture_default_str();
            c.add_option("--iterations", o->tsne.iterations, "steps of the descent")->capture_default_str();
            c.add_option("--exaggeration", o->tsne.exaggeration, "of the first steps")->capture_default_str();
            c.add_option("--learning-rate", o->tsne.learning_rate, "0: max(n / exaggeration / 4, 50)")
                ->capture_default_str();
            c.add_option("--start", o->start, "pca, or random")
                ->capture_default_str()
                ->check(CLI::IsMember({"pca", "random"}));
          },
          [o](StatsRun& run) -> Json {
            const StatsMatrix features = read_matrix(run, o->features);
            o->tsne.seed = run.seed();
            o->tsne.start = o->start == "pca" ? stats::TsneStart::principal_components : stats::TsneStart::random;
            o->tsne.progress = [show = run.progress("t-SNE"), total = o->tsne.iterations](Index done, double) {
              show(done, total);
            };
            const stats::Tsne result = stats::tsne(features.values, o->tsne);
            const Index n = features.values.dim(0), components = o->tsne.components;
            std::string csv = "name";
            for (Index a = 0; a < components; ++a) csv += ",y" + std::to_string(a + 1);
            csv += features.labels.empty() ? "\n" : ",label\n";
            for (Index i = 0; i < n; ++i) {
              csv += csv_field(row_name(features, i));
              for (Index a = 0; a < components; ++a)
                csv += "," + format_shortest(result.embedding.data<double>()[i * components + a]);
              csv +=
                  features.labels.empty() ? "\n" : "," + csv_field(features.labels[static_cast<std::size_t>(i)]) + "\n";
            }
            run.write("embedding.csv", csv);
            const Index k = std::min<Index>(12, (n - 1) / 2);
            return {{"examples", n},
                    {"features", features.values.dim(1)},
                    {"components", components},
                    {"method", o->tsne.theta > 0 ? "Barnes-Hut" : "exact"},
                    {"iterations", result.iterations},
                    {"kl_divergence", result.kl_divergence},
                    {"rows_without_the_perplexity", result.unreached_perplexity},
                    {"neighbours", k},
                    {"trustworthiness", stats::trustworthiness(features.values, result.embedding, k)}};
          }};
}

StatsCommand near_duplicates_command() {
  struct Options {
    MatrixChoice first;
    std::string second;
    double threshold = 0.95;
    Index most = 50;
  };
  const auto o = std::make_shared<Options>();
  return {"near-duplicates", "pairs of examples whose features point in nearly the same direction",
          [o](CLI::App& c) {
            add_matrix_options(c, o->first, "first", "safetensors of tv_features, or a table with a column a feature");
            c.add_option("second", o->second, "a second set; without it pairs within the first");
            c.add_option("--threshold", o->threshold, "least cosine of a pair")->capture_default_str();
            c.add_option("--most", o->most, "pairs to print; duplicates.csv in the folder of --out has all")
                ->capture_default_str()
                ->check(CLI::NonNegativeNumber);
          },
          [o](StatsRun& run) -> Json {
            const StatsMatrix first = read_matrix(run, o->first);
            StatsMatrix second = first;
            if (!o->second.empty()) {
              MatrixChoice choice = o->first;
              choice.path = o->second;
              second = read_matrix(run, choice);
              const auto tensor = [](const StatsMatrix& m) { return m.path.ends_with(".safetensors"); };
              if (!tensor(first) && !tensor(second)) second = matched(second, {}, first.columns, first.path);
            }
            const auto progress = run.progress("pairs");
            const std::vector<stats::NearDuplicate> pairs =
                o->second.empty() ? stats::near_duplicates_within(first.values, o->threshold, progress)
                                  : stats::near_duplicates(first.values, second.values, o->threshold, progress);
            std::string csv = "first,second,cosine\n";
            Json rows = Json::array();
            std::vector<std::uint8_t> in_first(static_cast<std::size_t>(first.values.dim(0))),
                in_second(static_cast<std::size_t>(second.values.dim(0)));
            for (const stats::NearDuplicate& pair : pairs) {
              const std::string a = row_name(first, pair.first), b = row_name(second, pair.second);
              csv += csv_field(a) + "," + csv_field(b) + "," + format_shortest(pair.cosine) + "\n";
              in_first[static_cast<std::size_t>(pair.first)] = in_second[static_cast<std::size_t>(pair.second)] = 1;
              if (static_cast<Index>(rows.size()) < o->most)
                rows.push_back({{"first", a}, {"second", b}, {"cosine", pair.cosine}});
            }
            run.write("duplicates.csv", csv);
            const auto count = [](const std::vector<std::uint8_t>& marks) {
              return std::count(marks.begin(), marks.end(), std::uint8_t{1});
            };
            if (o->second.empty())
              return {{"examples", first.values.dim(0)},
                      {"threshold", o->threshold},
                      {"pairs", pairs.size()},
                      {"duplicates", rows}};
            return {{"examples_first", first.values.dim(0)},
                    {"examples_second", second.values.dim(0)},
                    {"threshold", o->threshold},
                    {"pairs", pairs.size()},
                    {"duplicated_in_first", count(in_first)},
                    {"duplicated_in_second", count(in_second)},
                    {"duplicates", rows}};
          }};
}

}  // namespace

std::vector<StatsCommand> feature_commands() { return {tsne_command(), near_duplicates_command()}; }

}  // namespace tv_app
