// What the entries of tinyvision/cuda/vendor.h that set something leave for those that compute.
#pragma once

#include <map>
#include <string>

#include "tinyvision/cuda/vendor.h"
#include "vendor/plan_book.h"

namespace tinyvision_kernels {
namespace vendor {

/// Plans of this process, kept in the plan file when there is one.
class PlanStore {
 public:
  const Plan* find(const std::string& key) const { return book_.find(key); }
  /// Adds the plan, or replaces the one that was there, and writes the file.
  void keep(const std::string& key, const Plan& plan);
  /// Reads this file, whose plans replace those so far; empty for none.
  void use_file(const std::string& path);
  const PlanBook& book() const { return book_; }
  const std::string& path() const { return path_; }

 private:
  PlanBook book_;
  std::string path_;
};

struct Settings {
  bool tf32 = false, tuning = false;
  PlanStore plans;
  std::map<std::string, std::string> fallbacks;  ///< operation and shape -> why
};
Settings& settings();

}  // namespace vendor
}  // namespace tinyvision_kernels
