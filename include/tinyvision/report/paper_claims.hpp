// The statements of Kornblith, Shlens & Le (CVPR 2019) that follow from its published tables, beside what the tables give.
// What needs unpublished inputs is listed with the reason.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/report/paper_claims_appendix.hpp"
#include "tinyvision/report/paper_tables.hpp"

TINYVISION_BEGIN
namespace report {
namespace detail {

inline void claims_of_section_4(ClaimList& list) {
  const TransferStudy& study = list.study;
  const std::size_t datasets = list.datasets, probe = list.probe, tuned = list.tuned, scratch = list.scratch;
  const Columns all = all_columns(study), small = columns_by_size(study, 10000, true),
                large = columns_by_size(study, 10000, false);
  const auto extreme = [](bool largest) {
    return [largest](const StudyValues& v) {
      const auto [low, high] = std::minmax_element(v.imagenet.begin(), v.imagenet.end());
      return 100 * (largest ? *high : *low);
    };
  };
  claims_of_table_1(list);
  list.add("section 4", "ImageNet top-1 of the weakest network, percent", "71.6", extreme(false));
  list.add("section 4", "ImageNet top-1 of the strongest network, percent", "80.8", extreme(true));
  list.add("section 4.1", "logistic regression: the runner-up is not worse than the best (paired t over data sets): p",
           "> 0.05", [&](const StudyValues& v) {
             double p = 0;
             for (const NetworkStanding& s : standings(study, v, probe))
               if (!s.best) p = std::max(p, s.p_against_best);
             return p;
           });
  {
    // The two best by each measure, each pair in the order of the tables.
    const auto two_best = [&](const std::vector<double>& value) {
      std::vector<std::size_t> order(value.size());
      for (std::size_t m = 0; m < order.size(); ++m) order[m] = m;
      std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return value[a] > value[b]; });
      std::sort(order.begin(), order.begin() + 2);
      return study.networks[order[0]] + ", " + study.networks[order[1]];
    };
    const StudyValues v = values_of(study);
    const std::string said = "Inception-ResNet v2, NASNet-A Large";
    const std::string by_imagenet = two_best(v.imagenet), by_transfer = two_best(mean_logits(v, probe, datasets, all));
    list.claims.push_back(
        named_claim("section 4.1", "the two best networks on ImageNet", said, by_imagenet, by_imagenet == said));
    list.claims.push_back(named_claim("section 4.1", "the two best networks, logistic regression", said, by_transfer,
                                      by_transfer == said));
  }
  list.missing("section 4.1", "those two do not differ significantly on single data sets", "",
               "the predictions are not published; the test over data sets is above");
  list.add("section 4.2", "network and data set pairs in which fine-tuning beats logistic regression", "179",
           [&](const StudyValues& v) { return static_cast<double>(compare_settings(v, tuned, probe).above); });
  for (std::size_t d = 0; d < datasets; ++d) {
    const bool caltech = study.datasets[d] == "Caltech-101";
    list.add("section 4.2", concat_text(study.datasets[d], ": fine-tuned against logistic regression, Wilcoxon's p"),
             caltech ? "> 0.01" : "< 0.01",
             [&](const StudyValues& v) { return compare_on_dataset(v, tuned, probe, datasets, d).p_value; });
  }
  list.add("section 4.2", "improvement by fine-tuning (mean log-odds) and training images: Spearman's rho", "> 0",
           [&](const StudyValues& v) {
             std::vector<double> gain;
             for (std::size_t d = 0; d < datasets; ++d) {
               double sum = 0;
               for (std::size_t m = 0; m < v.imagenet.size(); ++m)
                 sum += stats::logit(v.settings[tuned][m * datasets + d]) -
                        stats::logit(v.settings[probe][m * datasets + d]);
               gain.push_back(sum);
             }
             return stats::spearman(study.train_sizes, gain).r;
           });
  list.add("section 4.3", "random initialisation, the 7 data sets below 10,000 training images: r", "0.29",
           [&](const StudyValues& v) { return transfer_correlation(v, scratch, datasets, small).r; });
  list.add("section 4.3", "random initialisation, the 7 data sets below 10,000 training images: p", "> 0.05",
           [&](const StudyValues& v) { return transfer_correlation(v, scratch, datasets, small).p_value; });
  list.add("section 4.3", "random initialisation, the 5 larger data sets: r", "0.86",
           [&](const StudyValues& v) { return transfer_correlation(v, scratch, datasets, large).r; });
  list.add("section 4.5", "pairs in which fine-tuning beats random initialisation", "189",
           [&](const StudyValues& v) { return static_cast<double>(compare_settings(v, tuned, scratch).above); });
  const struct {
    const char *dataset, *setting, *printed;
  } inception_v4[] = {{"Stanford Cars", "random_init", "92.7"},
                      {"Stanford Cars", "fine_tuned", "93.3"},
                      {"FGVC Aircraft", "random_init", "88.8"},
                      {"FGVC Aircraft", "fine_tuned", "89.0"}};
  for (const auto& [dataset, setting, printed] : inception_v4)
    for (std::size_t d = 0; d < datasets; ++d)
      if (study.datasets[d] == dataset) {
        const std::size_t s = study.setting(setting), m = best_network(study, s, d);
        const std::string where =
            concat_text(dataset, ", ", s == scratch ? "random initialisation" : "fine-tuned", ": ");
        list.claims.push_back(named_claim("section 4.5", where + "the best network", "Inception v4", study.networks[m],
                                          study.networks[m] == "Inception v4"));
        list.add_number("section 4.5", where + "accuracy of the best network", printed, range_of(study.at(s, m, d)));
      }
  const char* const steps = "the accuracies by number of steps (Figure 8) are not published";
  list.missing("section 4.6", "steps to 90 % of the maximum odds, fine-tuned, geometric mean", "1151", steps);
  list.missing("section 4.6", "steps to 90 % of the maximum odds, random initialisation, geometric mean", "19531",
               steps);
  // The ratio of two geometric means is the geometric mean of the ratios.
  list.add_number("section 4.6", "speed-up of fine-tuning, from the printed numbers of steps", "17",
                  {19531.0 / 1151, 19530.5 / 1151.5, 19531.5 / 1150.5});
  list.missing("section 4.7", "accuracy by number of training images (Figure 9)", "",
               "the accuracies on subsets are not published");
}

