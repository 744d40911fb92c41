#include "tinyvision/stats/tsne.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace tv = tinyvision;
namespace stats = tinyvision::stats;
using tv::Index;

namespace tsne_test {

/// [n, d] f64: normal deviates around one of `clusters` centres.
tv::Tensor clusters(Index n, Index d, Index clusters, std::uint64_t step) {
  const tv::Random random(3, tv::Stream::test, step), centre(4, tv::Stream::test, step);
  tv::Tensor x = tv::Tensor::empty({n, d}, tv::DType::f64);
  for (Index i = 0; i < n; ++i)
    for (Index k = 0; k < d; ++k)
      x.data<double>()[i * d + k] = random.normal(static_cast<std::uint64_t>(i * d + k)) +
                                    4 * centre.normal(static_cast<std::uint64_t>(i % clusters * d + k));
  return x;
}

/// [n, c] f64 normal deviates of a given size.
tv::Tensor points(Index n, Index c, double size, std::uint64_t step) {
  const tv::Random random(5, tv::Stream::test, step);
  tv::Tensor y = tv::Tensor::empty({n, c}, tv::DType::f64);
  for (Index e = 0; e < n * c; ++e) y.data<double>()[e] = size * random.normal(static_cast<std::uint64_t>(e));
  return y;
}

double distance2(const double* a, const double* b, Index d) {
  double sum = 0;
  for (Index k = 0; k < d; ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

/// tests/golden/tsne/digits.txt
struct Digits {
  Index n = 0, d = 0;
  double perplexity = 0;
  tv::Tensor x{};
  std::map<std::string, double> values{};
  std::vector<std::tuple<Index, Index, double>> p{};

  Digits() {
    std::ifstream file(std::string(TINYVISION_SOURCE_DIR) + "/tests/golden/tsne/digits.txt");
    file >> n >> d >> perplexity;
    x = tv::Tensor::empty({n, d}, tv::DType::f32);
    for (Index e = 0; e < n * d; ++e) file >> x.data<float>()[e];
    for (std::string name; file >> name;) {
      if (name == "p") {
        Index i = 0, j = 0;
        double value = 0;
        file >> i >> j >> value;
        p.emplace_back(i, j, value);
      } else {
        file >> values[name];
      }
    }
  }
};

double entry(const stats::TsneAffinities& p, Index i, Index j) {
  for (Index e = p.row_begin[static_cast<std::size_t>(i)]; e < p.row_begin[static_cast<std::size_t>(i) + 1]; ++e)
    if (p.column[static_cast<std::size_t>(e)] == j) return p.value[static_cast<std::size_t>(e)];
  return 0;
}

TEST(Neighbors, AreThoseOfEveryDistance) {
  for (const Index k : {1, 7, 199}) {
    const tv::Tensor x = clusters(200, 19, 5, 1);
    const double* rows = x.data<double>();
    const stats::Neighbors near = stats::nearest_neighbors(x, k);
    for (Index i = 0; i < 200; ++i) {
      std::vector<std::pair<double, Index>> all;
      for (Index j = 0; j < 200; ++j)
        if (j != i) all.emplace_back(distance2(rows + i * 19, rows + j * 19, 19), j);
      std::sort(all.begin(), all.end());
      for (Index r = 0; r < k; ++r) {
        const auto at = static_cast<std::size_t>(i * k + r);
        ASSERT_EQ(near.index[at], all[static_cast<std::size_t>(r)].second);
        ASSERT_NEAR(near.squared_distance[at], all[static_cast<std::size_t>(r)].first,
                    1e-12 * near.squared_distance[at]);
      }
    }
  }
}

// Far from the origin, f32 products alone would know nothing of these distances.
TEST(Neighbors, AreFoundFarFromTheOrigin) {
  tv::Tensor x = tv::Tensor::empty({50, 3}, tv::DType::f64);
  for (Index i = 0; i < 50; ++i)
    for (Index k = 0; k < 3; ++k) x.data<double>()[i * 3 + k] = 1e6 + (k == 0 ? 1e-3 * static_cast<double>(i * i) : 0);
  const stats::Neighbors near = stats::nearest_neighbors(x, 1);
  EXPECT_EQ(near.index[0], 1);
  for (Index i = 1; i < 50; ++i) EXPECT_EQ(near.index[static_cast<std::size_t>(i)], i - 1);
}

TEST(Neighbors, TiesRankByIndexAndBadInputIsNamed) {
  const tv::Tensor x = tv::Tensor::from_vector<float>({4, 1}, {0, 1, -1, 0});
  EXPECT_EQ(stats::nearest_neighbors(x, 3).index, (std::vector<std::int32_t>{3, 1, 2, 0, 3, 2, 0, 3, 1, 0, 1, 2}));
  EXPECT_THROW(stats::nearest_neighbors(x, 4), tv::UsageError);
  EXPECT_THROW(stats::nearest_neighbors(x, 0), tv::UsageError);
  tv::Tensor nan = tv::Tensor::zeros({4, 3});
  nan.data<float>()[7] = std::nanf("");
  try {
    stats::nearest_neighbors(nan, 1);
    ADD_FAILURE();
  } catch (const tv::UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("row 2, column 1 is nan"), std::string::npos) << error.what();
  }
}

TEST(PrincipalComponents, AreEigenvectorsOfTheCovariance) {
  for (const auto& [n, d, k] : {std::tuple<Index, Index, Index>{60, 7, 7}, {9, 40, 4}, {300, 50, 3}, {5, 1, 1}}) {
    const tv::Tensor x = clusters(n, d, 4, 2);
    const stats::PrincipalComponents pca = stats::principal_components(x, k);
    std::vector<double> mean(static_cast<std::size_t>(d), 0), covariance(static_cast<std::size_t>(d * d), 0);
    const double* rows = x.data<double>();
    for (Index i = 0; i < n; ++i)
      for (Index a = 0; a < d; ++a) mean[static_cast<std::size_t>(a)] += rows[i * d + a] / static_cast<double>(n);
    for (Index i = 0; i < n; ++i)
      for (Index a = 0; a < d; ++a)
        for (Index b = 0; b < d; ++b)
          covariance[static_cast<std::size_t>(a * d + b)] += (rows[i * d + a] - mean[static_cast<std::size_t>(a)]) *
                                                             (rows[i * d + b] - mean[static_cast<std::size_t>(b)]) /
                                                             static_cast<double>(n);
    std::vector<double> vectors = covariance, values(static_cast<std::size_t>(d));
    tv::linalg::symmetric_eigen(d, vectors.data(), values.data());
    for (Index c = 0; c < k; ++c) {
      EXPECT_NEAR(pca.variances[static_cast<std::size_t>(c)], values[static_cast<std::size_t>(c)], 1e-9 * values[0]);
      const double* axis = pca.axes.data<double>() + c * d;
      double largest = 0, residual = 0, variance = 0;
      for (Index a = 0; a < d; ++a) {
        if (std::fabs(axis[a]) > std::fabs(largest)) largest = axis[a];
        double product = 0;
        for (Index b = 0; b < d; ++b) product += covariance[static_cast<std::size_t>(a * d + b)] * axis[b];
        residual = std::max(residual, std::fabs(product - values[static_cast<std::size_t>(c)] * axis[a]));
      }
      EXPECT_GT(largest, 0);
      EXPECT_LT(residual, 1e-5 * values[0]);
      for (Index i = 0; i < n; ++i)
        variance += std::pow(pca.scores.data<double>()[i * k + c], 2) / static_cast<double>(n);
      EXPECT_NEAR(variance, values[static_cast<std::size_t>(c)], 1e-9 * values[0]);
    }
  }
}

TEST(TsneAffinities, HaveThePerplexityInEveryRow) {
  const tv::Tensor x = clusters(60, 9, 3, 6);
  const stats::Neighbors near = stats::nearest_neighbors(x, 59);
  for (const double perplexity : {1.0 + 1e-6, 2.0, 12.5, 57.0}) {
    std::vector<double> p(59);
    for (Index i = 0; i < 60; ++i) {
      ASSERT_TRUE(stats::detail::conditional_row(near.squared_distance.data() + i * 59, 59, perplexity, p.data()));
      double entropy = 0, sum = 0;
      for (const double v : p) sum += v, entropy -= v > 0 ? v * std::log(v) : 0;
      EXPECT_NEAR(sum, 1, 1e-12);
      EXPECT_NEAR(std::exp(entropy), perplexity, 1e-8 * perplexity);
    }
  }
}

TEST(TsneAffinities, EqualThoseOfTheDefinition) {
  const Digits digits;
  const stats::TsneAffinities p = stats::tsne_affinities(digits.x, digits.perplexity);
  ASSERT_EQ(digits.p.size(), 6u);
  for (const auto& [i, j, value] : digits.p) {
    EXPECT_NEAR(entry(p, i, j), value, 1e-7 * value);
    EXPECT_EQ(entry(p, i, j), entry(p, j, i));
  }
  double sum = 0;
  for (const double v : p.value) sum += v;
  EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_EQ(p.unreached, 0);
}

TEST(TsneAffinities, CountRowsOfEqualDistances) {
  const tv::Tensor x = tv::Tensor::zeros({10, 2});  // every perplexity is 9
  const stats::TsneAffinities p = stats::tsne_affinities(x, 4);
  EXPECT_EQ(p.unreached, 10);
  for (const double v : p.value) EXPECT_NEAR(v, 1.0 / 90, 1e-15);
}

template <int D>
void check_gradient() {
  constexpr Index n = 12;
  const stats::TsneAffinities p = stats::tsne_affinities(clusters(n, 4, 3, 7), 3.5);
  stats::detail::TsneObjective<D> objective(p, 0);
  tv::Tensor y = points(n, D, 1.5, 8);
  std::vector<double> gradient(n * D), other(n * D);
  objective(y.data<double>(), 1, gradient.data(), false);
  double largest = 0;
  for (const double g : gradient) largest = std::max(largest, std::fabs(g));
  for (Index e = 0; e < n * D; ++e) {
    double& at = y.data<double>()[e];
    const double before = at, h = 1e-4;
    const auto value = [&](double to) {
      at = to;
      return objective(y.data<double>(), 1, other.data(), true);
    };
    // Richardson: two central differences, whose errors of second order cancel.
    const double wide = (value(before + 2 * h) - value(before - 2 * h)) / (4 * h);
    const double narrow = (value(before + h) - value(before - h)) / (2 * h);
    at = before;
    EXPECT_NEAR(gradient[static_cast<std::size_t>(e)], (4 * narrow - wide) / 3, 1e-9 * largest);
  }
}

TEST(TsneObjective, GradientIsTheDerivative) {
  check_gradient<1>();
  check_gradient<2>();
  check_gradient<3>();
}

TEST(TsneObjective, ValueIsTheDivergenceOfTheDefinition) {
  constexpr Index n = 15;
  const stats::TsneAffinities p = stats::tsne_affinities(clusters(n, 4, 3, 9), 4);
  const tv::Tensor y = points(n, 2, 2, 10);
  double z = 0, sum = 0;
  const auto k = [&](Index i, Index j) {
    return 1 / (1 + distance2(y.data<double>() + 2 * i, y.data<double>() + 2 * j, 2));
  };
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < n; ++j) z += i == j ? 0 : k(i, j);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < n; ++j)
      if (i != j && entry(p, i, j) > 0) sum += entry(p, i, j) * std::log(entry(p, i, j) * z / k(i, j));
  EXPECT_NEAR(stats::tsne_divergence(p, y), sum, 1e-13);
}

