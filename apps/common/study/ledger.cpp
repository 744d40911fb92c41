// The ledger's transactions.
#include "common/study/ledger.hpp"

#include <sys/vfs.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "tinyvision/core/text.hpp"

namespace tv_app {

using tinyvision::concat_text;
using tinyvision::fail_usage;

namespace {

constexpr std::int64_t application_id = 0x54565354;  // "TVST"

constexpr const char* tables = R"sql(
CREATE TABLE studies(
  number INTEGER PRIMARY KEY,              -- the largest is the current one
  digest TEXT NOT NULL,
  text TEXT NOT NULL);
CREATE TABLE jobs(
  id INTEGER PRIMARY KEY,
  identity TEXT NOT NULL UNIQUE,           -- SHA-256 of all that determines the job's numbers
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  spec TEXT NOT NULL,                      -- JSON: what to run
  rank INTEGER NOT NULL,                   -- order of the plan
  cost REAL NOT NULL,                      -- planned seconds
  wanted INTEGER NOT NULL,                 -- of the current study
  state TEXT NOT NULL DEFAULT 'waiting' CHECK(state IN ('waiting', 'running', 'done', 'failed')),
  attempt INTEGER REFERENCES attempts(id), -- the one that runs or finished it
  failures INTEGER NOT NULL DEFAULT 0,
  interruptions INTEGER NOT NULL DEFAULT 0,
  record TEXT,                             -- JSON: the numbers
  results_sha256 TEXT,                     -- of results.json
  CHECK((state IN ('running', 'done')) = (attempt IS NOT NULL)),
  CHECK((state = 'done') = (record IS NOT NULL)));
CREATE INDEX jobs_by_state ON jobs(wanted, state, rank);
CREATE TABLE dependencies(
  job INTEGER NOT NULL REFERENCES jobs(id),
  place INTEGER NOT NULL,
  input INTEGER NOT NULL REFERENCES jobs(id),
  PRIMARY KEY(job, place));
CREATE TABLE attempts(
  id INTEGER PRIMARY KEY,
  job INTEGER NOT NULL REFERENCES jobs(id),
  machine TEXT NOT NULL,
  host TEXT NOT NULL,
  process INTEGER NOT NULL,
  started TEXT NOT NULL,
  begun TEXT NOT NULL,                     -- wall clock, for people only
  beat INTEGER NOT NULL DEFAULT 0,
  seconds REAL NOT NULL DEFAULT 0,         -- of the worker's monotonic clock
  outcome TEXT,                            -- NULL while it is open
  exit_code INTEGER NOT NULL DEFAULT 0,
  message TEXT NOT NULL DEFAULT '');
CREATE INDEX attempts_by_job ON attempts(job);
CREATE UNIQUE INDEX one_open_attempt ON attempts(job) WHERE outcome IS NULL;
CREATE UNIQUE INDEX finished_once ON attempts(job) WHERE outcome = 'done';
CREATE TRIGGER finished_is_final BEFORE UPDATE OF identity, state, attempt, record, results_sha256 ON jobs
  WHEN OLD.state = 'done' BEGIN SELECT RAISE(ABORT, 'a finished job does not change'); END;
)sql";

std::int64_t pragma(const Database& database, const std::string& name) {
  Statement statement = database.query("PRAGMA " + name);
  return statement.next() ? statement.integer(0) : 0;
}

/// WAL keeps part of its state in memory that processes of one machine share; a file system of several machines has none.
bool is_network_file_system(const std::string& path) {
  static const std::set<std::uint32_t> magics{0x6969,     0xFE534D42, 0xFF534D42, 0x0BD00BD0, 0x47504653,
                                              0x19830326, 0x00C36400, 0x5346414F, 0x65735546};
  struct statfs status {};
  return ::statfs(path.c_str(), &status) == 0 && magics.contains(static_cast<std::uint32_t>(status.f_type));
}

void make_tables(const Database& database) {
  Transaction transaction(database);
  if (pragma(database, "user_version") == 0 && pragma(database, "application_id") == 0) {
    database.run(tables);
    database.run(concat_text("PRAGMA application_id=", application_id));
    database.run(concat_text("PRAGMA user_version=", Ledger::schema));
  }
  transaction.commit();
}

/// The mode is kept in the file. Two processes that ask for it at once disturb each other without waiting.
void set_journal_mode(const Database& database) {
  const std::string mode = is_network_file_system(database.path()) ? "TRUNCATE" : "WAL";
  for (int tries = 0;; ++tries) {
    try {
      database.run("PRAGMA journal_mode=" + mode);
      return;
    } catch (const DatabaseBusy&) {
      if (tries == 100) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// Fields of /proc/N/stat from the third (the state) on; empty when there is no such process.
std::vector<std::string> process_fields(Index process) {
  const std::string line = first_line(concat_text("/proc/", process, "/stat"));
  std::vector<std::string> fields;
  if (line.rfind(')') == std::string::npos) return fields;
  std::istringstream rest(line.substr(line.rfind(')') + 1));
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}
constexpr std::size_t state_field = 0, start_field = 19;  // 3 and 22 in proc(5)

constexpr const char* open_input =
    "EXISTS(SELECT 1 FROM dependencies d JOIN jobs i ON i.id = d.input WHERE d.job = j.id AND i.state <> 'done')";

}  // namespace

ProcessIdentity ProcessIdentity::self() {
  ProcessIdentity me;
  me.process = ::getpid();
  std::error_code none;
  me.machine = first_line("/proc/sys/kernel/random/boot_id") + " " +
               std::filesystem::read_symlink("/proc/self/ns/pid", none).string();
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  me.host = name;
  const std::vector<std::string> fields = process_fields(me.process);
  me.started = fields.size() > start_field ? fields[start_field] : "";
  return me;
}

bool ProcessIdentity::alive(Index process, const std::string& started) {
  const std::vector<std::string> fields = process_fields(process);
  return fields.size() > start_field && fields[start_field] == started && fields[state_field] != "Z" &&
         fields[state_field] != "X";
}

Ledger::Ledger(const std::string& path, bool make, LedgerLimits limits)
    : database_([&] {
        if (!make && !std::filesystem::exists(path))
          fail_usage("ledger", path, ": there is none; tv_study run makes it");
        return path;
      }()),
      limits_(limits) {
  const std::int64_t kind = pragma(database_, "application_id"), version = pragma(database_, "user_version");
  if (kind == 0 && version == 0 && pragma(database_, "schema_version") == 0) {
    set_journal_mode(database_);
    make_tables(database_);
  } else if (kind != application_id) {
    fail_usage("ledger", path, ": a database of another program");
  } else if (version != schema) {
    fail_usage("ledger", path, ": its schema is ", version, ", this tv_study reads ", schema,
               version > schema ? "; a newer tv_study made it" : "; keep it, and let another --out have a new one");
  }
  database_.run("PRAGMA synchronous=FULL");
  database_.run("PRAGMA foreign_keys=ON");
}

void Ledger::plan(const std::string& digest, const std::string& text, const std::vector<PlannedJob>& jobs) {
  Transaction transaction(database_);
  std::string before;
  study(&before);
  if (!before.empty() && before != digest)
    for (const OpenAttempt& open : open_attempts())
      if (ProcessIdentity::alive(open.worker.process, open.worker.started) ||
          open.worker.machine != ProcessIdentity::self().machine)
        fail_usage("ledger", database_.path(), ": process ", open.worker.process, " on ", open.worker.host, " runs '",
                   open.name, "' of another version of this study; stop it first, or give another --out");
  if (before != digest) database_.change("INSERT INTO studies(digest, text) VALUES(?1, ?2)", digest, text);
  database_.run("UPDATE jobs SET wanted = 0");
  std::map<std::string, Index> known;
  Index rank = 0;
  for (const PlannedJob& job : jobs) {
    ++rank;
    database_.change(
        "INSERT INTO jobs(identity, name, kind, spec, rank, cost, wanted) VALUES(?1, ?2, ?3, ?4, ?5, ?6, 1) "
        "ON CONFLICT(identity) DO UPDATE SET spec = ?4, rank = ?5, cost = ?6, wanted = 1",
        job.identity, job.name, job.kind, job.spec, rank, job.cost);
    Statement found = database_.query("SELECT id FROM jobs WHERE identity = ?1", job.identity);
    found.next();
    const Index id = found.integer(0);
    known[job.identity] = id;
    Index place = 0;
    for (const std::string& input : job.inputs)
      database_.change("INSERT OR IGNORE INTO dependencies(job, place, input) VALUES(?1, ?2, ?3)", id, place++,
                       known.at(input));
  }
  transaction.commit();
}

std::string Ledger::study(std::string* digest) const {
  Statement row = database_.query("SELECT digest, text FROM studies ORDER BY number DESC LIMIT 1");
  if (!row.next()) return "";
  if (digest != nullptr) *digest = row.text(0);
  return row.text(1);
}

std::optional<Claim> Ledger::claim(const ProcessIdentity& worker) {
  const std::string next = concat_text("SELECT id, identity, name, kind, spec FROM jobs j WHERE wanted = 1 AND ",
                                       "state = 'waiting' AND NOT ", open_input, " ORDER BY rank LIMIT 1");
  if (!database_.query(next).next()) return std::nullopt;  // without a lock
  Transaction transaction(database_);
  Claim claim;
  {
    Statement row = database_.query(next);
    if (!row.next()) return std::nullopt;
    claim.job = row.integer(0), claim.identity = row.text(1), claim.name = row.text(2), claim.kind = row.text(3),
    claim.spec = row.text(4);
  }
  database_.change(
      "INSERT INTO attempts(job, machine, host, process, started, begun) VALUES(?1, ?2, ?3, ?4, ?5, datetime('now'))",
      claim.job, worker.machine, worker.host, worker.process, worker.started);
  claim.attempt = database_.last_id();
  database_.change("UPDATE jobs SET state = 'running', attempt = ?2 WHERE id = ?1", claim.job, claim.attempt);
  Statement inputs = database_.query(
      "SELECT i.identity, i.name, i.record FROM dependencies d JOIN jobs i ON i.id = d.input WHERE d.job = ?1 ORDER BY "
      "d.place",
      claim.job);
  while (inputs.next()) claim.inputs.push_back({inputs.text(0), inputs.text(1), inputs.text(2)});
  transaction.commit();
  return claim;
}

bool Ledger::beat(Index attempt, double seconds) {
  return database_.change("UPDATE attempts SET beat = beat + 1, seconds = ?2 WHERE id = ?1 AND outcome IS NULL",
                          attempt, seconds) == 1;
}

bool Ledger::finish(Index attempt, const std::string& record, const std::string& results_sha256, double seconds) {
  Transaction transaction(database_);
  if (database_.change("UPDATE attempts SET outcome = 'done', seconds = ?2 WHERE id = ?1 AND outcome IS NULL", attempt,
                       seconds) != 1)
    return false;
  database_.change(
      "UPDATE jobs SET state = 'done', record = ?2, results_sha256 = ?3 WHERE id = (SELECT job FROM "
      "attempts WHERE id = ?1)",
      attempt, record, results_sha256);
  transaction.commit();
  return true;
}

bool Ledger::end_attempt(Index attempt, const std::string& outcome, int exit_code, const std::string& message,
                         double seconds, Index failed, Index interrupted, const OpenAttempt* only_if) {
  Transaction transaction(database_);
  if (only_if != nullptr &&
      database_.change("UPDATE attempts SET beat = beat WHERE id = ?1 AND outcome IS NULL AND beat = ?2", attempt,
                       only_if->beat) != 1)
    return false;
  if (database_.change(
          "UPDATE attempts SET outcome = ?2, exit_code = ?3, message = ?4, seconds = max(seconds, ?5) WHERE id = ?1 "
          "AND outcome IS NULL",
          attempt, outcome, exit_code, message, seconds) != 1)
    return false;
  database_.change(
      "UPDATE jobs SET attempt = NULL, failures = failures + ?2, interruptions = interruptions + ?3, state = CASE WHEN "
      "failures + ?2 >= ?4 OR interruptions + ?3 >= ?5 THEN 'failed' ELSE 'waiting' END WHERE id = (SELECT job FROM "
      "attempts WHERE id = ?1)",
      attempt, failed, interrupted, limits_.failures, limits_.interruptions);
  transaction.commit();
  return true;
}

bool Ledger::fail(Index attempt, int exit_code, const std::string& message, double seconds) {
  return end_attempt(attempt, "failed", exit_code, message, seconds, 1, 0);
}

bool Ledger::give_up(Index attempt, const std::string& outcome, const std::string& message, double seconds,
                     bool counts) {
  return end_attempt(attempt, outcome, 0, message, seconds, 0, counts ? 1 : 0);
}

bool Ledger::lose(const OpenAttempt& attempt, const std::string& why) {
  return end_attempt(attempt.attempt, "lost", 0, why, 0, 0, 1, &attempt);
}

Index Ledger::retry_failed() {
  return database_.change("UPDATE jobs SET state = 'waiting', failures = 0, interruptions = 0 WHERE state = 'failed'");
}

std::vector<OpenAttempt> Ledger::open_attempts() const {
  Statement row = database_.query(
      "SELECT a.id, a.beat, j.name, a.machine, a.host, a.process, a.started, a.seconds FROM attempts a JOIN jobs j ON "
      "j.id = a.job WHERE a.outcome IS NULL ORDER BY a.id");
  std::vector<OpenAttempt> open;
  while (row.next())
    open.push_back({row.integer(0),
                    row.integer(1),
                    row.text(2),
                    {row.text(3), row.text(4), row.integer(5), row.text(6)},
                    row.real(7)});
  return open;
}

Backlog Ledger::backlog() const {
  Statement row =
      database_.query(concat_text("SELECT state, state = 'waiting' AND ", open_input,
                                  " AS blocked, count(*) FROM jobs j WHERE wanted = 1 GROUP BY state, blocked"));
  Backlog log;
  while (row.next()) {
    const std::string state = row.text(0);
    Index& part = state == "done"       ? log.done
                  : state == "running"  ? log.running
                  : state == "failed"   ? log.failed
                  : row.integer(1) == 1 ? log.blocked
                                        : log.ready;
    part += row.integer(2);
  }
  return log;
}

std::vector<JobRow> Ledger::jobs(bool wanted_only) const {
  Statement row = database_.query(
      "SELECT j.id, identity, name, kind, state, spec, record, results_sha256, cost, coalesce(sum(a.seconds), 0), "
      "count(a.id), (SELECT message FROM attempts l WHERE l.job = j.id ORDER BY l.id DESC LIMIT 1) FROM jobs j LEFT "
      "JOIN "
      "attempts a ON a.job = j.id WHERE wanted = 1 OR ?1 = 0 GROUP BY j.id ORDER BY rank, j.id",
      wanted_only);
  std::vector<JobRow> all;
  while (row.next())
    all.push_back({row.integer(0), row.text(1), row.text(2), row.text(3), row.text(4), row.text(5), row.text(6),
                   row.text(7), row.real(8), row.real(9), row.integer(10), row.text(11)});
  return all;
}

LeaseWatch::LeaseWatch(ProcessIdentity self, double lease, std::function<double()> seconds)
    : self_(std::move(self)), lease_(lease), seconds_(std::move(seconds)) {}

std::string LeaseWatch::lost(const OpenAttempt& attempt) {
  if (attempt.worker.machine == self_.machine)
    return ProcessIdentity::alive(attempt.worker.process, attempt.worker.started)
               ? ""
               : concat_text("process ", attempt.worker.process, " of this machine is gone");
  const double now = seconds_();
  Seen& seen = seen_.try_emplace(attempt.attempt, Seen{attempt.beat, now}).first->second;
  if (seen.beat != attempt.beat) seen = {attempt.beat, now};
  if (now - seen.since < lease_) return "";
  return concat_text("no sign of life from ", attempt.worker.host, " for ",
                     tinyvision::format_duration(now - seen.since));
}

double LeaseWatch::silent(Index attempt) const {
  const auto found = seen_.find(attempt);
  return found == seen_.end() ? 0 : seconds_() - found->second.since;
}

std::vector<std::string> reclaim(Ledger& ledger, LeaseWatch& watch) {
  std::vector<std::string> said;
  for (const OpenAttempt& open : ledger.open_attempts()) {
    const std::string why = watch.lost(open);
    if (!why.empty() && ledger.lose(open, why)) said.push_back(open.name + ": " + why);
  }
  return said;
}

}  // namespace tv_app
