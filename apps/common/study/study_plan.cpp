// The jobs of a study.
#include "common/study/study_plan.hpp"

#include <algorithm>
#include <cmath>

#include "tinyvision/core/digest.hpp"
#include "tinyvision/report/published_tables.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

/// Passes over all examples that a penalty's fit takes, for plans only.
constexpr double passes_of_a_fit = 20;
/// Bytes of a decoded image where the images have not been seen: 500 x 375 pixels.
constexpr double assumed_image_bytes = 500.0 * 375 * 3;

double real(Index n) { return static_cast<double>(n); }

/// A label as a part of a file name.
std::string file_name(std::string text) {
  for (char& c : text)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
          c == '='))
      c = '_';
  return text;
}

class Planner {
 public:
  Planner(const Study& study, const Rates& rates) : study_(study), rates_(rates) {}

  StudyPlan plan() {
    for (const StudyDataset& d : study_.datasets) pixels(d);
    for (const StudyNetwork& n : study_.networks)
      if (n.weights.empty() && needs_weights()) pretrain(n);
    for (const StudySetting& s : study_.settings)
      for (const StudyDataset& d : study_.datasets)
        for (const StudyNetwork& n : study_.networks) {
          if (!s.classifier.empty()) {
            probe(s, d, n);
            continue;
          }
          for (const Index steps : s.steps)
            for (const std::uint64_t seed : study_.seeds) search(s, d, n, steps, seed);
        }
    for (StudyJob& job : plan_.jobs) price(job);
    return std::move(plan_);
  }

 private:
  bool needs_weights() const {
    return std::any_of(study_.settings.begin(), study_.settings.end(),
                       [](const StudySetting& s) { return s.name != "random_init"; });
  }

  static void append(std::vector<StudyOption>& to, const std::vector<StudyOption>& options) {
    to.insert(to.end(), options.begin(), options.end());
  }

  /// The data set with its decoded images and, where it counts, its split.
  void give_data(StudyJob& job, const StudyDataset& d, bool split_counts) {
    append(job.arguments, d.options);
    job.train_size = d.train + d.validation;
    job.base = d.base, job.subset = d.subset, job.per_class = d.per_class;
    for (StudyOption o : d.split) {
      o.counts = o.counts && split_counts;
      job.arguments.push_back(o);
    }
    job.sources.emplace_back("data", images_key(d));
    if (!d.split_file.empty() && split_counts) job.sources.emplace_back("split", d.split_file);
    if (const auto cache = pixels_.find(images_key(d)); cache != pixels_.end() && job.kind != "pixels")
      job.arguments.push_back({"--image-cache", input(job, cache->second), false});
  }

  void give_network(StudyJob& job, const StudyNetwork& n, bool with_weights) {
    append(job.arguments, n.options);
    job.network = n.label, job.imagenet_top1 = n.imagenet_top1;
    job.rate_name = n.rate_name, job.image_size = n.image_size;
    if (!with_weights) return;
    if (const auto made = pretrained_.find(n.label); made != pretrained_.end()) {
      job.arguments.push_back({"--weights", input(job, made->second) + "/weights.safetensors", false});
    } else {
      job.arguments.push_back({"--weights", n.weights, false});
      job.sources.emplace_back("weights", n.weights);
    }
  }

  /// Adds an input; the text that stands for its folder.
  static std::string input(StudyJob& job, std::size_t other) {
    job.inputs.push_back(other);
    return "{input:" + std::to_string(job.inputs.size() - 1) + "}";
  }

  std::size_t add(StudyJob job) {
    if (job.kind != "pixels") append(job.arguments, study_.common);
    plan_.jobs.push_back(std::move(job));
    return plan_.jobs.size() - 1;
  }

  void pixels(const StudyDataset& d) {
    if (!d.keep_pixels || pixels_.contains(images_key(d))) return;
    StudyJob job{.name = "pixels/" + file_name(d.dataset), .kind = "pixels", .app = "tv_study"};
    give_data(job, d, false);
    job.decoded = real(d.images), job.disk = assumed_image_bytes * real(d.images);
    pixels_[images_key(d)] = add(std::move(job));
  }

  void pretrain(const StudyNetwork& n) {
    StudyJob job{.name = "pretrain/" + file_name(n.label), .kind = "pretrain", .app = "tv_pretrain"};
    give_network(job, n, false);
    give_data(job, *study_.pretrain_data, true);
    append(job.arguments, study_.pretrain);
    job.arguments.push_back({"--log", "none", false});
    job.arguments.push_back({"--seed", std::to_string(study_.seeds.at(0))});
    job.train_images = real(study_.pretrain_steps * study_.pretrain_batch);
    job.infer_images = real(study_.pretrain_data->test);
    job.disk = 4.0 * real(n.parameters);
    job.steps = study_.pretrain_steps;
    pretrained_[n.label] = add(std::move(job));
  }