/// Points in clumps, some of them equal.
template <int D>
tv::Tensor clumps(Index n) {
  tv::Tensor y = points(n, D, 1, 11);
  for (Index i = 0; i < n; ++i)
    for (Index a = 0; a < D; ++a) {
      double& v = y.data<double>()[i * D + a];
      v = i % 5 == 0 ? 3 : v * (i % 3 == 0 ? 1e-9 : 4) + (i % 2 == 0 ? 10 : 0);
    }
  return y;
}

template <int D>
void check_tree() {
  constexpr Index n = 500;
  const tv::Tensor y = clumps<D>(n);
  const double* v = y.data<double>();
  stats::detail::SpaceTree<D> tree;
  tree.build(points(7, D, 1, 12).template data<double>(), 7);  // a second build forgets the first
  tree.build(v, n);
  ASSERT_EQ(tree.size(), n);
  EXPECT_GT(tree.nodes(), n / 10);
  double errors = 0, lengths = 0;
  std::vector<int> seen(n, 0);
  for (Index place = 0; place < n; ++place) {
    const Index i = tree.point(place);
    ++seen[static_cast<std::size_t>(i)];
    double force[D] = {}, z = 0, exact[D] = {}, rough[D] = {};
    for (Index j = 0; j < n; ++j) {
      if (j == i) continue;
      const double q = 1 / (1 + distance2(v + i * D, v + j * D, D));
      z += q;
      for (int a = 0; a < D; ++a) force[a] += q * q * (v[i * D + a] - v[j * D + a]);
    }
    EXPECT_NEAR(tree.repulsion(place, 0, exact), z, 1e-12 * z + 1e-12);
    for (int a = 0; a < D; ++a) EXPECT_NEAR(exact[a], force[a], 1e-11 * z);
    EXPECT_NEAR(tree.repulsion(place, 0.5, rough), z, 0.03 * z);
    for (int a = 0; a < D; ++a) lengths += force[a] * force[a], errors += std::pow(rough[a] - force[a], 2);
  }
  EXPECT_EQ(seen, std::vector<int>(n, 1));
  EXPECT_LT(std::sqrt(errors / lengths), 0.02) << D;
  EXPECT_GT(errors, 0);  // theta = 0.5 does take cells whole
}

