// What tv_study says of a study.
#include "common/study/study_output.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <set>

#include "common/options.hpp"
#include "tinyvision/core/digest.hpp"
#include "tinyvision/core/files.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

std::string list_text(const std::vector<double>& values) {
  std::string text;
  char number[32];
  for (const double value : values) {
    std::snprintf(number, sizeof number, " %.6g", value);
    text += number;
  }
  return text;
}

std::string hours(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, seconds < 360 ? "%.3f h" : "%.1f h", seconds / 3600);
  return text;
}

std::string bytes_text(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, bytes < 1e9 ? "%.1f MB" : "%.1f GB", bytes < 1e9 ? bytes / 1e6 : bytes / 1e9);
  return text;
}

struct Sum {
  Index jobs = 0;
  double seconds = 0, images = 0, disk = 0;
  std::set<std::string> bases;

  void add(const StudyJob& job) {
    ++jobs, seconds += job.seconds, images += job.train_images + job.infer_images + job.decoded, disk += job.disk;
    if (!job.basis.empty()) bases.insert(job.basis);
  }
  void print(const std::string& name) const {
    std::string basis;
    for (const std::string& b : bases) basis += (basis.empty() ? "" : "; ") + b;
    std::printf("%-28s %8lld %12.4g %12s %10s  %s\n", name.c_str(), static_cast<long long>(jobs), images,
                hours(seconds).c_str(), bytes_text(disk).c_str(), basis.c_str());
  }
};

void print_grids(const Study& study) {
  for (const StudySetting& s : study.settings) {
    std::printf("\n%s\n", s.name.c_str());
    if (!s.classifier.empty()) {
      std::printf("  classifier %s, %s (%zu)%s\n", s.classifier.c_str(), s.classifier == "svm" ? "C" : "lambda",
                  s.penalties.size(), list_text(s.penalties).c_str());
      continue;
    }
    std::printf("  learning rates (%zu)%s\n", s.rates.size(), list_text(s.rates).c_str());
    std::printf("  decay ratios (%zu)%s, decay = %s\n", s.ratios.size(), list_text(s.ratios).c_str(),
                s.decay_rule.c_str());
    std::printf("  steps");
    for (const Index steps : s.steps) std::printf(" %lld", static_cast<long long>(steps));
    std::printf(", batch %lld, crops%s\n", static_cast<long long>(s.batch), list_text(s.crops).c_str());
  }
}

std::string cell_text(const Json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return format_shortest(value.get<double>());
  return value.dump();
}

