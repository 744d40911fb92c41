// The ledger of studies: who gets which job, and what is left of it when processes die at any moment.
#include "common/study/ledger.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checkpoint/folder.hpp"
#include "tinyvision/core/files.hpp"

namespace ledger_test {

using namespace tinyvision;
using tv_app::Claim;
using tv_app::Ledger;
using tv_app::OpenAttempt;
using tv_app::ProcessIdentity;

/// a and b, c from both, d by itself.
std::vector<tv_app::PlannedJob> four_jobs() {
  return {{"ida", "a", "train", "{}", 1, {}},
          {"idb", "b", "train", "{}", 1, {}},
          {"idc", "c", "refit", "{}", 2, {"idb", "ida"}},
          {"idd", "d", "train", "{}", 1, {}}};
}

struct Desk {
  TestFolder folder;
  std::string path() const { return folder.path("ledger.sqlite"); }
  Ledger ledger() const { return Ledger(path(), true); }
  Ledger planned() const {
    Ledger made(path(), true);
    made.plan("digest", "text", four_jobs());
    return made;
  }
};

Index count(const Ledger& ledger, const std::string& what) {
  tv_app::Statement row = ledger.database().query("SELECT count(*) FROM " + what);
  return row.next() ? row.integer(0) : -1;
}

/// What holds at every moment.
void expect_sound(const Ledger& ledger) {
  tv_app::Statement check = ledger.database().query("PRAGMA integrity_check");
  ASSERT_TRUE(check.next());
  EXPECT_EQ(check.text(0), "ok");
  EXPECT_EQ(count(ledger,
                  "jobs j WHERE (state = 'running') <> EXISTS(SELECT 1 FROM attempts a WHERE a.job = j.id AND "
                  "a.outcome IS NULL)"),
            0);
  EXPECT_EQ(count(ledger,
                  "jobs j WHERE (state = 'done') <> EXISTS(SELECT 1 FROM attempts a WHERE a.job = j.id AND "
                  "a.outcome = 'done')"),
            0);
}

ProcessIdentity elsewhere() { return {"another machine", "elsewhere", 12, "34"}; }

TEST(Ledger, GivesJobsInOrderOnceTheirInputsAreDone) {
  const Desk desk;
  Ledger ledger = desk.planned();
  const ProcessIdentity me = ProcessIdentity::self();
  const auto a = ledger.claim(me), b = ledger.claim(me), d = ledger.claim(me);
  ASSERT_TRUE(a && b && d);
  EXPECT_EQ(a->name + b->name + d->name, "abd");
  EXPECT_FALSE(ledger.claim(me)) << "c waits for a and b";
  EXPECT_TRUE(ledger.finish(a->attempt, R"({"of":"a"})", "digest a", 2));
  EXPECT_FALSE(ledger.claim(me));
  EXPECT_TRUE(ledger.finish(b->attempt, R"({"of":"b"})", "digest b", 3));
  const auto c = ledger.claim(me);
  ASSERT_TRUE(c);
  ASSERT_EQ(c->inputs.size(), 2u);
  EXPECT_EQ(c->inputs[0].record, R"({"of":"b"})") << "in the order of the plan";
  EXPECT_EQ(c->inputs[1].name, "a");
  EXPECT_EQ(ledger.backlog().done, 2);
  EXPECT_EQ(ledger.backlog().running, 2);
  expect_sound(ledger);

  // Done is done: not again by the same attempt, not by another, not by hand.
  EXPECT_FALSE(ledger.finish(a->attempt, "{}", "other", 1));
  EXPECT_FALSE(ledger.fail(a->attempt, 1, "late", 1));
  EXPECT_THROW(ledger.database().run("UPDATE jobs SET state = 'waiting', record = NULL, attempt = NULL"), Error);
  EXPECT_EQ(ledger.jobs()[0].record, R"({"of":"a"})");
}

TEST(Ledger, FailuresAreRetriedAndThenSaid) {
  const Desk desk;
  Ledger ledger(desk.path(), true, {.failures = 2, .interruptions = 3});
  ledger.plan("digest", "text", four_jobs());
  const ProcessIdentity me = ProcessIdentity::self();
  EXPECT_TRUE(ledger.fail(ledger.claim(me)->attempt, 1, "no such file", 1));
  const auto again = ledger.claim(me);
  EXPECT_EQ(again->name, "a") << "it waits again";
  EXPECT_TRUE(ledger.fail(again->attempt, 2, "no such file either", 1));
  EXPECT_EQ(ledger.claim(me)->name, "b");
  EXPECT_EQ(ledger.backlog().failed, 1);
  EXPECT_EQ(ledger.jobs()[0].message, "no such file either");
  for (int kill = 0; kill < 3; ++kill) {  // released without a fault: that never counts
    const auto d = ledger.claim(me);
    ASSERT_EQ(d->name, "d");
    EXPECT_TRUE(ledger.give_up(d->attempt, "released", "", 1));
  }
  for (int kill = 0; kill < 3; ++kill) EXPECT_TRUE(ledger.give_up(ledger.claim(me)->attempt, "killed", "", 1, true));
  EXPECT_EQ(ledger.backlog().failed, 2) << "a job that is killed each time may be what kills its programs";
  EXPECT_EQ(ledger.retry_failed(), 2);
  EXPECT_EQ(ledger.claim(me)->name, "a");
  expect_sound(ledger);
}

TEST(Ledger, ALostAttemptCannotFinish) {
  const Desk desk;
  Ledger ledger = desk.planned();
  const auto first = ledger.claim(elsewhere());
  double now = 1000;
  tv_app::LeaseWatch watch(ProcessIdentity::self(), 60, [&] { return now; });
  EXPECT_TRUE(reclaim(ledger, watch).empty()) << "nobody knows yet how long it has been silent";
  now += 59;
  EXPECT_TRUE(reclaim(ledger, watch).empty());
  EXPECT_TRUE(ledger.beat(first->attempt, 59));
  now += 59;
  EXPECT_TRUE(reclaim(ledger, watch).empty()) << "it gave a sign of life";
  now += 60;
  ASSERT_EQ(reclaim(ledger, watch).size(), 1u);
  EXPECT_FALSE(ledger.beat(first->attempt, 200));
  const auto second = ledger.claim(ProcessIdentity::self());
  EXPECT_EQ(second->name, first->name);
  EXPECT_FALSE(ledger.finish(first->attempt, "{}", "of the lost one", 1));
  EXPECT_TRUE(ledger.finish(second->attempt, "{}", "of the second", 1));
  EXPECT_EQ(ledger.jobs()[0].results_sha256, "of the second");

  // A beat between looking and taking keeps the attempt.
  const auto third = ledger.claim(elsewhere());
  const OpenAttempt seen = ledger.open_attempts().at(0);
  EXPECT_TRUE(ledger.beat(third->attempt, 1));
  EXPECT_FALSE(ledger.lose(seen, "silent"));
  EXPECT_TRUE(ledger.beat(third->attempt, 2));
  expect_sound(ledger);
}

TEST(Ledger, ProcessesOfThisMachineAreAskedFor) {
  const Desk desk;
  Ledger ledger = desk.planned();
  tv_app::LeaseWatch watch(ProcessIdentity::self(), 60, [] { return 0.0; });
  const auto mine = ledger.claim(ProcessIdentity::self());
  EXPECT_TRUE(reclaim(ledger, watch).empty());
  const pid_t child = ::fork();
  if (child == 0) {
    Ledger(desk.path()).claim(ProcessIdentity::self());
    ::raise(SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  const std::vector<std::string> said = reclaim(ledger, watch);
  ASSERT_EQ(said.size(), 1u) << "at once, whatever the lease";
  EXPECT_NE(said[0].find("b: process " + std::to_string(child)), std::string::npos) << said[0];
  ProcessIdentity impostor = ProcessIdentity::self();
  EXPECT_TRUE(ProcessIdentity::alive(impostor.process, impostor.started));
  EXPECT_FALSE(ProcessIdentity::alive(impostor.process, "1")) << "another process of that number";
  EXPECT_TRUE(ledger.beat(mine->attempt, 1));
}

TEST(Ledger, ManyProcessesDoEveryJobOnce) {
  const Desk desk;
  constexpr Index jobs = 40;
  {
    std::vector<tv_app::PlannedJob> plan;
    for (Index i = 0; i < jobs; ++i) {
      plan.push_back({concat_text("id", i), concat_text("job", i), "train", "{}", 1, {}});
      if (i >= 4) plan.back().inputs = {concat_text("id", i - 4)};
    }
    desk.ledger().plan("digest", "text", plan);
  }
  std::vector<pid_t> workers;
  for (int w = 0; w < 4; ++w) {
    workers.push_back(::fork());
    if (workers.back() != 0) continue;
    Ledger ledger(desk.path());
    const ProcessIdentity me = ProcessIdentity::self();
    while (ledger.backlog().done < jobs)
      if (const auto claim = ledger.claim(me)) {
        ledger.beat(claim->attempt, 1);
        ledger.finish(claim->attempt, "{}", "digest", 1);
      }
    ::_exit(0);
  }
  for (const pid_t worker : workers) {
    int status = 0;
    ::waitpid(worker, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  const Ledger ledger = desk.ledger();
  EXPECT_EQ(ledger.backlog().done, jobs);
  EXPECT_EQ(count(ledger, "attempts"), jobs) << "none was given twice";
  expect_sound(ledger);
}

/// Kills the process before its n-th statement; the callback of sqlite3_trace_v2.
int die_at(unsigned, void* left, void*, void*) {
  if (--*static_cast<int*>(left) == 0) ::raise(SIGKILL);
  return 0;
}

TEST(Ledger, AProcessMayDieBetweenAnyTwoStatements) {
  int deaths = 0;
  for (const std::string work : {"plan", "claim", "beat", "finish", "fail", "lose"}) {
    const Desk original;
    Index attempt = 0;
    {
      Ledger ledger = original.planned();
      if (work != "plan" && work != "claim") attempt = ledger.claim(elsewhere())->attempt;
    }
    const std::string file = read_file(original.path());
    for (int n = 1;; ++n) {
      const Desk desk;
      write_file_atomically(desk.path(), file);
      const auto open = [&] {
        Ledger ledger(desk.path());
        ledger.database().run("PRAGMA synchronous = OFF");  // a process dies here, not the machine
        return ledger;
      };
      const pid_t child = ::fork();
      if (child == 0) {
        Ledger ledger = open();
        int left = n;
        sqlite3_trace_v2(ledger.database().handle(), SQLITE_TRACE_STMT, die_at, &left);
        if (work == "plan") {
          auto jobs = four_jobs();
          jobs.push_back({"ide", "e", "train", "{}", 1, {"idd"}});
          ledger.plan("other", "text 2", jobs);
        }
        if (work == "claim") ledger.claim(elsewhere());
        if (work == "beat") ledger.beat(attempt, 1);
        if (work == "finish") ledger.finish(attempt, "{}", "digest", 1);
        if (work == "fail") ledger.fail(attempt, 1, "why", 1);
        if (work == "lose") ledger.lose(ledger.open_attempts().at(0), "gone");
        ::_exit(0);
      }
      int status = 0;
      ::waitpid(child, &status, 0);
      Ledger ledger = open();
      expect_sound(ledger);
      // Whatever was half done, the study can be brought to its end.
      for (const OpenAttempt& left : ledger.open_attempts()) ledger.lose(left, "gone");
      ledger.retry_failed();
      while (const auto claim = ledger.claim(ProcessIdentity::self())) ledger.finish(claim->attempt, "{}", "digest", 1);
      EXPECT_EQ(ledger.backlog().done, ledger.backlog().all()) << work << " " << n;
      EXPECT_GE(ledger.backlog().all(), 4);
      expect_sound(ledger);
      if (WIFEXITED(status)) break;
      ++deaths;
    }
  }
  EXPECT_GT(deaths, 25) << "statements in all";
}

TEST(Ledger, ANewPlanKeepsWhatIsDone) {
  const Desk desk;
  Ledger ledger = desk.planned();
  const auto a = ledger.claim(ProcessIdentity::self());
  try {
    ledger.plan("other", "text 2", four_jobs());
    ADD_FAILURE() << "a worker runs";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("runs 'a' of another version of this study"), std::string::npos)
        << error.what();
  }
  EXPECT_TRUE(ledger.finish(a->attempt, "{}", "digest", 1));
  ledger.plan("other", "text 2", {{"idz", "z", "train", "{}", 1, {}}, {"ida", "a", "train", "{}", 1, {}}});
  EXPECT_EQ(ledger.backlog().all(), 2);
  EXPECT_EQ(ledger.backlog().done, 1);
  EXPECT_EQ(ledger.claim(ProcessIdentity::self())->name, "z");
  EXPECT_EQ(ledger.jobs(false).size(), 5u) << "nothing is thrown away";
  EXPECT_EQ(ledger.study(), "text 2");
}

TEST(Ledger, RefusesWhatItCannotUse) {
  const Desk desk;
  const auto refused = [](auto work, const std::string& part) {
    try {
      work();
      ADD_FAILURE() << "expected: " << part;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  refused([&] { Ledger ledger(desk.path()); }, "there is none");
  desk.planned().database().run("PRAGMA user_version = 9");
  refused([&] { Ledger ledger(desk.path(), true); },
          "its schema is 9, this tv_study reads 1; a newer tv_study made it");
  write_file_atomically(desk.folder.path("text"), "something else altogether, and long enough to be looked at closely");
  refused([&] { Ledger ledger(desk.folder.path("text"), true); }, "no ledger, or a damaged one");
  tv_app::Database(desk.folder.path("other")).run("CREATE TABLE t(x)");
  refused([&] { Ledger ledger(desk.folder.path("other"), true); }, "a database of another program");
}

TEST(Ledger, LocksAndFullDisksAreSaid) {
  const Desk desk;
  Ledger ledger = desk.planned();
  {
    const tv_app::Database first(desk.path()), second(desk.path(), 20);
    const tv_app::Transaction held(first);
    EXPECT_THROW(tv_app::Transaction{second}, tv_app::DatabaseBusy);
  }
  tv_app::Statement pages = ledger.database().query("PRAGMA page_count");
  ASSERT_TRUE(pages.next());
  const Index most = pages.integer(0) + 2;
  ledger.database().run(concat_text("PRAGMA max_page_count = ", most));
  auto jobs = four_jobs();
  jobs.push_back({"ide", "e", "train", std::string(100000, 'x'), 1, {}});
  EXPECT_THROW(ledger.plan("other", "text 2", jobs), tv_app::DiskFull);
  EXPECT_EQ(ledger.backlog().all(), 4) << "as before";
  EXPECT_EQ(ledger.study(), "text");
  expect_sound(ledger);
  ledger.database().run("PRAGMA max_page_count = 1000000");
  ledger.plan("other", "text 2", jobs);
  EXPECT_EQ(ledger.backlog().all(), 5);
}

}  // namespace ledger_test
