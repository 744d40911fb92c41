// The commands of tv_study.
#include "common/study/study_command.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "common/study/child.hpp"
#include "common/study/study_prepare.hpp"

namespace tv_app {

using namespace tinyvision;
namespace fs = std::filesystem;

namespace {

/// Where this program and the others are.
std::string programs() { return fs::read_symlink("/proc/self/exe").parent_path().string(); }

/// The folder of the study: --out, the folder that was given, or study/NAME here.
std::string folder_of(const StudyChoice& choice, const CommonOptions& common) {
  fs::path folder = common.out;
  if (folder.empty())
    folder =
        fs::is_directory(choice.study) ? fs::path(choice.study) : fs::path("study") / fs::path(choice.study).stem();
  folder = fs::absolute(folder).lexically_normal();
  return (folder.has_filename() ? folder : folder.parent_path()).string();
}

int exit_code_of(const std::vector<std::string>& command, const std::string& folder = "") {
  std::fflush(stdout);
  Child child(command, {.output = "", .folder = folder});
  while (!child.wait(1000))
    if (interrupted()) child.send(SIGTERM);
  return child.signal() != 0 ? exit_failed : child.exit_code();
}

void plan(const StudyChoice& choice, const CommonOptions& common) {
  const Study study = read_study(choice.study);
  check_study(study, false);
  Rates rates = study_rates(study, choice.rates);
  if (const std::string path = ledger_path(folder_of(choice, common)); fs::exists(path))
    rates.prefer(measured_rates(Ledger(path)));
  print_plan(study, plan_study(study, rates), choice.list);
}

/// Puts the jobs into the ledger; returns the folder of the study.
std::string prepare(const StudyChoice& choice, const CommonOptions& common) {
  const Study study = read_study(choice.study);
  std::string folder = folder_of(choice, common);
  ensure_writable_folder(folder);
  const Index jobs = prepare_study(study, folder, study_rates(study, choice.rates), programs(), common.quiet);
  std::printf("%lld jobs in %s\n", static_cast<long long>(jobs), ledger_path(folder).c_str());
  std::fflush(stdout);
  return folder;
}

int run(StudyChoice& choice, const CommonOptions& common) {
  WorkerOptions& worker = choice.worker;
  worker.folder = prepare(choice, common), worker.programs = programs(), worker.quiet = common.quiet;
  Ledger(ledger_path(worker.folder)).retry_failed();
  if (choice.devices.empty()) choice.devices = {""};
  if (choice.workers == 0)
    choice.workers = std::max({1, common.threads / worker.threads, static_cast<int>(choice.devices.size())});
  RunnerOptions runner{worker, {}};
  for (int i = 0; i < choice.workers; ++i) {
    std::vector<std::string> command{programs() + "/tv_study",
                                     "worker",
                                     worker.folder,
                                     "--quiet",
                                     concat_text("--job-threads=", worker.threads),
                                     "--lease=" + format_shortest(worker.lease),
                                     concat_text("--tries=", worker.limits.failures)};
    if (const std::string& device = choice.devices[static_cast<std::size_t>(i) % choice.devices.size()];
        !device.empty())
      command.push_back("--devices=" + device);
    runner.workers.push_back(std::move(command));
  }
  return run_workers(runner);
}

int work_alone(StudyChoice& choice, const CommonOptions& common) {
  WorkerOptions& worker = choice.worker;
  worker.folder = folder_of(choice, common), worker.programs = programs(), worker.quiet = common.quiet;
  if (!choice.devices.empty()) worker.device = choice.devices[0];
  try {
    return work(worker);
  } catch (const Resumable&) {
    if (!common.quiet) throw;  // the runner says what there is to say
    return 128 + static_cast<int>(interrupt_signal());
  }
}

int report(const StudyChoice& choice, const CommonOptions& common) {
  const std::string folder = folder_of(choice, common), out = folder + "/report";
  const StudyTable table = write_study_cells(Ledger(ledger_path(folder)), out);
  std::vector<std::string> command{programs() + "/tv_report"};
  if (table == StudyTable::study) {
    command.insert(command.end(), {"study", "accuracies.tsv", "--tables", fs::absolute(choice.tables).string()});
    if (fs::exists(out + "/imagenet.tsv")) command.insert(command.end(), {"--imagenet", "imagenet.tsv"});
  } else {
    command.insert(command.end(),
                   {"curves", "accuracies.tsv", "--over", table == StudyTable::steps ? "steps" : "train_per_class"});
  }
  command.insert(command.end(), {"--out", ".", "--quiet"});
  if (choice.no_figures) command.emplace_back("--no-figures");
  const int code = exit_code_of(command, out);
  if (code == exit_done) std::printf("%s/report.html\n", out.c_str());
  return code;
}

int slurm(StudyChoice& choice, const CommonOptions& common) {
  WorkerOptions& worker = choice.worker;
  worker.folder = prepare(choice, common), worker.programs = programs();
  if (!choice.devices.empty()) worker.device = choice.devices[0];
  ensure_folder(worker.folder + "/slurm");
  const std::string script = worker.folder + "/slurm/job.sh";
  write_file_atomically(script, slurm_script(fs::path(choice.study).stem().string(), worker, choice.slurm));
  std::printf("%s\n", script.c_str());
  return choice.dry_run ? int{exit_done} : exit_code_of({"/usr/bin/env", "sbatch", script});
}

}  // namespace

void add_study_commands(CLI::App& app, StudyChoice& choice, CommonOptions& common) {
  app.require_subcommand(1);
  const auto command = [&](const char* name, const char* does, const char* study) {
    CLI::App* c = app.add_subcommand(name, does);
    if (*study != '\0') c->add_option("study", choice.study, study)->required();
    c->add_option("--out", common.out, "folder of the study: ledger, jobs, report; empty: study/NAME");
    c->add_flag("--quiet", common.quiet, "no progress lines");
    return c;
  };
  const auto rates = [&](CLI::App* c) {
    c->add_option("--rates", choice.rates, "table of rates that costs are made of; empty: that of the study file");
    return c;
  };
  const auto worker = [&](CLI::App* c) {
    c->add_option("--job-threads", choice.worker.threads, "threads of a job")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    c->add_option("--devices", choice.devices,
                  "where jobs run (cuda:0,cuda:1), a worker on each in turn; empty: the CPU")
        ->delimiter(',');
    c->add_option("--lease", choice.worker.lease,
                  "seconds after which a silent worker of another machine counts as gone")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    c->add_option("--tries", choice.worker.limits.failures, "attempts after which a job that fails has failed")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    return c;
  };
  CLI::App* c =
      rates(command("plan", "every job with its cost, the grids value by value; reads no data", "its TOML file"));
  c->add_flag("--list", choice.list, "every job on a line of its own");
  c = worker(rates(command("run", "run the study, or go on with it, with workers on this machine", "its TOML file")));
  c->add_option("--workers", choice.workers, "jobs at once; 0: as many as the processors have threads for")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  worker(command("worker", "one worker: takes jobs from the ledger until none is left", "folder of the study"));
  c = command("status", "progress, running and failed jobs", "folder of the study, or its TOML file");
  c->add_flag("--measured", choice.measured, "instead the rates that the jobs had, as a table for --rates");
  c = command("report", "tables of all cells, and what tv_report study makes of them",
              "folder of the study, or its file");
  c->add_option("--tables", choice.tables, "folder of the paper's tables")->capture_default_str();
  c->add_flag("--no-figures", choice.no_figures, "no figures; needs no gnuplot");
  c = worker(rates(command("slurm", "write an array job of workers and submit it", "its TOML file")));
  c->add_option("--tasks", choice.slurm.tasks, "workers")->capture_default_str()->check(CLI::PositiveNumber);
  c->add_option("--time", choice.slurm.time, "limit of a worker's time, after which it goes back into the queue")
      ->capture_default_str();
  c->add_option("--sbatch", choice.slurm.extra, "further options of sbatch, one each (--sbatch=--partition=gpu)");
  c->add_flag("--dry-run", choice.dry_run, "write the script, do not submit it");
  c = command("pixels", "the job that decodes a data set into --out, for all others", "");
  add_data_options(*c, choice.data);
  c->add_option("--threads", common.threads, "number of threads, 0 for all")->check(CLI::NonNegativeNumber);
}

int run_study_command(const std::string& command, StudyChoice& choice, const CommonOptions& common,
                      const Json& config) {
  if (command == "plan") return plan(choice, common), exit_done;
  if (command == "run") return run(choice, common);
  if (command == "worker") return work_alone(choice, common);
  if (command == "status")
    return print_status(Ledger(ledger_path(folder_of(choice, common))), choice.measured), exit_done;
  if (command == "report") return report(choice, common);
  if (command == "slurm") return slurm(choice, common);
  Results results("tv_study", config);
  decode_pixels(choice.data, common.out, common.quiet, results);
  results.write(common.out);
  return exit_done;
}

}  // namespace tv_app
