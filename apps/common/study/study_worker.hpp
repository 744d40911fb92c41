// Workers: they claim jobs from the ledger and run the programs; and the runner that starts workers on this machine.
#pragma once

#include <string>
#include <vector>

#include "common/results.hpp"
#include "common/study/ledger.hpp"

namespace tv_app {

struct WorkerOptions {
  std::string folder;    ///< of the study
  std::string programs;  ///< folder of tv_finetune and the others
  int threads = 1;       ///< of a job
  std::string device;    ///< where its jobs run, "cuda:1"; empty: as the study says
  double lease = 120;    ///< seconds without a beat after which a worker of another machine counts as gone
  bool quiet = false;
  LedgerLimits limits;
};

/// Works until nothing is left that can run. Returns 0, or 1 when jobs failed for good. Throws Resumable after SIGINT or
/// SIGTERM, with the job's training state saved and the job released; DiskFull and DatabaseBusy where the study cannot go on.
int work(const WorkerOptions& options);

struct RunnerOptions {
  WorkerOptions worker;
  std::vector<std::vector<std::string>> workers;  ///< the command line of each
};

/// Starts the workers, shows progress, starts anew those that were killed, and waits for all. As `work`.
int run_workers(const RunnerOptions& options);

/// What a job leaves in the ledger of its results.json: numbers, no times, no paths.
Json job_record(const Json& results, const std::string& kind);

/// The arguments of a claimed job, with the folders of its inputs and, of a refit, the point and crop that its inputs' records
/// choose, which go into `chosen`.
std::vector<std::string> job_arguments(const Claim& claim, const std::string& jobs_folder, Json& chosen);

/// Where the work of a ledger stands.
struct StudyProgress {
  Backlog backlog;
  double done_seconds = 0;       ///< spent by the jobs that are done
  double remaining_seconds = 0;  ///< of the others, by the plan and by what the done ones took
};
StudyProgress study_progress(const Ledger& ledger);

/// "43/130 jobs (33 %), 1 failed, 12 min 03 s of work done, ETA 10 min 40 s".
std::string progress_text(const StudyProgress& progress, Index workers);

}  // namespace tv_app
