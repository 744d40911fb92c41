// The one-vs-rest protocol, held to scikit-learn's fits of the same problems (tests/oracle/make_one_vs_rest_golden.py).
#include "tinyvision/train/one_vs_rest.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

using namespace tinyvision;

namespace one_vs_rest_test {

using Json = nlohmann::json;

struct Part {
  Tensor x;
  std::vector<std::int8_t> presence;
};

Part part_of(const Json& json) {
  const Index n = static_cast<Index>(json["x"].size()), d = static_cast<Index>(json["x"][0].size());
  Part part{Tensor::empty({n, d}), {}};
  for (Index i = 0; i < n; ++i) {
    const std::size_t row = static_cast<std::size_t>(i);
    for (Index j = 0; j < d; ++j)
      part.x.data<float>()[i * d + j] = json["x"][row][static_cast<std::size_t>(j)].get<float>();
    for (const Json& p : json["presence"][row]) part.presence.push_back(p.get<std::int8_t>());
  }
  return part;
}

struct Golden {
  Json json;
  Part train, validation;
  Index classes = 0;
};

const Golden& golden() {
  static const Golden g = [] {
    std::ifstream in(std::string(TINYVISION_SOURCE_DIR) + "/tests/golden/logreg/one_vs_rest.json");
    Golden made;
    made.json = Json::parse(in);
    made.train = part_of(made.json["train"]);
    made.validation = part_of(made.json["validation"]);
    made.classes = static_cast<Index>(made.json["classes"].size());
    return made;
  }();
  return g;
}

/// Distance of column c of [d, classes] from `w`.
double distance(const Tensor& weights, Index c, const Json& w) {
  double sum = 0;
  for (Index j = 0; j < weights.dim(0); ++j) {
    const double gap = static_cast<double>(weights.data<float>()[j * weights.dim(1) + c]) -
                       w[static_cast<std::size_t>(j)].get<double>();
    sum += gap * gap;
  }
  return std::sqrt(sum);
}

std::vector<double> lambdas_of(const Golden& g) {
  std::vector<double> lambdas;
  for (const Json& p : g.json["classes"][0]["path"]) lambdas.push_back(p["lambda"].get<double>());
  return lambdas;
}

TEST(OneVsRestTest, EqualsScikitLearn) {
  const Golden& g = golden();
  OneVsRestOptions options;
  options.lambdas = lambdas_of(g);
  options.regression.tolerance = 1e-11;  // rankings must agree to the last pair
  std::size_t seen = 0;
  options.progress = [&](std::span<const ClassPoint> points) { seen += points.size(); };
  const OneVsRestResult r =
      fit_one_vs_rest(g.train.x, g.train.presence, g.validation.x, g.validation.presence, g.classes, options);
  ASSERT_TRUE(r.complete);
  EXPECT_TRUE(r.converged());
  EXPECT_EQ(seen, options.lambdas.size() * static_cast<std::size_t>(g.classes));
  for (Index c = 0; c < g.classes; ++c) {
    const Json& wanted = g.json["classes"][static_cast<std::size_t>(c)];
    const ClassFits& ours = r.classes[static_cast<std::size_t>(c)];
    ASSERT_EQ(ours.path.size(), wanted["path"].size());
    for (std::size_t i = 0; i < ours.path.size(); ++i) {
      SCOPED_TRACE(concat_text("class ", c, " lambda ", ours.path[i].fit.lambda));
      const Json& theirs = wanted["path"][i];
      EXPECT_EQ(ours.path[i].fit.lambda, theirs["lambda"].get<double>());
      const double objective = theirs["objective"].get<double>();
      EXPECT_NEAR(ours.path[i].fit.objective, objective, 1e-7 * objective);
      EXPECT_LE(ours.path[i].fit.objective - objective, ours.path[i].fit.certificate + 1e-9 * objective);
      EXPECT_NEAR(ours.path[i].average_precision, theirs["average_precision"].get<double>(), 1e-12);
    }
    SCOPED_TRACE(concat_text("class ", c));
    EXPECT_EQ(ours.lambda(), wanted["chosen"].get<double>());
    // Weights are f32, and |w - w*|^2 <= 2 certificate / lambda by strong convexity.
    const LogisticRegressionFit& chosen = ours.path[ours.chosen].fit;
    EXPECT_LE(distance(r.train_classifier.weights, c, wanted["path"][ours.chosen]["w"]),
              std::sqrt(2 * chosen.certificate / chosen.lambda) + 1e-5);
    EXPECT_EQ(ours.refit.lambda, ours.lambda());
    EXPECT_NEAR(ours.refit.objective, wanted["refit"]["objective"].get<double>(), 1e-7 * ours.refit.objective);
    EXPECT_LE(distance(r.classifier.weights, c, wanted["refit"]["w"]),
              std::sqrt(2 * ours.refit.certificate / ours.refit.lambda) + 1e-5);
    EXPECT_NEAR(static_cast<double>(r.classifier.intercept.data<float>()[c]), wanted["refit"]["b"].get<double>(),
                1e-3 * (1 + std::fabs(wanted["refit"]["b"].get<double>())));
  }
}

TEST(OneVsRestTest, TheWholeProtocolIsRepeatableOverThreads) {
  const Golden& g = golden();
  const int threads = num_threads();
  std::vector<float> weights, intercept;
  for (const int count : {1, 2, 3, 8}) {
    set_num_threads(count);
    const OneVsRestResult r =
        fit_one_vs_rest(g.train.x, g.train.presence, g.validation.x, g.validation.presence, g.classes);
    EXPECT_TRUE(r.converged());
    ASSERT_EQ(r.classes[0].path.size(), 45u);
    if (count == 1)
      weights = r.classifier.weights.to_vector<float>(), intercept = r.classifier.intercept.to_vector<float>();
    EXPECT_EQ(weights, r.classifier.weights.to_vector<float>()) << count;
    EXPECT_EQ(intercept, r.classifier.intercept.to_vector<float>()) << count;
  }
  set_num_threads(threads);
}

TEST(OneVsRestTest, TiesAndMissingRankingsGoToTheLargerPenalty) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto chosen = [](const std::vector<double>& lambdas, const std::vector<double>& precisions) {
    std::vector<ClassPoint> path(lambdas.size());
    for (std::size_t i = 0; i < path.size(); ++i)
      path[i].fit.lambda = lambdas[i], path[i].average_precision = precisions[i];
    return choose_point(path);
  };
  EXPECT_EQ(chosen({100, 10, 1}, {0.5, 0.7, 0.6}), 1u);
  EXPECT_EQ(chosen({100, 10, 1}, {0.5, 0.7, 0.7}), 1u);
  EXPECT_EQ(chosen({1, 10, 100}, {0.7, 0.7, 0.5}), 1u);
  EXPECT_EQ(chosen({1, 10, 100}, {nan, nan, nan}), 2u);
  EXPECT_EQ(chosen({100, 10, 1}, {nan, 0.1, nan}), 1u);
}

