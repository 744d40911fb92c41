// Which bytes a result comes from: one SHA-256 over all images that were read.
//
//   digest = SHA-256 of a line "path<tab>SHA-256 of the stored bytes<newline>" for each example, in order of their numbers
//
// The stored bytes are those of the image file, of the member of an archive, or (CIFAR, Fashion-MNIST) of the pixels; paths
// are those of split files. So the digest is the same for a folder and for its archives, and anybody can compute it with
// sha256sum. Labels are not part of it: the split's digest covers them.
//
// Why a pass of its own instead of hashing what is decoded: caches of features and pixels are keyed by this digest and a run
// that is continued compares it, so it has to be known before the first image is used. The pass reads every file once, on all
// threads, at the speed of the disk, and leaves the files in the system's memory for the first epoch. It need not be repeated: a
// digest is kept in a small file under a digest of all names and stamps (size, inode, times of change), and used again as
// long as no stamp changes. What the system does not notice as a change of a file (a broken disk) is not noticed then;
// without that file everything is read. Files that changed in the last two seconds have no stamp: a second change might
// leave the same one.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "tinyvision/core/digest.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/core/thread_pool.hpp"
#include "tinyvision/data/dataset.hpp"

TINYVISION_BEGIN
namespace data {

struct ContentDigestOptions {
  std::string kept{};     ///< file of known digests, made when it is not there; empty: none
  bool skip_bad = false;  ///< an unreadable file counts with dashes in place of its digest instead of failing
  std::function<void(Index done, Index total)> progress{};  ///< files
  std::function<bool()> should_stop{};
};

/// Thrown when should_stop said so. Nothing is kept.
class ContentDigestStopped : public Error {
 public:
  using Error::Error;
};

/// The digests of a data set's files, each file read once in the life of the object.
class ContentDigests {
 public:
  ContentDigests(std::shared_ptr<const Dataset> dataset, ContentDigestOptions options = {})
      : dataset_(std::move(dataset)), options_(std::move(options)) {
    check(dataset_ != nullptr, "content", "no data set");
  }

  /// The digest of some examples, in whatever order they are named. Throws UsageError for a file that cannot be read (unless
  /// skip_bad), ContentDigestStopped.
  std::string of(std::vector<Index> examples) {
    std::sort(examples.begin(), examples.end());
    const std::string stamp = stamp_of(examples);
    if (!stamp.empty())
      if (const auto known = kept(); known.contains(stamp)) return known.at(stamp);
    read(examples);
    Sha256 sum;
    for (const Index i : examples)
      sum.update(dataset_->path(i)).update("\t").update(file(i).data(), file(i).size()).update("\n");
    const std::string digest = sum.hex();
    if (!stamp.empty()) keep(stamp, digest);
    return digest;
  }
  /// The digest of all examples.
  std::string of_all() {
    std::vector<Index> all(static_cast<std::size_t>(dataset_->size()));
    std::iota(all.begin(), all.end(), Index{0});
    return of(std::move(all));
  }

 private:
  using Hex = std::array<char, 64>;
  static constexpr std::string_view header = "stamp\tdigest\n";

  Hex& file(Index i) { return files_[static_cast<std::size_t>(i)]; }

  /// Empty when one of the examples has none, or nothing is to be kept.
  std::string stamp_of(const std::vector<Index>& examples) const {
    if (options_.kept.empty()) return "";
    Sha256 sum;
    for (const Index i : examples) {
      const std::string stamp = dataset_->stamp(i);
      if (stamp.empty()) return "";
      sum.update(dataset_->path(i)).update("\t").update(stamp).update("\n");
    }
    return sum.hex();
  }

  void read(const std::vector<Index>& examples) {
    files_.resize(static_cast<std::size_t>(dataset_->size()), Hex{});
    std::vector<Index> missing;
    for (const Index i : examples)
      if (file(i)[0] == '\0') missing.push_back(i);
    constexpr Index piece = 256;
    const Index total = static_cast<Index>(missing.size());
    for (Index begin = 0; begin < total; begin += piece) {
      if (options_.should_stop && options_.should_stop())
        throw ContentDigestStopped("[content] stopped before all files were read; nothing was written");
      parallel_for(std::min(piece, total - begin), [&](Index k) {
        const Index i = missing[static_cast<std::size_t>(begin + k)];
        std::string hex(64, '-');
        try {
          hex = dataset_->content(i);
        } catch (const UsageError&) {
          if (!options_.skip_bad) throw;
        }
        std::copy_n(hex.begin(), 64, file(i).begin());
      });
      if (options_.progress) options_.progress(std::min(total, begin + piece), total);
    }
  }

  /// Digests by stamp; lines that are none are passed over, they only cost reading once more.
  std::map<std::string, std::string> kept() const {
    std::map<std::string, std::string> known;
    std::error_code none;
    if (!std::filesystem::exists(options_.kept, none)) return known;
    const std::string text = read_file(options_.kept);
    for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1))
      if (text.size() >= at + 131 && text[at + 65] == '\t' && text[at + 130] == '\n')
        known[text.substr(at + 1, 64)] = text.substr(at + 66, 64);
    return known;
  }
  void keep(const std::string& stamp, const std::string& digest) const {
    auto known = kept();
    known[stamp] = digest;
    std::string text(header);
    for (const auto& [key, value] : known) text += key + "\t" + value + "\n";
    write_file_atomically(options_.kept, text);
  }

  std::shared_ptr<const Dataset> dataset_;
  ContentDigestOptions options_;
  std::vector<Hex> files_;  // a first character of 0: not read yet
};

}  // namespace data
TINYVISION_END