inline void claims_of_table_a1(ClaimList& list) {
  const Columns all = all_columns(list.study);
  const std::size_t datasets = list.datasets;
  const std::pair<std::size_t, const char*> settings[] = {{list.probe, "logistic regression (also section 4.1)"},
                                                          {list.tuned, "fine-tuned (also section 4.2)"},
                                                          {list.scratch, "random initialisation (also section 4.3)"}};
  const TextTable& printed = list.tables.correlations;
  for (std::size_t row = 0; row < 3; ++row) {
    const auto& [setting, name] = settings[row];
    const auto pearson = [&, w = setting](const StudyValues& v) { return transfer_correlation(v, w, datasets, all); };
    list.add("Table A.1", concat_text(name, ": r2"), printed.cell(row, "r2"),
             [&](const StudyValues& v) { return pearson(v).r2; });
    list.add("Table A.1", concat_text(name, ": r"), printed.cell(row, "r"),
             [&](const StudyValues& v) { return pearson(v).r; });
    list.add("Table A.1", concat_text(name, ": Spearman's rho"), printed.cell(row, "spearman_rho"),
             [&, w = setting](const StudyValues& v) { return transfer_rank_correlation(v, w, datasets, all).r; });
    list.add("Table A.1", concat_text(name, ": p of r"), printed.cell(row, "p_value"),
             [&](const StudyValues& v) { return pearson(v).p_value; });
  }
  const char* const checkpoints = "the accuracies on public checkpoints (appendix B) are not published";
  list.missing("Table A.1", "public checkpoints: r", printed.cell(3, "r"), checkpoints);
  list.missing("Table A.1", "public checkpoints: Spearman's rho", printed.cell(3, "spearman_rho"), checkpoints);
  const PrintedNumber r = parse_printed(printed.cell(3, "r"), printed.place(3, "r"));
  list.add_number("Table A.1", "public checkpoints: r2, from the printed r", printed.cell(3, "r2"),
                  {r.value * r.value, r.low() * r.low(), r.high() * r.high()});
  const auto p = [&](double correlation) {
    return stats::detail::correlation_p(correlation, static_cast<Index>(list.study.networks.size()));
  };
  list.add_number("Table A.1", "public checkpoints: p of r, from the printed r", printed.cell(3, "p_value"),
                  {p(r.value), p(r.high()), p(r.low())});
}

}  // namespace detail

/// All of them, in the order of the paper.
inline std::vector<Claim> paper_claims(const PaperTables& tables) {
  detail::ClaimList list(tables);
  detail::claims_of_section_4(list);
  detail::claims_of_table_a1(list);
  detail::claims_of_appendices(list);
  return std::move(list.claims);
}

}  // namespace report
TINYVISION_END
