// Reading of study files.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <utility>

#include "common/data_sets.hpp"
#include "common/probe.hpp"
#include "common/protocol.hpp"
#include "common/study/study_toml.hpp"
#include "common/train_options.hpp"
#include "tinyvision/data/datasets/fashion_mnist.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"
#include "tinyvision/models/registry.hpp"
#include "tinyvision/train/grid_search.hpp"

namespace tv_app {

using namespace tinyvision;
namespace fs = std::filesystem;

namespace {

constexpr const char* where = "study";

/// What the file lists as settings, the table of each, and what reports call it.
struct SettingKind {
  const char* name;
  const char* title;
  const char* classifier;  ///< of tv_linear_probe; null for trainings
};
constexpr SettingKind setting_kinds[] = {{"linear_probe", "linear_probe", "auto"},
                                         {"svm", "svm", "svm"},
                                         {"augmented_probe", "augmented_probe", "logistic_augmented"},
                                         {"fine_tune", "fine_tuned", nullptr},
                                         {"random_init", "random_init", nullptr}};

/// Reads one file and collects what is wrong with it.
class Reader : public StudyToml {
 public:
  using StudyToml::StudyToml;

  Study read() {
    toml::table file;
    try {
      file = toml::parse(study.text, study.path);
    } catch (const toml::parse_error& error) {
      fail_usage(where, study.path, ": line ", error.source().begin.line, ": ", error.description());
    }
    const std::set<std::string> known = [] {
      std::set<std::string> names{"name",  "seeds",    "device",   "kernels",  "precision",
                                  "rates", "settings", "networks", "datasets", "pretrain"};
      for (const SettingKind& kind : setting_kinds) names.insert(kind.name);
      return names;
    }();
    for (const auto& [key, node] : file)
      if (!known.contains(std::string(key.str()))) unknown(line(node), std::string(key.str()), known);
    read_common(file);
    for (const auto& [table, at] : tables(file, "datasets")) read_dataset(*table, at);
    if (file.contains("pretrain")) read_pretrain(file);
    for (const auto& [table, at] : tables(file, "networks")) read_network(*table, at);
    read_settings(file);
    check_names();
    return std::move(study);
  }

 private:
  void read_common(const toml::table& file) {
    study.name = text(file, "name", study.name);
    study.device = text(file, "device", "cpu");
    const std::string kernels = text(file, "kernels", "own"), precision = text(file, "precision", "f32");
    if (study.device != "cpu" && study.device != "cuda") wrong(line(file), "device must be cpu or cuda");
    if (kernels != "own" && kernels != "vendor" && kernels != "reference")
      wrong(line(*file.get("kernels")), "kernels must be own, vendor or reference, not ", kernels);
    if (precision != "f32" && precision != "tf32" && precision != "bf16")
      wrong(line(*file.get("precision")), "precision must be f32, tf32 or bf16, not ", precision);
    if (precision == "bf16" && study.device == "cpu") wrong(line(*file.get("precision")), "bf16 needs device = cuda");
    study.common = {{"--kernels", kernels}, {"--precision", precision}};
    study.rates_path = path_of(text(file, "rates"));
    if (!study.rates_path.empty() && !fs::exists(study.rates_path))
      wrong(line(*file.get("rates")), "there is no file ", study.rates_path);
    study.seeds.clear();
    for (const double seed : numbers(file, "seeds", {0})) study.seeds.push_back(static_cast<std::uint64_t>(seed));
  }

  static void add_counts(StudyDataset& d, const DataChoice& choice, Index per_class) {
    const data::DatasetEntry* const entry = data::find_dataset(d.dataset);
    data::PartCounts counts;
    if (entry != nullptr) {
      counts = entry->info->counts, d.classes = entry->info->classes, d.metric = entry->info->metric;
    } else if (d.dataset == "fashion_mnist") {
      d.classes = choice.classes.empty() ? 10 : static_cast<Index>(choice.classes.size());
      counts = {6000 * d.classes, 0, 1000 * d.classes};
    } else if (fs::is_directory(d.folder)) {
      const auto folder = data::read_image_folder(d.folder, data::Metric::top1, data::Decoder::turbo);
      counts.train = folder->size(), d.classes = folder->classes();
    }
    d.images = counts.all();
    const bool official = counts.test > 0;
    if (per_class < 0) per_class = official ? 0 : 30;
    d.train = per_class > 0 ? std::min(counts.train, per_class * d.classes) : counts.train;
    d.test = official ? counts.test : counts.train - d.train;
    d.validation = counts.validation;
    if (d.validation == 0) {
      d.validation = static_cast<Index>(std::lround(choice.validation * static_cast<double>(d.train)));
      d.train -= d.validation;
    }
  }