TEST(OneVsRestTest, DifficultExamplesFollowTheConvention) {
  const Golden& g = golden();
  OneVsRestOptions options;
  options.lambdas = {1};
  const auto fit = [&](const std::vector<std::int8_t>& presence) {
    return fit_one_vs_rest(g.train.x, presence, g.validation.x, g.validation.presence, g.classes, options);
  };
  const auto with_zeros_as = [&](std::int8_t value) {
    std::vector<std::int8_t> changed = g.train.presence;
    for (std::int8_t& p : changed) p = p == 0 ? value : p;
    return changed;
  };
  const Index zeros = std::count(g.train.presence.begin(), g.train.presence.end(), 0);
  ASSERT_GT(zeros, 5);
  const OneVsRestResult ignored = fit(g.train.presence);
  Index used = 0;
  for (const ClassFits& c : ignored.classes) used += c.positives + c.negatives;
  EXPECT_EQ(used, g.train.x.dim(0) * g.classes - zeros);
  options.training = stats::Difficult::positive;
  const OneVsRestResult positive = fit(g.train.presence);
  options.training = stats::Difficult::negative;
  const OneVsRestResult negative = fit(g.train.presence);
  options.training = stats::Difficult::ignored;
  for (std::size_t c = 0; c < ignored.classes.size(); ++c) {
    EXPECT_EQ(positive.classes[c].path[0].fit.objective, fit(with_zeros_as(1)).classes[c].path[0].fit.objective);
    EXPECT_EQ(negative.classes[c].path[0].fit.objective, fit(with_zeros_as(-1)).classes[c].path[0].fit.objective);
  }
  EXPECT_NE(positive.classes[0].path[0].fit.objective, ignored.classes[0].path[0].fit.objective);
  EXPECT_NE(negative.classes[0].path[0].fit.objective, ignored.classes[0].path[0].fit.objective);
  // The ranking has a convention of its own.
  options.ranking = stats::Difficult::positive;
  const OneVsRestResult ranked = fit(g.train.presence);
  EXPECT_EQ(ranked.classes[0].path[0].fit.objective, ignored.classes[0].path[0].fit.objective);
  bool moved = false;
  for (std::size_t c = 0; c < ranked.classes.size(); ++c)
    moved = moved || ranked.classes[c].path[0].average_precision != ignored.classes[c].path[0].average_precision;
  EXPECT_TRUE(moved);
}

