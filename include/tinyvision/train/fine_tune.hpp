// Training a network on a labelled data set and evaluating it: fine-tuning from weights, training from random
// initialisation, pretraining. Kornblith et al., section 3.1 and appendix A.5.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tinyvision/train/evaluation.hpp"
#include "tinyvision/train/split_metrics.hpp"
#include "tinyvision/train/training_run.hpp"

TINYVISION_BEGIN

/// The paper's decay of batch-norm statistics when fine-tuning: max(1 - 10/s, 0.9) with s steps per epoch.
inline double fine_tune_bn_decay(double steps_per_epoch) { return std::max(1 - 10 / steps_per_epoch, 0.9); }

struct FineTuneOptions {
  TrainerOptions trainer;
  TrainingRunOptions run;
  Index batch_size = 64;
  data::Preprocessing preprocessing;  ///< of evaluation; its crop is replaced by the one chosen
  data::AugmentOptions augmentation;
  std::vector<double> crops{0.875, 1.0};  ///< candidates for evaluation, chosen on the validation images
  Index evaluation_batch = 64;
  std::size_t cache_bytes = std::size_t{2} << 30;  ///< decoded images kept in memory
  std::shared_ptr<data::ImageCache> cache;  ///< shared with other runs on the data set, instead of a cache of its own
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

/// Scores of `examples` with the network as it is, on the central `crop` of each image. Unreadable ones (skip_bad) are added
/// to `skipped`, each once. Images come from `cache` where there is one. Throws NonFiniteError when a score is not finite.
inline Evaluation score_examples(const Network& network, const std::shared_ptr<const data::Dataset>& dataset,
                                 const std::vector<Index>& examples, double crop, const FineTuneOptions& options,
                                 const std::shared_ptr<data::ImageCache>& cache,
                                 std::vector<data::BadExample>& skipped) {
  data::Preprocessing preprocessing = options.preprocessing;
  preprocessing.crop = crop;
  auto loading = data::LoaderOptions::evaluation(preprocessing, options.evaluation_batch);
  loading.skip_bad = options.skip_bad;
  loading.cache = cache;
  data::Loader loader(dataset, examples, loading_for(network.device(), loading));
  Evaluation evaluation = evaluate(network, loader, {}, options.run.should_stop);
  for (const data::BadExample& bad : loader.bad_examples())  // once, however many crops are tried
    if (std::none_of(skipped.begin(), skipped.end(), [&](const auto& b) { return b.index == bad.index; }))
      skipped.push_back(bad);
  if (!all_finite(evaluation.logits))
    throw NonFiniteError(concat_text("[fine_tune] scores of ", dataset->name(), " are not finite after ",
                                     options.run.steps, " steps, though every loss was"),
                         options.run.steps);
  return evaluation;
}

/// Trains `network`, whose values are the starting point, on `train`; chooses the crop on `validation`; evaluates `test`
/// once. With an averaged network (EMA) the averages are evaluated and left in the network. A stopped run returns early
/// with `run.finished` false. Throws NonFiniteError as run_training and score_examples do.
inline FineTuneResult fine_tune(const std::shared_ptr<Network>& network,
                                const std::shared_ptr<const data::Dataset>& dataset, const std::vector<Index>& train,
                                const std::vector<Index>& validation, const std::vector<Index>& test,
                                const FineTuneOptions& options) {
  FineTuneResult result;
  std::shared_ptr<data::ImageCache> cache = options.cache;
  if (cache == nullptr && options.cache_bytes > 0) cache = std::make_shared<data::ImageCache>(options.cache_bytes);
  Trainer trainer(network, options.trainer);
  {
    data::LoaderOptions loading;
    loading.batch_size = options.batch_size;
    loading.seed = options.trainer.seed;
    loading.skip_bad = options.skip_bad;
    loading.cache = cache;
    loading.preprocessing = options.preprocessing;
    loading.augmentation = options.augmentation;
    data::Loader loader(dataset, train, loading_for(network->device(), loading));
    result.run = run_training(trainer, loader, options.run);
    result.skipped = loader.bad_examples();
  }
  if (!result.run.finished) return result;
  if (trainer.ema()) trainer.ema()->swap();

  for (const double crop : options.crops) {
    CropChoice choice{crop, {}};
    if (!validation.empty()) {
      const Evaluation e = score_examples(*network, dataset, validation, crop, options, cache, result.skipped);
      choice.validation = measure(e.logits, e.indices, *dataset);
    }
    // A tie keeps the earlier candidate.
    const bool better =
        result.crops.empty() || choice.validation.value(dataset->metric()) > result.validation.value(dataset->metric());
    if (better) result.crop = crop, result.validation = choice.validation;
    result.crops.push_back(choice);
    if (validation.empty()) break;
  }
  if (!test.empty()) {  // once, so nothing of it is kept
    result.test = score_examples(*network, dataset, test, result.crop, options, nullptr, result.skipped);
    result.test_metrics = measure(result.test.logits, result.test.indices, *dataset);
  }
  return result;
}

TINYVISION_END
