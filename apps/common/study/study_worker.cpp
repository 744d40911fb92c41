// Workers and their runner.
#include "common/study/study_worker.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <thread>

#include "common/interrupt.hpp"
#include "common/study/child.hpp"
#include "common/study/study_plan.hpp"

namespace tv_app {

using namespace tinyvision;
namespace fs = std::filesystem;

namespace {

/// How often a minute of waiting for a locked ledger is tried again.
constexpr int patience = 10;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// The last lines of a program's output, at most 2,000 bytes.
std::string last_lines(const std::string& path) {
  std::error_code none;
  if (!fs::exists(path, none)) return "";
  std::string text = read_file(path);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.size() > 2000) text = text.substr(text.size() - 2000);
  std::size_t begin = text.size();
  for (int lines = 0; lines < 6 && begin != std::string::npos && begin > 0; ++lines)
    begin = text.rfind('\n', begin - 1);
  return begin == std::string::npos || begin == 0 ? text : text.substr(begin + 1);
}

bool tells_of_a_full_disk(const std::string& text) {
  for (const char* sign : {"No space left on device", "Disk quota exceeded", "File too large", "are free on that disk"})
    if (text.find(sign) != std::string::npos) return true;
  return false;
}

class Worker {
 public:
  explicit Worker(const WorkerOptions& options)
      : options_(options),
        ledger_(options.folder + "/ledger.sqlite", false, options.limits),
        self_(ProcessIdentity::self()),
        watch_(self_, options.lease, now),
        jobs_(options.folder + "/jobs") {}