TEST(OneVsRestTest, AClassThatValidationDoesNotShowGetsTheLargestPenalty) {
  const Golden& g = golden();
  std::vector<std::int8_t> presence = g.validation.presence;
  for (std::size_t i = 2; i < presence.size(); i += static_cast<std::size_t>(g.classes)) presence[i] = -1;
  OneVsRestOptions options;
  options.lambdas = {0.1, 10, 1000};
  const OneVsRestResult r = fit_one_vs_rest(g.train.x, g.train.presence, g.validation.x, presence, g.classes, options);
  EXPECT_TRUE(r.converged());
  EXPECT_EQ(r.classes[2].lambda(), 1000);
  for (const ClassPoint& p : r.classes[2].path) EXPECT_TRUE(std::isnan(p.average_precision));
}

TEST(OneVsRestTest, CanBeStopped) {
  const Golden& g = golden();
  OneVsRestOptions options;
  std::size_t penalties = 0;
  options.progress = [&](std::span<const ClassPoint>) { ++penalties; };
  options.regression.should_stop = [&] { return penalties == 3; };
  const OneVsRestResult r =
      fit_one_vs_rest(g.train.x, g.train.presence, g.validation.x, g.validation.presence, g.classes, options);
  EXPECT_FALSE(r.complete);
  EXPECT_FALSE(r.converged());
  EXPECT_EQ(r.classes[0].path.size(), 3u);
}

TEST(OneVsRestTest, BadInputIsNamed) {
  const Golden& g = golden();
  OneVsRestOptions options;
  options.lambdas = {1};
  options.class_names = {"ant", "bee", "crab", "dog", "eel"};
  const auto message = [&](const Part& train, const Part& validation) -> std::string {
    try {
      fit_one_vs_rest(train.x, train.presence, validation.x, validation.presence, g.classes, options);
    } catch (const UsageError& e) {
      return e.what();
    }
    return "";
  };
  const auto says = [](const std::string& text, const char* words) {
    return text.find(words) != std::string::npos ? testing::AssertionSuccess() : testing::AssertionFailure() << text;
  };
  EXPECT_EQ(message(g.train, g.validation), "");
  Part train = g.train;
  for (std::size_t i = 3; i < train.presence.size(); i += 5) train.presence[i] = train.presence[i] > 0 ? 0 : -1;
  EXPECT_TRUE(says(message(train, g.validation), "class dog has no positive training example among 140"));
  for (std::size_t i = 3; i < train.presence.size(); i += 5) train.presence[i] = 1;
  EXPECT_TRUE(says(message(train, g.validation), "class dog is in all 140 training examples"));
  train = g.train;
  train.presence[6 * 5 + 1] = 3;
  EXPECT_TRUE(says(message(train, g.validation), "training presence of row 6, class bee is 3"));
  Part validation = g.validation;
  validation.presence.pop_back();
  EXPECT_TRUE(says(message(g.train, validation), "70 validation examples of 5 classes but 349 presences"));
  validation = {Tensor::zeros({0, 12}), {}};
  EXPECT_TRUE(says(message(g.train, validation), "no validation examples"));
  validation = {Tensor::zeros({70, 11}), g.validation.presence};
  EXPECT_TRUE(says(message(g.train, validation), "training has 12 features, validation 11"));
  validation = {g.validation.x.clone(), g.validation.presence};
  validation.x.data<float>()[2 * 12 + 5] = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(says(message(g.train, validation), "validation feature 5 of row 2 is inf"));
  options.lambdas = {1, -1};
  EXPECT_TRUE(says(message(g.train, g.validation), "lambda must be positive, got -1"));
  options.lambdas = {};
  EXPECT_TRUE(says(message(g.train, g.validation), "no lambdas"));
  options.lambdas = {1};
  options.class_names.pop_back();
  EXPECT_TRUE(says(message(g.train, g.validation), "4 names for 5 classes"));
}

}  // namespace one_vs_rest_test
