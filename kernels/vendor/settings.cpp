#include "vendor/settings.h"

namespace tinyvision_kernels {
namespace vendor {

void PlanStore::keep(const std::string& key, const Plan& plan) {
  book_.set(key, plan);
  if (!path_.empty()) book_.write(path_);
}

void PlanStore::use_file(const std::string& path) {
  book_ = path.empty() ? PlanBook() : PlanBook::read(path);
  path_ = path;
  if (!path.empty()) book_.write(path);  // that it can be written shows now, not after the first plan
}

Settings& settings() {
  static Settings the_settings;
  return the_settings;
}

void allow_tf32(bool allowed) { settings().tf32 = allowed; }
bool tf32_allowed() { return settings().tf32; }
void set_tuning(bool tuning) { settings().tuning = tuning; }
bool tuning() { return settings().tuning; }
void use_plan_file(const std::string& path) { settings().plans.use_file(path); }
std::string plans() { return settings().plans.book().text(); }
std::string timed_plans() {
  const PlanBook timed = settings().plans.book().timed();
  return timed.size() == 0 ? "" : timed.text();
}

std::vector<std::string> fallbacks() {
  std::vector<std::string> lines;
  for (const auto& [what, why] : settings().fallbacks) lines.push_back(what + ": " + why);
  return lines;
}

}  // namespace vendor
}  // namespace tinyvision_kernels
