// What tv_study says of a study: its plan, where it stands, its tables; and the job script for Slurm.
#pragma once

#include <string>
#include <vector>

#include "common/study/study_plan.hpp"
#include "common/study/study_worker.hpp"

namespace tv_app {

/// Prints the study's grids value by value, its jobs with their costs (one by one with `list`, else by kind and network), disk
/// space, and what is missing before it can run.
void print_plan(const Study& study, const StudyPlan& plan, bool list);

/// The rates that the finished jobs had, start and reading included; those that were interrupted are left out.
std::vector<Rate> measured_rates(const Ledger& ledger);

/// Prints progress, running and failed jobs. With `rates` instead measured_rates, as presets/rates
/// holds them.
void print_status(const Ledger& ledger, bool rates);

/// What tv_report makes of a study's accuracies: `study`, or curves over the steps or the images of a class.
enum class StudyTable { study, steps, train_per_class };

/// The accuracies of all cells, as tables of `folder` that depend on nothing but the numbers: accuracies.tsv (as tv_report study
/// or curves reads it), imagenet.tsv where the study file says ImageNet accuracies, cells.tsv (every cell with its choices),
/// jobs.tsv (every job with the digest of its numbers). Throws Error naming the cells that are not done. Curves over images are
/// for data sets whose train_per_class is a list, over steps for settings whose steps are.
StudyTable write_study_cells(const Ledger& ledger, const std::string& folder);

struct SlurmOptions {
  Index tasks = 1;                 ///< of the array
  std::string time = "24:00:00";   ///< limit of a task
  std::vector<std::string> extra;  ///< further lines of #SBATCH, "--partition=gpu"
};

/// The script of an array job whose tasks are workers: requeued when a node fails or preempts, warned by SIGTERM 60 s before the
/// limit of time, when they save and requeue themselves.
std::string slurm_script(const std::string& name, const WorkerOptions& worker, const SlurmOptions& options);

}  // namespace tv_app
