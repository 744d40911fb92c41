// Plans by key, and the file that keeps them.
//
//   tinyvision plans 1
//   <key> <tab> <engine> <tab> heuristics|timing
//   ...                                                              (one line per plan, in the order of the keys)
//   end <number of plans> <FNV-1a of all bytes before this line, 16 hexadecimal digits>
//
// The text is a function of the plans alone, so its digest is theirs. The checksum is there to find damage.
#pragma once

#include <map>
#include <string>

namespace tinyvision_kernels {
namespace vendor {

/// One of the engines that cuDNN proposes for a problem.
struct Plan {
  std::string
      engine;  ///< its number and its knobs with their values, as cudnn-frontend writes them: "eng45_k2=0_k14=4"
  bool timed = false;  ///< chosen by timing, not by cuDNN's heuristics

  bool operator==(const Plan& other) const { return engine == other.engine && timed == other.timed; }
};

class PlanBook {
 public:
  /// Null when there is none.
  const Plan* find(const std::string& key) const;
  void set(const std::string& key, const Plan& plan) { plans_[key] = plan; }
  std::size_t size() const { return plans_.size(); }

  std::string text() const;
  /// Those that were chosen by timing.
  PlanBook timed() const;
  /// Throws std::runtime_error, "[plan file] PATH, line N: what is wrong", or the byte where the file ends too early.
  static PlanBook parse(const std::string& text, const std::string& path);

  /// Empty when there is no such file. Throws as parse() does, or with the system's reason.
  static PlanBook read(const std::string& path);
  /// Replaces the file at once: a reader sees the old one or the new one. Throws with the system's reason.
  void write(const std::string& path) const;

 private:
  std::map<std::string, Plan> plans_;
};

}  // namespace vendor
}  // namespace tinyvision_kernels
