// How a loader works.
#pragma once

#include <functional>
#include <memory>

#include "tinyvision/data/augment.hpp"
#include "tinyvision/data/image_cache.hpp"

TINYVISION_BEGIN
namespace data {

/// How a loader works.
///
/// Ranks: with R of them and batches of b, global batch g is the examples [g R b, (g+1) R b) of the epoch's order and rank r
/// gets the r-th b of these. So the examples of a step, and their pixels, are those of one loader with batches of R b. With
/// drop_last every rank has the same number of full batches, and the fewer than R b examples at the end of the order are left
/// out in this epoch. Without it every example comes exactly once: nothing is padded, the last batches are smaller, and a rank
/// can have one batch less than another.
///
/// Fewer than R b examples (the paper's subsets of section 4.7 can be that small) fill no batch by themselves. With shuffle and
/// drop_last an epoch then is the fewest passes that fill one, each in a permutation of its own: examples come several times in
/// a batch, augmented anew each time, and the end of the last pass is left out. With drop_last alone they are refused.
///
/// Memory beside the data set: `prefetch` + 1 batches of n floats (with `bytes` n bytes, n = 3 image_size^2 b), for each
/// thread one file, one decoded image and its resized rows, and `cache_bytes`.
struct LoaderOptions {
  Index batch_size = 32;
  std::uint64_t seed = 0;
  bool shuffle = true;          ///< a new permutation each epoch: Random(seed, Stream::shuffle, epoch)
  bool drop_last = true;        ///< leave out a partial last batch
  bool skip_bad = false;        ///< leave out unreadable images (their batch shrinks) instead of failing
  int threads = 0;              ///< loader threads; 0 = as many as the machine has
  Index prefetch = 3;           ///< batches prepared ahead
  Index rank = 0, ranks = 1;    ///< this loader's place among those that share each epoch's one order; see below
  bool bytes = false;           ///< batches of u8 before normalisation (augment_bytes), for a device that normalises
  std::size_t cache_bytes = 0;  ///< decoded 8-bit images kept in memory; those beyond are decoded anew each epoch
  std::shared_ptr<ImageCache>
      cache;  ///< shared with other loaders of the data set, instead of `cache_bytes` of its own
  Preprocessing preprocessing;
  AugmentOptions augmentation;
  /// Gives memory for so many bytes. With it batches hold crops in such memory and plans (`Batch::planned`) instead of
  /// finished images, for a device that computes them. Called by the loader's threads.
  std::function<std::shared_ptr<std::uint8_t>(std::size_t)> crop_memory;

  /// Order kept, last partial batch kept, no augmentation.
  static LoaderOptions evaluation(const Preprocessing& preprocessing, Index batch_size = 32) {
    LoaderOptions options;
    options.batch_size = batch_size;
    options.shuffle = options.drop_last = false;
    options.preprocessing = preprocessing;
    options.augmentation.mode = Augmentation::none;
    return options;
  }

  /// Throws UsageError when a field is out of range.
  void validate() const {
    preprocessing.validate();
    augmentation.validate();
    if (batch_size < 1) fail_usage("loader", "batch size ", batch_size, " is not positive");
    if (prefetch < 1) fail_usage("loader", "prefetch ", prefetch, " is not positive");
    if (threads < 0) fail_usage("loader", threads, " threads");
    if (ranks < 1 || rank < 0 || rank >= ranks) fail_usage("loader", "rank ", rank, " of ", ranks);
    check(!bytes || !crop_memory, "loader", "bytes and crop_memory exclude each other");
  }
};

}  // namespace data
TINYVISION_END
