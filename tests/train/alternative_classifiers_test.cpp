// Support vector machines and logistic regression on augmented images: the paper's appendix G.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>

#include "tinyvision/train/augmented_probe.hpp"
#include "tinyvision/train/linear_svm.hpp"
#include "train/tiny_run.hpp"

namespace alternative_classifiers_test {

using namespace tinyvision;

std::ifstream golden(const std::string& name) {
  std::ifstream file(TINYVISION_SOURCE_DIR "/tests/golden/" + name);
  file.exceptions(std::ios::failbit | std::ios::badbit);
  return file;
}

template <class T>
std::vector<T> read(std::istream& file, Index count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& v : values) file >> v;
  return values;
}

/// `n` noisy examples of k classes around centres that are the same for every `part`.
SvmPart make(Index n, Index d, Index k, std::uint64_t part, double noise_size = 1.0) {
  const Random centre(21, Stream::test, 0), noise(21, Stream::test, 1 + part);
  SvmPart out{Tensor::empty({n, d}), {}};
  for (Index i = 0; i < n; ++i) {
    out.labels.push_back(i % k);
    for (Index j = 0; j < d; ++j)
      out.features.data<float>()[i * d + j] =
          static_cast<float>(centre.normal(static_cast<std::uint64_t>(i % k * d + j)) +
                             noise_size * noise.normal(static_cast<std::uint64_t>(i * d + j)));
  }
  return out;
}

std::vector<std::int8_t> signs_of(const std::vector<Index>& labels, Index classes) {
  return detail::svm_signs({Tensor(), labels}, classes, stats::Difficult::ignored);
}

std::vector<float> values_of(const LinearClassifier& c) {
  std::vector<float> all = c.weights.to_vector<float>();
  for (const float b : c.intercept.to_vector<float>()) all.push_back(b);
  return all;
}

// --- Support vector machines ------------------------------------------------------------------------------------------

// The objective is strongly convex with modulus 1: a solution whose objective is at most e above the minimum is at most
// sqrt(2 e) away from the optimum. Goldens are within 1e-9 of it, relative (asserted by their script).
TEST(LinearSvmTest, IsTheOptimumThatScikitLearnFinds) {
  for (const char* name : {"svm/four_classes.txt", "svm/two_classes.txt"}) {
    std::ifstream file = golden(name);
    Index n, d, k, m, fits;
    file >> n >> d >> k >> m >> fits;
    const Tensor x = unit_rows(Tensor::from_vector<float>({n + m, d}, read<float>(file, (n + m) * d)));
    const std::vector<Index> labels = read<Index>(file, n + m);
    for (Index f = 0; f < fits; ++f) {
      int hinge;
      double c, objective;
      file >> hinge >> c >> objective;
      const Index machines = k == 2 ? 1 : k;
      const std::vector<double> theirs = read<double>(file, machines * (d + 1));
      const std::vector<Index> predicted = read<Index>(file, m);
      SvmOptions options;
      options.loss = hinge ? SvmLoss::hinge : SvmLoss::squared_hinge;
      options.tolerance = 1e-10;
      const auto rows = std::make_shared<SvmRows>(x, options);
      LinearSvm svm(rows, signs_of({labels.begin(), labels.begin() + n}, k), k, true);
      const LinearSvmFit fit = svm.fit(c);
      SCOPED_TRACE(concat_text(name, " ", to_string(options.loss), " C ", c));
      EXPECT_TRUE(fit.converged()) << fit.relative_certificate << " " << to_string(fit.stop);
      EXPECT_EQ(fit.machines, machines);
      EXPECT_GE(fit.objective, objective - 2e-9 * objective);
      EXPECT_LE(fit.objective, objective + fit.certificate + 2e-9 * objective);
      for (Index i = 0; i < machines; ++i) {
        const SvmSolution& own = *svm.solution(k == 2 ? 1 : i);
        double distance = 0;
        for (Index j = 0; j <= d; ++j) {
          const auto at = static_cast<std::size_t>(j);
          distance = std::hypot(distance, own.weights[at] - theirs[static_cast<std::size_t>(i * (d + 1)) + at]);
        }
        EXPECT_LE(distance, std::sqrt(2 * own.certificate) + std::sqrt(2e-9 * own.objective)) << "machine " << i;
      }
      EXPECT_EQ(stats::predicted_classes(svm.classifier().logits(x.slice_batch(n, m))), predicted);
    }
  }
}

