// Batches of a loader, on the device that is to work on them.
//
// On a CUDA device the loader's threads only decode and crop. The bytes of the next batch are copied from pinned memory in
// a stream of their own while the device works on this one; resizing, flips, colours and normalisation are one kernel
// there. The bits are those of the CPU.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tinyvision/data/loader.hpp"
#include "tinyvision/ops/support.hpp"
#if TINYVISION_WITH_CUDA
#include "tinyvision/cuda/upload.hpp"
#endif

TINYVISION_BEGIN

/// `options` for a loader whose batches go to `device`.
inline data::LoaderOptions loading_for(Device device, data::LoaderOptions options) {
#if TINYVISION_WITH_CUDA
  // The kernel knows this resizer alone; the others stay work of the CPU.
  if (device.kind == Device::Kind::cuda && options.preprocessing.resizer == data::Resizer::tf1_bilinear &&
      !options.augmentation.draws_resizer())
    options.crop_memory = cuda::allocate_pinned;
#endif
  static_cast<void>(device);
  return options;
}

#if TINYVISION_WITH_CUDA
namespace detail {

inline cuda::kernels::InputNormalisation input_normalisation(const data::AugmentPlan& plan, data::Normalisation kind) {
  const data::ChannelAffine a = data::channel_affine(kind);
  const float range = plan.range(kind);  // its products are exact: 1, or 255 beside a scale of 1
  return {plan.byte_scale(kind),
          {range * a.scale[0], range * a.scale[1], range * a.scale[2]},
          {a.shift[0], a.shift[1], a.shift[2]}};
}

/// A planned image whose packed crop lies `offset` bytes behind the start.
inline cuda::kernels::InputImage input_image(const data::AugmentPlan& plan, Index offset) {
  using Kind = decltype(cuda::kernels::ColourAdjustment::kind);
  const data::Box& box = plan.box;
  cuda::kernels::InputImage image{
      offset,       box.height, box.width,         0, 0, box.height, box.width, plan.shift_y,
      plan.shift_x, plan.flip,  plan.colour.count, {}};
  for (int i = 0; i < plan.colour.count; ++i) {
    const data::ColourStep& step = plan.colour.steps[static_cast<std::size_t>(i)];
    image.colour[i] = {static_cast<Kind>(step.change), step.amount};
  }
  return image;
}

}  // namespace detail
#endif

/// Takes over the loader's position: between calls of next(), position() says what comes next, and not the loader.
class BatchFeed {
 public:
  BatchFeed(data::Loader& loader, Device device) : loader_(loader), device_(device) {}
  BatchFeed(const BatchFeed&) = delete;
  BatchFeed& operator=(const BatchFeed&) = delete;
  ~BatchFeed() {
    if (ahead_) loader_.seek(ahead_->position);
  }

  /// As Loader::next; images are on the device where the loader left them to it, otherwise on the CPU.
  data::Batch next() {
    if (ahead_) return finish(std::move(*std::exchange(ahead_, nullptr)));
    return finish(begin(loader_.next()));
  }
  /// As Loader::next_of_epoch.
  std::optional<data::Batch> next_of_epoch(Index epoch) {
    if (ahead_ && ahead_->position.epoch != epoch) return {};
    if (ahead_) return next();
    std::optional<data::Batch> batch = loader_.next_of_epoch(epoch);
    if (batch) batch = finish(begin(std::move(*batch)));
    return batch;
  }
  data::LoaderPosition position() const { return ahead_ ? ahead_->position : loader_.position(); }
  void seek(data::LoaderPosition position) {
    ahead_.reset();
    loader_.seek(position);
  }

 private:
#if TINYVISION_WITH_CUDA
  /// Begins to send the batch.
  data::Batch begin(data::Batch batch) {
    if (batch.planned.empty()) return batch;
    using Image = cuda::kernels::InputImage;
    // The table goes first, so that it is aligned.
    const std::size_t table_bytes = batch.planned.size() * sizeof(Image);
    const std::shared_ptr<std::uint8_t> memory = cuda::allocate_pinned(table_bytes);
    Image* const table = reinterpret_cast<Image*>(memory.get());
    std::vector<cuda::Upload::Piece> pieces{{memory, table_bytes}};
    std::size_t offset = table_bytes;
    for (std::size_t i = 0; i < batch.planned.size(); ++i) {
      const data::PlannedImage& image = batch.planned[i];
      new (table + i) Image(detail::input_image(image.plan, static_cast<Index>(offset)));
      pieces.push_back({image.bytes, image.size()});
      offset += image.size();
    }
    uploads_[0].swap(uploads_[1]);
    if (!uploads_[0]) uploads_[0] = std::make_unique<cuda::Upload>();
    uploads_[0]->begin(std::move(pieces));
    return batch;
  }
  /// Has the images made of what begin() sent last, and begins with the batch behind it if that is ready.
  data::Batch finish(data::Batch batch) {
    if (batch.planned.empty()) return batch;
    const data::Preprocessing& p = loader_.options().preprocessing;
    const Index n = batch.size(), size = p.image_size;
    bool contrast = false;
    for (const data::PlannedImage& image : batch.planned)
      for (int i = 0; i < image.plan.colour.count; ++i)
        contrast |= image.plan.colour.steps[static_cast<std::size_t>(i)].change == data::ColourChange::contrast;
    batch.images = Tensor::empty({n, size, size, 3}, DType::f32, device_);
    std::optional<cuda::Workspace<float>> means;
    if (contrast) means.emplace(3 * n);
    const std::uint8_t* bytes = uploads_[0]->arrive();
    cuda::kernels::input_images(n, bytes, reinterpret_cast<const cuda::kernels::InputImage*>(bytes),
                                detail::input_normalisation(batch.planned.front().plan, p.normalisation), size, size,
                                means ? means->data() : nullptr, batch.images.data<float>(), cuda::stream());
    uploads_[0]->release();
    batch.planned.clear();
    if (std::optional<data::Batch> following = loader_.try_next())
      ahead_ = std::make_unique<data::Batch>(begin(std::move(*following)));
    return batch;
  }

  /// The one of the batch that was begun last comes first.
  std::array<std::unique_ptr<cuda::Upload>, 2> uploads_;
#else
  static data::Batch begin(data::Batch batch) { return batch; }
  static data::Batch finish(data::Batch batch) { return batch; }
#endif

  data::Loader& loader_;
  Device device_;
  std::unique_ptr<data::Batch> ahead_;  ///< taken from the loader and on its way
};

TINYVISION_END