std::string row_text(const std::vector<std::string>& cells) {
  std::string row;
  for (std::string cell : cells) {
    std::replace_if(
        cell.begin(), cell.end(), [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
    row += (row.empty() ? "" : "\t") + cell;
  }
  return row + "\n";
}

Json parsed(const std::string& text) { return text.empty() ? Json() : Json::parse(text); }

const Json& at(const Json& json, std::initializer_list<const char*> keys) {
  static const Json none;
  const Json* found = &json;
  for (const char* key : keys) {
    if (!found->is_object() || !found->contains(key)) return none;
    found = &(*found)[key];
  }
  return *found;
}

}  // namespace

void print_plan(const Study& study, const StudyPlan& plan, bool list) {
  std::printf("%s: %zu networks, %zu data sets, %zu settings, %zu seeds\n", study.name.c_str(), study.networks.size(),
              study.datasets.size(), study.settings.size(), study.seeds.size());
  print_grids(study);
  std::printf("\n%-28s %8s %12s %12s %10s  %s\n", "", "jobs", "images", study.device == "cpu" ? "hours" : "GPU-hours",
              "disk", "rates");
  std::map<std::string, Sum> kinds, networks;
  Sum all;
  for (const StudyJob& job : plan.jobs) {
    kinds[job.kind].add(job), all.add(job);
    if (!job.network.empty()) networks[job.network].add(job);
  }
  for (const char* kind : {"pixels", "pretrain", "features", "probe", "train", "refit"})
    if (const auto sum = kinds.find(kind); sum != kinds.end()) sum->second.print(kind);
  std::printf("\n");
  for (const StudyNetwork& n : study.networks) networks[n.label].print(n.label);
  std::printf("\n");
  all.print("all");
  std::printf("disk: decoded images as 500 x 375 pixels, features, weights of pretraining and refits\n");
  if (list) {
    std::printf("\n");
    for (const StudyJob& job : plan.jobs)
      std::printf("%12s  %s  (%s)\n", hours(job.seconds).c_str(), job.name.c_str(), job.basis.c_str());
  }
  if (!study.problems.missing.empty()) std::printf("\nbefore it can run:\n");
  for (const std::string& problem : study.problems.missing) std::printf("  %s\n", problem.c_str());
}

std::vector<Rate> measured_rates(const Ledger& ledger) {
  struct Kind {
    const char *kind, *work, *amount;
    bool of_network;
  };
  static constexpr Kind kinds[] = {{"train", "train", "train_images", true},
                                   {"features", "infer", "infer_images", true},
                                   {"pixels", "decode", "decoded", false},
                                   {"probe", "products", "gflop", false}};
  std::map<std::tuple<std::string, std::string, Index>, std::pair<double, double>> spent;  // amounts and seconds
  for (const JobRow& job : ledger.jobs(false))
    for (const Kind& k : kinds) {
      if (job.kind != k.kind || job.state != "done" || job.attempts != 1) continue;
      const Json work = at(parsed(job.spec), {"work"});
      if (!work.is_object() || !work.contains("network")) continue;
      const std::string network = k.of_network ? work["network"].get<std::string>() : "*";
      auto& [amount, seconds] = spent[{k.work, network, k.of_network ? work["image_size"].get<Index>() : 0}];
      amount += work[k.amount].get<double>(), seconds += job.seconds;
    }
  std::vector<Rate> rates;
  for (const auto& [key, sum] : spent)
    if (const auto& [work, network, size] = key; sum.first > 0 && sum.second > 0)
      rates.push_back(
          {work, network, size, sum.first / sum.second, "measured", "whole jobs of a study, one at a time"});
  return rates;
}

void print_status(const Ledger& ledger, bool rates) {
  if (rates) {
    std::printf("work\tnetwork\timage_size\tper_second\tbasis\tsource\n");
    for (const Rate& r : measured_rates(ledger))
      std::printf("%s\t%s\t%lld\t%.4g\t%s\t%s\n", r.work.c_str(), r.network.c_str(),
                  static_cast<long long>(r.image_size), r.per_second, r.basis.c_str(), r.source.c_str());
    return;
  }
  const StudyProgress progress = study_progress(ledger);
  const std::vector<OpenAttempt> open = ledger.open_attempts();
  std::printf("%s\n", progress_text(progress, static_cast<Index>(open.size())).c_str());
  std::printf("ready %lld, waiting for inputs %lld, running %lld, done %lld, failed %lld\n",
              static_cast<long long>(progress.backlog.ready), static_cast<long long>(progress.backlog.blocked),
              static_cast<long long>(progress.backlog.running), static_cast<long long>(progress.backlog.done),
              static_cast<long long>(progress.backlog.failed));
  Statement outcomes =
      ledger.database().query("SELECT coalesce(outcome, 'open'), count(*) FROM attempts GROUP BY outcome ORDER BY 1");
  std::string attempts;
  while (outcomes.next())
    attempts += concat_text(attempts.empty() ? "" : ", ", outcomes.text(0), " ", outcomes.integer(1));
  std::printf("attempts: %s\n", attempts.empty() ? "none" : attempts.c_str());
  const std::string machine = ProcessIdentity::self().machine;
  for (const OpenAttempt& a : open)
    std::printf("running: %s, %s, process %lld on %s%s\n", a.name.c_str(), format_duration(a.seconds).c_str(),
                static_cast<long long>(a.worker.process), a.worker.host.c_str(),
                a.worker.machine == machine && !ProcessIdentity::alive(a.worker.process, a.worker.started)
                    ? " (gone; the next worker takes the job)"
                    : "");
  for (const JobRow& job : ledger.jobs())
    if (job.state == "failed") std::printf("failed: %s: %s\n", job.name.c_str(), job.message.c_str());
}

StudyTable write_study_cells(const Ledger& ledger, const std::string& folder) {
  ensure_writable_folder(folder);
  std::string cells = row_text({"setting", "network", "dataset", "steps", "seed", "accuracy", "metric", "validation",
                                "learning_rate", "decay_ratio", "weight_decay", "crop", "penalty", "train_size"});
  std::string jobs = row_text({"job", "kind", "identity", "numbers_sha256"});
  std::vector<std::string> open;
  struct Cell {
    std::string network, dataset, setting, base, steps, per_class, subset, train_size;
    double accuracy;
  };
  std::vector<Cell> all;
  std::map<std::string, double> imagenet;
  std::map<std::string, std::set<std::string>> steps;  // by setting
  for (const JobRow& job : ledger.jobs()) {
    if (job.state == "done") jobs += row_text({job.name, job.kind, job.identity, sha256_hex(job.record)});
    if (job.kind != "probe" && job.kind != "refit") continue;
    if (job.state != "done") {
      open.push_back(job.name);
      continue;
    }
    const Json record = parsed(job.record), cell = at(parsed(job.spec), {"cell"});
    const auto value = [&](std::initializer_list<const char*> keys) { return cell_text(at(record, keys)); };
    const bool probe = job.kind == "probe";
    all.push_back({cell_text(cell["network"]), cell_text(cell["dataset"]), cell_text(cell["setting"]),
                   cell_text(cell["base"]), probe ? "" : cell_text(cell["steps"]), cell_text(cell["per_class"]),
                   cell_text(cell["subset"]) + "/" + cell_text(cell["seed"]), cell_text(cell["train_size"]),
                   at(record, {"metrics", "test", "value"}).get<double>()});
    const Cell& c = all.back();
    steps[c.setting].insert(c.steps);
    cells += row_text(
        {c.setting, c.network, c.dataset, c.steps, cell_text(cell["seed"]), value({"metrics", "test", "value"}),
         value({"metric"}), probe ? value({"metrics", "validation", "value"}) : value({"chosen", "validation"}),
         value({"chosen", "lr"}), value({"chosen", "ratio"}), value({"chosen", "wd"}), value({"chosen", "crop"}),
         at(record, {"lambda"}).is_null() ? value({"C"}) : value({"lambda"}), c.train_size});
    if (const double top1 = cell["imagenet_top1"].get<double>(); top1 > 0) imagenet[c.network] = top1;
  }
  if (!open.empty())
    fail("study", open.size(), " cells are not done yet: ", join_names(open), "; tv_study run goes on with them");
  StudyTable table = StudyTable::study;
  for (const auto& [setting, counts] : steps)
    if (counts.size() > 1) table = StudyTable::steps;
  for (const Cell& c : all)
    if (c.per_class != "0") table = StudyTable::train_per_class;
  std::string accuracies;
  if (table == StudyTable::study) {
    accuracies = row_text({"network", "dataset", "setting", "accuracy", "train_size"});
    std::map<std::tuple<std::string, std::string, std::string>, std::vector<const Cell*>> seeds;
    for (const Cell& c : all) seeds[{c.network, c.dataset, c.setting}].push_back(&c);
    for (const Cell& c : all) {
      const auto& same = seeds[{c.network, c.dataset, c.setting}];
      if (same[0] != &c) continue;
      double sum = 0;
      for (const Cell* one : same) sum += one->accuracy;
      accuracies += row_text(
          {c.network, c.dataset, c.setting, format_shortest(sum / static_cast<double>(same.size())), c.train_size});
    }
  } else {
    const bool over_steps = table == StudyTable::steps;
    accuracies =
        row_text({"network", "dataset", "setting", "accuracy", over_steps ? "steps" : "train_per_class", "subset"});
    for (const Cell& c : all)
      if (const std::string& x = over_steps ? c.steps : c.per_class; !x.empty() && x != "0")
        accuracies += row_text({c.network, c.base, c.setting, format_shortest(c.accuracy), x, c.subset});
  }
  const auto write = [&](const char* name, const std::string& text) {
    write_file_atomically(folder + "/" + name, text);
  };
  std::string known = row_text({"network", "top1"});
  for (const auto& [network, top1] : imagenet) known += row_text({network, format_shortest(top1)});
  write("cells.tsv", cells);
  write("jobs.tsv", jobs);
  write("accuracies.tsv", accuracies);
  if (!imagenet.empty()) write("imagenet.tsv", known);
  return table;
}

std::string slurm_script(const std::string& study, const WorkerOptions& worker, const SlurmOptions& options) {
  std::string text = "#!/bin/bash\n";
  const auto directive = [&](const std::string& option) { text += "#SBATCH " + option + "\n"; };
  std::string name = study;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == ' ' || c == '"' || c == '\n'; }, '_');
  directive("--job-name=tv_study-" + name);
  directive(concat_text("--array=0-", options.tasks - 1));
  directive(concat_text("--cpus-per-task=", worker.threads));
  directive("--time=" + options.time);
  directive("--requeue");
  directive("--signal=B:TERM@60");
  directive("--open-mode=append");
  directive("--output=" + worker.folder + "/slurm/%A_%a.out");
  for (const std::string& option : options.extra) directive(option);
  text +=
      "# A worker takes jobs from the ledger until none is left. SIGTERM, which comes 60 s before the limit of time, "
      "is\n"
      "# passed on: the worker saves, releases its job and ends with 143, and this task goes back into the queue.\n";
  text += shell_quoted(worker.programs + "/tv_study") + " worker " + shell_quoted(worker.folder) +
          concat_text(" --job-threads ", worker.threads);
  if (!worker.device.empty()) text += " --devices " + shell_quoted(worker.device);
  text +=
      " &\n"
      "worker=$!\n"
      "trap 'kill -TERM \"$worker\" 2>/dev/null' TERM\n"
      "code=0\n"
      "wait \"$worker\" || code=$?\n"
      "while kill -0 \"$worker\" 2>/dev/null; do  # a signal ended the wait, not the worker\n"
      "  code=0\n"
      "  wait \"$worker\" || code=$?\n"
      "done\n"
      "if [ \"$code\" -eq 143 ] && [ \"$(squeue --noheader --jobs=\"$SLURM_JOB_ID\" --format=%T)\" = RUNNING ]; then\n"
      "  scontrol requeue \"$SLURM_JOB_ID\"\n"
      "fi\n"
      "exit \"$code\"\n";
  return text;
}

}  // namespace tv_app