  int work() {
    for (int busy = 0; !interrupted();) {
      std::optional<Claim> claim;
      Backlog log;
      try {
        for (const std::string& text : reclaim(ledger_, watch_)) say("reclaimed " + text);
        claim = ledger_.claim(self_);
        if (!claim) log = ledger_.backlog();
        busy = 0;
      } catch (const DatabaseBusy& error) {
        if (++busy == patience) throw;
        say(error.what());
        continue;
      }
      if (claim)
        run(*claim);
      else if (log.running == 0 && log.ready == 0)
        return log.failed > 0 || log.blocked > 0 ? 1 : 0;
      else if (log.ready == 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
    }
    throw Resumable("the worker has released its job");
  }

 private:
  void say(const std::string& text) const {
    if (!options_.quiet) std::fprintf(stderr, "worker %lld: %s\n", static_cast<long long>(self_.process), text.c_str());
  }

  /// False when the lease is gone. A locked ledger is no reason to stop a program that works.
  bool beat(const Claim& claim, double seconds) {
    try {
      return ledger_.beat(claim.attempt, seconds);
    } catch (const DatabaseBusy& busy) {
      say(busy.what());
      return true;
    }
  }

  void run(const Claim& claim) {
    const double began = now();
    const std::string folder = jobs_ + "/" + job_folder(claim.name, claim.identity);
    ensure_folder(folder);
    FolderLock lock(folder);
    for (int tries = 0; !lock.take(); ++tries) {
      if (tries == 200 || interrupted()) {
        ledger_.give_up(claim.attempt, "released", "another process holds its folder", now() - began);
        return;
      }
      if (tries % 50 == 49) beat(claim, now() - began);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    Json chosen;
    std::vector<std::string> arguments;
    try {
      arguments = job_arguments(claim, jobs_, chosen);
    } catch (const Error& error) {
      failed(claim, 0, error.what(), now() - began);
      return;
    }
    arguments.front() = options_.programs + "/" + arguments.front();
    const bool is_pixels = claim.kind == "pixels";
    if (!is_pixels && !options_.device.empty()) arguments.push_back("--device=" + options_.device);
    arguments.push_back("--threads=" + std::to_string(options_.threads));
    arguments.push_back("--out=" + folder);
    arguments.push_back("--quiet");
    const std::string output = folder + "/output.txt";
    std::error_code none;
    fs::remove(folder + "/results.json", none);
    Child child(arguments, {.output = output, .folder = ""});
    bool told = false, ours = true;
    for (double beaten = began; !child.wait(250);) {
      if (interrupted() && !told) {
        told = true;
        child.send(SIGTERM);
      }
      if (ours && now() - beaten > options_.lease / 6) {
        beaten = now();
        ours = beat(claim, beaten - began);
        if (!ours) child.send(SIGKILL);
      }
    }
    if (!ours)
      say(claim.name + ": another worker has it now");
    else if (child.exit_code() == 0)
      finished(claim, folder, chosen, now() - began);
    else
      ended(claim, child, output, told, now() - began);
  }

  void finished(const Claim& claim, const std::string& folder, const Json& chosen, double seconds) {
    const std::string bytes = read_file(folder + "/results.json");
    const Json results = Json::parse(bytes);
    Json record = job_record(results, claim.kind);
    if (!chosen.is_null()) record["chosen"] = chosen;
    for (int tries = 0;; ++tries) {
      try {
        if (!ledger_.finish(claim.attempt, record.dump(), sha256_hex(bytes), seconds))
          say(claim.name + ": another worker has it now");
        break;
      } catch (const DatabaseBusy&) {
        if (tries + 1 == patience) throw;
      }
    }
    const Json spec = Json::parse(claim.spec);
    std::error_code none;
    if (spec.contains("remove"))
      for (const Json& name : spec["remove"]) fs::remove_all(folder + "/" + name.get<std::string>(), none);
  }

  void ended(const Claim& claim, const Child& child, const std::string& output, bool told, double seconds) {
    const std::string lines = last_lines(output);
    if (told || interrupted()) {
      ledger_.give_up(claim.attempt, "released", "stopped on request", seconds);
    } else if (tells_of_a_full_disk(lines)) {
      ledger_.give_up(claim.attempt, "no_room", lines, seconds);
      throw DiskFull(concat_text("[study] ", claim.name, ": the disk is full: ", lines,
                                 "\nnothing is lost; free some room and give the same command again"));
    } else if (child.exit_code() == 126 || child.exit_code() == 127) {
      ledger_.give_up(claim.attempt, "released", "its program could not be started", seconds);
      fail("study", claim.name, ": its program in ", options_.programs, " could not be started");
    } else if (const int signal = child.signal(); signal == SIGKILL || signal == SIGTERM || signal == SIGINT) {
      say(concat_text(claim.name, ": its program was killed (signal ", signal, ")"));
      ledger_.give_up(claim.attempt, "killed", concat_text("killed by signal ", signal), seconds, true);
    } else {
      failed(claim, child.signal() != 0 ? 128 + child.signal() : child.exit_code(), lines, seconds);
    }
  }

  void failed(const Claim& claim, int code, const std::string& lines, double seconds) {
    say(concat_text(claim.name, " failed (exit code ", code, "): ", lines));
    ledger_.fail(claim.attempt, code, lines, seconds);
  }

  WorkerOptions options_;
  Ledger ledger_;
  ProcessIdentity self_;
  LeaseWatch watch_;
  std::string jobs_;
};

const Json* find(const Json& json, std::initializer_list<const char*> keys) {
  const Json* at = &json;
  for (const char* key : keys) {
    if (!at->is_object() || !at->contains(key)) return nullptr;
    at = &(*at)[key];
  }
  return at;
}

}  // namespace

int work(const WorkerOptions& options) { return Worker(options).work(); }

Json job_record(const Json& results, const std::string& kind) {
  Json record = Json::object();
  const auto take = [&](const char* name, std::initializer_list<const char*> keys) {
    if (const Json* value = find(results, keys)) record[name] = *value;
  };
  take("finite", {"finite"});
  take("metric", {"metric"});
  take("metrics", {"metrics"});
  take("digests", {"digests"});
  take("crop", {"training", "crop"});
  take("final_loss", {"training", "final_loss"});
  take("diverged", {"training", "diverged"});
  take("coverage", {"coverage"});
  take("all_converged", {"all_converged"});
  take("images", {"images"});
  if (kind == "probe") {
    take("features_from_cache", {"features_from_cache"});
    take("lambda", {"refit", "lambda"});
    take("C", {"refit", "C"});
  }
  return record;
}

std::vector<std::string> job_arguments(const Claim& claim, const std::string& jobs_folder, Json& chosen) {
  const Json spec = Json::parse(claim.spec);
  std::vector<std::string> arguments{spec.at("app").get<std::string>()};
  if (claim.kind == "pixels") arguments.emplace_back("pixels");
  for (const Json& argument : spec.at("arguments")) {
    std::string text = argument.get<std::string>();
    if (const std::size_t at = text.find("{input:"); at != std::string::npos) {
      const std::size_t end = text.find('}', at);
      const Claim::Input& input = claim.inputs.at(std::stoul(text.substr(at + 7, end - at - 7)));
      text = text.substr(0, at) + jobs_folder + "/" + job_folder(input.name, input.identity) + text.substr(end + 1);
    }
    arguments.push_back(text);
  }
  if (!spec.contains("candidates")) return arguments;
  std::vector<GridScore> scores;
  for (std::size_t i = 0; i < spec["candidates"].size(); ++i) {
    const Json& c = spec["candidates"][i];
    const Json record = Json::parse(claim.inputs.at(i).record);
    const Json* const value = find(record, {"metrics", "validation", "value"});
    const Json* const finite = find(record, {"finite"});
    const bool good = value != nullptr && value->is_number() && (finite == nullptr || *finite == true);
    scores.push_back({{c["lr"].get<double>(), c["ratio"].get<double>(), c["wd"].get<double>()},
                      good,
                      good ? value->get<double>() : 0});
  }
  const std::size_t best = choose_grid_point(scores);
  const GridPoint& point = scores[best].point;
  const Json record = Json::parse(claim.inputs.at(best).record);
  const double crop = record.at("crop").get<double>();
  chosen = {{"lr", point.rate},
            {"ratio", point.ratio},
            {"wd", point.weight_decay},
            {"crop", crop},
            {"validation", scores[best].value}};
  arguments.push_back("--lr=" + format_shortest(point.rate));
  arguments.push_back("--wd=" + format_shortest(point.weight_decay));
  arguments.push_back("--crop=" + format_shortest(crop));
  return arguments;
}

StudyProgress study_progress(const Ledger& ledger) {
  StudyProgress progress;
  progress.backlog = ledger.backlog();
  struct Part {
    double cost = 0, seconds = 0, left_cost = 0;
    Index done = 0, left = 0;
  };
  std::map<std::string, Part> kinds;
  Part all;
  Statement row = ledger.database().query(
      "SELECT j.kind, j.state = 'done' AS finished, count(*), sum(j.cost), sum((SELECT coalesce(sum(seconds), 0) FROM "
      "attempts a WHERE a.job = j.id)) FROM jobs j WHERE wanted = 1 GROUP BY j.kind, finished");
  while (row.next()) {
    for (Part* part : {&kinds[row.text(0)], &all}) {
      if (row.integer(1) == 1) {
        part->done += row.integer(2), part->cost += row.real(3), part->seconds += row.real(4);
      } else {
        part->left += row.integer(2), part->left_cost += row.real(3);
      }
    }
  }
  progress.done_seconds = all.seconds;
  for (const auto& [kind, part] : kinds) {
    if (part.left == 0) continue;
    const Part& model = part.done > 0 ? part : all;
    progress.remaining_seconds += model.cost > 0 && part.left_cost > 0 ? part.left_cost * model.seconds / model.cost
                                  : model.done > 0
                                      ? static_cast<double>(part.left) * model.seconds / static_cast<double>(model.done)
                                      : part.left_cost;
  }
  return progress;
}

std::string progress_text(const StudyProgress& p, Index workers) {
  std::string text = concat_text(p.backlog.done, "/", p.backlog.all(), " jobs");
  if (p.backlog.all() > 0) text += concat_text(" (", 100 * p.backlog.done / p.backlog.all(), " %)");
  if (p.backlog.failed > 0) text += concat_text(", ", p.backlog.failed, " failed");
  text += ", " + format_duration(p.done_seconds) + " of work done";
  if (p.remaining_seconds > 0 && p.backlog.done > 0)
    text += ", ETA " + format_duration(p.remaining_seconds / static_cast<double>(std::max<Index>(1, workers)));
  return text;
}

int run_workers(const RunnerOptions& options) {
  const std::string ledger_path = options.worker.folder + "/ledger.sqlite";
  Ledger ledger(ledger_path, false, options.worker.limits);
  std::vector<Child> workers;
  for (const std::vector<std::string>& command : options.workers) workers.emplace_back(command, Child::Options{});
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  const auto count = static_cast<Index>(workers.size());
  std::vector<bool> ended(workers.size());
  bool told = false;
  int code = 0;
  Index deaths = 0, done_before = -1;
  double shown = now();
  while (std::find(ended.begin(), ended.end(), false) != ended.end()) {
    if (interrupted() && !told) {
      told = true;
      for (const Child& worker : workers) worker.send(SIGTERM);
    }
    for (std::size_t i = 0; i < workers.size(); ++i) {
      if (ended[i] || !workers[i].wait(200 / static_cast<int>(workers.size()) + 1)) continue;
      if (workers[i].signal() != 0 && !told && ++deaths <= 20) {  // killed: another one takes its place
        workers[i] = Child(options.workers[i], Child::Options{});
        continue;
      }
      ended[i] = true;
      code = std::max(code, workers[i].exit_code() < 0 ? 1 : workers[i].exit_code());
    }
    if (now() - shown < (terminal ? 1 : 10)) continue;
    shown = now();
    const StudyProgress progress = study_progress(ledger);
    if (progress.backlog.done > done_before) deaths = 0, done_before = progress.backlog.done;
    if (!options.worker.quiet)
      std::cerr << (terminal ? "\r" : "") << "study  " << progress_text(progress, count) << (terminal ? "\x1b[K" : "\n")
                << std::flush;
  }
  if (!options.worker.quiet && terminal) std::cerr << std::endl;
  if (told) throw Resumable("the workers have saved and released their jobs");
  const StudyProgress progress = study_progress(ledger);
  std::printf("%s\n", progress_text(progress, count).c_str());
  for (const JobRow& job : ledger.jobs())
    if (job.state == "failed") std::printf("failed: %s: %s\n", job.name.c_str(), job.message.c_str());
  if (progress.backlog.failed > 0 && progress.backlog.blocked > 0)
    std::printf("%lld jobs wait for failed ones\n", static_cast<long long>(progress.backlog.blocked));
  return progress.backlog.done == progress.backlog.all() ? 0 : std::max(1, code);
}

}  // namespace tv_app