TEST(SpaceTree, ExactSumsWithoutApproximationAndCloseOnesWith) {
  check_tree<1>();
  check_tree<2>();
  check_tree<3>();
}

TEST(SpaceTree, TakesEqualPointsAndFewPoints) {
  const tv::Tensor same = tv::Tensor::full({40, 2}, 2.5, tv::DType::f64);
  for (const Index n : {1, 2, 40}) {
    stats::detail::SpaceTree<2> tree;
    tree.build(same.data<double>(), n);
    double force[2] = {};
    EXPECT_EQ(tree.repulsion(0, 0.5, force), static_cast<double>(n - 1));
    EXPECT_EQ(force[0], 0);
  }
}

TEST(Trustworthiness, MatchesScikitLearn) {
  const Digits digits;
  tv::Tensor moved = digits.x.to(tv::DType::f64), plane = tv::Tensor::zeros({digits.n, 2}, tv::DType::f64);
  for (Index e = 0; e < moved.count(); ++e) moved.data<double>()[e] += 0.01 * std::sin(static_cast<double>(e));
  for (Index i = 0; i < digits.n; ++i)
    for (Index k = 0; k < digits.d; ++k)
      for (Index a = 0; a < 2; ++a)
        plane.data<double>()[2 * i + a] +=
            moved.data<double>()[i * digits.d + k] * std::sin(static_cast<double>(2 * k + a + 1));
  EXPECT_NEAR(stats::trustworthiness(moved, plane, 12), digits.values.at("plane_trustworthiness"), 1e-12);
  EXPECT_EQ(stats::trustworthiness(moved, moved, 12), 1);
  EXPECT_THROW(stats::trustworthiness(moved, plane, 200), tv::UsageError);
  EXPECT_THROW(stats::trustworthiness(moved, tv::Tensor::zeros({3, 2}), 2), tv::UsageError);
}

