// Exit codes, messages and Ctrl-C, as a caller of a program sees them.
#include "common/app.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <new>
#include <thread>

#include "checkpoint/folder.hpp"

namespace app_test {

using namespace tinyvision;

struct Outcome {
  int code = 0;
  std::string out, err;
};
template <class Work>
Outcome guarded(Work work) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Outcome outcome;
  outcome.code = tv_app::run_guarded("tv_trial", "./tv_trial --out x", work);
  outcome.err = testing::internal::GetCapturedStderr();
  outcome.out = testing::internal::GetCapturedStdout();
  return outcome;
}

TEST(App, ExitCodes) {
  EXPECT_EQ(guarded([] {}).code, 0);
  EXPECT_EQ(guarded([] { return 7; }).code, 7);
  const Outcome help = guarded([] { throw tv_app::HelpRequested("help\n"); });
  EXPECT_EQ(help.code, 0);
  EXPECT_EQ(help.out, "help\n");
  EXPECT_EQ(help.err, "");
  const Outcome usage = guarded([] { fail_usage("weights", "no such file"); });
  EXPECT_EQ(usage.code, 2);
  EXPECT_EQ(usage.err, "tv_trial: error: [weights] no such file\n");
  EXPECT_EQ(guarded([] { fail("conv2d", "x"); }).code, 1);
  EXPECT_EQ(guarded([] { fail("conv2d", "x"); }).err, "tv_trial: error: [conv2d] x\n");
  EXPECT_EQ(guarded([] { throw std::runtime_error("other"); }).code, 1);
  EXPECT_EQ(guarded([] { throw std::bad_alloc(); }).err, "tv_trial: error: out of memory\n");
  EXPECT_EQ(guarded([] { throw tv_app::Interrupted("nothing was written"); }).code, 130);
  EXPECT_EQ(guarded([] { throw tv_app::Interrupted("nothing was written"); }).err,
            "tv_trial: stopped on request: nothing was written\n");
  EXPECT_EQ(guarded([] { throw tv_app::Resumable("saved at step 3"); }).err,
            "tv_trial: stopped on request: saved at step 3\nresume with: ./tv_trial --out x\n");
}

/// A whole application in a process of its own, with stderr in `err`.
template <class Body>
int run_process(std::vector<std::string> arguments, const std::string& err, Body body,
                const std::function<void(pid_t)>& meanwhile = {}) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (std::freopen(err.c_str(), "w", stderr) == nullptr) ::_exit(99);
    arguments.insert(arguments.begin(), "tv_trial");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    Index steps = 3;
    tv_app::CommonOptions common;
    CLI::App app("tries things");
    app.add_option("--steps", steps, "number of steps")->capture_default_str();
    tv_app::add_common_options(app, common, "folder for results.json");
    const int code = tv_app::run_app(app, "tv_trial", common, static_cast<int>(argv.size()), argv.data(),
                                     [&](const tv_app::Json& config) { body(common, config); });
    ::_exit(code);
  }
  if (meanwhile) meanwhile(child);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(App, PrintsTheResolvedConfigurationFirst) {
  const TestFolder folder;
  const std::string out = folder.path("new/run");
  const int code = run_process({"--steps", "5", "--out", out, "--threads", "1"}, folder.path("err"),
                               [](const tv_app::CommonOptions& common, const tv_app::Json& config) {
                                 std::cerr << "work\n";
                                 tv_app::Results results("tv_trial", config);
                                 results.write(common.out);
                               });
  EXPECT_EQ(code, 0);
  const std::string err = read_file(folder.path("err"));
  EXPECT_EQ(
      err.find("tv_trial " TINYVISION_VERSION "\n  steps      5\n  seed       0\n  threads    1\n  kernels    own\n"
               "  device     cpu\n  precision  f32\n"),
      0u)
      << err;
  EXPECT_EQ(err.substr(err.size() - 5), "work\n");
  const auto results = tv_app::Json::parse(read_file(out + "/results.json"));
  EXPECT_EQ(results["config"]["steps"], 5);
  EXPECT_EQ(results["config"]["threads"], 1);
  EXPECT_EQ(results["environment"]["threads"], 1);
}

TEST(App, AnUnwritableFolderIsFoundBeforeTheWork) {
  const TestFolder folder;
  write_file_atomically(folder.path("file"), "x");
  const int code = run_process({"--out", folder.path("file") + "/run"}, folder.path("err"),
                               [](const tv_app::CommonOptions&, const tv_app::Json&) { std::cerr << "work\n"; });
  EXPECT_EQ(code, 2);
  const std::string err = read_file(folder.path("err"));
  EXPECT_NE(err.find(folder.path("file") + "/run"), std::string::npos) << err;
  EXPECT_EQ(err.find("work"), std::string::npos) << err;
}

TEST(App, UnknownKernelsAndOptions) {
  const TestFolder folder;
  const auto nothing = [](const tv_app::CommonOptions&, const tv_app::Json&) {};
  EXPECT_EQ(run_process({"--kernels", "fast"}, folder.path("err"), nothing), 2);
  EXPECT_EQ(run_process({"--threads", "-1"}, folder.path("err"), nothing), 2);
  EXPECT_EQ(run_process({"--step", "1"}, folder.path("err"), nothing), 2);
  EXPECT_NE(read_file(folder.path("err")).find("did you mean --steps"), std::string::npos);
}

void wait_for(const std::string& path) {
  for (int i = 0; i < 2000 && !std::filesystem::exists(path); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

TEST(App, CtrlCStopsWithAHintHowToResume) {
  const TestFolder folder;
  const std::string ready = folder.path("ready");
  for (const auto& [signal, code] : {std::pair{SIGINT, 130}, {SIGTERM, 143}}) {
    std::filesystem::remove(ready);
    const int actual = run_process(
        {"--steps", "9"}, folder.path("err"),
        [&](const tv_app::CommonOptions&, const tv_app::Json&) {
          write_file_atomically(ready, "");
          while (!tv_app::interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
          throw tv_app::Resumable("saved at step 4");
        },
        [&, signal = signal](pid_t child) {
          wait_for(ready);
          ::kill(child, signal);
        });
    EXPECT_EQ(actual, code);
    EXPECT_NE(read_file(folder.path("err")).find("saved at step 4\nresume with: tv_trial --steps 9"),
              std::string::npos);
  }
}

TEST(App, ASecondCtrlCEndsAtOnce) {
  const TestFolder folder;
  const std::string ready = folder.path("ready"), asked = folder.path("asked");
  const int code = run_process(
      {}, folder.path("err"),
      [&](const tv_app::CommonOptions&, const tv_app::Json&) {
        write_file_atomically(ready, "");
        while (!tv_app::interrupted()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
        write_file_atomically(asked, "");
        for (;;) std::this_thread::sleep_for(std::chrono::milliseconds(2));
      },
      [&](pid_t child) {
        wait_for(ready);
        ::kill(child, SIGINT);
        wait_for(asked);
        ::kill(child, SIGINT);
      });
  EXPECT_EQ(code, 1000 + SIGINT);
}

}  // namespace app_test
