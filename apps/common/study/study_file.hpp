// The file of a study (docs/study.md): networks, data sets, settings, grids.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/toml_values.hpp"
#include "tinyvision/data/official.hpp"

namespace tv_app {

/// What is wrong with a study. What is only missing (weights, data, an environment variable) does not keep it from being
/// planned, only from being run.
struct StudyProblems {
  std::vector<std::string> wrong, missing;
  bool none() const { return wrong.empty() && missing.empty(); }
};

/// One option of a program, as "--name=value".
struct StudyOption {
  std::string name, value;
  bool counts = true;  ///< part of a job's identity; paths are not, what they lead to is
};

struct StudyNetwork {
  std::string label;                 ///< in jobs and tables
  std::string network;               ///< the program's name
  std::vector<StudyOption> options;  ///< --network, --width...; without --weights
  std::string weights;               ///< a path; empty: the study pretrains it, or there are none
  double imagenet_top1 = 0;          ///< percent; 0: not said
  std::string rate_name;             ///< as in tables of rates
  Index image_size = 0, features = 0, parameters = 0;
};

struct StudyDataset {
  std::string label, dataset, folder;
  std::string base;                  ///< its label without what a list of train_per_class or split_seed adds
  Index per_class = 0;               ///< where train_per_class is a list
  std::string subset;                ///< where split_seed is a list
  std::vector<StudyOption> options;  ///< --dataset, --part...: what its images and labels depend on
  std::vector<StudyOption> split;    ///< --train-per-class, --split-seed...
  std::string split_file;            ///< of --split
  Index images = 0, train = 0, validation = 0, test = 0, classes = 0;  ///< as far as they are known before reading
  tinyvision::data::Metric metric = tinyvision::data::Metric::top1;
  bool keep_pixels = true;  ///< decoded once, by a job of its own
};

/// linear_probe, fine_tune or random_init with what the file says of it.
struct StudySetting {
  std::string name;                  ///< as reports call it: linear_probe, fine_tuned, random_init
  std::vector<StudyOption> options;  ///< of the program
  std::string classifier;            ///< linear_probe
  std::vector<double> rates, ratios;
  std::string decay_rule;
  std::vector<Index> steps;  ///< more than one: a study of convergence
  double least_epochs = 0;   ///< at least so many epochs, whatever `steps` says
  Index batch = 0;
  std::vector<double> crops;
  std::vector<double> penalties;  ///< of a classifier: lambda, or C of a support vector machine
  double probe_images = 0;        ///< that a classifier with augmentation sends through its network
};

struct Study {
  std::string path, name, text;
  std::vector<StudyNetwork> networks;
  std::vector<StudyDataset> datasets;
  std::vector<StudySetting> settings;
  std::vector<std::uint64_t> seeds{0};
  std::vector<StudyOption> common;  ///< --kernels, --precision
  std::string device = "cpu", rates_path;
  bool pretrains = false;
  std::vector<StudyOption> pretrain;  ///< of tv_pretrain
  std::optional<StudyDataset> pretrain_data;
  Index pretrain_steps = 0, pretrain_batch = 0;
  StudyProblems problems;
};

/// Reads a study file and everything that can be known without its weights and images. All problems are collected. Throws
/// UsageError only where there is no TOML to read.
Study read_study(const std::string& path);

/// Throws UsageError with all problems at once; with `missing_too` also those that only running needs.
void check_study(const Study& study, bool missing_too);

}  // namespace tv_app
