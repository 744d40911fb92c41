// Prefetching loader: batches whose content depends on (seed, epoch, place in the epoch) alone.
//
// A few threads of the loader's own decode and augment the next batches while the caller computes. Which thread
// prepares which example, and how many threads there are, has no influence on the bytes. A position is two numbers, so
// a run resumes exactly in the middle of an epoch.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tinyvision/core/tensor.hpp"
#include "tinyvision/data/dataset.hpp"
#include "tinyvision/data/loader_options.hpp"

TINYVISION_BEGIN
namespace data {

/// Batch `batch` of epoch `epoch`, both counted from 0.
struct LoaderPosition {
  Index epoch = 0;
  Index batch = 0;
  friend bool operator==(const LoaderPosition&, const LoaderPosition&) = default;
};

/// An image whose input somebody else is to compute: the part that the plan's box names, packed, RGB.
struct PlannedImage {
  std::shared_ptr<const std::uint8_t> bytes;
  AugmentPlan plan;
  std::size_t size() const { return static_cast<std::size_t>(3 * plan.box.height * plan.box.width); }
};

struct Batch {
  Tensor images;                      ///< [n, size, size, 3] f32, preprocessed, or u8 (LoaderOptions::bytes); undefined
                                      ///< when `planned` is not empty
  std::vector<PlannedImage> planned;  ///< n, or none: see LoaderOptions::crop_memory
  Tensor labels;                      ///< [n] i64
  std::vector<Index> indices;         ///< numbers of the examples in the data set
  LoaderPosition position;

  Index size() const { return static_cast<Index>(indices.size()); }
};

/// An example left out under `skip_bad`, and why.
struct BadExample {
  Index index = 0;
  std::string path, reason;
};

/// What a loader has done since it began, for progress lines.
struct LoaderCounters {
  Index images = 0;         ///< prepared
  double wait_seconds = 0;  ///< that the consumer waited for batches
};

/// One consumer: next(), seek() and the ranges are called from one thread at a time.
class Loader {
 public:
  /// Loads `examples` (numbers in `dataset`). Throws UsageError when an option is out of range, there is no example, or
  /// `drop_last` without `shuffle` leaves no batch.
  Loader(std::shared_ptr<const Dataset> dataset, std::vector<Index> examples, LoaderOptions options)
      : dataset_(std::move(dataset)), examples_(std::move(examples)), options_(std::move(options)) {
    check(dataset_ != nullptr, "loader", "no data set");
    options_.validate();
    const Index count = static_cast<Index>(examples_.size());
    if (count == 0) fail_usage("loader", dataset_->name(), ": no examples to load");
    for (const Index i : examples_)
      check(i >= 0 && i < dataset_->size(), "loader", dataset_->name(), ": example ", i, " of ", dataset_->size());
    const Index step = options_.ranks * options_.batch_size;
    if (options_.shuffle && options_.drop_last && count < step) passes_ = (step + count - 1) / count;
    batches_ = count * passes_ / step;
    if (!options_.drop_last && count % step > options_.rank * options_.batch_size) ++batches_;
    if (batches_ == 0)
      fail_usage("loader", dataset_->name(), ": ", count, " examples fill no batch of ", options_.batch_size,
                 options_.ranks > 1 ? concat_text(" on rank ", options_.rank, " of ", options_.ranks) : "");
    cache_ = options_.cache;
    if (cache_ == nullptr && options_.cache_bytes > 0) cache_ = std::make_shared<ImageCache>(options_.cache_bytes);
    const unsigned machine = std::max(1u, std::thread::hardware_concurrency());
    const int threads = options_.threads > 0 ? options_.threads : static_cast<int>(machine);
    for (int i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
  }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  ~Loader() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  Index batches_per_epoch() const { return batches_; }
  /// How often an epoch passes over the examples: once, unless they are fewer than a batch.
  Index passes_per_epoch() const { return passes_; }
  Index examples() const { return static_cast<Index>(examples_.size()); }
  const LoaderOptions& options() const { return options_; }
  const Dataset& dataset() const { return *dataset_; }

  /// The batch that the next call of next() will return.
  LoaderPosition position() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return position_;
  }
  /// Continues at `position`; batch == batches_per_epoch() means the start of the next epoch.
  void seek(LoaderPosition position) {
    check(position.epoch >= 0 && position.batch >= 0 && position.batch <= batches_, "loader", "seek to epoch ",
          position.epoch, " batch ", position.batch, " of ", batches_);
    if (position.batch == batches_) position = {position.epoch + 1, 0};
    seek_with_skip(position, 0);
  }
  void seek(Index epoch, Index batch) { seek({epoch, batch}); }
  /// Examples that this loader gives in an epoch when none is skipped as unreadable.
  Index samples_per_epoch() const {
    const Index last = ((batches_ - 1) * options_.ranks + options_.rank) * options_.batch_size;
    return (batches_ - 1) * options_.batch_size + std::min(options_.batch_size, passes_ * examples() - last);
  }
  /// Continues at sample `sample` of this loader's epoch, counted from 0: where it lies inside a batch, the next batch is the
  /// rest of that one (position() names that batch). samples_per_epoch() means the start of the next epoch.
  void seek_sample(Index epoch, Index sample) {
    check(sample >= 0 && sample <= samples_per_epoch(), "loader", "seek to sample ", sample, " of ",
          samples_per_epoch());
    const bool end = sample == samples_per_epoch();
    seek_with_skip(end ? LoaderPosition{epoch + 1, 0} : LoaderPosition{epoch, sample / options_.batch_size},
                   end ? 0 : sample % options_.batch_size);
  }