// Within 5 % of scikit-learn's divergence under one and the same P with an exact Q, and as trustworthy to 0.002.
TEST(Tsne, EmbedsAsWellAsScikitLearn) {
  const Digits digits;
  const stats::TsneAffinities p = stats::tsne_affinities(digits.x, digits.perplexity);
  for (const char* method : {"barnes_hut", "exact"}) {
    SCOPED_TRACE(method);
    stats::TsneOptions options;
    options.theta = std::string(method) == "exact" ? 0 : 0.5;
    const stats::Tsne result = stats::tsne(digits.x, options);
    EXPECT_EQ(result.iterations, 1000);
    EXPECT_EQ(result.unreached_perplexity, 0);
    const double kl = stats::tsne_divergence(p, result.embedding),
                 wanted = digits.values.at(std::string(method) + "_kl");
    EXPECT_LT(kl, 1.05 * wanted);
    EXPECT_GT(kl, 0.95 * wanted);
    EXPECT_GT(stats::trustworthiness(digits.x, result.embedding, 12),
              digits.values.at(std::string(method) + "_trustworthiness") - 0.002);
    EXPECT_NEAR(result.kl_divergence, kl, options.theta == 0 ? 1e-12 : 0.1);
  }
}

TEST(Tsne, DoesNotDependOnTheNumberOfThreads) {
  const tv::Tensor x = clusters(300, 20, 6, 13);
  const int before = tv::num_threads();
  for (const double theta : {0.0, 0.5}) {
    std::vector<std::vector<double>> results;
    for (const int threads : {1, 2, 3, 5, 8}) {
      tv::set_num_threads(threads);
      stats::TsneOptions options;
      options.iterations = 60;
      options.theta = theta;
      options.perplexity = 10;
      options.exaggeration_iterations = 30;
      const stats::Tsne result = stats::tsne(x, options);
      results.push_back(result.embedding.to_vector<double>());
      results.back().push_back(result.kl_divergence);
    }
    for (const auto& result : results) EXPECT_EQ(result, results[0]);
  }
  tv::set_num_threads(before);
}

