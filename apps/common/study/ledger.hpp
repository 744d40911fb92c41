// The ledger of a study: one SQLite file that alone says which jobs there are, who works on them and what came out.
//
// A job waits, runs, is done or has failed. It runs as an attempt of one worker; the database itself holds that a job has at
// most one open attempt and at most one that finished it, and that a finished job never changes again. Every change is one
// transaction, so a process can be killed between any two statements.
//
// Leases know no wall clock. A worker raises the beat of its attempt; others watch the beat against their own monotonic clock
// (LeaseWatch), so a clock that is set, or differs between machines, changes nothing. A worker of the same machine (same boot,
// same process numbers) is asked for directly: its process is there, or the attempt is lost at once.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/study/sqlite.hpp"
#include "tinyvision/core/config.hpp"

namespace tv_app {

using tinyvision::Index;

/// A process that can be asked for later, from this machine or another one.
struct ProcessIdentity {
  std::string machine;  ///< boot id and namespace of process numbers
  std::string host;     ///< its name, for people
  Index process = 0;
  std::string started;  ///< ticks since boot; another process of the same number has another value

  static ProcessIdentity self();
  /// Whether a process of this machine still runs.
  static bool alive(Index process, const std::string& started);
};

/// A job as the plan has it.
struct PlannedJob {
  std::string identity{};  ///< digest of all that determines its numbers
  std::string name{}, kind{};
  std::string spec{};                 ///< JSON: what to run
  double cost = 0;                    ///< seconds that it was planned with
  std::vector<std::string> inputs{};  ///< identities; all of them come before it in the plan
};

/// A job that this process may work on.
struct Claim {
  Index job = 0, attempt = 0;
  std::string identity{}, name{}, kind{}, spec{};
  struct Input {
    std::string identity, name, record;
  };
  std::vector<Input> inputs{};  ///< in the order of the plan
};

/// An attempt without an end.
struct OpenAttempt {
  Index attempt = 0, beat = 0;
  std::string name;
  ProcessIdentity worker;
  double seconds = 0;
};

/// A job as a report or a status wants it.
struct JobRow {
  Index id = 0;
  std::string identity, name, kind, state, spec, record, results_sha256;
  double cost = 0, seconds = 0;  ///< planned, and spent by all attempts
  Index attempts = 0;
  std::string message;  ///< of the last attempt
};

/// Jobs of the study by state.
struct Backlog {
  Index ready = 0, blocked = 0, running = 0, done = 0, failed = 0;
  Index all() const { return ready + blocked + running + done + failed; }
};

struct LedgerLimits {
  Index failures = 3;        ///< attempts that fail before the job counts as failed
  Index interruptions = 20;  ///< attempts that were killed or lost before it does: it may be what kills them
};

class Ledger {
 public:
  static constexpr Index schema = 1;

  /// Opens the ledger; makes it where there is no file and `make` says so. Throws UsageError for a file that is none, for an
  /// older or newer schema and for a missing file; DatabaseBusy, DiskFull.
  explicit Ledger(const std::string& path, bool make = false, LedgerLimits limits = {});

  const Database& database() const { return database_; }

  /// Makes `jobs` the jobs of the study, in one transaction: new ones are added, known identities stay as they are, what is no
  /// longer in the plan is kept but not wanted. Throws UsageError while workers run jobs of another study file.
  void plan(const std::string& digest, const std::string& text, const std::vector<PlannedJob>& jobs);
  /// Text of the current study file; its digest in `digest`.
  std::string study(std::string* digest = nullptr) const;

  /// The first job that can run now, taken for `worker`.
  std::optional<Claim> claim(const ProcessIdentity& worker);
  /// Says that the attempt is alive. False when it no longer is this worker's.
  bool beat(Index attempt, double seconds);
  /// The job is done, with these results, unless the attempt was lost before: then false, and nothing changes.
  bool finish(Index attempt, const std::string& record, const std::string& results_sha256, double seconds);
  /// The attempt ended with an error: the job waits again, or has failed for good. Returns whether it was this worker's.
  bool fail(Index attempt, int exit_code, const std::string& message, double seconds);
  /// The attempt ended without a fault of the job (released, killed, lost, ...): the job waits again.
  bool give_up(Index attempt, const std::string& outcome, const std::string& message, double seconds,
               bool counts = false);
  /// Gives up an attempt whose worker is gone, unless it gave a sign of life since `beat` was read.
  bool lose(const OpenAttempt& attempt, const std::string& why);
  /// Failed jobs wait again, as if they had never been tried.
  Index retry_failed();

  std::vector<OpenAttempt> open_attempts() const;
  Backlog backlog() const;
  std::vector<JobRow> jobs(bool wanted_only = true) const;

 private:
  bool end_attempt(Index attempt, const std::string& outcome, int exit_code, const std::string& message, double seconds,
                   Index failed, Index interrupted, const OpenAttempt* only_if = nullptr);

  Database database_;
  LedgerLimits limits_;
};

/// Judges leases of others from what one process sees.
class LeaseWatch {
 public:
  /// `lease`: seconds without a beat after which an attempt of another machine is lost. `seconds`: a monotonic clock.
  LeaseWatch(ProcessIdentity self, double lease, std::function<double()> seconds);

  /// Why the attempt is lost; empty while it is not.
  std::string lost(const OpenAttempt& attempt);
  /// Seconds since its beat was first seen as it is.
  double silent(Index attempt) const;

 private:
  struct Seen {
    Index beat;
    double since;
  };
  ProcessIdentity self_;
  double lease_;
  std::function<double()> seconds_;
  std::map<Index, Seen> seen_;
};

/// Gives up all attempts that `watch` finds lost; returns their descriptions.
std::vector<std::string> reclaim(Ledger& ledger, LeaseWatch& watch);

}  // namespace tv_app