  LoaderCounters counters() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return counters_;
  }

  /// The next batch; epochs follow each other without end. Throws the UsageError of an unreadable image (again at each
  /// further call) unless `skip_bad`; then batches can be smaller, and a batch without any readable image is passed
  /// over.
  Batch next() {
    for (Index tried = 0; tried < batches_; ++tried)
      if (Batch batch = take(); batch.size() > 0) return batch;
    fail_usage("loader", dataset_->name(), ": none of the ", examples_.size(), " images could be read");
  }

  /// next() when it need not wait and would not throw.
  std::optional<Batch> try_next() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (failure_ || slots_.empty() || !slots_.front()->ready() || slots_.front()->error || slots_.front()->all_bad())
        return {};
    }
    return take();
  }
  /// next() up to the end of epoch `epoch`, then nothing.
  std::optional<Batch> next_of_epoch(Index epoch) {
    while (position().epoch == epoch)
      if (Batch batch = take(); batch.size() > 0) return batch;
    return {};
  }

  /// The batches from the current position to the end of the epoch: `for (const Batch& batch :
  /// loader.rest_of_epoch())`.
  class Range {
   public:
    class Iterator {
     public:
      explicit Iterator(Range* range) : range_(range) {}
      Batch& operator*() const { return *range_->current_; }
      Iterator& operator++() {
        range_->advance();
        return *this;
      }
      bool operator!=(std::default_sentinel_t) const { return range_->current_.has_value(); }

     private:
      Range* range_;
    };
    Iterator begin() {
      advance();
      return Iterator(this);
    }
    std::default_sentinel_t end() const { return {}; }

   private:
    friend class Loader;
    Range(Loader& loader, Index epoch) : loader_(&loader), epoch_(epoch) {}
    void advance() { current_ = loader_->next_of_epoch(epoch_); }
    Loader* loader_;
    Index epoch_;
    std::optional<Batch> current_;
  };
  Range rest_of_epoch() { return Range(*this, position().epoch); }
  /// All batches of epoch `epoch`.
  Range epoch(Index epoch) {
    if (position() != LoaderPosition{epoch, 0}) seek(epoch, 0);
    return Range(*this, epoch);
  }

  /// Examples skipped so far (skip_bad), each once, in order of their numbers.
  std::vector<BadExample> bad_examples() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<BadExample> all;
    for (const auto& [index, reason] : bad_) all.push_back({index, dataset_->path(index), reason});
    return all;
  }

 private:
  // A batch in preparation. Everything but its own example's pixels is guarded by mutex_.
  struct Slot {
    LoaderPosition position;
    Index begin = 0;  // its first example's place in the epoch's order
    std::vector<Index> indices;
    std::vector<bool> bad;
    Tensor images;
    std::vector<PlannedImage> planned;  // instead of images where there is crop_memory
    Index claimed = 0, done = 0;
    Index failed_at = -1;  // smallest failing place, so that the error does not depend on timing
    std::exception_ptr error;
    bool ready() const { return done == static_cast<Index>(indices.size()); }
    bool all_bad() const { return std::find(bad.begin(), bad.end(), false) == bad.end(); }
  };

  void seek_with_skip(LoaderPosition position, Index skip) {
    const std::lock_guard<std::mutex> lock(mutex_);
    slots_.clear();  // a worker still busy with one of them finishes it unheard
    orders_.clear();
    position_ = open_ = position;
    wanted_epoch_ = position.epoch;
    skip_ = skip;
    wake_.notify_all();
  }

  LoaderPosition after(LoaderPosition p) const {
    return p.batch + 1 < batches_ ? LoaderPosition{p.epoch, p.batch + 1} : LoaderPosition{p.epoch + 1, 0};
  }

  // An evaluation pass is rarely followed by another one at once: its loader enters an epoch only when asked for it.
  bool may_open() const {
    return static_cast<Index>(slots_.size()) < options_.prefetch && (options_.shuffle || open_.epoch <= wanted_epoch_);
  }

  const std::vector<Index>& order(Index epoch) {
    orders_.erase(orders_.begin(), orders_.lower_bound(position_.epoch));
    auto [found, added] = orders_.try_emplace(epoch);
    if (added) {
      if (!options_.shuffle) found->second = examples_;
      for (Index pass = epoch * passes_; options_.shuffle && pass < (epoch + 1) * passes_; ++pass)
        for (const auto i :
             Random(options_.seed, Stream::shuffle, static_cast<std::uint64_t>(pass)).permutation(examples()))
          found->second.push_back(examples_[static_cast<std::size_t>(i)]);
    }
    return found->second;
  }

  void open_slot() {
    auto slot = std::make_shared<Slot>();
    slot->position = open_;
    const std::vector<Index>& all = order(open_.epoch);
    const Index first = (open_.batch * options_.ranks + options_.rank) * options_.batch_size;
    const Index end = std::min(first + options_.batch_size, static_cast<Index>(all.size()));
    const Index begin = slot->begin = std::min(first + skip_, end);
    skip_ = 0;
    slot->indices.assign(all.begin() + begin, all.begin() + end);
    slot->bad.resize(slot->indices.size());
    const Index size = options_.preprocessing.image_size;
    if (options_.crop_memory) {
      slot->planned.resize(slot->indices.size());
    } else {
      slot->images = Tensor::empty({end - begin, size, size, 3}, options_.bytes ? DType::u8 : DType::f32);
    }
    slots_.push_back(std::move(slot));
    open_ = after(open_);
  }

  // The next example nobody works on, or no slot.
  std::pair<std::shared_ptr<Slot>, Index> claim() {
    for (const std::shared_ptr<Slot>& slot : slots_)
      if (slot->claimed < static_cast<Index>(slot->indices.size())) return {slot, slot->claimed++};
    if (!may_open()) return {};
    open_slot();
    return {slots_.back(), slots_.back()->claimed++};
  }

  void work() {
    std::unique_lock<std::mutex> lock(mutex_);
    while (!stopping_) {
      std::shared_ptr<Slot> slot;
      Index place = 0;
      try {
        std::tie(slot, place) = claim();
      } catch (...) {
        failure_ = std::current_exception();  // out of memory while a batch was opened
        ready_.notify_all();
        return;
      }
      if (slot == nullptr) {
        wake_.wait(lock);
        continue;
      }
      lock.unlock();
      std::exception_ptr error;
      std::string reason;
      bool unreadable = false;
      try {
        prepare(*slot, place);
      } catch (const UsageError& e) {
        error = std::current_exception();
        reason = e.what();
        unreadable = true;
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (unreadable && options_.skip_bad) {
        slot->bad[static_cast<std::size_t>(place)] = true;
        bad_.emplace(slot->indices[static_cast<std::size_t>(place)], reason);
      } else if (error && (slot->failed_at < 0 || place < slot->failed_at)) {
        slot->failed_at = place;
        slot->error = error;
      }
      ++slot->done;
      ++counters_.images;
      if (slot->ready()) ready_.notify_all();
    }
  }

  void prepare(Slot& slot, Index place) {
    const Index example = slot.indices[static_cast<std::size_t>(place)];
    // Of an image that is not kept, only what the plan asks for is decoded.
    static thread_local Image scratch_image;
    AugmentPlan plan;
    const auto choose = [&](Index height, Index width) {
      plan = plan_augmentation(height, width, options_.preprocessing.crop, options_.augmentation, options_.seed,
                               slot.position.epoch, slot.begin + place);
      return plan.box;
    };
    std::shared_ptr<const Image> owner;
    ImageView image;
    if (cache_ != nullptr && dataset_->view(example).empty()) {
      image = *(owner = cache_->get(*dataset_, example));
      choose(image.height, image.width);
    } else {
      const BoxView found = dataset_->view_box(example, choose, scratch_image);
      image = found.view;
      plan.box = found.box;
    }
    const Index values = options_.preprocessing.floats();
    if (options_.bytes) {
      static thread_local std::vector<float> scratch;
      return augment_bytes(image, options_.preprocessing, plan, scratch,
                           slot.images.data<std::uint8_t>() + place * values);
    }
    if (!options_.crop_memory)
      return augment(image, options_.preprocessing, plan, slot.images.data<float>() + place * values);
    PlannedImage& planned = slot.planned[static_cast<std::size_t>(place)];
    planned.plan = plan;
    const std::shared_ptr<std::uint8_t> crop = options_.crop_memory(planned.size());
    for (Index row = 0; row < plan.box.height; ++row)
      std::copy_n(image.at(plan.box.top + row, plan.box.left), 3 * plan.box.width,
                  crop.get() + row * 3 * plan.box.width);
    planned.bytes = crop;
  }

  // Waits for the front batch and moves the position on; empty when all its images were skipped.
  Batch take() {
    std::shared_ptr<Slot> slot;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wanted_epoch_ = position_.epoch;
      wake_.notify_all();
      const auto began = std::chrono::steady_clock::now();
      ready_.wait(lock, [this] { return failure_ || (!slots_.empty() && slots_.front()->ready()); });
      counters_.wait_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
      if (failure_) std::rethrow_exception(failure_);
      slot = slots_.front();
      if (slot->error) std::rethrow_exception(slot->error);
      slots_.pop_front();
      position_ = after(position_);
    }
    wake_.notify_all();
    Batch batch;
    batch.position = slot->position;
    Index kept = 0;
    const Index values = options_.preprocessing.floats();
    for (std::size_t i = 0; i < slot->indices.size(); ++i) {
      if (slot->bad[i]) continue;
      if (options_.crop_memory) {
        batch.planned.push_back(std::move(slot->planned[i]));
      } else if (kept != static_cast<Index>(i)) {
        const auto close_gap = [&](auto* images) {
          std::copy_n(images + static_cast<Index>(i) * values, values, images + kept * values);
        };
        options_.bytes ? close_gap(slot->images.data<std::uint8_t>()) : close_gap(slot->images.data<float>());
      }
      batch.indices.push_back(slot->indices[i]);
      ++kept;
    }
    if (!options_.crop_memory) batch.images = slot->images.slice_batch(0, kept);
    batch.labels = Tensor::empty({kept}, DType::i64);
    for (Index i = 0; i < kept; ++i)
      batch.labels.data<std::int64_t>()[i] = dataset_->label(batch.indices[static_cast<std::size_t>(i)]);
    return batch;
  }

  std::shared_ptr<const Dataset> dataset_;
  std::vector<Index> examples_;
  LoaderOptions options_;
  Index batches_ = 0, passes_ = 1;

  mutable std::mutex mutex_;
  std::condition_variable wake_, ready_;
  std::deque<std::shared_ptr<Slot>> slots_;  // front = the next batch to hand out
  std::map<Index, std::vector<Index>> orders_;
  std::map<Index, std::string> bad_;
  LoaderPosition position_, open_;     // next to hand out, next to prepare
  Index wanted_epoch_ = 0, skip_ = 0;  // skip_: examples left out of the next batch to open
  LoaderCounters counters_;
  std::exception_ptr failure_;
  bool stopping_ = false;

  std::shared_ptr<ImageCache> cache_;

  std::vector<std::thread> workers_;  // last: they use everything above
};

}  // namespace data
TINYVISION_END