TEST(LinearSvmTest, TheBoundHoldsFarFromTheOptimum) {
  const SvmPart part = make(50, 5, 2, 1);
  for (const SvmLoss loss : {SvmLoss::squared_hinge, SvmLoss::hinge}) {
    SvmOptions options;
    options.loss = loss;
    SvmRows rows(unit_rows(part.features), options);
    SvmExamples examples;
    for (Index i = 0; i < 50; ++i) examples.rows.push_back(i), examples.signs.push_back(i % 2 == 0 ? 1 : -1);
    const double least = solve_svm(rows, examples, 3).objective;
    SvmSolution zero;
    zero.weights.assign(6, 0);
    detail::certify_svm(rows, examples, 3, std::vector<double>(50, 0.5), zero);
    EXPECT_DOUBLE_EQ(zero.objective, 3 * 50);
    EXPECT_GE(zero.certificate, zero.objective - least) << to_string(loss);
  }
}

TEST(LinearSvmTest, AFitThatHitsTheLibrarysLimitIsReported) {
  SvmOptions options;
  options.loss = SvmLoss::hinge;
  const SvmPart part = make(80, 6, 2, 1, 3.0);
  LinearSvm svm(std::make_shared<SvmRows>(unit_rows(part.features), options), signs_of(part.labels, 2), 2, true);
  const LinearSvmFit fit = svm.fit(1e7);
  EXPECT_FALSE(fit.converged());
  EXPECT_EQ(fit.unconverged, 1);
  EXPECT_EQ(fit.stop, SvmStop::iteration_limit);
  EXPECT_GT(fit.relative_certificate, options.tolerance);
  EXPECT_TRUE(svm.fit(1.0).converged()) << "the same data at a C that the solver can";
}

TEST(LinearSvmTest, ChoosesOnValidationAndRefitsOnBoth) {
  const SvmPart train = make(60, 20, 5, 1, 1.5), validation = make(100, 20, 5, 2, 1.5);
  SvmProbeOptions options;
  ::testing::internal::CaptureStdout();
  const SvmProbeResult r = fit_svm_probe(train, validation, 5, options);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "") << "the library's own lines";
  EXPECT_TRUE(r.complete);
  EXPECT_TRUE(r.converged());
  ASSERT_EQ(r.path.size(), 26u);
  EXPECT_DOUBLE_EQ(r.path.front().fit.c, 1e-3);
  EXPECT_DOUBLE_EQ(r.path[1].fit.c, std::pow(10, -2.8));
  EXPECT_DOUBLE_EQ(r.path.back().fit.c, 1e2);
  const std::size_t chosen = r.chosen.front();
  EXPECT_EQ(r.chosen, std::vector<std::size_t>(5, chosen));
  EXPECT_GT(chosen, 0u);
  for (std::size_t i = 0; i < r.path.size(); ++i) {
    if (i > 0) {
      EXPECT_GT(r.path[i].fit.c, r.path[i - 1].fit.c);
    }
    EXPECT_LE(r.path[i].top1, r.path[chosen].top1);
    if (i < chosen) {
      EXPECT_LT(r.path[i].top1, r.path[chosen].top1) << "a tie goes to the smaller C";
    }
  }
  const Tensor x = unit_rows(validation.features);
  EXPECT_EQ(stats::top_k_accuracy(r.train_classifier.logits(x), validation.labels, 1).value(), r.path[chosen].top1);
  std::vector<Index> labels = train.labels;
  labels.insert(labels.end(), validation.labels.begin(), validation.labels.end());
  LinearSvm both(
      std::make_shared<SvmRows>(unit_rows(detail::stack_rows(train.features, validation.features)), SvmOptions{}),
      signs_of(labels, 5), 5, true);
  EXPECT_NEAR(both.fit(r.c(0)).objective, r.refit.objective, 2e-6 * r.refit.objective);
}