  void read_dataset(const toml::table& table, At at) {
    static const std::set<std::string> of_split{"train_per_class", "validation", "split", "split_seed"};
    CLI::App app;
    DataChoice choice;
    add_data_options(app, choice);
    StudyDataset d;
    std::vector<std::string> per_class, split_seeds;
    for (TomlValue& value : values(table, {"label", "keep_pixels"})) {
      if (value.key == "data" || value.key == "split") value.texts[0] = path_of(value.texts[0]);
      for (const auto& [key, list] : {std::pair("train_per_class", &per_class), {"split_seed", &split_seeds}})
        if (value.key == key) *list = std::exchange(value.texts, {value.texts[0]});
      std::optional<StudyOption> option = set(app, value, {"image_cache"});
      if (!option) continue;
      option->counts = value.key != "data" && value.key != "split";
      (of_split.contains(value.key) ? d.split : d.options).push_back(*option);
    }
    d.dataset = choice.dataset, d.folder = choice.folder, d.split_file = choice.split;
    d.keep_pixels = text(table, "keep_pixels",
                         d.dataset.starts_with("cifar") || d.dataset == "fashion_mnist" ? "false" : "true") == "true";
    d.label = text(table, "label", d.dataset);
    if (d.folder.empty() && d.dataset != "fashion_mnist")
      wrong(at, "the data set has no data, the folder of its files");
    const std::string folder = d.folder.empty() ? data::fashion_mnist_folder : d.folder;
    if (!folder.starts_with("${") && !fs::exists(folder)) missing(at, d.label, ": there is no folder ", folder);
    if (!d.split_file.empty() && !fs::exists(d.split_file)) missing(at, d.label, ": there is no file ", d.split_file);
    if (per_class.empty()) per_class = {std::to_string(choice.train_per_class)};
    if (split_seeds.empty()) split_seeds = {std::to_string(choice.split_seed)};
    for (const std::string& n : per_class)
      for (const std::string& seed : split_seeds) {
        StudyDataset one = d;
        one.base = d.label;
        if (per_class.size() > 1)
          one.per_class = std::strtoll(n.c_str(), nullptr, 10), one.label += " " + n + " a class";
        if (split_seeds.size() > 1) one.subset = seed, one.label += " subset " + seed;
        for (StudyOption& option : one.split) {
          if (option.name == "--train-per-class") option.value = n;
          if (option.name == "--split-seed") option.value = seed;
        }
        try {
          add_counts(one, choice, std::strtoll(n.c_str(), nullptr, 10));
        } catch (const UsageError& error) {
          missing(at, one.label, ": ", error.what());
        }
        study.datasets.push_back(std::move(one));
      }
  }

  void read_pretrain(const toml::table& file) {
    const toml::table* const table = file["pretrain"].as_table();
    if (table == nullptr) return wrong(1, "pretrain must be a table");
    CLI::App app, of_data;
    TrainChoice choice;
    PretrainingChoice pretraining;
    DataChoice data_choice;
    choice.data.train_per_class = 0;
    add_pretraining_options(app, choice, pretraining);
    add_train_options(app, choice);
    add_data_options(of_data, data_choice);
    StudyDataset d;
    for (TomlValue& value : values(*table, {})) {
      if (value.key == "data" || value.key == "split") value.texts[0] = path_of(value.texts[0]);
      std::optional<StudyOption> option = set(app, value, {"image_cache", "no_test", "diverged_is_result"});
      if (!option) continue;
      option->counts = value.key != "data";
      const bool is_data = of_data.get_option_no_throw(option->name) != nullptr;
      (is_data ? d.options : study.pretrain).push_back(*option);
    }
    d.dataset = d.label = choice.data.dataset, d.folder = choice.data.folder, d.keep_pixels = false;
    add_counts(d, choice.data, choice.data.train_per_class);
    const std::string folder = d.folder.empty() ? data::fashion_mnist_folder : d.folder;
    if (!folder.starts_with("${") && !fs::exists(folder)) missing(line(*table), "there is no folder ", folder);
    const TrainChoice resolved = in_steps(choice, d.train + d.validation);
    study.pretrains = true, study.pretrain_data = d;
    study.pretrain_steps = resolved.steps, study.pretrain_batch = resolved.batch;
  }