TEST(Tsne, SeparatesClustersInOneTwoAndThreeDimensions) {
  const tv::Tensor x = clusters(150, 10, 3, 14);
  for (const Index components : {1, 2, 3})
    for (const auto start : {stats::TsneStart::principal_components, stats::TsneStart::random}) {
      stats::TsneOptions options;
      options.components = components;
      options.iterations = 400;
      options.perplexity = 15;
      options.start = start;
      Index calls = 0;
      options.progress = [&](Index iteration, double) { calls += iteration % 50 == 0 ? 1 : 0; };
      const stats::Tsne result = stats::tsne(x, options);
      EXPECT_EQ(calls, result.iterations / 50);
      const stats::Neighbors near = stats::nearest_neighbors(result.embedding, 5);
      Index strangers = 0;  // of another cluster
      for (Index e = 0; e < 150 * 5; ++e)
        strangers += (near.index[static_cast<std::size_t>(e)] - e / 5) % 3 != 0 ? 1 : 0;
      EXPECT_LE(strangers, 15) << components << " dimensions";
    }
}

TEST(Tsne, IsAFunctionOfTheSeed) {
  const tv::Tensor x = clusters(40, 5, 2, 15);
  const auto embedding = [&](std::uint64_t seed) {
    stats::TsneOptions options;
    options.iterations = 20;
    options.perplexity = 5;
    options.start = stats::TsneStart::random;
    options.seed = seed;
    return stats::tsne(x, options).embedding.to_vector<double>();
  };
  EXPECT_EQ(embedding(1), embedding(1));
  EXPECT_NE(embedding(1), embedding(2));
}

TEST(Tsne, TakesEqualRowsAndFewRows) {
  stats::TsneOptions options;
  options.iterations = 300;
  options.perplexity = 1.5;
  const stats::Tsne few = stats::tsne(tv::Tensor::from_vector<float>({3, 1}, {0, 1, 9}), options);
  EXPECT_EQ(few.embedding.shape(), (tv::Shape{3, 2}));
  options.perplexity = 4;
  const stats::Tsne equal = stats::tsne(tv::Tensor::full({20, 3}, 7), options);  // no principal component
  EXPECT_EQ(equal.unreached_perplexity, 20);
  for (const double v : few.embedding.to_vector<double>()) EXPECT_TRUE(std::isfinite(v));
  for (const double v : equal.embedding.to_vector<double>()) EXPECT_TRUE(std::isfinite(v));
}

TEST(Tsne, RefusesBadInput) {
  const tv::Tensor x = clusters(40, 5, 2, 15);
  const auto refused = [&](auto&& change) {
    stats::TsneOptions options;
    options.iterations = 2;
    options.perplexity = 5;
    change(options);
    EXPECT_THROW(stats::tsne(x, options), tv::UsageError);
  };
  refused([](auto& o) { o.perplexity = 39; });
  refused([](auto& o) { o.perplexity = 0.5; });
  refused([](auto& o) { o.perplexity = std::nan(""); });
  refused([](auto& o) { o.components = 4; });
  refused([](auto& o) { o.theta = -0.1; });
  refused([](auto& o) { o.iterations = 0; });
  refused([](auto& o) { o.exaggeration = 0; });
  refused([](auto& o) { o.learning_rate = -1; });
  EXPECT_THROW(stats::tsne(tv::Tensor::zeros({2, 4})), tv::UsageError);
  EXPECT_THROW(stats::tsne(tv::Tensor::zeros({40})), tv::UsageError);
  EXPECT_THROW(stats::tsne(tv::Tensor()), tv::UsageError);
}

}  // namespace tsne_test
