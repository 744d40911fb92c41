#include "tinyvision/report/event_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "report/event_reader.hpp"
#include "tinyvision/core/random.hpp"

namespace tv = tinyvision;
namespace report = tinyvision::report;
namespace fs = std::filesystem;
using tv::Index;

namespace event_file_test {

constexpr double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();

/// A folder that is removed at the end.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("tv_log_test_" + std::to_string(::getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

/// Clock: 1.5e9, then a second later at each reading.
report::WallClock seconds() {
  return [time = 1.5e9 - 1]() mutable { return time += 1; };
}

using event_reader::Event;
using event_reader::read_events;

template <class Body>
std::string message_of(Body&& body) {
  try {
    body();
  } catch (const tv::UsageError& error) {
    return error.what();
  }
  return "no usage error";
}

// Made by tests/oracle/check_event_file.py with TensorBoard's classes.
TEST(EventFile, WritesTheBytesThatTensorBoardWrites) {
  const Folder folder;
  const std::string path = folder / "a.tfevents";
  {
    report::EventFile file(path, seconds());
    file.scalar("train/loss", 1, 0.1);
    file.scalar("train/loss", 300, -1e30);
    EXPECT_EQ(file.histogram("weights", Index{1} << 40, std::vector<float>{-1, 3, 1, 1.5f}, 2), 0);
    file.restart(250);
  }
  EXPECT_EQ(tv::read_file(path),
            tv::read_file(std::string(TINYVISION_SOURCE_DIR) + "/tests/golden/events/tensorboard.tfevents"));
}

TEST(EventFile, KeepsScalarsImagesAndHistograms) {
  const Folder folder;
  const std::string path = folder / "a.tfevents";
  tv::Tensor picture = tv::Tensor::empty({2, 3, 1}, tv::DType::u8);
  picture.fill(7);
  {
    report::EventFile file(path, seconds());
    file.scalar("x", 5, nan);
    file.scalar("x", 6, 1e300);
    file.scalar("x", 7, -infinity);
    file.image("grey", 8, picture);
    const std::vector<float> values{1, std::nanf(""), 2, 4, 5, static_cast<float>(infinity), 1};
    EXPECT_EQ(file.histogram("h", 9, values, 4), 2);
    EXPECT_EQ(file.histogram("same", 10, std::vector<float>{3, 3}), 0);
    EXPECT_EQ(file.histogram("none", 11, std::vector<float>{std::nanf("")}), 1);
    EXPECT_THROW(file.scalar("", 1, 1), tv::Error);
  }
  const std::vector<Event> events = read_events(path);
  ASSERT_EQ(events.size(), 8u);
  EXPECT_EQ(events[0].version, "brain.Event:2");
  for (std::size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].wall_time, 1.5e9 + static_cast<double>(i));
  EXPECT_TRUE(std::isnan(events[1].scalar));
  EXPECT_EQ(events[2].scalar, static_cast<float>(infinity));
  EXPECT_EQ(events[3].scalar, -static_cast<float>(infinity));
  EXPECT_EQ(events[3].step, 7);
  EXPECT_EQ(events[4].tag, "grey");
  EXPECT_EQ(events[4].png, report::encode_png(picture));
  EXPECT_EQ((std::vector<Index>{events[4].height, events[4].width, events[4].channels}), (std::vector<Index>{2, 3, 1}));
  EXPECT_EQ(events[5].histogram, (std::vector<double>{1, 5, 5, 13, 47}));
  EXPECT_EQ(events[5].limits, (std::vector<double>{2, 3, 4, 5}));
  EXPECT_EQ(events[5].counts, (std::vector<double>{3, 0, 1, 1}));  // a value at a limit lies below it
  EXPECT_EQ(events[6].limits, (std::vector<double>{3}));
  EXPECT_EQ(events[6].counts, (std::vector<double>{2}));
  EXPECT_TRUE(events[7].counts.empty());
}

TEST(EventFile, CountsEveryValueOnce) {
  const tv::Random random(1, tv::Stream::test);
  std::vector<float> values;
  for (std::uint64_t i = 0; i < 1000; ++i) values.push_back(static_cast<float>(random.normal(i)));
  const report::EventHistogram h = report::event_histogram(values);
  ASSERT_EQ(h.limits.size(), 30u);
  EXPECT_EQ(h.limits.back(), h.max);
  double sum = 0;
  for (std::size_t b = 0; b < h.counts.size(); ++b) {
    const double low = b == 0 ? -infinity : h.limits[b - 1], high = h.limits[b];
    EXPECT_EQ(h.counts[b], std::count_if(values.begin(), values.end(), [&](float v) { return v > low && v <= high; }));
    sum += h.counts[b];
  }
  EXPECT_EQ(sum, 1000);
  EXPECT_THROW(report::event_histogram(values, 0), tv::Error);
}

// Cut anywhere, the file keeps its whole records and takes new ones.
TEST(EventFile, GoesOnAfterAKill) {
  const Folder folder;
  const std::string whole = folder / "whole.tfevents", path = folder / "cut.tfevents";
  std::vector<std::size_t> ends;
  {
    report::EventFile file(whole, seconds());
    ends.push_back(fs::file_size(whole));
    for (Index step = 1; step <= 3; ++step) {
      file.scalar("loss", step, static_cast<double>(step));
      ends.push_back(fs::file_size(whole));
    }
  }
  const std::string bytes = tv::read_file(whole);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    tv::write_file_atomically(path, std::string_view(bytes).substr(0, cut));
    { report::EventFile(path, seconds()).scalar("loss", 9, 9); }
    const std::vector<Event> events = read_events(path);
    const auto kept =
        static_cast<std::size_t>(std::count_if(ends.begin(), ends.end(), [&](std::size_t end) { return end <= cut; }));
    ASSERT_EQ(events.size(), std::max<std::size_t>(1, kept) + 1) << "cut at " << cut;
    EXPECT_EQ(events[0].version, "brain.Event:2");
    EXPECT_EQ(events.back().step, 9);
  }
}

