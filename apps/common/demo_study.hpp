// The paper in miniature: one network pretrained on some classes, then three ways to learn other classes from few
// labels.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/app.hpp"
#include "common/network_weights.hpp"
#include "common/progress.hpp"
#include "common/training_log.hpp"
#include "tinyvision/data/datasets/fashion_mnist.hpp"
#include "tinyvision/data/split.hpp"
#include "tinyvision/train/fine_tune.hpp"
#include "tinyvision/train/linear_probe.hpp"

namespace tv_app {

struct DemoSettings {
  std::string data = tinyvision::data::fashion_mnist_folder;
  double width = 0.25;
  tinyvision::Index labels_per_class = 20, pretrain_steps = 2800, target_steps = 200, batch = 64;
  LogChoice log;
};

/// One way to learn the target classes.
struct DemoMethod {
  std::string name;
  tinyvision::Tensor scores;                ///< [test images, classes]
  std::vector<tinyvision::Index> test;      ///< rows' examples in the data set
  std::string chosen;                       ///< what validation chose
  std::vector<tinyvision::CurveRow> curve;  ///< of the final training; empty for the probe
};

struct DemoResult {
  tinyvision::SplitMetrics source;  ///< test accuracy on the pretraining classes
  std::vector<tinyvision::CurveRow> pretraining;
  std::vector<DemoMethod> methods;  ///< linear probe, fine-tuned, from scratch
  std::shared_ptr<const tinyvision::data::Dataset> target;
  tinyvision::data::Split split;
  std::string split_digest;
  bool all_fits_converged = false;
};

/// The study. Deterministic given the seed and the instruction set.
class DemoStudy {
 public:
  DemoStudy(const DemoSettings& settings, const CommonOptions& common) : settings_(settings), common_(common) {}

  DemoResult run() {
    using namespace tinyvision;
    DemoResult result;
    pretrain(result);
    result.target = data::FashionMnist::read(settings_.data, {.classes = {5, 6, 7, 8, 9}});
    const auto& fashion = static_cast<const data::FashionMnist&>(*result.target);
    result.split = fashion.split();
    const std::vector<std::int64_t> labels = fashion.labels();
    result.split.train = data::take_per_class(result.split.train, labels, settings_.labels_per_class, common_.seed);
    result.split = data::carve_validation(result.split, labels, 0.25, common_.seed);
    result.split_digest = data::split_digest(result.split, *result.target);
    result.methods.push_back(probe(result));
    result.methods.push_back(train(result, "fine-tuned", true, {0.003, 0.01, 0.03}));
    result.methods.push_back(train(result, "from scratch", false, {0.01, 0.03, 0.1}));
    return result;
  }

 private:
  tinyvision::data::Preprocessing preprocessing() const {
    tinyvision::data::Preprocessing p;
    p.image_size = 32;
    p.crop = 1;
    return p;
  }

  std::shared_ptr<tinyvision::Network> fresh_network() const {
    NetworkChoice choice;
    choice.width = settings_.width;
    const auto network = build_network(choice, 5);
    tinyvision::initialise(network->parameters(), common_.seed);
    network->to(tinyvision::compute_device());
    return network;
  }

  /// "fine-tuned, learning rate 0.01" -> "fine-tuned-learning-rate-0.01".
  static std::string folder_name(const std::string& label) {
    std::string name;
    for (const char c : label)
      if (c != ',') name += c == ' ' ? '-' : c;
    return name;
  }

  /// For a training of `network`, which gets a log of its own, "<out>/log/<label>".
  tinyvision::FineTuneOptions options(const std::string& label, tinyvision::Index steps, tinyvision::Index batch,
                                      double lr, tinyvision::Index examples,
                                      const std::shared_ptr<tinyvision::Network>& network) {
    using namespace tinyvision;
    FineTuneOptions o;
    const double steps_per_epoch = std::max(1.0, static_cast<double>(examples / batch));
    o.trainer.schedule = {Schedule::Kind::cosine, lr, steps, std::min<Index>(steps / 10, 100), 1, steps_per_epoch};
    o.trainer.weight_decay = 8e-5;
    o.trainer.bn_decay = fine_tune_bn_decay(steps_per_epoch);
    o.trainer.seed = common_.seed;
    o.run.steps = steps;
    o.run.should_stop = interrupted;
    progress_ = std::make_unique<Progress>(label, steps, common_.quiet);
    o.batch_size = batch;
    o.preprocessing = preprocessing();
    const std::filesystem::path folder = std::filesystem::path(common_.out) / "log" / folder_name(label);
    log_ = std::make_unique<TrainingLog>(settings_.log, folder.string(), steps, network, o.preprocessing.normalisation);
    o.run.on_batch = [this](Index step, const data::Batch& images) { log_->before_step(step, images); };
    o.run.on_step = [this](Index done, const StepResult& step) {
      log_->after_step(done, step);
      progress_->update(done);
    };
    o.augmentation.mode = data::Augmentation::shift_flip;
    o.crops = {1};
    o.evaluation_batch = 250;
    return o;
  }

