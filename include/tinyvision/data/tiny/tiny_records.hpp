// Small sets of CIFAR-10 and CIFAR-100: records of bytes.
#pragma once

#include "tinyvision/data/datasets/cifar.hpp"
#include "tinyvision/data/tiny/tiny_lists.hpp"

TINYVISION_BEGIN
namespace data {
namespace detail {

/// A record: label bytes, then the upper left 32 x 32 pixels, plane by plane.
inline void append_cifar_record(std::string& out, const std::string& labels, const Image& image) {
  out += labels;
  for (std::size_t c = 0; c < 3; ++c)
    for (Index y = 0; y < CifarDataset::side; ++y)
      for (Index x = 0; x < CifarDataset::side; ++x) out += static_cast<char>(image.at(y, x)[c]);
}

inline std::vector<TinyPart> tiny_cifar10(const TinyOptions& options) {
  static constexpr const char* names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                          "dog",      "frog",       "horse", "ship", "truck"};
  TinyPart part{std::string(cifar10_files[0].name)};
  const std::string root = "cifar-10-batches-bin/";
  std::string batches[6];
  for (Index k = 0; k < 10 * options.per_class; ++k)  // classes in turn, so every batch has some
    append_cifar_record(batches[k % 5], std::string(1, static_cast<char>(k * 3 % 10)),
                        draw_tiny_image(options.seed, k * 3 % 10, k));
  for (Index k = 0; k < 10 * options.per_class; ++k)
    append_cifar_record(batches[5], std::string(1, static_cast<char>(k % 10)),
                        draw_tiny_image(options.seed, k % 10, 10000 + k));
  for (int b = 0; b < 5; ++b) part.files[root + "data_batch_" + std::to_string(b + 1) + ".bin"] = batches[b];
  part.files[root + "test_batch.bin"] = batches[5];
  std::string meta;
  for (const char* name : names) meta += std::string(name) + "\n";
  part.files[root + "batches.meta.txt"] = meta + "\n";
  return {part};
}

inline std::vector<TinyPart> tiny_cifar100(const TinyOptions& options) {
  TinyPart part{std::string(cifar100_files[0].name)};
  const std::string root = "cifar-100-binary/";
  std::string train, test, fine, coarse;
  for (Index k = 0; k < 2 * 100 * options.per_class; ++k) {
    const Index c = k * 7 % 100;
    append_cifar_record(k < 100 * options.per_class ? train : test, {static_cast<char>(c / 5), static_cast<char>(c)},
                        draw_tiny_image(options.seed, c, k));
  }
  for (Index c = 0; c < 100; ++c) fine += numbered("fine_", c) + "\n";
  for (Index c = 0; c < 20; ++c) coarse += numbered("coarse_", c) + "\n";
  part.files[root + "train.bin"] = train;
  part.files[root + "test.bin"] = test;
  part.files[root + "fine_label_names.txt"] = fine;
  part.files[root + "coarse_label_names.txt"] = coarse;
  return {part};
}

}  // namespace detail
}  // namespace data
TINYVISION_END
