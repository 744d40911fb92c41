// The log of a training run, for TensorBoard and for tables: scalars, the first images, histograms of weights.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/options.hpp"
#include "tinyvision/data/preprocess.hpp"
#include "tinyvision/nn/network.hpp"
#include "tinyvision/report/event_file.hpp"
#include "tinyvision/train/fine_tune.hpp"

namespace tv_app {

struct LogChoice {
  std::vector<std::string> formats{"tensorboard", "csv", "jsonl"};  ///< or "none" alone
  tinyvision::Index every = 10;                                     ///< steps between rows
  tinyvision::Index images = 8;                                     ///< of the first batch
  tinyvision::Index histograms = 0;                                 ///< steps between histograms of weights; 0: none
};

/// Adds --log, --log-every, --log-images and --log-histograms. None of them can change what is trained.
void add_log_options(CLI::App& app, LogChoice& choice);

/// What these options are called in a resolved configuration: a resume does not depend on them.
const std::vector<std::string>& log_option_names();

/// The log of one training run in a folder of its own: `events.out.tfevents` (TensorBoard), `scalars.csv`, `scalars.jsonl`,
/// whichever was chosen (docs/logs.md). Steps count from 0, as in curve.csv; the row of step s holds what that step gave.
///
/// Files are opened when the first step begins, so a run that is refused leaves them alone. A run that was interrupted goes
/// on in the same files, which then hold each step once, as after a run without interruption: see ScalarLog::restart.
class TrainingLog {
 public:
  using Clock = std::function<double()>;  ///< seconds, growing

  /// `folder` is made when the first file is. `steps` is the length of the whole run. Throws UsageError when the choice
  /// contradicts itself.
  TrainingLog(LogChoice choice, std::string folder, tinyvision::Index steps,
              std::shared_ptr<const tinyvision::Network> network, tinyvision::data::Normalisation normalisation,
              Clock seconds = steady_seconds, tinyvision::report::WallClock wall = tinyvision::report::wall_time);

  /// Before step `step`, every one that this process takes, in turn: images (before step 0) and histograms, which are those of the
  /// weights that step `step` begins with. TensorBoard's file alone holds them.
  void before_step(tinyvision::Index step, const tinyvision::data::Batch& batch);
  /// After it: `done` is its number + 1. Writes `train/loss`, `train/cross_entropy`, `train/accuracy` (of the step's batch),
  /// `train/learning_rate` and `train/images_per_second` (since the row before) of every `every`-th step and the last.
  void after_step(tinyvision::Index done, const tinyvision::StepResult& result);
  /// After the last step: `<part>/top1`, `<part>/top5` and `<part>/mean_per_class`, or `<part>/voc_ap11` where images show
  /// several classes, at step `steps`. Nothing without examples.
  void metrics(const std::string& part, const tinyvision::SplitMetrics& metrics);
  /// Histograms of the weights that were evaluated, and everything brought to the disk.
  void finish();
  /// Brings everything to the disk.
  void flush();

  static double steady_seconds();

 private:
  bool on() const { return !choice_.formats.empty(); }
  void begin(tinyvision::Index step);
  void add_images(const tinyvision::data::Batch& batch);
  void add_histograms(tinyvision::Index step);

  LogChoice choice_;
  std::string folder_;
  tinyvision::Index steps_;
  std::shared_ptr<const tinyvision::Network> network_;
  tinyvision::data::Normalisation normalisation_;
  Clock seconds_;
  tinyvision::report::WallClock wall_;
  tinyvision::report::ScalarLogs logs_;
  tinyvision::report::EventFile* events_ = nullptr;  ///< one of logs_
  bool begun_ = false;
  double last_row_ = 0;
  tinyvision::Index examples_ = 0;  ///< since the last row
};

/// A batch's image as bytes, [size, size, 3]: what `normalisation` did to it undone.
tinyvision::Tensor shown_image(const tinyvision::Tensor& images, tinyvision::Index number,
                               tinyvision::data::Normalisation normalisation);

}  // namespace tv_app
