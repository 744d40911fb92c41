// Whole files: what is read, what is written, and what a failure leaves behind.
#include "tinyvision/core/files.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>

namespace files_test {

using namespace tinyvision;
namespace fs = std::filesystem;

class Files : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ =
        fs::path(testing::TempDir()) / (std::string("tinyvision_files_") + test->name() + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
  template <class Work>
  static std::string usage_error(Work work) {
    try {
      work();
    } catch (const UsageError& error) {
      return error.what();
    }
    return "no UsageError";
  }
  fs::path folder_;
};

TEST_F(Files, ReadBackWhatWasWritten) {
  for (const std::size_t size : {0u, 1u, 4096u, 65536u, 65537u, 1000003u}) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 256);
    write_file_atomically(path("a"), bytes);
    EXPECT_EQ(read_file(path("a")), bytes);
  }
  EXPECT_EQ(entries(), 1u);
  write_file_atomically(path("a"), {"one ", "", "two"});
  EXPECT_EQ(read_file(path("a")), "one two");
}

TEST_F(Files, ReadsFilesWithoutASize) { EXPECT_FALSE(read_file("/proc/self/status").empty()); }

TEST_F(Files, ErrorsNameThePathAndTheReason) {
  EXPECT_EQ(usage_error([&] { read_file(path("none")); }), "[file] " + path("none") + ": No such file or directory");
  EXPECT_EQ(usage_error([&] { read_file(folder_.string()); }), "[file] " + folder_.string() + ": is a folder");
  EXPECT_EQ(usage_error([&] { write_file_atomically(path("no/such/folder"), "x"); }),
            "[file] " + path("no/such/folder") + ": cannot be written: No such file or directory");
  EXPECT_EQ(usage_error([&] { write_file_atomically(folder_.string(), "x"); }),
            "[file] " + folder_.string() + ": is a folder");
}

TEST_F(Files, NothingIsLeftWithoutACommit) {
  write_file_atomically(path("a"), "old");
  {
    AtomicFile file(path("a"));
    file.write("new");
    EXPECT_EQ(read_file(path("a")), "old");
  }
  EXPECT_EQ(read_file(path("a")), "old");
  EXPECT_EQ(entries(), 1u);
  {
    AtomicFile file(path("a"));
    file.write("new");
    file.flush();
    EXPECT_THROW(file.write("more"), Error);
    file.commit();
  }
  EXPECT_EQ(read_file(path("a")), "new");
  EXPECT_EQ(entries(), 1u);
}

// A limit on the file size stands for the full disk: write() fails in the middle with an errno.
TEST_F(Files, AFailureInTheMiddleLeavesTheOldFile) {
  write_file_atomically(path("a"), "old");
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{100000, 100000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(9);
    const std::string error = usage_error([&] { write_file_atomically(path("a"), std::string(300000, 'n')); });
    ::_exit(error == "[file] " + path("a") + ": writing: File too large" ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(read_file(path("a")), "old");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(Files, AFullDeviceIsReported) {
  if (!fs::exists("/dev/full")) GTEST_SKIP();
  // The temporary file cannot be a device, so the writer is aimed at one through a link.
  const std::string temporary = path("a") + "." + std::to_string(::getpid()) + ".tmp";
  fs::create_symlink("/dev/full", temporary);
  EXPECT_EQ(usage_error([&] { write_file_atomically(path("a"), "x"); }),
            "[file] " + path("a") + ": writing: No space left on device");
  EXPECT_EQ(entries(), 0u);
}

TEST_F(Files, WritableFolder) {
  ensure_writable_folder(path("x/y/z"));
  EXPECT_TRUE(fs::is_directory(path("x/y/z")));
  EXPECT_TRUE(fs::is_empty(path("x/y/z")));
  write_file_atomically(path("file"), "x");
  EXPECT_NE(usage_error([&] { ensure_writable_folder(path("file")); }).find(path("file")), std::string::npos);
  EXPECT_NE(usage_error([&] { ensure_writable_folder(path("file") + "/below"); }).find(path("file")),
            std::string::npos);
  EXPECT_THROW(ensure_writable_folder(""), UsageError);
  EXPECT_NE(usage_error([&] { ensure_writable_folder("/proc/tinyvision"); }).find("/proc/tinyvision"),
            std::string::npos);
}

}  // namespace files_test