TEST(LinearSvmTest, RepeatsBitForBitWhateverTheThreadsAndOtherDraws) {
  const SvmPart train = make(40, 8, 3, 1), validation = make(30, 8, 3, 2);
  const int threads = num_threads();
  for (const SvmLoss loss : {SvmLoss::squared_hinge, SvmLoss::hinge}) {
    SvmProbeOptions options;
    options.costs = {0.01, 1, 10};
    options.svm.loss = loss;
    set_num_threads(1);
    std::srand(99);
    const SvmProbeResult first = fit_svm_probe(train, validation, 3, options);
    set_num_threads(3);
    std::srand(7);
    static_cast<void>(std::rand());
    const SvmProbeResult again = fit_svm_probe(train, validation, 3, options);
    EXPECT_EQ(values_of(first.classifier), values_of(again.classifier)) << to_string(loss);
    EXPECT_EQ(first.refit.objective, again.refit.objective);
  }
  set_num_threads(threads);
  // As the library leaves it, before anything of ours brings it nearer to the optimum.
  SvmOptions options;
  options.loss = SvmLoss::hinge;
  options.tolerance = 1;
  SvmRows rows(unit_rows(make(60, 8, 2, 3, 2.0).features), options);
  SvmExamples examples;
  for (Index i = 0; i < 60; ++i) examples.rows.push_back(i), examples.signs.push_back(i % 2 == 0 ? 1 : -1);
  std::srand(99);
  const SvmSolution first = solve_svm(rows, examples, 10);
  std::srand(7);
  EXPECT_EQ(first.rounds, 0);
  EXPECT_EQ(solve_svm(rows, examples, 10).weights, first.weights);
}

TEST(LinearSvmTest, RowsHaveUnitLengthAndZerosStay) {
  const Tensor x = unit_rows(Tensor::from_vector<float>({3, 2}, {3, 4, 0, 0, 0, -1e-30f}));
  EXPECT_EQ(x.to_vector<float>(), (std::vector<float>{0.6f, 0.8f, 0, 0, 0, -1}));
}

TEST(LinearSvmTest, AClassWithoutExamplesNeverWins) {
  const SvmPart all = make(40, 6, 4, 1, 0.2), validation = make(40, 6, 4, 2, 0.2);
  SvmPart train{Tensor::empty({30, 6}), {}};
  for (Index i = 0; i < 40; ++i) {
    if (i % 4 == 3) continue;
    train.features.slice_batch(static_cast<Index>(train.labels.size()), 1).copy_from(all.features.slice_batch(i, 1));
    train.labels.push_back(i % 4);
  }
  SvmProbeOptions options;
  options.costs = {1};
  const SvmProbeResult r = fit_svm_probe(train, validation, 4, options);
  EXPECT_EQ(r.absent_classes, 1);
  EXPECT_LE(r.train_classifier.intercept.data<float>()[3], -1e29f);
  EXPECT_GT(r.classifier.intercept.data<float>()[3], -1e3f);
  const stats::ConfusionMatrix confusion(r.classifier.logits(unit_rows(validation.features)), validation.labels);
  EXPECT_GT(confusion.of_class(3).value(), 0.9) << "the refit has seen it";
}

TEST(LinearSvmTest, EachClassHasItsOwnCWhereImagesShowSeveral) {
  const Index n = 60, d = 10, k = 3;
  SvmPart parts[] = {make(n, d, k, 1, 2.0), make(n, d, k, 2, 2.0)};
  for (SvmPart& part : parts) {
    for (Index i = 0; i < n; ++i)
      for (Index c = 0; c < k; ++c) part.presence.push_back(i % k == c ? 1 : (i + c) % 7 == 0 ? 0 : -1);
  }
  SvmProbeOptions options;
  options.costs = log_spaced(-3, 2, 6);
  const SvmProbeResult r = fit_svm_probe(parts[0], parts[1], k, options);
  EXPECT_TRUE(r.converged());
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t i = 0; i < r.path.size(); ++i) {
      EXPECT_LE(r.path[i].average_precision[c], r.path[r.chosen[c]].average_precision[c]);
      if (i < r.chosen[c]) {
        EXPECT_LT(r.path[i].average_precision[c], r.path[r.chosen[c]].average_precision[c]);
      }
    }
  // The machine of class 1 is what the examples alone give that are not difficult for it.
  std::vector<float> x;
  std::vector<Index> labels;
  const Tensor unit = unit_rows(detail::stack_rows(parts[0].features, parts[1].features));
  for (Index i = 0; i < 2 * n; ++i) {
    const std::int8_t shown = parts[i / n].presence[static_cast<std::size_t>(i % n * k + 1)];
    if (shown == 0) continue;
    labels.push_back(shown > 0 ? 1 : 0);
    x.insert(x.end(), unit.data<float>() + i * d, unit.data<float>() + (i + 1) * d);
  }
  const auto rows =
      std::make_shared<SvmRows>(Tensor::from_vector<float>({static_cast<Index>(labels.size()), d}, x), options.svm);
  LinearSvm alone(rows, signs_of(labels, 2), 2, true);
  alone.fit(r.c(1));
  const double bound = std::sqrt(2e-6 * alone.solution(1)->objective) * 2;
  for (Index j = 0; j < d; ++j)
    EXPECT_NEAR(r.classifier.weights.data<float>()[j * k + 1], alone.solution(1)->weights[static_cast<std::size_t>(j)],
                bound);
}

