// What is done once before a study runs.
#include "common/study/study_prepare.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <set>

#include "common/network_weights.hpp"
#include "common/train_options.hpp"
#include "tinyvision/core/digest.hpp"

namespace tv_app {

using namespace tinyvision;
namespace fs = std::filesystem;

namespace {

/// Gives the options of the study file to a program's options.
void parse(CLI::App& app, const std::vector<StudyOption>& options) {
  std::vector<std::string> words;
  for (const StudyOption& o : options) words.push_back(o.name + "=" + o.value);
  std::reverse(words.begin(), words.end());  // as CLI11 wants them
  app.parse(words);
}

/// Names, labels and bytes of all images.
std::string digest_of(const LabelledData& data) {
  Sha256 sum;
  sum.update("data 1\n" + data.contents->of_all() + "\n");
  for (Index i = 0; i < data.dataset->size(); ++i) {
    sum.update(data.dataset->path(i));
    for (const Index c : data.dataset->classes_of(i)) sum.update("\t" + std::to_string(c));
    for (const std::int8_t p : data.dataset->presence(i)) sum.update(&p, 1);
    sum.update("\n");
  }
  return sum.hex();
}

}  // namespace

std::string ledger_path(const std::string& folder) { return folder + "/ledger.sqlite"; }

Rates study_rates(const Study& study, const std::string& path) {
  const std::string& from = path.empty() ? study.rates_path : path;
  return from.empty() ? Rates() : Rates::read(from);
}

Index prepare_study(Study study, const std::string& folder, const Rates& rates, const std::string& programs,
                    bool quiet) {
  StudyDigests digests;
  std::vector<std::string>& missing = study.problems.missing;
  for (const char* program : {"tv_study", "tv_features", "tv_linear_probe", "tv_finetune", "tv_pretrain"})
    if (!fs::exists(programs + "/" + program))
      missing.push_back(concat_text("there is no program ", program, " in ", programs));
  const auto try_to = [&](const std::string& label, const auto& work) {
    try {
      work();
    } catch (const Error& error) {
      missing.push_back(label + ": " + error.what());
    }
  };
  const bool trains = std::any_of(study.settings.begin(), study.settings.end(),
                                  [](const StudySetting& s) { return s.name == "fine_tuned"; });
  for (const StudyNetwork& n : study.networks) {
    if (n.weights.empty() || !fs::exists(n.weights)) continue;
    try_to(n.label, [&] {
      CLI::App app;
      NetworkChoice choice;
      add_network_options(app, choice, false);
      parse(app, n.options);
      choice.weights = n.weights;
      const auto network = build_network(choice, classes_in_weights(choice));
      digests[n.weights] = load_network(*network, choice);
      if (trains) refuse_folded(*network, n.weights);
    });
  }
  std::vector<StudyDataset*> sets;
  for (StudyDataset& d : study.datasets) sets.push_back(&d);
  if (study.pretrain_data) sets.push_back(&*study.pretrain_data);
  for (StudyDataset* const set : sets) {
    StudyDataset& d = *set;
    if (!d.folder.empty() && !fs::exists(d.folder)) continue;
    try_to(d.label, [&] {
      CLI::App app;
      DataChoice choice;
      add_data_options(app, choice);
      parse(app, d.options);
      parse(app, d.split);
      choice.multi_label = true;
      const std::string key = images_key(d);
      const std::string kept = folder + "/digests/" + sha256_hex(key).substr(0, 12);
      ensure_writable_folder(kept);
      const LabelledData data = read_data(choice, "turbo", kept, quiet);
      if (!digests.contains(key)) digests[key] = digest_of(data);
      const auto count = [](const std::vector<Index>& part) { return static_cast<Index>(part.size()); };
      d.train = count(data.split.train), d.validation = count(data.split.validation), d.test = count(data.split.test);
      d.images = data.dataset->size(), d.classes = data.dataset->classes();
      if (!d.split_file.empty()) digests[d.split_file] = sha256_file(d.split_file);
    });
  }
  check_study(study, true);
  const std::vector<PlannedJob> jobs = identify(plan_study(study, rates), study, digests);
  Ledger ledger(ledger_path(folder), true);
  ledger.plan(sha256_hex(study.text), study.text, jobs);
  return static_cast<Index>(jobs.size());
}

void decode_pixels(DataChoice choice, const std::string& out, bool quiet, Results& results) {
  if (out.empty()) fail_usage("options", "--out is required");
  choice.image_cache = out;
  choice.multi_label = true;
  const LabelledData data = read_data(choice, "turbo", out, quiet);
  record_data(results, data);
  results["images"] = data.dataset->size();
}

}  // namespace tv_app
