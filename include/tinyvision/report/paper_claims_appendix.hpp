// What the appendices of Kornblith, Shlens & Le (CVPR 2019) say, beside what its published tables give.
#pragma once

#include <string>
#include <string_view>

#include "tinyvision/report/paper_tables.hpp"
#include "tinyvision/report/text.hpp"

TINYVISION_BEGIN
namespace report {
namespace detail {

/// Section 4: what Table 1 says of the data sets.
inline void claims_of_table_1(ClaimList& list) {
  const TextTable& t = list.tables.datasets;
  double least = 1e300, most = 0, least_per_class = 1e300, most_per_class = 0;
  for (std::size_t d = 0; d < t.rows.size(); ++d) {
    const double images = list.study.train_sizes[d],
                 classes = parse_printed(t.cell(d, "classes"), t.place(d, "classes")).value;
    least = std::min(least, images), most = std::max(most, images);
    least_per_class = std::min(least_per_class, images / classes);
    most_per_class = std::max(most_per_class, images / classes);
  }
  const auto exact = [](double n) { return ReachableRange{n, n, n}; };
  list.add_number("section 4", "training images of the smallest data set", "2040", exact(least));
  list.add_number("section 4", "training images of the largest data set", "75750", exact(most));
  list.add_number("section 4", "fewest training images per class", "20", exact(least_per_class));
  list.add_number("section 4", "most training images per class", "5000", exact(most_per_class));
  const TextTable& h = list.tables.duplicates;
  for (std::size_t d = 0; d < t.rows.size(); ++d) {
    const std::string &printed = t.cell(d, "test_size"), &other = h.cell(d, "test_size");
    if (printed == other) continue;
    Claim c = numeric_claim("Table 1", list.study.datasets[d] + ": test images", printed, exact(std::stod(other)));
    c.reason = "Table H.1 has " + other + ", as the data set itself: a misprint";
    list.claims.push_back(std::move(c));
  }
}

/// Appendix A.3: what retraining without regularisers cost on ImageNet (Table A.2).
inline void claims_of_table_a2(ClaimList& list) {
  const TextTable& t = list.tables.networks;
  double worst = -100, worst_low = -100, worst_high = -100;
  for (std::size_t r = 0; r < t.rows.size(); ++r) {
    const auto number = [&](std::string_view column) { return parse_printed(t.cell(r, column), t.place(r, column)); };
    const PrintedNumber retrained = number("top1_retrained");
    for (const char* column : {"top1_paper", "top1_public_checkpoint"}) {
      if (t.cell(r, column) == "N/A") continue;
      const ReachableRange loss = difference(number(column), retrained);
      if (t.cell(r, "network") == "NASNet-A Large") {
        if (column == std::string_view("top1_paper")) {
          list.add_number("appendix A.3", "NASNet-A Large: published top-1, percent", "82.7", range_of(number(column)));
          list.add_number("appendix A.3", "NASNet-A Large: top-1 retrained, percent", "80.8", range_of(retrained));
        }
        continue;
      }
      worst = std::max(worst, loss.value);
      worst_low = std::max(worst_low, loss.low), worst_high = std::max(worst_high, loss.high);
    }
  }
  for (std::size_t r = 0; r < t.rows.size(); ++r)
    if (t.cell(r, "network") == "Inception-ResNet v2") {
      const PrintedNumber regularised{81.4, 0.05};
      const auto number = [&](std::string_view column) { return parse_printed(t.cell(r, column), t.place(r, column)); };
      list.add_number("appendix A.3", "Inception-ResNet v2 with regularisers (81.4) over the unregularised one, points",
                      "1.1", difference(regularised, number("top1_retrained")));
      list.add_number("appendix A.3", "Inception-ResNet v2 with regularisers (81.4) over the published one, points",
                      "1.3", difference(regularised, number("top1_paper")));
    }
  list.missing("appendix A.3", "top-1 of NASNet-A Large retrained with regularisers, percent", "82.5",
               "it is no row of Table A.2");
  list.add_number("appendix A.3", "largest loss by retraining of all networks but NASNet-A Large, percentage points",
                  "<= 0.5", {worst, worst_low, worst_high});
}

/// Appendix F: who is best on each data set (Table F.1), and how that compares with the literature.
inline void claims_of_table_f1(ClaimList& list) {
  const TransferStudy& study = list.study;
  const TextTable& t = list.tables.best_known;
  const auto title = [&](std::size_t s) {
    return s == list.probe ? "linear probe" : s == list.tuned ? "fine-tuned" : "random initialisation";
  };
  Index native = 0, retrained = 0;
  for (std::size_t d = 0; d < list.datasets; ++d) {
    const BestOnDataset best = best_on_dataset(study, d);
    const std::string printed = t.cell(d, "network") + ", " + t.cell(d, "setting");
    bool possible = false;
    for (std::size_t s = 0; s < study.settings.size(); ++s)
      for (std::size_t m = 0; m < study.networks.size(); ++m)
        if (printed == study.networks[m] + ", " + title(s)) possible = can_be_best(study, s, m, d);
    list.claims.push_back(named_claim("Table F.1", study.datasets[d] + ": the best network", printed,
                                      study.networks[best.network] + ", " + title(best.setting), possible));
    if (study.datasets[d].starts_with("CIFAR"))
      list.missing("Table F.1", study.datasets[d] + ": accuracy without the images that ImageNet has",
                   t.cell(d, "ours"), "which images those are is not published");
    else
      list.add_number("Table F.1", study.datasets[d] + ": accuracy of the best network", t.cell(d, "ours"),
                      range_of(best.accuracy));
    const auto number = [&](std::string_view column) { return parse_printed(t.cell(d, column), t.place(d, column)); };
    const bool at_native = number("ours").value > number("previous_best").value;
    native += at_native;
    retrained +=
        at_native || (!t.cell(d, "ours_at_448").empty() && number("ours_at_448").value > number("previous_best").value);
  }
  const auto count = [](Index n) {
    return ReachableRange{static_cast<double>(n), static_cast<double>(n), static_cast<double>(n)};
  };
  list.add_number("appendix F", "data sets on which the best network exceeds the literature, native image size", "4",
                  count(native));
  list.add_number("appendix F", "data sets on which it does at 448 pixels or natively", "6", count(retrained));
}

/// Table H.1's percentages from its counts.
inline void claims_of_table_h1(ClaimList& list) {
  const TextTable& t = list.tables.duplicates;
  for (std::size_t d = 0; d < list.datasets; ++d)
    for (const char* part : {"train", "test"}) {
      const auto number = [&](const std::string& column) {
        return parse_printed(t.cell(d, column), t.place(d, column)).value;
      };
      const double share = 100 * number(std::string(part) + "_duplicates") / number(std::string(part) + "_size");
      list.add_number("Table H.1",
                      concat_text(list.study.datasets[d], ": ", part == std::string_view("train") ? "training" : "test",
                                  " images that ImageNet has, percent"),
                      t.cell(d, std::string(part) + "_duplicate_percent"), {share, share, share});
    }
}

/// Appendix H: the accuracy on all of CIFAR's test images from those with and without duplicates in ImageNet.
inline void claims_of_appendix_h(ClaimList& list) {
  const struct {
    const char *name, *whole;
    PrintedNumber rest, duplicates;
    double of_rest, of_duplicates;
  } sets[] = {{"CIFAR-10", "98.04", {98.02, 0.005}, {99.27, 0.005}, 9863, 137},
              {"CIFAR-100", "87.7", {87.5, 0.05}, {95.63, 0.005}, 9771, 229}};
  for (const auto& s : sets) {
    const auto mix = [&](double rest, double duplicates) {
      return (s.of_rest * rest + s.of_duplicates * duplicates) / (s.of_rest + s.of_duplicates);
    };
    list.add_number("appendix H", concat_text(s.name, ": accuracy on all test images from its two parts, percent"),
                    s.whole,
                    {mix(s.rest.value, s.duplicates.value), mix(s.rest.low(), s.duplicates.low()),
                     mix(s.rest.high(), s.duplicates.high())});
  }
}

inline void claims_of_appendix_b(ClaimList& list) {
  const TransferStudy& study = list.study;
  const Columns all = all_columns(study);
  const std::vector<double> means = mean_logits(values_of(study), list.probe, list.datasets, all);
  const std::string& best =
      study.networks[static_cast<std::size_t>(std::max_element(means.begin(), means.end()) - means.begin())];
  list.claims.push_back(named_claim("appendix B", "the best network, logistic regression", "Inception-ResNet v2", best,
                                    best == "Inception-ResNet v2"));
  list.add("appendix B", "mean log-odds of the best network, logistic regression", "1.58", [&](const StudyValues& v) {
    const std::vector<double> now = mean_logits(v, list.probe, list.datasets, all);
    return *std::max_element(now.begin(), now.end());
  });
  const char* const checkpoints = "the accuracies on public checkpoints are not published";
  list.missing("appendix B", "mean log-odds of the best public checkpoint", "1.35", checkpoints);
  list.missing("appendix B", "t of the two, paired over data sets", "5.6", checkpoints);
  list.missing("appendix B", "z of the two correlations' difference", "5.2", checkpoints);
  list.missing("appendix B", "pairs in which retrained networks beat public checkpoints", "162", checkpoints);
  list.add_number("appendix B", "the same as a share of 192 pairs, percent", "84",
                  {100 * 162.0 / 192, 100 * 162.0 / 192, 100 * 162.0 / 192});
}

inline void claims_of_figure_d1(ClaimList& list) {
  for (const auto& [setting, name] : {std::pair(list.probe, "logistic regression"), std::pair(list.tuned, "fine-tuned"),
                                      std::pair(list.scratch, "random initialisation")})
    list.add("Figure D.1", concat_text(name, ": p of data-set size against Fisher's z of r"),
             setting == list.scratch ? "0.0002" : "> 0.05",
             [&, w = setting](const StudyValues& v) { return size_dependence(list.study, v, w).correlation.p_value; });
}

inline void claims_of_appendix_g(ClaimList& list) {
  list.add("appendix G.1", "mean log-odds of logistic regression over all pairs", "1.32", [&](const StudyValues& v) {
    double sum = 0;
    for (const double p : v.settings[list.probe]) sum += stats::logit(p);
    return sum / static_cast<double>(v.settings[list.probe].size());
  });
  const char* const machines = "the accuracies of support vector machines are not published";
  const char* const augmented = "the accuracies with augmentation are not published";
  list.missing("appendix G.1", "mean log-odds of support vector machines over all pairs", "1.28", machines);
  list.missing("appendix G.1", "correlation of support vector machines and logistic regression", "0.998", machines);
  list.missing("appendix G.1", "pairs in which logistic regression beats a support vector machine", "146", machines);
  list.missing("appendix G.2", "pairs in which fine-tuning beats logistic regression with augmentation", "188",
               augmented);
  list.missing("appendix G.2", "pairs in which augmentation helps logistic regression", "100", augmented);
  list.missing("appendix G.2", "mean log-odds of logistic regression with augmentation", "1.35", augmented);
}

inline void claims_of_appendices(ClaimList& list) {
  claims_of_table_a2(list);
  claims_of_appendix_b(list);
  claims_of_figure_d1(list);
  claims_of_table_f1(list);
  claims_of_appendix_g(list);
  claims_of_table_h1(list);
  claims_of_appendix_h(list);
}

}  // namespace detail
}  // namespace report
TINYVISION_END