  void read_network(const toml::table& table, At at) {
    CLI::App app;
    NetworkChoice choice;
    add_network_options(app, choice, false);
    StudyNetwork n;
    const std::string top1 = text(table, "imagenet_top1");
    for (TomlValue& value : values(table, {"label", "imagenet_top1"})) {
      if (value.key == "weights") value.texts[0] = path_of(value.texts[0]);
      const std::optional<StudyOption> option = set(app, value);
      if (option && value.key != "weights") n.options.push_back(*option);
    }
    n.network = choice.network, n.weights = choice.weights;
    n.rate_name = n.network + (choice.width != 1 ? " width=" + format_shortest(choice.width) : "");
    n.label = text(table, "label", n.rate_name);
    n.imagenet_top1 = top1.empty() ? 0 : std::strtod(top1.c_str(), nullptr);
    if (!top1.empty() && !(n.imagenet_top1 > 1 && n.imagenet_top1 < 100))
      wrong(at, n.label, ": imagenet_top1 is a percentage between 1 and 100, not ", top1);
    if (!n.weights.empty() && !n.weights.starts_with("${") && !fs::exists(n.weights))
      missing(at, n.label, ": there are no weights ", n.weights);
    try {
      const auto network = build_network(choice, 2);
      n.image_size = network->image_size(), n.features = network->feature_size();
      for (const Parameter& p : network->parameters()) n.parameters += p.variable.shape().count();
      choices_.push_back(choice);
    } catch (const Error& error) {
      wrong(at, n.label, ": ", error.what());
      return;
    }
    lines_.push_back(at);
    study.networks.push_back(std::move(n));
  }

  void read_settings(const toml::table& file) {
    const toml::node* const list = file.get("settings");
    if (list == nullptr) return wrong(1, "there is no list of settings");
    std::set<std::string> names, chosen;
    for (const SettingKind& kind : setting_kinds) names.insert(kind.name);
    for (const std::string& name : texts(*list, "settings")) {
      const SettingKind* const kind = std::find_if(std::begin(setting_kinds), std::end(setting_kinds),
                                                   [&](const auto& k) { return name == k.name; });
      if (kind == std::end(setting_kinds)) {
        wrong(line(*list), "there is no setting '", name, "'", suggestion(name, {names.begin(), names.end()}, 1));
        continue;
      }
      if (!chosen.insert(name).second) wrong(line(*list), "setting '", name, "' comes twice");
      static const toml::table empty;
      const toml::node* const node = file.get(name);
      const toml::table& table = node != nullptr && node->is_table() ? *node->as_table() : empty;
      const At at = node != nullptr ? line(*node) : line(*list);
      if (kind->classifier != nullptr)
        read_probe(*kind, table, at);
      else
        read_training(*kind, table, at);
    }
    for (const SettingKind& kind : setting_kinds)
      if (file.contains(kind.name) && !chosen.contains(kind.name))
        wrong(line(*file.get(kind.name)), "[", kind.name, "] is not among the settings");
  }

  void need_weights(const SettingKind& kind) {
    for (std::size_t i = 0; i < study.networks.size(); ++i)
      if (study.networks[i].weights.empty() && !study.pretrains)
        wrong(lines_[i], study.networks[i].label, ": ", kind.name, " needs weights, or a [pretrain] that makes them");
  }

  void read_probe(const SettingKind& kind, const toml::table& table, At at) {
    const auto classifiers = probe_classifiers();
    CLI::App app;
    ProbeChoice choice;
    add_probe_options(app, choice, classifiers);
    StudySetting s;
    s.name = kind.title;
    choice.classifier = s.classifier = kind.classifier;
    const std::set<std::string> elsewhere = names_of_network_and_data();
    for (const TomlValue& value : values(table, {}))
      if (const auto option = set(app, value, elsewhere)) s.options.push_back(*option);
    s.options.insert(s.options.begin(), {"--classifier", choice.classifier});
    const auto number = [&](const char* option) { return app.get_option(option)->as<Index>(); };
    s.penalties = s.classifier == "svm"                  ? log_spaced(-3, 2, number("--svm-costs"))
                  : s.classifier == "logistic_augmented" ? log_spaced(-1, -10, number("--augmented-lambdas"))
                                                         : log_spaced(5, -6, choice.lambdas);
    if (s.classifier == "logistic_augmented")  // the search, and the refit
      s.probe_images = 2.0 * static_cast<double>(number("--steps") * number("--train-batch"));
    std::set<std::string> said;
    for (const StudyDataset& d : study.datasets) {
      choice.data.dataset = d.dataset;
      const std::string name = choice.classifier != "auto" ? choice.classifier
                               : choice.several_classes()  ? "one_vs_rest"
                                                           : "logistic";
      for (const auto& classifier : classifiers) {
        const std::vector<std::string> own = classifier->options();
        if (classifier->name() != name) continue;
        for (const auto& other : classifiers)
          for (const std::string& option : other->options())
            if (app.get_option_no_throw(option) != nullptr && app.get_option(option)->count() > 0 &&
                std::find(own.begin(), own.end(), option) == own.end() && said.insert(option).second)
              wrong(at, "[", kind.name, "]: ", option, " has no meaning with the classifier ", name);
        try {
          classifier->check_choice(choice);
        } catch (const UsageError& error) {
          if (said.insert(error.what()).second) wrong(at, "[", kind.name, "] on ", d.label, ": ", error.what());
        }
      }
    }
    need_weights(kind);
    study.settings.push_back(std::move(s));
  }

