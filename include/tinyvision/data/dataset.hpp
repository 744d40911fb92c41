// What every data set offers, and the two plain kinds: files on disk and images in memory.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/core/digest.hpp"
#include "tinyvision/data/decode_box.hpp"
#include "tinyvision/data/file_source.hpp"

TINYVISION_BEGIN
namespace data {

/// How a data set's accuracy is reported: over all examples, the mean of the classes' accuracies, or the mean over classes
/// of the 11-point average precision of PASCAL VOC 2007.
enum class Metric { top1, mean_per_class, voc_ap11 };

constexpr const char* to_string(Metric metric) {
  switch (metric) {
    case Metric::mean_per_class: return "mean_per_class";
    case Metric::voc_ap11: return "voc_ap11";
    default: return "top1";
  }
}

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
  /// Class of example i, in [0, classes()). Where an image can show several classes: the first that it shows.
  virtual std::int64_t label(Index i) const = 0;
  /// Where an image can show several classes (PASCAL VOC): for each class 1 (present), -1 (absent) or 0 (only instances
  /// marked difficult). Empty for all other data sets.
  virtual std::span<const std::int8_t> presence(Index) const { return {}; }
  /// Identifies example i in split files, predictions and messages; unique within the data set.
  virtual std::string path(Index i) const = 0;
  /// The decoded image. Throws UsageError naming the path when it cannot be read.
  virtual Image image(Index i) const = 0;

  const std::string& name() const { return name_; }
  const std::vector<std::string>& class_names() const { return class_names_; }
  Index classes() const { return static_cast<Index>(class_names_.size()); }
  Metric metric() const { return metric_; }
  /// Height and width of image i, without its pixels where the file's header tells. Throws as image() does.
  virtual std::pair<Index, Index> image_size(Index i) const {
    const Image whole = image(i);
    return {whole.height, whole.width};
  }
  /// The pixels of example i where they lie in memory as long as the data set does; empty where image(i) has to make them.
  virtual ImageView view(Index) const { return {}; }
  /// The pixels of a box of image i: `choose` is told the image's height and width and answers with the box. What comes back
  /// may hold less than the image, and its `box` says where in it the chosen one lies. `scratch` keeps decoded pixels.
  virtual BoxView view_box(Index i, const ChooseBox& choose, Image& scratch) const {
    ImageView all = view(i);
    if (all.empty()) all = scratch = image(i);
    return {all, choose(all.height, all.width)};
  }
  /// SHA-256 of what is stored of example i: of the bytes of its file, else of its pixels behind "height x width ". Throws
  /// UsageError naming the path when it cannot be read.
  virtual std::string content(Index i) const {
    const Image whole = image(i);
    return Sha256()
        .update(concat_text(whole.height, "x", whole.width, " "))
        .update(whole.pixels.data(), whole.pixels.size())
        .hex();
  }
  /// As FileSource::stamp(): text that changes when what is stored of example i does; empty where nothing tells.
  virtual std::string stamp(Index) const { return ""; }
  /// What turns bytes into pixels, as recorded in results ("none" when the pixels were stored plainly).
  virtual std::string decoder() const { return "none"; }

  /// The classes that example i shows: its label, or all with presence 1.
  std::vector<Index> classes_of(Index i) const {
    const std::span<const std::int8_t> present = presence(i);
    if (present.empty()) return {label(i)};
    std::vector<Index> all;
    for (std::size_t c = 0; c < present.size(); ++c)
      if (present[c] > 0) all.push_back(static_cast<Index>(c));
    return all;
  }

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

/// An image file may have so many bytes: 256 MiB. A larger one is no photo, and each of a loader's threads would hold it.
inline constexpr Index largest_image_file = Index{1} << 28;

/// Image files of a source, decoded on each access.
class FileDataset : public Dataset {
 public:
  /// `prefix` and the path of an example are together a name in `source`; the prefix ("food-101/images/") says where the data
  /// lie and is not part of what identifies an example. Throws UsageError naming the file when a label is out of range.
  FileDataset(std::string name, std::shared_ptr<const FileSource> source, std::vector<Example> examples,
              std::vector<std::string> class_names, Metric metric = Metric::top1, Decoder decoder = Decoder::turbo,
              std::string prefix = "")
      : Dataset(std::move(name), std::move(class_names), metric),
        source_(std::move(source)),
        prefix_(std::move(prefix)),
        examples_(std::move(examples)),
        decoder_(decoder) {
    for (const Example& example : examples_) check_label(example.label, example.path);
  }
  /// Files below the folder `root`.
  FileDataset(std::string name, const std::string& root, std::vector<Example> examples,
              std::vector<std::string> class_names, Metric metric = Metric::top1, Decoder decoder = Decoder::turbo)
      : FileDataset(std::move(name), std::make_shared<FolderSource>(root), std::move(examples), std::move(class_names),
                    metric, decoder) {}

  Index size() const override { return static_cast<Index>(examples_.size()); }
  std::int64_t label(Index i) const override { return at(i).label; }
  std::string path(Index i) const override { return at(i).path; }
  Image image(Index i) const override {
    const std::string name = source_name(i), bytes = read(i);
    return decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, source_->describe(name),
                        decoder_);
  }
  /// The bytes of the file of example i. Throws UsageError when it cannot be read or, before any of it is read, when it is
  /// larger than `largest_image_file`.
  std::string read(Index i) const {
    const std::string name = source_name(i);
    if (const Index bytes = source_->size(name); bytes > largest_image_file)
      fail_usage("dataset", source_->describe(name), ": an image file of ", bytes, " bytes; at most ",
                 largest_image_file, " are accepted");
    return source_->read(name);
  }
  /// Decodes little more than the box: see decode_box.hpp.
  BoxView view_box(Index i, const ChooseBox& choose, Image& scratch) const override {
    const std::string name = source_name(i), bytes = read(i);
    return decode_box({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, source_->describe(name),
                      decoder_, choose, scratch);
  }
  std::string content(Index i) const override { return sha256_hex(read(i)); }
  std::string stamp(Index i) const override { return source_->stamp(source_name(i)); }
  std::pair<Index, Index> image_size(Index i) const override {
    const std::string name = source_name(i), bytes = read(i);
    return decoded_size({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, source_->describe(name));
  }
  std::string decoder() const override { return decoder_name(decoder_); }

  const FileSource& source() const { return *source_; }
  /// What example i is called in source().
  std::string source_name(Index i) const { return prefix_ + at(i).path; }
  /// The MD5 that the publisher states for the file of example i; empty where none is stated.
  virtual std::string md5(Index) const { return ""; }
  const std::vector<Example>& examples() const { return examples_; }

 protected:
  const Example& at(Index i) const {
    check_index(i);
    return examples_[static_cast<std::size_t>(i)];
  }

 private:
  std::shared_ptr<const FileSource> source_;
  std::string prefix_;
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
