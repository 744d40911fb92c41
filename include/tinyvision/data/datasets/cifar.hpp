// CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", technical report, 2009), the
// binary versions.
//
// A record of CIFAR-10 is a label byte and 3,072 bytes: 32 x 32 of red, then green, then blue. CIFAR-100 has two label bytes,
// 20 coarse classes and then 100 fine ones; the fine ones count. Python's pickles hold the same pixels; copies that were saved
// as JPEG do not.
#pragma once

#include "tinyvision/data/datasets/example_lists.hpp"

TINYVISION_BEGIN
namespace data {

inline constexpr OfficialFile cifar10_files[] = {
    {"https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "cifar-10-binary.tar.gz", 170052171,
     "c32a1d4ab5d03f1284b67883e8d87530", "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}};
inline constexpr OfficialFile cifar100_files[] = {
    {"https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz", "cifar-100-binary.tar.gz", 168513733,
     "03b5dce01913d631647c71ecec9e9cb8", "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"}};
inline constexpr OfficialFile cifar100_inner[] = {
    {"", "cifar-100-binary/train.bin", 153700000, "6172c7755cfe09b2fe270c85cebc1b15", ""},
    {"", "cifar-100-binary/test.bin", 30740000, "4499cfba6c016c1be1438163640a0898", ""}};
inline constexpr DatasetInfo cifar10_info{
    .name = "cifar10",
    .title = "CIFAR-10",
    .citation = "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, 2009",
    .classes = 10,
    .counts = {50000, 0, 10000},
    .metric = Metric::top1,
    .files = cifar10_files,
    .note = "137 test images also occur in ImageNet's training set; the paper leaves them out."};
inline constexpr DatasetInfo cifar100_info{
    .name = "cifar100",
    .title = "CIFAR-100",
    .citation = "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, 2009",
    .classes = 100,
    .counts = {50000, 0, 10000},
    .metric = Metric::top1,
    .files = cifar100_files,
    .note = "The 100 fine classes. 229 test images also occur in ImageNet's training set; the paper leaves them out.",
    .inner = cifar100_inner};

/// Records of planar 32 x 32 images. Examples are called "train/00000" and "test/00000", in the order of the files.
class CifarDataset : public Dataset {
 public:
  static constexpr Index side = 32, plane = side * side, coarse_classes = 20;

  /// `label_bytes`: 1, or 2 of which the second one counts.
  CifarDataset(std::string name, std::vector<std::string> class_names, std::vector<std::string> files,
               std::vector<std::string> where, Index label_bytes, std::size_t train_files)
      : Dataset(std::move(name), std::move(class_names), Metric::top1), files_(std::move(files)), labels_(label_bytes) {
    const Index record = labels_ + 3 * plane;
    for (std::size_t f = 0; f < files_.size(); ++f) {
      if (files_[f].empty() || static_cast<Index>(files_[f].size()) % record != 0)
        fail_usage(this->name(), where[f], ": ", files_[f].size(), " bytes are no whole number of records of ", record);
      const Index count = static_cast<Index>(files_[f].size()) / record;
      for (Index i = 0; i < count; ++i) {
        records_.push_back(reinterpret_cast<const std::uint8_t*>(files_[f].data()) + i * record);
        if (const int label = records_.back()[labels_ - 1]; label >= classes())
          fail_usage(this->name(), where[f], ": byte ", i * record + labels_ - 1, ": label ", label,
                     " is out of range 0..", classes() - 1);
        if (const int coarse = records_.back()[0]; labels_ == 2 && coarse >= coarse_classes)
          fail_usage(this->name(), where[f], ": byte ", i * record, ": coarse label ", coarse, " is out of range 0..",
                     coarse_classes - 1);
      }
      if (f < train_files) train_ += count;
    }
  }

  Index size() const override { return static_cast<Index>(records_.size()); }
  std::int64_t label(Index i) const override { return record(i)[labels_ - 1]; }
  std::string path(Index i) const override {
    check_index(i);
    const std::string digits = std::to_string(i < train_ ? i : i - train_);
    return (i < train_ ? "train/" : "test/") + std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0') + digits;
  }
  Image image(Index i) const override {
    const std::uint8_t* planes = record(i) + labels_;
    Image out(side, side);
    for (Index k = 0; k < plane; ++k)
      for (Index c = 0; c < 3; ++c) out.pixels[static_cast<std::size_t>(3 * k + c)] = planes[c * plane + k];
    return out;
  }
  /// The coarse class of CIFAR-100.
  std::int64_t coarse_label(Index i) const {
    check(labels_ == 2, "cifar", name(), " has no coarse classes");
    return record(i)[0];
  }
  Index train_size() const { return train_; }

 private:
  const std::uint8_t* record(Index i) const {
    check_index(i);
    return records_[static_cast<std::size_t>(i)];
  }

  std::vector<std::string> files_;
  std::vector<const std::uint8_t*> records_;
  Index labels_, train_ = 0;
};

namespace detail {

inline OfficialData read_cifar(const DatasetInfo& info, const FileSource& source, const std::string& folder,
                               const std::string& names_file, std::vector<std::string> train, const char* test,
                               Index label_bytes, const ReadOptions& options) {
  for (const std::string& python :
       {std::string("cifar-10-batches-py/data_batch_1"), std::string("cifar-100-python/train")})
    if (!source.contains(folder + names_file) && !source.contains(names_file) && source.contains(python))
      fail_usage(info.name, source.describe(python), ": Python's version; the binary version is read (",
                 info.files[0].name, ")");
  const std::string root = find_prefix(source, {"", folder}, names_file, info.name);
  const TextList list(source, root + names_file);
  const ClassIndex index(names_of_lines(list.lines), list.where);
  if (static_cast<Index>(index.names().size()) != info.classes)
    fail_usage(info.name, list.where, ": ", index.names().size(), " class names, there are ", info.classes);
  std::vector<std::string> files, where;
  const std::size_t train_files = train.size();
  train.emplace_back(test);
  for (const std::string& name : train) {
    files.push_back(source.read(root + name));
    where.push_back(source.describe(root + name));
  }
  auto set = std::make_shared<CifarDataset>(std::string(info.name), index.names(), std::move(files), std::move(where),
                                            label_bytes, train_files);
  Split split;
  for (Index i = 0; i < set->size(); ++i) (i < set->train_size() ? split.train : split.test).push_back(i);
  return official_data(info, std::move(set), std::move(split), options, source.describe(root));
}

}  // namespace detail

/// Reads `cifar-10-batches-bin` or the folder that holds it.
inline OfficialData read_cifar10(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  return detail::read_cifar(
      cifar10_info, *source, "cifar-10-batches-bin/", "batches.meta.txt",
      {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
      "test_batch.bin", 1, options);
}

/// Reads `cifar-100-binary` or the folder that holds it.
inline OfficialData read_cifar100(std::shared_ptr<const FileSource> source, const ReadOptions& options = {}) {
  return detail::read_cifar(cifar100_info, *source, "cifar-100-binary/", "fine_label_names.txt", {"train.bin"},
                            "test.bin", 2, options);
}

}  // namespace data
TINYVISION_END