TEST(EventFile, RefusesWhatItDidNotWrite) {
  const Folder folder;
  const std::string path = folder / "a.tfevents";
  { report::EventFile(path, seconds()).scalar("loss", 1, 1); }
  const std::string good = tv::read_file(path);
  for (const std::size_t at : {std::size_t{0}, std::size_t{9}, std::size_t{20}, std::size_t{38}, good.size() - 1}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    tv::write_file_atomically(path, bad);
    EXPECT_NE(message_of([&] { report::EventFile file(path); }).find(path + ": "), std::string::npos) << at;
    EXPECT_EQ(tv::read_file(path), bad) << "changed a file that it refused";
  }
  for (const std::string& other :
       {std::string("notes"), std::string(100, 'x'), report::detail::framed_record("hello")}) {
    tv::write_file_atomically(path, other);
    EXPECT_NE(message_of([&] { report::EventFile file(path); }).find("[event_file] " + path), std::string::npos);
    EXPECT_EQ(tv::read_file(path), other);
  }
  EXPECT_NE(message_of([&] { report::EventFile file(folder.path.string()); }).find(folder.path.string()),
            std::string::npos);
}

TEST(ScalarLog, WritesCsv) {
  const Folder folder;
  const std::string path = folder / "log.csv";
  {
    report::CsvLog log(path, seconds());
    log.scalar("train/loss", 1, 0.1);
    log.scalar("line\nend", 2, 0.2);
    log.scalar("train/loss", 1, 0.3);
  }
  { std::ofstream(path, std::ios::app) << "1500000001,2,\"cut\n"; }  // killed here
  {
    report::CsvLog log(path, seconds());
    log.restart(2);
    log.scalar("a \"b\", c", 2, nan);
    log.scalar("big", 3, -infinity);
  }
  EXPECT_EQ(tv::read_file(path),
            "wall_time,step,tag,value\n1.5e+09,1,train/loss,0.1\n1500000002,1,train/loss,0.3\n"
            "1.5e+09,2,\"a \"\"b\"\", c\",nan\n1500000001,3,big,-inf\n");
  { std::ofstream(path, std::ios::app) << "1500000003,4.5,loss,1\n"; }
  const std::string before = tv::read_file(path);
  EXPECT_NE(message_of([&] { report::CsvLog(path).restart(2); }).find("row 5, step: '4.5'"), std::string::npos);
  EXPECT_EQ(tv::read_file(path), before);
  tv::write_file_atomically(path, "name,accuracy\nresnet,0.7\n");
  EXPECT_NE(message_of([&] { report::CsvLog log(path); }).find(path), std::string::npos);
  EXPECT_EQ(tv::read_file(path), "name,accuracy\nresnet,0.7\n");
}

TEST(ScalarLog, WritesJsonLines) {
  const Folder folder;
  const std::string path = folder / "log.jsonl";
  {
    report::JsonLinesLog log(path, seconds());
    log.scalar("loss\n\"\xff", 1, 0.25);
    log.scalar("loss", 2, 1);
  }
  { std::ofstream(path, std::ios::app) << "{\"wall_ti"; }
  {
    report::JsonLinesLog log(path, seconds());
    log.restart(2);
    log.scalar("loss", 2, infinity);
  }
  EXPECT_EQ(tv::read_file(path),
            "{\"wall_time\": 1.5e+09, \"step\": 1, \"tag\": \"loss\\u000a\\\"\xEF\xBF\xBD\", \"value\": 0.25}\n"
            "{\"wall_time\": 1.5e+09, \"step\": 2, \"tag\": \"loss\", \"value\": \"inf\"}\n");
  tv::write_file_atomically(path, "{\"other\": 1}\n");
  EXPECT_NE(message_of([&] { report::JsonLinesLog log(path); }).find(path), std::string::npos);
}

TEST(ScalarLog, IsChosenByThePathAndWritesToSeveral) {
  const Folder folder;
  {
    report::ScalarLogs logs;
    for (const char* name : {"log.csv", "log.jsonl", "run.tfevents", "events"})
      logs.add(report::open_scalar_log(folder / name, seconds()));
    logs.scalar("accuracy", 4, 0.5);
    logs.restart(5);
    logs.flush();
  }
  EXPECT_EQ(tv::read_file(folder / "log.csv"), "wall_time,step,tag,value\n1.5e+09,4,accuracy,0.5\n");
  EXPECT_NE(tv::read_file(folder / "log.jsonl").find("\"accuracy\""), std::string::npos);
  std::vector<std::string> paths{folder / "run.tfevents"};
  for (const auto& entry : fs::directory_iterator(folder / "events")) paths.push_back(entry.path().string());
  ASSERT_EQ(paths.size(), 2u);
  EXPECT_EQ(fs::path(paths[1]).filename().string().find("events.out.tfevents."), 0u);
  for (const std::string& path : paths) {
    const std::vector<Event> events = read_events(path);
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events[1].tag, "accuracy");
    EXPECT_EQ(events[1].scalar, 0.5f);
    EXPECT_EQ(events[1].step, 4);
    EXPECT_EQ(events[2].session, 1);
  }
}

}  // namespace event_file_test
