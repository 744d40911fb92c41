// The jobs of a study: what runs, on what, in which order, and at which cost.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/results.hpp"
#include "common/study/ledger.hpp"
#include "common/study/rates.hpp"
#include "common/study/study_file.hpp"
#include "tinyvision/train/grid_search.hpp"

namespace tv_app {

/// One job. The kinds:
///   pixels    decodes a data set once, into a cache that all jobs on it share
///   pretrain  trains a network that has no weights of its own
///   features  computes the features of a network on all images of a data set, once
///   probe     fits a classifier of features, chooses its penalty, evaluates the test images once
///   train     trains one point of the grid and evaluates the validation images
///   refit     chooses the best point and crop, trains on training and validation images, evaluates the test images once
struct StudyJob {
  std::string name{}, kind{}, app{};
  std::vector<StudyOption> arguments{};                        ///< {input:0} in a value: the folder of that input
  std::vector<std::size_t> inputs{};                           ///< earlier jobs
  std::vector<std::pair<std::string, std::string>> sources{};  ///< "weights", "data", "split" and a key of StudyDigests
  std::vector<tinyvision::GridPoint> candidates{};             ///< refit: the points, in the order of its inputs
  std::string network{}, dataset{}, setting{};  ///< the cell that it is for; empty where it serves several
  std::string rate_name{};                      ///< of the network, in tables of rates
  Index image_size = 0;                         ///< of the network
  Index steps = 0;                              ///< of a training
  std::uint64_t seed = 0;
  Index train_size = 0;          ///< training and validation images
  std::string base{}, subset{};  ///< of the data set (StudyDataset)
  Index per_class = 0;
  double imagenet_top1 = 0;                   ///< of the network, where the study file says it
  double train_images = 0, infer_images = 0;  ///< that it sends through its network
  double gflop = 0, decoded = 0;              ///< of classifiers; images that it decodes
  double seconds = 0;                         ///< planned; 0 where no rate is known
  double disk = 0;                            ///< bytes that stay
  std::string basis{};                        ///< of `seconds`: measured, predicted, unknown...
};

struct StudyPlan {
  std::vector<StudyJob> jobs;
};

/// What a data set's decoded images and features are shared by: all but its split.
std::string images_key(const StudyDataset& d);

/// SHA-256 by key: a path of weights or of a split file, the images_key of a data set.
using StudyDigests = std::map<std::string, std::string>;

/// All jobs, inputs before what needs them, with their costs by `rates`.
StudyPlan plan_study(const Study& study, const Rates& rates);

/// The jobs as the ledger takes them. The identity of a job is the SHA-256 of its program and version, the options that count,
/// the digests of its sources and the identities of its inputs. Throws UsageError when two jobs are the same.
std::vector<PlannedJob> identify(const StudyPlan& plan, const Study& study, const StudyDigests& digests);

/// The name of the folder of a job below <study>/jobs.
std::string job_folder(const std::string& name, const std::string& identity);

}  // namespace tv_app