  static void stop_if_interrupted() {
    if (interrupted()) throw Interrupted("the demonstration starts over next time");
  }

  /// fine_tune, and the end of its log.
  tinyvision::FineTuneResult train_logged(const std::shared_ptr<tinyvision::Network>& network,
                                          const std::shared_ptr<const tinyvision::data::Dataset>& dataset,
                                          const std::vector<tinyvision::Index>& train,
                                          const std::vector<tinyvision::Index>& validation,
                                          const std::vector<tinyvision::Index>& test,
                                          const tinyvision::FineTuneOptions& options) {
    tinyvision::FineTuneResult run = tinyvision::fine_tune(network, dataset, train, validation, test, options);
    stop_if_interrupted();
    log_->metrics("validation", run.validation);
    log_->metrics("test", run.test_metrics);
    log_->finish();
    return run;
  }

  void pretrain(DemoResult& result) {
    using namespace tinyvision;
    const std::shared_ptr<const data::FashionMnist> source =
        data::FashionMnist::read(settings_.data, {.classes = {0, 1, 2, 3, 4}});
    const data::Split split = source->split();
    network_ = fresh_network();
    const auto o = options("pretraining", settings_.pretrain_steps, settings_.batch, 0.1,
                           static_cast<Index>(split.train.size()), network_);
    const FineTuneResult run = train_logged(network_, source, split.train, {}, split.test, o);
    result.pretraining = run.run.curve;
    result.source = run.test_metrics;
  }

  DemoMethod probe(DemoResult& result) {
    using namespace tinyvision;
    const auto features = [&](const std::vector<Index>& examples) {
      data::Loader loader(result.target, examples, data::LoaderOptions::evaluation(preprocessing(), 250));
      return evaluate(*network_, loader, {}, interrupted);
    };
    const Evaluation train = features(result.split.train), validation = features(result.split.validation);
    const Evaluation test = features(result.split.test);
    stop_if_interrupted();
    LinearProbeOptions options;
    options.regression.device = compute_device();
    const LinearProbeResult fit = fit_linear_probe(train.features, train.labels.to_vector<Index>(), validation.features,
                                                   validation.labels.to_vector<Index>(), 5, options);
    result.all_fits_converged = fit.converged();
    return {"linear probe",
            fit.classifier.logits(test.features),
            test.indices,
            concat_text("lambda ", format_shortest(fit.lambda()), " of 45"),
            {}};
  }

  /// Chooses the learning rate on the validation images, then trains once more on all labelled images.
  DemoMethod train(const DemoResult& result, const std::string& name, bool from_weights,
                   const std::vector<double>& rates) {
    using namespace tinyvision;
    const auto start = [&] {
      const auto network = fresh_network();
      if (!from_weights) return network;
      for (std::size_t i = 0; i < network->parameters().size(); ++i)
        if (network->parameters()[i].group != ParameterGroup::logits)
          network->parameters()[i].variable.set_value(network_->parameters()[i].variable.value().clone());
      return network;
    };
    constexpr Index batch = 20;
    double best_rate = rates[0], best = -1;
    for (const double rate : rates) {
      const auto network = start();
      const auto o = options(concat_text(name, ", learning rate ", rate), settings_.target_steps, batch, rate,
                             static_cast<Index>(result.split.train.size()), network);
      const FineTuneResult run =
          train_logged(network, result.target, result.split.train, result.split.validation, {}, o);
      if (run.validation.top1.value() > best) best = run.validation.top1.value(), best_rate = rate;
    }
    std::vector<Index> all = result.split.train;
    all.insert(all.end(), result.split.validation.begin(), result.split.validation.end());
    std::sort(all.begin(), all.end());
    const auto network = start();
    const auto o = options(concat_text(name, ", all labels"), settings_.target_steps, batch, best_rate,
                           static_cast<Index>(all.size()), network);
    const FineTuneResult run = train_logged(network, result.target, all, {}, result.split.test, o);
    return {name, run.test.logits, run.test.indices, concat_text("learning rate ", best_rate), run.run.curve};
  }

  DemoSettings settings_;
  CommonOptions common_;
  std::shared_ptr<tinyvision::Network> network_;
  std::unique_ptr<Progress> progress_;
  std::unique_ptr<TrainingLog> log_;
};

}  // namespace tv_app
