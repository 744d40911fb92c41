// Decoded images kept in memory, for as many loaders as are given it: a search over hyper-parameters decodes each image once.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "tinyvision/data/dataset.hpp"

TINYVISION_BEGIN
namespace data {

/// Whole images of one data set, up to so many bytes of pixels. Safe to use from several threads; an image that one of them
/// decodes the others wait for.
class ImageCache {
 public:
  explicit ImageCache(std::size_t most_bytes) : most_bytes_(most_bytes) {}

  /// The decoded image of example i of `dataset`, which must be the same at each call; kept while there is room. Throws what
  /// Dataset::image does.
  std::shared_ptr<const Image> get(const Dataset& dataset, Index i) {
    const std::size_t number = static_cast<std::size_t>(i);
    std::unique_lock<std::mutex> lock(mutex_);
    if (owner_ == nullptr) owner_ = &dataset, images_.resize(static_cast<std::size_t>(dataset.size()));
    check(owner_ == &dataset, "image_cache", "filled from ", owner_->name(), ", asked for an image of ",
          dataset.name());
    ready_.wait(lock, [&] { return !decoding_.contains(i); });
    if (images_.at(number) != nullptr) return images_[number];
    decoding_.insert(i);
    lock.unlock();
    std::shared_ptr<const Image> image;
    try {
      image = std::make_shared<const Image>(dataset.image(i));
    } catch (...) {
      finish(lock, i);
      throw;
    }
    finish(lock, i);
    ++decoded_;
    // No eviction: each epoch asks for every image once, so replacing one by another gains nothing.
    if (bytes_ + image->bytes() <= most_bytes_) {
      bytes_ += image->bytes();
      images_[number] = image;
    }
    return image;
  }

  /// How often an image was decoded.
  Index decoded() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return decoded_;
  }

 private:
  void finish(std::unique_lock<std::mutex>& lock, Index i) {
    lock.lock();
    decoding_.erase(i);
    ready_.notify_all();
  }

  const std::size_t most_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  const Dataset* owner_ = nullptr;
  std::vector<std::shared_ptr<const Image>> images_;
  std::set<Index> decoding_;
  std::size_t bytes_ = 0;
  Index decoded_ = 0;
};

}  // namespace data
TINYVISION_END
