// tv_stats as a user runs it: every example of its page, its files, and the sentence for every bad input.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <regex>

#include "apps/program.hpp"
#include "common/predictions.hpp"
#include "data/test_images.hpp"
#include "tinyvision/core/digest.hpp"

namespace stats_test {

using namespace apps_test;

const std::string root = TINYVISION_SOURCE_DIR;

/// The folder of the examples as the working folder, as long as it lives.
class AtTheTop {
 public:
  AtTheTop() { std::filesystem::current_path(root); }
  AtTheTop(const AtTheTop&) = delete;
  AtTheTop& operator=(const AtTheTop&) = delete;
  ~AtTheTop() { std::filesystem::current_path(before_); }

 private:
  std::filesystem::path before_ = std::filesystem::current_path();
};

struct Desk {
  test_images::TemporaryFolder folder;

  Outcome stats(const Arguments& arguments) { return run(folder.path(), "tv_stats", arguments); }
  std::string file(const std::string& name, const std::string& text) {
    test_images::write_file(folder / name, text);
    return folder / name;
  }
  /// Standard output with `--json -`.
  nlohmann::json result(Arguments arguments) {
    arguments.insert(arguments.end(), {"--json", "-"});
    const Outcome outcome = stats(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return nlohmann::json::parse(outcome.out, nullptr, false);
  }
  void refuses(const Arguments& arguments, const std::string& part) {
    const Outcome outcome = stats(arguments);
    EXPECT_EQ(outcome.code, 2) << part << "\n" << outcome.err;
    EXPECT_NE(outcome.err.find("tv_stats: error: ["), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  }
};

struct Example {
  Arguments arguments;
  std::string expected;  ///< up to a line "...", where there is one
  bool whole = true;
};

Arguments words_of(const std::string& line) {
  Arguments words;
  std::istringstream in(line);
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// The commands of docs/statistics.md and what the page prints below them.
std::vector<Example> examples() {
  std::vector<Example> all;
  std::istringstream page(text_of(root + "/docs/statistics.md"));
  bool open = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("$ tv_stats ")) {
      all.push_back({words_of(line.substr(11)), "", true});
      open = true;
    } else if (line == "```") {
      open = false;
    } else if (open && line == "...") {
      all.back().whole = open = false;
    } else if (open) {
      all.back().expected += line + "\n";
    }
  }
  return all;
}

TEST(Stats, ThePagePrintsWhatTheProgramPrints) {
  const AtTheTop here;
  Desk desk;
  for (const Example& example : examples()) {
    std::string command;
    for (const std::string& word : example.arguments) command += word + " ";
    const Outcome outcome = desk.stats(example.arguments);
    std::string expected = example.expected;
    while (expected.ends_with("\n\n")) expected.pop_back();  // before the next command
    if (expected.starts_with("error: ")) {
      EXPECT_EQ(outcome.code, 2) << command;
      EXPECT_NE(outcome.err.find("tv_stats: " + expected), std::string::npos) << command << outcome.err;
      continue;
    }
    EXPECT_EQ(outcome.code, 0) << command << outcome.err;
    EXPECT_EQ(example.whole ? outcome.out : outcome.out.substr(0, expected.size()), expected) << command;
  }
}

TEST(Stats, ThePageHasEveryCommand) {
  Desk desk;
  const std::string help = desk.stats({"--help"}).out, page = text_of(root + "/docs/statistics.md");
  const std::string commands = help.substr(help.find("Subcommands:"));
  const std::regex line("\n  ([a-z-]+) +\\w");
  int found = 0;
  for (std::sregex_iterator at(commands.begin(), commands.end(), line), end; at != end; ++at, ++found) {
    EXPECT_NE(page.find("### `" + (*at)[1].str() + "`\n"), std::string::npos) << (*at)[1];
    EXPECT_NE(page.find("\n$ tv_stats " + (*at)[1].str() + " "), std::string::npos) << (*at)[1];
    const Outcome own = desk.stats({(*at)[1].str(), "--help"});
    EXPECT_EQ(own.code, 0);
  }
  EXPECT_EQ(found, 18);
}

// All digits, the configuration, and the digest of what was read.
TEST(Stats, WritesResults) {
  Desk desk;
  const std::string table = desk.file("t.csv", "name,x,y\na,1,2\nb,2,2.5\nc,4,7\n");
  const Outcome outcome = desk.stats(
      {"pearson", table, "--x", "x", "--y", "y", "--out", desk.folder / "out", "--json", desk.folder / "j.json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto results = nlohmann::json::parse(text_of(desk.folder / "out/results.json"));
  EXPECT_EQ(results["app"], "tv_stats");
  EXPECT_EQ(results["command"], "pearson");
  EXPECT_EQ(results["config"]["x"], "x");
  EXPECT_EQ(results["digests"]["inputs"][table], tinyvision::sha256_file(table));
  // By hand: sums of squares 14/3 and 91/6, of products 49/6.
  const double r = 49.0 / 6 / std::sqrt(14.0 / 3 * 91 / 6);
  EXPECT_NEAR(results["result"]["correlations"][0]["r"].get<double>(), r, 1e-14);
  EXPECT_EQ(nlohmann::json::parse(text_of(desk.folder / "j.json"))["result"], results["result"]);
  EXPECT_EQ(desk.result({"pearson", table, "--x", "x", "--y", "y"})["result"], results["result"]);
}

TEST(Stats, ReadsTheSameFromEveryFormat) {
  Desk desk;
  const Arguments more{"--x", "x", "--y", "y"};
  const auto from = [&](const std::string& name, const std::string& text) {
    Arguments all{"t-test", desk.file(name, text)};
    all.insert(all.end(), more.begin(), more.end());
    return desk.result(all)["result"];
  };
  const auto wanted = from("t.csv", "name,x,y\na,1,2\nb,2,2.5\nc,4,7\n");
  EXPECT_EQ(wanted["pairs"], 3);
  EXPECT_EQ(from("t.tsv", "name\tx\ty\na\t1\t2\nb\t2\t2.5\nc\t4\t7\n"), wanted);
  EXPECT_EQ(from("r.json", R"([{"name":"a","x":1,"y":2},{"name":"b","y":2.5,"x":2},{"name":"c","x":4,"y":7}])"),
            wanted);
  EXPECT_EQ(from("l.json", R"({"name":["a","b","c"],"x":[1,2,4],"y":[2,2.5,7]})"), wanted);
}

TEST(Stats, RefusesTablesThatAreNot) {
  Desk desk;
  const auto pearson = [&](const std::string& name, const std::string& text, const std::string& part) {
    desk.refuses({"pearson", desk.file(name, text), "--x", "x", "--y", "y"}, part);
  };
  pearson("t.csv", "name,x,y\na,1,2\nb,,3\nc,4,7\n", "t.csv: row 2 ('b') of column 'x' is empty (a missing cell?)");
  pearson("t.csv", "name,x,y\na,1,2\nb,nan,3\nc,4,7\n", "t.csv: row 2 ('b') of column 'x' is 'nan'");
  pearson("t.csv", "name,x,y\na,1,2\nb,2\nc,4,7\n", "t.csv: row 2 (line 3) has 2 cells, the header has 3");
  pearson("t.csv", "name,x,y\na,1,2\nb,2,3\na,4,7\n", "t.csv: rows 1 and 3 of column 'name' have the same name 'a'");
  pearson("t.csv", "name,x,y\na,1,2\nb,1,3\nc,1,7\n", "column 'x' is constant (1)");
  pearson("t.csv", "name,x,z\na,1,2\nb,2,3\nc,4,7\n", "t.csv: no column 'y'");
  pearson("t.csv", "x,y\n1,2\n", "has 1 value and needs at least 3");
  pearson("l.json", R"({"x":[1,2,4],"y":[2,2.5]})", "l.json: column 'x' has 3 rows, column 'y' has 2");
  pearson("r.json", R"([{"x":1,"y":2},{"x":3}])", "r.json: row 2 of column 'y' is empty (a missing cell?)");
  pearson("r.json", R"([{"x":1,"y":[2]}])", "r.json: row 1 of column 'y' is a list or an object");
  pearson("r.json", "[1, 2]", "r.json: item 1 of the list is no record");
  pearson("r.json", "{\"x\": 1", "r.json: no JSON");
  pearson("r.json", "7", "r.json: needs a list of records");
  desk.refuses({"pearson", desk.folder / "nowhere.csv", "--x", "x"}, "nowhere.csv");
  desk.refuses({"t-test", desk.file("o.csv", "x,y\n1,2\n"), "--x", "x", "--y", "y"},
               "has 1 value and needs at least 2");
}

TEST(Stats, RefusesAccuraciesThatHaveNoLogit) {
  Desk desk;
  const std::string table =
      desk.file("a.csv", "network,p,q,one,zero\nA,0.5,50,1,0.2\nB,0.6,60,0.5,0\nC,0.9,70,0.4,0.1\n");
  const Arguments fit{"fit", table, "--x", "p", "--y"};
  const auto with_y = [&](const std::string& y) {
    Arguments all = fit;
    all.push_back(y);
    return all;
  };
  EXPECT_EQ(desk.stats({"morey", table, "--columns", "p,zero", "--scale", "any"}).code, 0);
  desk.refuses(with_y("one"), "row 1 ('A') of column 'one' is 1, and an accuracy of 1 (100 %) has no finite logit");
  desk.refuses(with_y("zero"), "row 2 ('B') of column 'zero' is 0, and an accuracy of 0 has no finite logit");
  desk.refuses(with_y("q"),
               "row 1 ('A') of column 'q' is 50, above 1: a percentage where a fraction is expected? Divide by "
               "100, or say --scale percent");
  desk.refuses({"logit", table, "--columns", "p", "--scale", "percent"}, "say --scale fraction");
  desk.refuses({"t-test", table, "--x", "p", "--y", "q"},
               "column 'p' looks like fractions (0.5 to 0.9) and column 'q' like percentages (50 to 70)");
  EXPECT_EQ(desk.stats({"t-test", table, "--x", "p", "--y", "q", "--scale", "any"}).code, 0);
  desk.refuses({"wilcoxon", table, "--x", "p", "--y", "one", "--logit"}, "--logit needs accuracies");
  desk.refuses({"logit", desk.file("c.csv", "name,k,n\nA,3,4\nB,4,4\n"), "--correct", "k", "--total", "n"},
               "c.csv: row 2 ('B') of columns 'k' and 'n': [logit] 4 correct of 4");
}

const char* const first = "path,label,prediction\n1,cat,cat\n2,dog,dog\n3,cat,cat\n4,dog,cat\n";

TEST(Stats, MatchesPredictionsOfTheSameExamples) {
  Desk desk;
  const std::string one = desk.file("1.csv", first);
  // Other order; only 1 and 3 are right by the first alone.
  const std::string two = desk.file("2.csv", "path,label,prediction\n4,dog,cat\n3,cat,dog\n2,dog,dog\n1,cat,dog\n");
  const auto test = desk.result({"mcnemar", one, two})["result"];
  EXPECT_EQ(test["only_first_right"], 2);
  EXPECT_EQ(test["only_second_right"], 0);
  EXPECT_EQ(test["p_value"], 0.5);
  EXPECT_EQ(desk.result({"permutation", one, two})["result"]["p_value"], 0.5);
  for (const char* command : {"mcnemar", "permutation"}) {
    desk.refuses({command, one, desk.file("3.csv", "path,label,prediction\n1,cat,cat\n")}, "1.csv has 4 rows, ");
    desk.refuses(
        {command, one, desk.file("4.csv", "path,label,prediction\n1,cat,cat\n2,dog,dog\n3,cat,cat\n5,dog,cat\n")},
        "4.csv: no row '4' in column 'path', which is row 4 of ");
    desk.refuses(
        {command, one, desk.file("5.csv", "path,label,prediction\n1,cat,cat\n2,cat,dog\n3,cat,cat\n4,dog,cat\n")},
        "row 2 ('2') of column 'label' is 'dog' in ");
    desk.refuses({command, one, desk.file("6.csv", "path,label\n1,cat\n")}, "6.csv: no column 'prediction'");
  }
  desk.refuses({"mcnemar", one}, "two files of predictions are required");
}

TEST(Stats, TakesThePredictionsOfTheOtherPrograms) {
  Desk desk;
  const std::string one = desk.file(
      "1.csv", tv_app::predictions_csv({{"a/x, 1.jpg", 3, 3, 0.75}, {"b/\"y\".jpg", 10, 2, 0.5}, {"c.jpg", 2, 2, 1}}));
  const std::string two = desk.file(
      "2.csv", tv_app::predictions_csv({{"c.jpg", 2, 3, 1}, {"a/x, 1.jpg", 3, 3, 0.5}, {"b/\"y\".jpg", 10, 10, 0.25}}));
  const auto test = desk.result({"mcnemar", one, two})["result"];
  EXPECT_EQ(test["only_first_right"], 1);
  EXPECT_EQ(test["only_second_right"], 1);
  EXPECT_EQ(desk.result({"permutation", one, two, "--metric", "mean-per-class"})["result"]["difference"], 0);
  const auto metrics = desk.result({"metrics", one, "--bins", "2"})["result"];
  EXPECT_EQ(metrics["top1_correct"], 2);
  EXPECT_EQ(metrics["per_class"].size(), 3u);
  EXPECT_EQ(metrics["per_class"][2]["class"], "10");  // as a number, after 2 and 3
  EXPECT_NEAR(metrics["expected_calibration_error"].get<double>(), 1.0 / 3 * 0.5 + 2.0 / 3 * 0.125, 1e-15);
  EXPECT_EQ(desk.result({"interval", one})["result"]["correct"], 2);
}

// Rows and columns of a truth are found by name, in any order.
TEST(Stats, MatchesTruthsOfTheSameExamples) {
  Desk desk;
  const std::string scores = desk.file("s.csv", "image,a,b\nx,1,2\ny,3,0\nz,2,1\n");
  const auto map = [&](const std::string& truth) {
    return desk.result({"metrics", scores, "--truth", desk.file("t.csv", truth)})["result"]["average_precisions"]
        .dump();
  };
  const std::string wanted = map("image,a,b\nx,1,-1\ny,-1,1\nz,1,1\n");
  EXPECT_NE(wanted.find("{\"average_precision_11_points\":0.666"), std::string::npos) << wanted;  // y, z, x: 2 of 3
  EXPECT_EQ(map("image,b,a\nz,1,1\nx,-1,1\ny,1,-1\n"), wanted);
  EXPECT_NE(map("image,a,b\nx,-1,1\ny,1,-1\nz,1,1\n"), wanted);
}

TEST(Stats, RefusesScoresAndTruthsThatDoNotFit) {
  Desk desk;
  const std::string scores = desk.file("s.csv", "image,a,b\nx,1,2\ny,3,0\n");
  const auto refuses = [&](const std::string& truth, const std::string& part) {
    desk.refuses({"metrics", scores, "--truth", desk.file("t.csv", truth)}, part);
  };
  refuses("image,a,b\nx,1,0\ny,0,1\n", "t.csv: no truth is -1: write -1 for absent");
  refuses("image,a,b\nx,1,2\ny,-1,1\n", "t.csv: row 1 ('x') of column 'b' is 2; a truth is 1");
  refuses("image,a,c\nx,1,-1\ny,-1,1\n", "t.csv: no column 'b'");
  refuses("image,a,b\nx,1,-1\nz,-1,1\n", "t.csv: no row 'y', which is row 2 of ");
  refuses("image,a,b\nx,1,-1\n", "has 2 rows, ");
  desk.refuses({"metrics", scores}, "s.csv: no labels");
  desk.refuses({"permutation", scores, scores, "--metric", "map"}, "--truth is required");
  desk.refuses({"metrics", desk.file("l.csv", "image,label,a,b\nx,0,1,2\ny,c,3,0\n")},
               "l.csv: row 2: the label 'c' is neither a column of scores nor a number from 0 to 1");
  desk.refuses({"metrics", desk.file("p.csv", "label,prediction,probability\n0,0,0.5\n1,1,98\n")},
               "p.csv: row 2 of column 'probability' is 98, not inside [0, 1] (a percentage? Divide by 100)");
  desk.refuses({"tsne", scores}, "needs at least 3 rows, got 2");
}

TEST(Stats, RefusesOptionsThatMeanNothing) {
  Desk desk;
  for (const Arguments& arguments :
       {Arguments{}, Arguments{"t-tset"}, Arguments{"binomial", "--correct", "3"}, Arguments{"interval"},
        Arguments{"interval", "--correct", "5", "--total", "4"}, Arguments{"compare-correlations"},
        Arguments{"compare-correlations", "--correlations", "0.1,0.2", "--examples", "9"},
        Arguments{"compare-correlations", "--correlations", "0.1,1,0.2", "--examples", "9"},
        Arguments{"compare-correlations", "--correlations", "0.1,0.3,0.2", "--examples", "3"},
        Arguments{"binomial", "--correct", "3", "--total", "4", "--p", "1"}, Arguments{"mcnemar", "--only-first", "3"},
        Arguments{"adjust", "--p", "p"}})
    EXPECT_EQ(desk.stats(arguments).code, 2) << (arguments.empty() ? "" : arguments.back());
}

TEST(Stats, WritesEmbeddingsAndDuplicates) {
  const AtTheTop here;
  Desk desk;
  ASSERT_EQ(
      desk.stats({"tsne", "docs/statistics/features.csv", "--perplexity", "5", "--out", desk.folder / "out"}).code, 0);
  const std::string embedding = text_of(desk.folder / "out/embedding.csv");
  EXPECT_EQ(embedding.substr(0, embedding.find('\n')), "name,y1,y2,label");
  EXPECT_EQ(std::count(embedding.begin(), embedding.end(), '\n'), 31);
  ASSERT_EQ(desk.stats({"near-duplicates", "docs/statistics/features.csv", "--threshold", "0.9999", "--most", "0",
                        "--out", desk.folder / "out"})
                .code,
            0);
  // Features are found by name, in any order.
  const std::string a = desk.file("a.csv", "image,f,g\nx,1,2\n");
  EXPECT_EQ(desk.result({"near-duplicates", a, desk.file("b.csv", "image,g,f\ny,2,1\n")})["result"]["pairs"], 1);
  desk.refuses({"near-duplicates", a, desk.file("b.csv", "image,f,h\ny,1,2\n")}, "b.csv: no column 'g'");
  desk.refuses({"near-duplicates", a, desk.file("b.csv", "image,f\ny,1\n")}, "a.csv has 2 columns of numbers, ");
  const std::string duplicates = text_of(desk.folder / "out/duplicates.csv");
  EXPECT_NE(duplicates.find("train/02.jpg,train/17.jpg,0.99999"), std::string::npos) << duplicates;
}

}  // namespace stats_test