  static std::set<std::string> names_of_network_and_data() {
    CLI::App app;
    NetworkChoice network;
    DataChoice data;
    add_network_options(app, network, false);
    add_data_options(app, data);
    std::set<std::string> names{"cache", "classifier"};
    for (const CLI::Option* option : app.get_options()) names.insert(key_of_option(option->get_name()));
    return names;
  }

  void read_training(const SettingKind& kind, const toml::table& table, At at) {
    StudySetting s;
    s.name = kind.title;
    const bool random = s.name == "random_init";
    std::set<std::string> reserved = names_of_network_and_data();
    reserved.insert({"lr", "wd", "train_on", "no_test", "diverged_is_result", "epochs"});
    for (const std::string& log : log_option_names()) reserved.insert(log);
    CLI::App app;
    TrainChoice choice;
    add_train_options(app, choice);
    for (const TomlValue& value :
         values(table, {"learning_rates", "decay_ratios", "decay_rule", "steps", "least_epochs"}))
      if (auto option = set(app, value, reserved)) {
        option->counts = value.key != "checkpoint_every";
        s.options.push_back(*option);
      }
    const SearchGrid paper = paper_grid(random);
    s.rates = numbers(table, "learning_rates", paper.rates);
    s.ratios = numbers(table, "decay_ratios", paper.ratios);
    s.decay_rule = text(table, "decay_rule", to_string(paper.rule));
    try {
      grid_points({s.rates, s.ratios, parse_decay_rule(s.decay_rule)});
    } catch (const UsageError& error) {
      wrong(at, "[", kind.name, "]: ", error.what());
    }
    for (const double steps : numbers(table, "steps", {static_cast<double>(choice.steps)})) {
      s.steps.push_back(static_cast<Index>(steps));
      if (steps < 1 || steps != std::floor(steps)) wrong(at, "[", kind.name, "]: steps must be whole and positive");
    }
    s.least_epochs = numbers(table, "least_epochs", {0}).at(0);
    s.batch = choice.batch, s.crops = choice.crops;
    if (s.crops.empty()) wrong(at, "[", kind.name, "]: there is no crop to choose");
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      NetworkChoice own = choices_[i];
      own.trains = choice.network.trains, own.auxiliary_head = choice.network.auxiliary_head;
      own.dropout_keep = choice.network.dropout_keep, own.drop_path_keep = choice.network.drop_path_keep;
      if (!own.auxiliary_head && !own.dropout_keep && !own.drop_path_keep && own.preset == "paper") continue;
      try {
        build_network(own, 2);
      } catch (const Error& error) {
        wrong(at, "[", kind.name, "] with ", study.networks[i].label, ": ", error.what());
      }
    }
    if (!random) need_weights(kind);
    study.settings.push_back(std::move(s));
  }

  void check_names() {
    const auto twice = [&](const auto& all, const char* what) {
      std::set<std::string> seen;
      for (const auto& one : all)
        if (!seen.insert(one.label).second)
          wrong(1, "two ", what, " are called '", one.label, "'; give one of them another label");
    };
    twice(study.networks, "networks");
    twice(study.datasets, "data sets");
    std::sort(study.seeds.begin(), study.seeds.end());
    if (std::adjacent_find(study.seeds.begin(), study.seeds.end()) != study.seeds.end()) wrong(1, "a seed comes twice");
  }

  std::vector<NetworkChoice> choices_;  // of study.networks
  std::vector<At> lines_;
};

}  // namespace

Study read_study(const std::string& path) { return Reader(path).read(); }

void check_study(const Study& study, bool missing_too) {
  std::vector<std::string> all = study.problems.wrong;
  if (missing_too) all.insert(all.end(), study.problems.missing.begin(), study.problems.missing.end());
  if (all.empty()) return;
  std::string text;
  for (const std::string& problem : all) text += "\n  " + problem;
  fail_usage(where, study.path, ": ", all.size(), all.size() == 1 ? " problem:" : " problems:", text);
}

}  // namespace tv_app
