// What every data set offers, and the two plain kinds: files on disk and images in memory.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/data/decode.hpp"

TINYVISION_BEGIN
namespace data {

/// How a data set's accuracy is reported: over all examples, or the mean of the classes' accuracies.
enum class Metric { top1, mean_per_class };

constexpr const char* to_string(Metric metric) { return metric == Metric::top1 ? "top1" : "mean_per_class"; }

/// An image file and its class.
struct Example {
  std::string path;  ///< relative to the data set's root, '/' between folders
  std::int64_t label = 0;
};

/// Labelled images with random access. All functions are safe to call from several threads.
class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual Index size() const = 0;
  /// Class of example i, in [0, classes()).
  virtual std::int64_t label(Index i) const = 0;
  /// Identifies example i in split files, predictions and messages; unique within the data set.
  virtual std::string path(Index i) const = 0;
  /// The decoded image. Throws UsageError naming the path when it cannot be read.
  virtual Image image(Index i) const = 0;

  const std::string& name() const { return name_; }
  const std::vector<std::string>& class_names() const { return class_names_; }
  Index classes() const { return static_cast<Index>(class_names_.size()); }
  Metric metric() const { return metric_; }
  /// What turns bytes into pixels, as recorded in results ("none" when the pixels were stored plainly).
  virtual std::string decoder() const { return "none"; }

  std::vector<std::int64_t> labels() const {
    std::vector<std::int64_t> all(static_cast<std::size_t>(size()));
    for (Index i = 0; i < size(); ++i) all[static_cast<std::size_t>(i)] = label(i);
    return all;
  }

 protected:
  Dataset(std::string name, std::vector<std::string> class_names, Metric metric)
      : name_(std::move(name)), class_names_(std::move(class_names)), metric_(metric) {
    if (class_names_.empty()) fail_usage("dataset", name_, ": no classes");
  }
  void check_label(std::int64_t label, const std::string& path) const {
    if (label < 0 || label >= classes())
      fail_usage("dataset", name_, ": label ", label, " of ", path, " is out of range 0..", classes() - 1);
  }
  void check_index(Index i) const { check(i >= 0 && i < size(), "dataset", name_, ": example ", i, " of ", size()); }

 private:
  std::string name_;
  std::vector<std::string> class_names_;
  Metric metric_;
};

/// Image files below a root folder, decoded on each access.
class FileDataset : public Dataset {
 public:
  /// Throws UsageError naming the file when a label is out of range.
  FileDataset(std::string name, std::string root, std::vector<Example> examples, std::vector<std::string> class_names,
              Metric metric = Metric::top1, Decoder decoder = Decoder::turbo)
      : Dataset(std::move(name), std::move(class_names), metric),
        root_(std::move(root)),
        examples_(std::move(examples)),
        decoder_(decoder) {
    for (const Example& example : examples_) check_label(example.label, example.path);
  }

  Index size() const override { return static_cast<Index>(examples_.size()); }
  std::int64_t label(Index i) const override { return at(i).label; }
  std::string path(Index i) const override { return at(i).path; }
  Image image(Index i) const override { return read_image(file(i), decoder_); }
  std::string decoder() const override { return decoder_name(decoder_); }

  /// Path of example i on disk.
  std::string file(Index i) const { return root_.empty() ? at(i).path : root_ + "/" + at(i).path; }
  const std::string& root() const { return root_; }
  const std::vector<Example>& examples() const { return examples_; }

 private:
  const Example& at(Index i) const {
    check_index(i);
    return examples_[static_cast<std::size_t>(i)];
  }

  std::string root_;
  std::vector<Example> examples_;
  Decoder decoder_;
};

/// Images held in memory. Example i is called "<prefix>/<i>" with at least five digits.
class MemoryDataset : public Dataset {
 public:
  MemoryDataset(std::string name, std::string prefix, std::vector<Image> images, std::vector<std::int64_t> labels,
                std::vector<std::string> class_names, Metric metric = Metric::top1)
      : Dataset(std::move(name), std::move(class_names), metric),
        prefix_(std::move(prefix)),
        images_(std::move(images)),
        labels_(std::move(labels)) {
    if (images_.size() != labels_.size())
      fail_usage("dataset", this->name(), ": ", images_.size(), " images but ", labels_.size(), " labels");
    for (Index i = 0; i < size(); ++i) check_label(labels_[static_cast<std::size_t>(i)], path(i));
  }

  Index size() const override { return static_cast<Index>(images_.size()); }
  std::int64_t label(Index i) const override {
    check_index(i);
    return labels_[static_cast<std::size_t>(i)];
  }
  std::string path(Index i) const override {
    check_index(i);
    const std::string digits = std::to_string(i);
    return prefix_ + "/" + std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  }
  Image image(Index i) const override {
    check_index(i);
    return images_[static_cast<std::size_t>(i)];
  }

 private:
  std::string prefix_;
  std::vector<Image> images_;
  std::vector<std::int64_t> labels_;
};

}  // namespace data
TINYVISION_END
