// Fashion-MNIST (Xiao, Rasul & Vollgraf, arXiv 1708.07747): 60,000 + 10,000 grey images of 28 x 28, ten classes, in the
// IDX format of MNIST, gzip-compressed or plain (Debian package dataset-fashion-mnist installs the former).
#pragma once

#include <zlib.h>

#include <filesystem>
#include <memory>

#include "tinyvision/data/dataset.hpp"
#include "tinyvision/data/split.hpp"

TINYVISION_BEGIN
namespace data {

/// Where the Debian package puts the files.
inline constexpr const char* fashion_mnist_folder = "/usr/share/datasets/fashion-mnist";

/// An IDX file of unsigned bytes: extents (1 to 3 of them) and values, last extent fastest.
struct IdxFile {
  std::vector<Index> extents;
  std::vector<std::uint8_t> values;
};

/// Reads `path` (gzip-compressed or plain, decided by content). Throws UsageError with path and byte offset (of the
/// uncompressed data) when the magic number is not that of unsigned bytes, the data ends early or
/// late, or gzip's checksum does not fit.
inline IdxFile read_idx(const std::string& path) {
  struct Close {
    void operator()(gzFile file) const { gzclose(file); }
  };
  const std::unique_ptr<gzFile_s, Close> file(gzopen(path.c_str(), "rb"));
  if (file == nullptr) fail_usage("idx", "cannot open ", path);
  Index offset = 0;
  const auto refuse_damaged_gzip = [&] {
    int code = 0;
    const char* reason = gzerror(file.get(), &code);
    if (code != Z_OK && code != Z_STREAM_END)
      fail_usage("idx", path, ": byte ", offset, ": damaged or truncated gzip data (", reason, ")");
  };
  const auto read = [&](std::uint8_t* target, Index bytes) {
    constexpr Index chunk = 1 << 20;
    for (Index done = 0; done < bytes;) {
      const int got = gzread(file.get(), target + done, static_cast<unsigned>(std::min(chunk, bytes - done)));
      if (got <= 0) {
        refuse_damaged_gzip();
        fail_usage("idx", path, ": data ends at byte ", offset, ", ", bytes - done, " more are needed");
      }
      done += got;
      offset += got;
    }
  };
  std::uint8_t magic[4];
  read(magic, 4);
  if (magic[0] != 0 || magic[1] != 0 || magic[2] != 8 || magic[3] < 1 || magic[3] > 3)
    fail_usage("idx", path, ": byte 0: not an IDX file of unsigned bytes with 1 to 3 dimensions");
  IdxFile idx;
  Index count = 1;
  for (int i = 0; i < magic[3]; ++i) {
    std::uint8_t word[4];
    read(word, 4);
    idx.extents.push_back(Index{word[0]} << 24 | Index{word[1]} << 16 | Index{word[2]} << 8 | Index{word[3]});
    count *= std::max<Index>(idx.extents.back(), 1);
    if (idx.extents.back() == 0 || count > (Index{1} << 32))
      fail_usage("idx", path, ": byte ", offset - 4, ": extent ", idx.extents.back(), " is zero or too large");
  }
  idx.values.resize(static_cast<std::size_t>(count));
  read(idx.values.data(), count);
  std::uint8_t extra = 0;
  const int more = gzread(file.get(), &extra, 1);
  if (more > 0) fail_usage("idx", path, ": byte ", offset, ": data goes on behind the last value");
  int code = 0;
  const char* reason = gzerror(file.get(), &code);
  if (more < 0 || code != Z_OK)
    fail_usage("idx", path, ": byte ", offset, ": damaged or truncated gzip data (", reason, ")");
  return idx;
}

struct FashionMnistOptions {
  std::vector<std::int64_t> classes;  ///< classes to keep, in the order of their new labels; empty = all ten
  Index pad = 2;                      ///< black border: 28 + 2*pad pixels a side
};

/// Training and test images together; `split()` gives the official parts. Example names are "train/00000"... and
/// "test/00000"... with the number in the official file.
class FashionMnist : public Dataset {
 public:
  Index size() const override { return static_cast<Index>(labels_.size()); }
  std::int64_t label(Index i) const override {
    check_index(i);
    return labels_[static_cast<std::size_t>(i)];
  }
  std::string path(Index i) const override {
    check_index(i);
    const std::string digits = std::to_string(numbers_[static_cast<std::size_t>(i)]);
    return (i < train_size_ ? "train/" : "test/") + std::string(5 - digits.size(), '0') + digits;
  }
  Image image(Index i) const override {
    check_index(i);
    return grey_to_rgb({grey_.data() + i * pixels, static_cast<std::size_t>(pixels)}, side, side, pad_);
  }
  /// The official training and test parts; no validation examples.
  Split split() const {
    Split split;
    for (Index i = 0; i < size(); ++i) (i < train_size_ ? split.train : split.test).push_back(i);
    return split;
  }