  std::size_t features(const StudyDataset& d, const StudyNetwork& n) {
    const std::string key = n.label + "\n" + images_key(d);
    if (const auto found = features_.find(key); found != features_.end()) return found->second;
    StudyJob job{.name = "features/" + file_name(n.label) + "/" + file_name(d.dataset),
                 .kind = "features",
                 .app = "tv_features"};
    give_network(job, n, true);
    give_data(job, d, false);
    job.infer_images = real(d.images), job.disk = 4.0 * real(d.images) * real(n.features);
    return features_[key] = add(std::move(job));
  }

  void probe(const StudySetting& s, const StudyDataset& d, const StudyNetwork& n) {
    StudyJob job{.name = s.name + "/" + file_name(n.label) + "/" + file_name(d.label),
                 .kind = "probe",
                 .app = "tv_linear_probe"};
    give_network(job, n, true);
    give_data(job, d, true);
    append(job.arguments, s.options);
    if (s.probe_images > 0) {
      job.infer_images = s.probe_images + real(d.test);
    } else {
      job.arguments.push_back({"--cache", input(job, features(d, n)), false});
      job.gflop = 4e-9 * passes_of_a_fit * static_cast<double>(s.penalties.size()) * real(d.train) * real(n.features) *
                  real(d.classes);
    }
    job.arguments.push_back({"--seed", std::to_string(study_.seeds.at(0))});
    job.dataset = d.label, job.setting = s.name, job.seed = study_.seeds.at(0);
    add(std::move(job));
  }

  void search(const StudySetting& s, const StudyDataset& d, const StudyNetwork& n, Index steps, std::uint64_t seed) {
    const bool random = s.name == "random_init";
    if (s.least_epochs > 0 && s.batch > 0)
      steps =
          std::max(steps, static_cast<Index>(std::ceil(s.least_epochs * real(d.train + d.validation) / real(s.batch))));
    const std::string cell = s.name + "/" + file_name(n.label) + "/" + file_name(d.label) +
                             (s.steps.size() > 1 ? "/" + std::to_string(steps) + "_steps" : "") +
                             (study_.seeds.size() > 1 ? "/seed_" + std::to_string(seed) : "");
    const auto training = [&](const std::string& name, const char* kind) {
      StudyJob job{.name = name, .kind = kind, .app = "tv_finetune"};
      job.arguments = {{"--init", random ? "random" : "weights"}};
      give_network(job, n, !random);
      give_data(job, d, true);
      append(job.arguments, s.options);
      job.arguments.push_back({"--steps", std::to_string(steps)});
      job.arguments.push_back({"--seed", std::to_string(seed)});
      job.arguments.push_back({"--log", "none", false});
      job.dataset = d.label, job.setting = s.name, job.steps = steps, job.seed = seed;
      job.train_images = real(steps * s.batch);
      return job;
    };
    std::vector<std::size_t> points;
    const std::vector<GridPoint> grid = grid_points({s.rates, s.ratios, parse_decay_rule(s.decay_rule)});
    for (const GridPoint& point : grid) {
      StudyJob job = training(cell + "/" + point.name(), "train");
      append(job.arguments, {{"--lr", format_shortest(point.rate)},
                             {"--wd", format_shortest(point.weight_decay)},
                             {"--train-on", "train"},
                             {"--no-test", "true"},
                             {"--diverged-is-result", "true"}});
      job.infer_images = real(d.validation) * real(static_cast<Index>(s.crops.size()));
      points.push_back(add(std::move(job)));
    }
    StudyJob job = training(cell + "/refit", "refit");
    std::erase_if(job.arguments, [](const StudyOption& o) { return o.name == "--crop"; });
    job.arguments.push_back({"--train-on", "train+validation"});
    job.candidates = grid;
    job.inputs.insert(job.inputs.begin(), points.begin(), points.end());
    for (StudyOption& o : job.arguments)  // the points stand before the other inputs
      if (const std::size_t at = o.value.find("{input:"); at != std::string::npos) {
        const std::size_t end = o.value.find('}', at);
        const std::size_t old = std::stoul(o.value.substr(at + 7, end - at - 7));
        o.value = o.value.substr(0, at) + "{input:" + std::to_string(old + points.size()) + o.value.substr(end);
      }
    job.infer_images = real(d.test), job.disk = 4.0 * real(n.parameters);
    add(std::move(job));
  }

  /// Seconds of a job, by the rates.
  void price(StudyJob& job) const {
    bool known = true;
    const auto spend = [&](double amount, const char* work, const std::string& who, Index pixels) {
      if (amount <= 0) return;
      const std::optional<Rate> rate = rates_.find(work, who, pixels);
      if (!rate) {
        known = false;
        return;
      }
      job.seconds += amount / rate->per_second;
      if (job.basis.find(rate->basis) == std::string::npos) job.basis += (job.basis.empty() ? "" : " + ") + rate->basis;
    };
    spend(job.train_images, "train", job.rate_name, job.image_size);
    spend(job.infer_images, "infer", job.rate_name, job.image_size);
    spend(job.gflop, "products", "*", 0);
    spend(job.decoded, "decode", "*", 0);
    if (!known) job.basis += job.basis.empty() ? "unknown" : " + unknown";
  }

