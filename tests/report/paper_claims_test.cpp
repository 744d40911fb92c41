// The published tables, and what follows from them.
#include "tinyvision/report/paper_claims.hpp"

#include <gtest/gtest.h>

#include "data/test_images.hpp"

namespace paper_claims_test {

using namespace tinyvision;
using namespace tinyvision::report;
using test_images::message_of;

const char* const folder = TINYVISION_SOURCE_DIR "/docs/paper";

TEST(PublishedTables, AreWhole) {
  const TransferStudy study = read_published_study(folder);
  EXPECT_EQ(study.networks.size(), 16u);
  EXPECT_EQ(study.datasets.size(), 12u);
  ASSERT_EQ(study.settings.size(), 3u);
  EXPECT_EQ(study.at(study.setting("fine_tuned"), 0, 1).value, 96.17);  // Inception v1 on CIFAR-10
  EXPECT_NEAR(study.at(study.setting("fine_tuned"), 0, 1).half_unit, 0.005, 1e-15);
  EXPECT_NEAR(study.imagenet[15].value, 80.8, 1e-12);
  EXPECT_EQ(columns_by_size(study, 10000, true).size(), 7u);
}

// Independent figures: SciPy's pearsonr, spearmanr, wilcoxon and ttest_rel on the same tables (1.18.1).
TEST(TransferStudy, EqualsSciPy) {
  const TransferStudy study = read_published_study(folder);
  const StudyValues v = values_of(study);
  const Columns all = all_columns(study);
  const double r2[] = {0.9710, 0.9098, 0.2978}, rho[] = {0.9838, 0.9602, 0.5596};
  for (std::size_t s = 0; s < 3; ++s) {
    EXPECT_NEAR(transfer_correlation(v, s, 12, all).r2, r2[s], 5e-5);
    EXPECT_NEAR(transfer_rank_correlation(v, s, 12, all).r, rho[s], 5e-5);
  }
  const std::size_t tuned = study.setting("fine_tuned"), probe = study.setting("linear_probe"),
                    scratch = study.setting("random_init");
  const PairCounts counts = compare_settings(v, tuned, probe);
  EXPECT_EQ(counts.above, 178);
  EXPECT_EQ(counts.equal, 1);
  EXPECT_EQ(compare_settings(v, tuned, scratch).above, 189);
  EXPECT_NEAR(compare_on_dataset(v, tuned, probe, 12, 9).p_value, 0.00030517578125, 1e-15);    // Pets
  EXPECT_NEAR(compare_on_dataset(v, tuned, probe, 12, 10).p_value, 0.596588134765625, 1e-15);  // Caltech-101
  EXPECT_NEAR(size_dependence(study, v, scratch).correlation.r, 0.880, 5e-4);
  EXPECT_NEAR(size_dependence(study, v, scratch).correlation.p_value, 0.00016, 5e-6);
  std::vector<std::string> tied;
  const auto of_probe = standings(study, v, probe);
  for (std::size_t m = 0; m < of_probe.size(); ++m)
    if (of_probe[m].p_against_best > 0.05) tied.push_back(study.networks[m]);
  EXPECT_EQ(tied, (std::vector<std::string>{"Inception-ResNet v2", "NASNet-A Large"}));
}

TEST(PaperClaims, AreJudged) {
  const std::vector<Claim> claims = paper_claims(read_paper_tables(folder));
  Index reproduced = 0, as_printed = 0, unpublished = 0;
  std::vector<std::string> differing, within_rounding;
  for (const Claim& c : claims) {
    if (c.verdict == Verdict::not_computable) {
      ++unpublished;
      EXPECT_FALSE(c.reason.empty()) << c.statement;
      continue;
    }
    EXPECT_LE(c.found.low, c.found.value) << c.statement;
    EXPECT_GE(c.found.high, c.found.value) << c.statement;
    if (c.verdict == Verdict::not_reproduced) {
      differing.push_back(c.place + ", " + c.statement);
      EXPECT_FALSE(c.reason.empty());
      continue;
    }
    ++reproduced;
    as_printed += c.as_printed ? 1 : 0;
    if (!c.as_printed) within_rounding.push_back(c.place + ": " + c.printed);
  }
  EXPECT_EQ(differing, std::vector<std::string>{"Table 1, Oxford-IIIT Pets: test images"});  // its misprint
  EXPECT_EQ(within_rounding,
            (std::vector<std::string>{"section 4.2: 179", "Table A.1: 0.99", "Table A.1: 0.96", "Table A.1: 0.97",
                                      "Table A.1: < 1e-8", "Table A.1: 0.59", "appendix B: 1.58"}));
  EXPECT_EQ(reproduced, 112);
  EXPECT_EQ(as_printed, 105);
  EXPECT_EQ(unpublished, 19);
}

TEST(Claims, AreJudgedByTheirPrintedDigits) {
  const auto verdict = [](double low, double high, const char* printed) {
    return judge({(low + high) / 2, low, high}, printed);
  };
  EXPECT_EQ(verdict(0.955, 0.955, "0.96"), Verdict::reproduced);  // half a unit on both sides
  EXPECT_EQ(verdict(0.965, 0.965, "0.96"), Verdict::reproduced);
  EXPECT_EQ(verdict(0.9549, 0.9549, "0.96"), Verdict::not_reproduced);
  EXPECT_EQ(verdict(0.9, 0.9551, "0.96"), Verdict::reproduced);
  EXPECT_EQ(verdict(178, 178, "179"), Verdict::not_reproduced);
  EXPECT_EQ(verdict(0.009, 0.02, "< 0.01"), Verdict::reproduced);
  EXPECT_EQ(verdict(0.01, 0.02, "< 0.01"), Verdict::not_reproduced);
  EXPECT_EQ(verdict(0.5, 0.6, "<= 0.5"), Verdict::reproduced);
  EXPECT_EQ(verdict(0.04, 0.05, "> 0.05"), Verdict::not_reproduced);
  EXPECT_THROW(judge({}, "many"), UsageError);
  const Claim c = numeric_claim("s", "x", "0.96", {0.9538, 0.941, 0.9646});
  EXPECT_EQ(verdict_text(c), "reproduced within rounding");
  EXPECT_EQ(verdict_text(numeric_claim("s", "x", "0.95", {0.9538, 0.941, 0.9646})), "reproduced");
}

TEST(ReachableRange, HoldsEveryValueThatRoundsToTheInputs) {
  TransferStudy study;
  study.networks = {"a", "b", "c"};
  study.datasets = {"x"};
  study.train_sizes = {10};
  study.imagenet = {{50, 0.5}, {60, 0.5}, {70, 0.5}};
  study.settings = {{"s", {{30, 0.5}, {41, 0.5}, {49, 0.5}}}};
  const ReachableRange range =
      reachable_range(study, [](const StudyValues& v) { return v.settings[0][0] + v.settings[0][1] - v.imagenet[2]; });
  EXPECT_NEAR(range.value, 0.01, 1e-12);
  EXPECT_NEAR(range.low, -0.005, 1e-12);
  EXPECT_NEAR(range.high, 0.025, 1e-12);
}

TEST(PublishedTables, FaultsAreNamed) {
  const test_images::TemporaryFolder copy;
  const auto spoiled = [&](const char* file, const std::string& old, const std::string& by) {
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      std::filesystem::copy_file(entry.path(), copy / entry.path().filename().string(),
                                 std::filesystem::copy_options::overwrite_existing);
    std::string text = read_file(copy / file);
    const std::size_t at = text.find(old);
    EXPECT_NE(at, std::string::npos) << old;
    test_images::write_file(copy / file, text.replace(at, old.size(), by));
    return message_of<UsageError>([&] { read_paper_tables(copy.path()); });
  };
  const char *cells = "table_I1_accuracies.tsv", *networks = "table_A2_networks.tsv";
  EXPECT_NE(spoiled(cells, "\t68.3\t", "\t\t")
                .find("row 1 (linear_probe), column 'Food-101': '' is no number (a missing cell?)"),
            std::string::npos);
  EXPECT_NE(spoiled(cells, "\t68.3\t", "\t0.683\t").find("looks like a fraction"), std::string::npos);
  EXPECT_NE(spoiled(cells, "\t68.3\t", "\t100\t").find("not between 0 and 100"), std::string::npos);
  EXPECT_NE(spoiled(cells, "\t68.3\t", "\tnan\t").find("'nan' is no number"), std::string::npos);
  EXPECT_NE(spoiled(cells, "\t68.3\t", "\t").find("cells, the header has 14"), std::string::npos);
  EXPECT_NE(spoiled(cells, "\nlinear_probe\tBN-Inception", "\nlinear_probe\tInception v1").find("belongs"),
            std::string::npos);
  EXPECT_NE(spoiled(networks, "BN-Inception", "Inception v1").find("comes twice"), std::string::npos);
  EXPECT_NE(spoiled("table_F1_best.tsv", "CIFAR-10\t", "CIFAR-11\t").find("row 2: 'CIFAR-11' where 'CIFAR-10' belongs"),
            std::string::npos);
  EXPECT_NE(spoiled("table_1_datasets.tsv", "CIFAR-10\t", "CIFAR-11\t").find("no column 'CIFAR-11'"),
            std::string::npos);
}

}  // namespace paper_claims_test
