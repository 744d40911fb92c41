// Training a network on a labelled data set and evaluating it: fine-tuning from weights, training from random
// initialisation, pretraining. Kornblith et al., section 3.1 and appendix A.5.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tinyvision/stats/metrics.hpp"
#include "tinyvision/train/evaluation.hpp"
#include "tinyvision/train/training_run.hpp"

TINYVISION_BEGIN

/// The paper's decay of batch-norm statistics when fine-tuning: max(1 - 10/s, 0.9) with s steps per epoch.
inline double fine_tune_bn_decay(double steps_per_epoch) { return std::max(1 - 10 / steps_per_epoch, 0.9); }

/// Accuracy of scores on labels, in the data set's own metric and as top-1 and top-5.
struct SplitMetrics {
  stats::Accuracy top1, top5;
  stats::MeanPerClass mean_per_class;

  double value(data::Metric metric) const {
    return metric == data::Metric::mean_per_class ? mean_per_class.value : top1.value();
  }
};

inline SplitMetrics measure(const Tensor& scores, const Tensor& labels) {
  const std::vector<Index> truth = labels.to_vector<Index>();
  return {stats::top_k_accuracy(scores, truth, 1),
          stats::top_k_accuracy(scores, truth, std::min<Index>(5, scores.dim(1))),
          stats::mean_per_class_accuracy(scores, truth)};
}

struct FineTuneOptions {
  TrainerOptions trainer;
  TrainingRunOptions run;
  Index batch_size = 64;
  data::Preprocessing preprocessing;  ///< of evaluation; its crop is replaced by the one chosen
  data::AugmentOptions augmentation;
  std::vector<double> crops{0.875, 1.0};  ///< candidates for evaluation, chosen on the validation images
  Index evaluation_batch = 64;
  std::size_t cache_bytes = std::size_t{2} << 30;  ///< decoded images kept in memory
  bool skip_bad = false;
};

/// One candidate crop and its accuracy on the validation images.
struct CropChoice {
  double crop = 0;
  SplitMetrics validation;
};

struct FineTuneResult {
  TrainingRunResult run;
  std::vector<CropChoice> crops;
  double crop = 0;          ///< the chosen one
  SplitMetrics validation;  ///< with the chosen crop
  Evaluation test;          ///< scores of the test images, with the chosen crop; empty when there are none
  SplitMetrics test_metrics;
  std::vector<data::BadExample> skipped;  ///< of all parts, each once; of a continued run those met since then
};

/// Trains `network`, whose values are the starting point, on `train`; chooses the crop on `validation`; evaluates `test`
/// once. With an averaged network (EMA) the averages are evaluated and left in the network. A stopped run returns early
/// with `run.finished` false.
inline FineTuneResult fine_tune(const std::shared_ptr<Network>& network,
                                const std::shared_ptr<const data::Dataset>& dataset, const std::vector<Index>& train,
                                const std::vector<Index>& validation, const std::vector<Index>& test,
                                const FineTuneOptions& options) {
  FineTuneResult result;
  Trainer trainer(network, options.trainer);
  {
    data::LoaderOptions loading;
    loading.batch_size = options.batch_size;
    loading.seed = options.trainer.seed;
    loading.skip_bad = options.skip_bad;
    loading.cache_bytes = options.cache_bytes;
    loading.preprocessing = options.preprocessing;
    loading.augmentation = options.augmentation;
    data::Loader loader(dataset, train, loading_for(network->device(), loading));
    result.run = run_training(trainer, loader, options.run);
    result.skipped = loader.bad_examples();
  }
  if (!result.run.finished) return result;
  if (trainer.ema()) trainer.ema()->swap();

  const auto scores = [&](const std::vector<Index>& examples, double crop) {
    data::Preprocessing preprocessing = options.preprocessing;
    preprocessing.crop = crop;
    auto loading = data::LoaderOptions::evaluation(preprocessing, options.evaluation_batch);
    loading.skip_bad = options.skip_bad;
    data::Loader loader(dataset, examples, loading_for(network->device(), loading));
    Evaluation evaluation = evaluate(*network, loader, {}, options.run.should_stop);
    for (const data::BadExample& bad : loader.bad_examples())  // once, however many crops are tried
      if (std::none_of(result.skipped.begin(), result.skipped.end(),
                       [&](const auto& b) { return b.index == bad.index; }))
        result.skipped.push_back(bad);
    return evaluation;
  };
  for (const double crop : options.crops) {
    CropChoice choice{crop, {}};
    if (!validation.empty()) {
      const Evaluation e = scores(validation, crop);
      choice.validation = measure(e.logits, e.labels);
    }
    // A tie keeps the earlier candidate.
    const bool better =
        result.crops.empty() || choice.validation.value(dataset->metric()) > result.validation.value(dataset->metric());
    if (better) result.crop = crop, result.validation = choice.validation;
    result.crops.push_back(choice);
    if (validation.empty()) break;
  }
  if (!test.empty()) {
    result.test = scores(test, result.crop);
    result.test_metrics = measure(result.test.logits, result.test.labels);
  }
  return result;
}

TINYVISION_END