TEST(LinearSvmTest, CanBeStopped) {
  const SvmPart train = make(30, 6, 3, 1), validation = make(30, 6, 3, 2);
  SvmProbeOptions options;
  std::size_t points = 0;
  options.progress = [&](const SvmPoint&) { ++points; };
  options.should_stop = [&] { return points == 4; };
  const SvmProbeResult r = fit_svm_probe(train, validation, 3, options);
  EXPECT_FALSE(r.complete);
  EXPECT_FALSE(r.converged());
  EXPECT_EQ(r.path.size(), 4u);
}

TEST(LinearSvmTest, BadInputIsNamed) {
  const SvmPart train = make(30, 5, 3, 1), validation = make(9, 5, 3, 2);
  const auto message = [&](const SvmPart& a, const SvmPart& b, std::vector<double> costs = {1}) -> std::string {
    SvmProbeOptions options;
    options.costs = std::move(costs);
    try {
      fit_svm_probe(a, b, 3, options);
    } catch (const UsageError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_EQ(message(train, validation), "");
  EXPECT_NE(message(train, {Tensor::zeros({0, 5}), {}}).find("no validation examples"), std::string::npos);
  EXPECT_NE(message(train, {Tensor::zeros({9, 4}), validation.labels}).find("training has 5 features, validation 4"),
            std::string::npos);
  SvmPart wrong = validation;
  wrong.labels[4] = 3;
  EXPECT_NE(message(train, wrong).find("validation label 3 of row 4"), std::string::npos);
  wrong = validation;
  wrong.features = validation.features.clone();
  wrong.features.data<float>()[2 * 5 + 1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(message(train, wrong).find("row 2, column 1 is nan"), std::string::npos);
  EXPECT_NE(message(train, validation, {}).find("no values of C"), std::string::npos);
  EXPECT_NE(message(train, validation, {1, -2}).find("-2"), std::string::npos);
  SvmPart one = train;
  for (Index& y : one.labels) y = 2;
  EXPECT_NE(message(one, validation).find("only 1 of 3 classes has training examples"), std::string::npos);
}

// --- Logistic regression on augmented images --------------------------------------------------------------------------

TEST(AugmentedProbeTest, TakesTheStepsThatPyTorchTakes) {
  for (const char* name : {"augmented/one_class.txt", "augmented/several_classes.txt"}) {
    SCOPED_TRACE(name);
    std::ifstream file = golden(name);
    Index steps, n, d, k, penalties;
    AugmentedOptions options;
    file >> steps >> n >> d >> k >> penalties >> options.schedule.base;
    options.schedule.steps = steps;
    options.lambdas = read<double>(file, penalties);
    const bool several = std::string(name).find("several") != std::string::npos;
    SideBySideClassifiers all(d, k, options, DType::f64);
    std::vector<double> losses;
    for (Index t = 0; t < steps; ++t) {
      const Tensor x = Tensor::from_vector<double>({n, d}, read<double>(file, n * d));
      const Tensor labels = several ? Tensor::from_vector<std::int64_t>({n, k}, read<std::int64_t>(file, n * k))
                                    : Tensor::from_vector<std::int64_t>({n}, read<std::int64_t>(file, n));
      for (const double loss : all.step(x, labels)) losses.push_back(loss);
    }
    const std::vector<double> their_losses = read<double>(file, steps * penalties);
    for (std::size_t i = 0; i < losses.size(); ++i)
      EXPECT_NEAR(losses[i], their_losses[i], 1e-9 * their_losses[i]) << "loss " << i;
    const auto state = all.state_tensors();
    for (Index p = 0; p < penalties; ++p)
      for (const std::string part : {"weights/", "intercept/"}) {
        const auto found = std::find_if(state.begin(), state.end(),
                                        [&](const auto& entry) { return entry.first == part + std::to_string(p); });
        ASSERT_NE(found, state.end());
        const std::vector<double> own = found->second.to_vector<double>();
        const std::vector<double> theirs = read<double>(file, static_cast<Index>(own.size()));
        for (std::size_t i = 0; i < own.size(); ++i)
          EXPECT_NEAR(own[i], theirs[i], 1e-9 * std::max(1e-3, std::abs(theirs[i]))) << part << p << " " << i;
      }
  }
}

struct Training {
  AugmentedRunResult result;
  std::vector<std::vector<float>> classifiers;
  std::string network_before, network_after;
};

/// A quarter of a MobileNet v1 in evaluation mode, two batches of four an epoch.
Training train(const std::string& folder, const std::vector<double>& lambdas, Index steps = 5,
               const std::function<bool()>& should_stop = nullptr, const std::string& fingerprint = "same") {
  NetworkOptions options;
  options.classes = 3;
  options.width = 0.25;
  options.dropout_keep = 0.5;
  const auto network = make_network("mobilenet_v1", options);
  initialise(network->parameters(), 1);
  const auto text_of_network = [&] {
    std::string text;
    for (const Parameter& p : network->parameters())
      text.append(reinterpret_cast<const char*>(p.variable.value().raw()), p.variable.value().bytes());
    return text;
  };
  data::LoaderOptions load;
  load.batch_size = 4;
  load.threads = 1;
  load.preprocessing.image_size = 32;
  load.augmentation.mode = data::Augmentation::inception;
  const auto images = tiny_run::dataset();
  data::Loader loader(images, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, load);
  AugmentedOptions how;
  how.lambdas = lambdas;
  how.schedule.steps = 5;
  SideBySideClassifiers all(network->feature_size(), 3, how);
  AugmentedRunOptions run;
  run.folder = folder;
  run.steps = steps;
  run.checkpoint_every = 2;
  run.fingerprint = fingerprint;
  run.arithmetic = "f32";
  run.should_stop = should_stop;
  Training out;
  out.network_before = text_of_network();
  out.result = train_augmented(all, *network, loader, run);
  out.network_after = text_of_network();
  for (Index i = 0; i < all.count(); ++i) out.classifiers.push_back(values_of(all.classifier(i)));
  return out;
}

TEST(AugmentedProbeTest, ClassifiersSideBySideDoNotInfluenceEachOther) {
  const Training all = train("", {0.1, 1e-3, 1e-10});
  EXPECT_TRUE(all.result.finished);
  EXPECT_EQ(all.result.losses.size(), 15u);
  EXPECT_EQ(all.network_before, all.network_after) << "the network is frozen, its statistics too";
  EXPECT_EQ(train("", {1e-3}).classifiers[0], all.classifiers[1]);
  EXPECT_NE(all.classifiers[0], all.classifiers[1]);
  EXPECT_NEAR(all.result.losses[0], std::log(3.0), 1e-6) << "all begin at zero";
}

TEST(AugmentedProbeTest, ResumesBitForBitInTheMiddleOfAnEpoch) {
  const Training whole = train("", {0.1, 1e-3});
  const std::string there = tiny_run::folder("augmented");
  int asked = 0;
  const Training stopped = train(there, {0.1, 1e-3}, 5, [&] { return ++asked == 3; });
  EXPECT_FALSE(stopped.result.finished);
  EXPECT_EQ(stopped.result.losses.size(), 6u);
  const Training rest = train(there, {0.1, 1e-3});
  EXPECT_TRUE(rest.result.finished);
  EXPECT_EQ(rest.result.resumed_from, 3);
  EXPECT_EQ(rest.classifiers, whole.classifiers);
  EXPECT_EQ(rest.result.losses, whole.result.losses);
  ASSERT_EQ(rest.result.arithmetic.size(), 1u);
  const Training done = train(there, {0.1, 1e-3});
  EXPECT_EQ(done.result.resumed_from, 5) << "a finished run is not run again";
  EXPECT_EQ(done.classifiers, whole.classifiers);
  try {
    train(there, {0.1, 1e-3}, 5, nullptr, "another");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("belongs to another configuration"), std::string::npos) << error.what();
  }
  std::filesystem::remove_all(there);
}

TEST(AugmentedProbeTest, ALossThatIsNotFiniteNamesItsPenalty) {
  AugmentedOptions options;
  options.lambdas = {0.5};
  SideBySideClassifiers all(2, 2, options);
  const Tensor x = Tensor::full({1, 2}, std::numeric_limits<double>::infinity());
  try {
    all.step(x, Tensor::zeros({1}, DType::i64));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("the loss at lambda 0.5 is"), std::string::npos) << error.what();
  }
  options.lambdas = {-1};
  EXPECT_THROW(SideBySideClassifiers(2, 2, options), UsageError);
}

}  // namespace alternative_classifiers_test