  static constexpr Index side = 28, pixels = side * side;

  static const std::vector<std::string>& official_class_names() {
    static const std::vector<std::string> names{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                                "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
    return names;
  }

  /// Reads the four official files from `folder`, each with or without ".gz". Throws UsageError naming the file on a
  /// missing file, wrong magic number, wrong count or label out of range.
  static std::unique_ptr<FashionMnist> read(const std::string& folder = fashion_mnist_folder,
                                            const FashionMnistOptions& options = {}) {
    std::vector<std::int64_t> relabel(10, options.classes.empty() ? 0 : -1);
    std::vector<std::string> names;
    if (options.pad < 0) fail_usage("fashion_mnist", "border of ", options.pad, " pixels");
    if (options.classes.empty()) {
      for (std::int64_t c = 0; c < 10; ++c) relabel[static_cast<std::size_t>(c)] = c;
      names = official_class_names();
    }
    for (const std::int64_t c : options.classes) {
      if (c < 0 || c > 9) fail_usage("fashion_mnist", "class ", c, " is out of range 0..9");
      if (relabel[static_cast<std::size_t>(c)] >= 0) fail_usage("fashion_mnist", "class ", c, " is asked for twice");
      relabel[static_cast<std::size_t>(c)] = static_cast<std::int64_t>(names.size());
      names.push_back(official_class_names()[static_cast<std::size_t>(c)]);
    }
    std::unique_ptr<FashionMnist> set(new FashionMnist(std::move(names), options.pad));
    set->add(folder, "train", 60000, relabel);
    set->train_size_ = set->size();
    set->add(folder, "t10k", 10000, relabel);
    return set;
  }

 private:
  FashionMnist(std::vector<std::string> names, Index pad)
      : Dataset("fashion_mnist", std::move(names), Metric::top1), pad_(pad) {}

  void add(const std::string& folder, const std::string& part, Index count, const std::vector<std::int64_t>& relabel) {
    const auto find = [&](const char* what) {
      const std::string plain = folder + "/" + part + what;
      if (std::filesystem::exists(plain)) return plain;
      if (!std::filesystem::exists(plain + ".gz"))
        fail_usage("fashion_mnist", "neither ", plain, " nor ", plain,
                   ".gz exists (Debian package dataset-fashion-mnist)");
      return plain + ".gz";
    };
    const std::string image_file = find("-images-idx3-ubyte"), label_file = find("-labels-idx1-ubyte");
    const IdxFile images = read_idx(image_file), labels = read_idx(label_file);
    if (images.extents != std::vector<Index>{count, side, side})
      fail_usage("fashion_mnist", image_file, ": extents are not ", count, " x 28 x 28");
    if (labels.extents != std::vector<Index>{count})
      fail_usage("fashion_mnist", label_file, ": not a list of ", count, " labels");
    for (Index i = 0; i < count; ++i) {
      const std::uint8_t official = labels.values[static_cast<std::size_t>(i)];
      if (official > 9)
        fail_usage("fashion_mnist", label_file, ": byte ", 8 + i, ": label ", int{official}, " is out of range 0..9");
      if (relabel[official] < 0) continue;
      labels_.push_back(relabel[official]);
      numbers_.push_back(i);
      grey_.insert(grey_.end(), images.values.begin() + i * pixels, images.values.begin() + (i + 1) * pixels);
    }
  }

  Index pad_ = 0;
  Index train_size_ = 0;
  std::vector<std::uint8_t> grey_;
  std::vector<std::int64_t> labels_;
  std::vector<Index> numbers_;
};

}  // namespace data
TINYVISION_END
