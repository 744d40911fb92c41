// A study from single accuracies: what is read, what is refused and in which words, and what a small study can show.
#include "tinyvision/report/study_table.hpp"

#include <gtest/gtest.h>

#include "data/test_images.hpp"
#include "tinyvision/data/datasets/registry.hpp"
#include "tinyvision/models/registry.hpp"
#include "tinyvision/report/paper_tables.hpp"
#include "tinyvision/report/study_page.hpp"

namespace study_table_test {

using namespace tinyvision;
using namespace tinyvision::report;
using test_images::message_of;

const char* const folder = TINYVISION_SOURCE_DIR "/docs/paper";

TextTable table_of(const std::string& text) { return TextTable(stats::parse_table(text, "t.csv")); }

/// Table I.1 as rows: network, dataset, setting, accuracy in the unit of `scale`, with the programs' names if `program`.
std::string long_table(double scale, bool program, const std::string& without = "") {
  const TransferStudy study = read_published_study(folder);
  const StudyNames names = paper_names(folder);
  const auto name = [&](const std::string& title) {
    if (program)
      for (const auto& [key, value] : names.titles)
        if (value == title) return key;
    return title;
  };
  std::string text = "network,dataset,setting,accuracy\n";
  for (std::size_t s = 0; s < study.settings.size(); ++s)
    for (std::size_t m = study.networks.size(); m-- > 0;)  // not in the paper's order
      for (std::size_t d = 0; d < study.datasets.size(); ++d) {
        const std::string row = name(study.networks[m]) + "," + name(study.datasets[d]) + "," + study.settings[s].name;
        if (row != without) text += row + "," + format_significant(study.at(s, m, d).value * scale, 12) + "\n";
      }
  return text;
}

TransferStudy study_from(const std::string& csv, const StudyNames& names = paper_names(folder)) {
  stats::Scale scale{};
  return study_of(study_records(table_of(csv), scale), names);
}

/// Three networks on two data sets in one setting.
StudyNames small_names() {
  StudyNames names;
  names.imagenet = {{"a", {70, 0}}, {"b", {75, 0}}, {"c", {80, 0}}};
  names.imagenet_source = "here";
  return names;
}
const std::string small_table =
    "network,dataset,setting,accuracy\na,x,s,60\nb,x,s,70\nc,x,s,75\na,y,s,80\nb,y,s,88\nc,y,s,90\n";
std::string replaced(std::string text, const std::string& old, const std::string& by) {
  const std::size_t at = text.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return text.replace(at, old.size(), by);
}

TEST(StudyTable, RowsGiveThePublishedStudyBack) {
  const TransferStudy published = read_published_study(folder);
  for (const bool fractions : {false, true})
    for (const bool program : {false, true}) {
      const TransferStudy study = study_from(long_table(fractions ? 0.01 : 1, program));
      EXPECT_EQ(study.networks, published.networks);
      EXPECT_EQ(study.datasets, published.datasets);
      EXPECT_EQ(study.train_sizes, published.train_sizes);
      ASSERT_EQ(study.settings.size(), 3u);
      for (std::size_t s = 0; s < 3; ++s) {
        EXPECT_EQ(study.settings[s].name, published.settings[s].name);
        for (std::size_t i = 0; i < study.settings[s].cells.size(); ++i)
          ASSERT_NEAR(study.settings[s].cells[i].value, published.settings[s].cells[i].value, 1e-9);
      }
      EXPECT_NEAR(analyse(study).settings[0].pearson->r2, 0.9710, 5e-5);  // SciPy's, see paper_claims_test.cpp
    }
}

TEST(StudyTable, ProgramNamesAreThoseOfThePrograms) {
  const TextTable nets = read_table(std::string(folder) + "/table_A2_networks.tsv"),
                  sets = read_table(std::string(folder) + "/table_1_datasets.tsv");
  std::vector<std::string> names;
  for (std::size_t r = 0; r < nets.rows.size(); ++r) names.push_back(nets.cell(r, "program_name"));
  EXPECT_EQ(names, network_names());
  for (std::size_t r = 0; r < sets.rows.size(); ++r) {
    const data::DatasetInfo& info = *data::dataset_registry()[r].info;
    EXPECT_EQ(sets.cell(r, "program_name"), info.name);
    EXPECT_EQ(sets.cell(r, "metric") == "mean per-class", info.metric == data::Metric::mean_per_class) << info.name;
  }
}

TEST(StudyTable, FractionsKeepTheirRounding) {
  stats::Scale scale{};
  const auto records = study_records(table_of("network,dataset,setting,accuracy\na,x,s,0.683\n"), scale);
  EXPECT_EQ(scale, stats::Scale::fraction);
  EXPECT_NEAR(records[0].accuracy.value, 68.3, 1e-12);
  EXPECT_NEAR(records[0].accuracy.half_unit, 0.05, 1e-12);
}

TEST(StudyTable, FaultsAreNamed) {
  const auto message = [](const std::string& old, const std::string& by) {
    return message_of<UsageError>([&] { study_from(replaced(small_table, old, by), small_names()); });
  };
  const auto expect = [&](const std::string& old, const std::string& by, const std::string& words) {
    EXPECT_NE(message(old, by).find(words), std::string::npos) << by << ": " << message(old, by);
  };
  expect("b,x,s,70", "b,x,s,0", "t.csv: row 2 (b), column 'accuracy': the accuracy is 0, and an accuracy of 0 has no");
  expect("b,x,s,70", "b,x,s,100", "row 2 (b), column 'accuracy': the accuracy is 100, and an accuracy of 1 (100 %)");
  expect("b,x,s,70", "b,x,s,0.7", "row 2 (b), column 'accuracy': 0.7 looks like a fraction, and other rows");
  expect("b,x,s,70", "b,x,s,170", "row 2 (b), column 'accuracy': the accuracy is 170, above 100");
  expect("b,x,s,70", "b,x,s,nan", "row 2 (b), column 'accuracy': 'nan' is no number");
  expect("b,x,s,70", "b,x,s,", "row 2 (b), column 'accuracy': '' is no number (a missing cell?)");
  expect("b,x,s,70", "b,x,,70", "row 2 (b), column 'setting': a missing cell");
  expect("b,x,s,70", "b,x,s", "row 2 (line 3) has 3 cells, the header has 4");
  expect("b,x,s,70\n", "", "setting 's' has 5 of 6 cells; missing: row 'b', column 'x'");
  expect("b,x,s,70", "a,x,s,70",
         "row 2 (a), column 'accuracy': setting 's', row 'a', column 'x' comes twice; first at");
  expect("b,x,s,70\nc,x,s,75", "b,x,s,60\nc,x,s,60", "setting 's', column 'x' is constant: 60 % for all 3 networks");
  expect("accuracy", "score", "no column 'accuracy'");
  expect("b,x,s,70", "d,x,s,70", "row 'd': no ImageNet accuracy in here; give a table with it (--imagenet)");
  EXPECT_NE(message_of<UsageError>([] {
              study_from("network,dataset,setting,accuracy\na,x,s,60\na,y,s,70\n", small_names());
            }).find("one network only, 'a'"),
            std::string::npos);
  StudyNames equal = small_names();
  for (auto& [network, accuracy] : equal.imagenet) accuracy.value = 75;
  EXPECT_NE(message_of<UsageError>([&] {
              study_from(small_table, equal);
            }).find("the column of ImageNet accuracies is constant: 75 % for all 3 networks"),
            std::string::npos);
  const std::string sized = "network,dataset,setting,accuracy,train_size\na,x,s,60,100\nb,x,s,70,200\n";
  EXPECT_NE(message_of<UsageError>([&] {
              study_from(sized, small_names());
            }).find("200 training images of 'x', 100 at t.csv: row 1"),
            std::string::npos);
  stats::Scale scale{};
  EXPECT_NE(message_of<UsageError>([&] {
              imagenet_accuracies(table_of("network,top1\na,70\na,71\n"), "top1", scale);
            }).find("row 2 (a), column 'network': 'a' comes twice"),
            std::string::npos);
}

TEST(StudyAnalysis, SmallStudiesSayWhatTheyLack) {
  const auto gaps = [](const StudyAnalysis& a) {
    std::string all;
    for (const std::string& gap : a.gaps) all += gap + "\n";
    return all;
  };
  const TransferStudy study = study_from(small_table, small_names());
  const StudyAnalysis three = analyse(study);
  EXPECT_TRUE(three.settings[0].pearson);
  EXPECT_FALSE(three.settings[0].size);
  EXPECT_EQ(three.settings[0].standings.size(), 3u);
  EXPECT_NE(gaps(three).find("(Figure D.1) needs 4 data sets, the study has 2"), std::string::npos);
  EXPECT_NE(gaps(three).find("comparisons of settings need 2 settings"), std::string::npos);
  const std::string page = html(StudyPage{"t", "", {}, {}, {}, {}}, study, three);
  EXPECT_NE(page.find("What cannot be computed"), std::string::npos);
  EXPECT_NE(page.find("interval exact (Hotelling)"), std::string::npos);
  EXPECT_EQ(three.settings[0].pearson->interval.low,
            tv::stats::exact_correlation_interval(three.settings[0].pearson->r, 3).low);

  TransferStudy two = study;
  two.networks.pop_back(), two.imagenet.pop_back();
  two.datasets.pop_back(), two.train_sizes.pop_back();
  two.settings = {{"s", {{60, 0}, {70, 0}}}, {"t", {{65, 0}, {75, 0}}}};
  const StudyAnalysis least = analyse(two);
  EXPECT_FALSE(least.settings[0].pearson);
  EXPECT_TRUE(least.settings[0].standings.empty());
  EXPECT_EQ(least.comparisons.size(), 1u);
  EXPECT_EQ(least.comparisons[0].counts.above, 2);
  EXPECT_NE(gaps(least).find("correlations and regression lines need 3 networks, the study has 2"), std::string::npos);
  EXPECT_NE(gaps(least).find("need 2 data sets, the study has 1"), std::string::npos);
  EXPECT_FALSE(html(StudyPage{"t", "", {}, {}, {}, {}}, two, least).empty());
}

TEST(StudyAnalysis, ANetworkThatEqualsTheBestIsNotWorse) {
  TransferStudy study = study_from(small_table, small_names());
  for (std::size_t d = 0; d < 2; ++d) study.settings[0].cells[2 + d] = study.settings[0].cells[4 + d];  // b as c
  const StudyAnalysis a = analyse(study);
  EXPECT_EQ(a.settings[0].not_worse, (std::vector<bool>{false, true, true}));
}

TEST(StudyAnalysis, UnknownSizesLeaveTheRest) {
  std::string csv = "network,dataset,setting,accuracy\n";
  for (int d = 0; d < 4; ++d)
    for (int m = 0; m < 3; ++m)
      csv += concat_text("abc"[m], ",d", d, ",s,", 50 + 7 * d + (d % 2 ? m * m : 3 * m) + (m == 1 ? d : 0), "\n");
  const StudyAnalysis a = analyse(study_from(csv, small_names()));
  EXPECT_FALSE(a.settings[0].size);
  ASSERT_EQ(a.gaps.size(), 2u);
  EXPECT_NE(a.gaps[1].find("column 'training images' is not a number"), std::string::npos) << a.gaps[1];
}

}  // namespace study_table_test