  const Study& study_;
  const Rates& rates_;
  StudyPlan plan_;
  std::map<std::string, std::size_t> pixels_, pretrained_, features_;
};

}  // namespace

Rates Rates::read(const std::string& path) {
  const report::TextTable table = report::read_table(path);
  std::vector<Rate> rows;
  for (std::size_t r = 0; r < table.rows.size(); ++r)
    rows.push_back(
        {table.cell(r, "work"), table.cell(r, "network"),
         static_cast<Index>(report::parse_printed(table.cell(r, "image_size"), table.place(r, "image_size")).value),
         report::parse_printed(table.cell(r, "per_second"), table.place(r, "per_second")).value, table.cell(r, "basis"),
         table.cell(r, "source")});
  for (std::size_t r = 0; r < rows.size(); ++r)
    if (!(rows[r].per_second > 0)) fail_usage("rates", table.place(r, "per_second"), ": must be positive");
  return Rates(std::move(rows));
}

std::optional<Rate> Rates::find(const std::string& work, const std::string& network, Index image_size) const {
  const Rate* best = nullptr;
  const auto distance = [&](const Rate& r) {
    return r.image_size == image_size
               ? 0
               : std::abs(std::log(real(std::max<Index>(1, r.image_size)) / real(std::max<Index>(1, image_size))));
  };
  for (const Rate& r : rows_)
    if (r.work == work && r.network == network && (best == nullptr || distance(r) < distance(*best))) best = &r;
  if (best == nullptr) return std::nullopt;
  Rate found = *best;
  if (found.image_size != image_size && found.image_size > 0 && image_size > 0) {
    const double side = real(found.image_size) / real(image_size);
    found.per_second *= side * side;
    found.basis += ", scaled";
    found.image_size = image_size;
  }
  return found;
}

std::string images_key(const StudyDataset& d) {
  std::string key = d.folder;
  for (const StudyOption& o : d.options) key += "\n" + o.name + "=" + o.value;
  return key;
}

StudyPlan plan_study(const Study& study, const Rates& rates) { return Planner(study, rates).plan(); }

std::string job_folder(const std::string& name, const std::string& identity) {
  return name + "-" + identity.substr(0, 12);
}

std::vector<PlannedJob> identify(const StudyPlan& plan, const Study& study, const StudyDigests& digests) {
  std::vector<PlannedJob> all;
  std::map<std::string, std::string> names;
  for (const StudyJob& job : plan.jobs) {
    Json identity{{"version", TINYVISION_VERSION}, {"app", job.app}, {"kind", job.kind}, {"device", study.device}};
    Json arguments = Json::array();
    for (const StudyOption& o : job.arguments) {
      if (o.counts) identity["options"].push_back({o.name, o.value});
      arguments.push_back(o.name + "=" + o.value);
    }
    for (const auto& [what, key] : job.sources) identity["sources"].push_back({what, digests.at(key)});
    PlannedJob planned{.name = job.name, .kind = job.kind, .cost = job.seconds};
    for (const std::size_t i : job.inputs) planned.inputs.push_back(all[i].identity);
    identity["inputs"] = planned.inputs;
    Json spec{{"app", job.app}, {"arguments", arguments}};
    for (std::size_t c = 0; c < job.candidates.size(); ++c) {
      const GridPoint& p = job.candidates[c];
      spec["candidates"].push_back({{"lr", p.rate}, {"ratio", p.ratio}, {"wd", p.weight_decay}});
    }
    if (job.kind == "train") spec["remove"] = {"checkpoint", "weights.safetensors"};
    if (job.kind == "refit" || job.kind == "pretrain") spec["remove"] = {"checkpoint"};
    spec["cell"] = {{"network", job.network},
                    {"dataset", job.dataset},
                    {"setting", job.setting},
                    {"steps", job.steps},
                    {"seed", job.seed},
                    {"train_size", job.train_size},
                    {"imagenet_top1", job.imagenet_top1},
                    {"base", job.base},
                    {"subset", job.subset},
                    {"per_class", job.per_class}};
    spec["work"] = {
        {"network", job.rate_name},         {"image_size", job.image_size}, {"train_images", job.train_images},
        {"infer_images", job.infer_images}, {"gflop", job.gflop},           {"decoded", job.decoded}};
    planned.identity = sha256_hex(identity.dump());
    planned.spec = spec.dump();
    const auto [at, fresh] = names.emplace(planned.identity, job.name);
    if (!fresh) fail_usage("study", study.path, ": ", at->second, " and ", job.name, " are the same job");
    all.push_back(std::move(planned));
  }
  return all;
}

}  // namespace tv_app
