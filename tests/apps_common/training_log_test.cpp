// The log of a training run: rows at the right steps, and the same log however often the run was interrupted.
#include "common/training_log.hpp"

#include <gtest/gtest.h>

#include <set>

#include "checkpoint/folder.hpp"
#include "data/test_images.hpp"
#include "report/event_reader.hpp"
#include "tinyvision/models/registry.hpp"

namespace training_log_test {

using namespace tinyvision;
using tv_app::LogChoice;
using tv_app::TrainingLog;

constexpr Index steps = 24;

std::shared_ptr<Network> small_network() {
  NetworkOptions options;
  options.classes = 3;
  options.width = 0.25;
  const auto network = make_network("mobilenet_v1", options);
  initialise(network->parameters(), 1);
  return network;
}

/// A batch of four images of 8 x 8 pixels, in the network's numbers.
data::Batch batch() {
  data::Preprocessing p;
  p.image_size = 8;
  p.crop = 1;
  data::Batch b;
  b.images = Tensor::empty({4, 8, 8, 3});
  for (Index i = 0; i < 4; ++i)
    data::preprocess(test_images::noise(8, 8, static_cast<std::uint64_t>(i)), p, b.images.data<float>() + i * 192);
  b.labels = Tensor::from_vector<std::int64_t>({4}, {2, 0, 1, 2});
  b.indices = {0, 1, 2, 3};
  return b;
}

SplitMetrics some_metrics() { return {{3, 4}, {4, 4}, {0.625, 3, 0}}; }

/// A run of `steps` steps whose numbers are functions of the step; each step takes half a second.
struct FakeRun {
  std::string folder;
  LogChoice choice{};
  std::shared_ptr<Network> network = nullptr;
  double now = 0;

  /// From step `from` to before `to`; at the end of the run its metrics too.
  void go(Index from, Index to) {
    TrainingLog log(
        choice, folder, steps, network, data::Normalisation::inception, [this] { return now; }, [] { return 1.5e9; });
    const data::Batch images = batch();
    for (Index step = from; step < to; ++step) {
      log.before_step(step, images);
      now += 0.5;
      log.after_step(step + 1, {2.0 / static_cast<double>(step + 1), 0.5, 0.25, step % 5, 4});
    }
    if (to < steps) return;  // killed
    log.metrics("validation", some_metrics());
    log.metrics("test", SplitMetrics{});
    log.finish();
  }
  std::string file(const std::string& name) const { return read_file(folder + "/" + name); }
  std::vector<event_reader::Event> events() const { return event_reader::read_events(folder + "/events.out.tfevents"); }
};

TEST(TrainingLog, WritesEveryTenthStepTheLastAndTheMetrics) {
  const TestFolder folder;
  FakeRun run{folder.path("log")};
  run.go(0, steps);
  // 4 images in half a second, or 40 in 5 s, or 12 in 1.5 s: 8 a second.
  std::string wanted = "wall_time,step,tag,value\n";
  for (const auto& [step, loss, accuracy] : {std::tuple{0, "2", "0"},
                                             {10, "0.18181818181818182", "0"},
                                             {20, "0.09523809523809523", "0"},
                                             {23, "0.08333333333333333", "0.75"}})
    for (const auto& [tag, value] : {std::pair{"loss", loss},
                                     {"cross_entropy", "0.5"},
                                     {"accuracy", accuracy},
                                     {"learning_rate", "0.25"},
                                     {"images_per_second", "8"}})
      wanted += "1.5e+09," + std::to_string(step) + ",train/" + tag + "," + value + "\n";
  wanted +=
      "1.5e+09,24,validation/top1,0.75\n1.5e+09,24,validation/top5,1\n1.5e+09,24,validation/mean_per_class,0.625\n";
  EXPECT_EQ(run.file("scalars.csv"), wanted);
  const std::string lines = run.file("scalars.jsonl");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 23);
  EXPECT_NE(lines.find(R"("step": 23, "tag": "train/accuracy", "value": 0.75})"), std::string::npos);
  const auto shown = event_reader::shown_scalars(run.events());
  EXPECT_EQ(shown.size(), 8u);
  EXPECT_EQ(shown.at("train/loss"),
            (std::vector<std::pair<Index, float>>{
                {0, 2.f}, {10, float(2.0 / 11)}, {20, float(2.0 / 21)}, {23, float(2.0 / 24)}}));
}

TEST(TrainingLog, ARunThatWasKilledAndResumedLeavesTheLogOfOneThatWasNot) {
  const TestFolder folder;
  FakeRun whole{folder.path("whole")}, killed{folder.path("killed")};
  for (FakeRun* run : {&whole, &killed}) {
    run->choice.every = 3;
    run->choice.histograms = 6;
    run->network = small_network();
  }
  whole.go(0, steps);
  killed.go(0, 2);          // before its first checkpoint
  killed.go(0, 14);         // the checkpoint of step 6 is the last one
  killed.go(6, 13);         // killed again, at a step that was there before
  killed.go(12, steps);     // from one that both had
  killed.go(steps, steps);  // the finished run once more: evaluates again
  EXPECT_EQ(killed.file("scalars.csv"), whole.file("scalars.csv"));
  EXPECT_EQ(killed.file("scalars.jsonl"), whole.file("scalars.jsonl"));
  EXPECT_EQ(event_reader::shown_scalars(killed.events()), event_reader::shown_scalars(whole.events()));
  // Nothing of the raw file is void in the whole run; the killed one keeps what it wrote, and says where it began again.
  EXPECT_GT(killed.events().size(), whole.events().size());
  std::vector<Index> sessions;
  for (const auto& event : killed.events())
    if (event.session == 1) sessions.push_back(event.step);
  EXPECT_EQ(sessions, (std::vector<Index>{0, 0, 6, 12, 24}));
}

TEST(TrainingLog, KeepsImagesAsTheNetworkSeesThemAndHistograms) {
  const TestFolder folder;
  FakeRun run{folder.path("log")};
  run.choice.images = 3;
  run.choice.histograms = 10;
  run.choice.formats = {"tensorboard"};
  run.network = small_network();
  run.go(0, steps);
  std::vector<std::string> images;
  std::set<Index> at;
  std::size_t histograms = 0;
  for (const auto& event : run.events()) {
    if (!event.png.empty()) {
      const auto i = static_cast<std::uint64_t>(images.size());
      images.push_back(event.tag);
      const data::Image wanted = test_images::noise(8, 8, i);
      EXPECT_EQ(event.png, report::encode_png(Tensor::from_vector<std::uint8_t>({8, 8, 3}, wanted.pixels))) << i;
      EXPECT_EQ(event.step, 0);
    }
    if (event.histogram.empty()) continue;
    ++histograms;
    at.insert(event.step);
    EXPECT_TRUE(event.tag.starts_with("weights/MobilenetV1/")) << event.tag;
  }
  EXPECT_EQ(images, (std::vector<std::string>{"input/0, class 2", "input/1, class 0", "input/2, class 1"}));
  EXPECT_EQ(at, (std::set<Index>{0, 10, 20, 24}));
  EXPECT_EQ(histograms, 4 * run.network->parameters().size());
  EXPECT_FALSE(std::filesystem::exists(run.folder + "/scalars.csv"));
}

// Bytes to the network's numbers and back, by every normalisation.
TEST(TrainingLog, ShowsTheBytesThatWereNormalised) {
  for (const data::Normalisation kind :
       {data::Normalisation::inception, data::Normalisation::rgb_mean, data::Normalisation::imagenet_mean_std}) {
    data::Preprocessing p;
    p.image_size = 16;
    p.crop = 1;
    p.normalisation = kind;
    const data::Image image = test_images::noise(16, 16, 5);
    const Tensor batch = Tensor::zeros({2, 16, 16, 3});
    data::preprocess(image, p, batch.data<float>() + 768);
    const Tensor shown = tv_app::shown_image(batch, 1, kind);
    EXPECT_EQ(shown.shape(), (Shape{16, 16, 3}));
    EXPECT_EQ(shown.to_vector<std::uint8_t>(), image.pixels) << to_string(kind);
  }
}

TEST(TrainingLog, WritesNothingWhenItIsToldSoOrNothingHappens) {
  const TestFolder folder;
  FakeRun run{folder.path("none")};
  run.choice.formats = {"none"};
  run.go(0, steps);
  EXPECT_FALSE(std::filesystem::exists(run.folder));
  TrainingLog(LogChoice(), folder.path("refused"), steps, nullptr, data::Normalisation::inception);
  EXPECT_FALSE(std::filesystem::exists(folder.path("refused")));
}

TEST(TrainingLog, RefusesChoicesThatContradictThemselves) {
  const auto refused = [](const LogChoice& choice, const std::string& part) {
    try {
      TrainingLog(choice, "unused", steps, nullptr, data::Normalisation::inception);
      ADD_FAILURE() << part;
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  LogChoice choice;
  choice.formats = {"none", "csv"};
  refused(choice, "not beside csv");
  choice.formats = {"csv"};
  choice.histograms = 5;
  refused(choice, "add tensorboard to --log");
}

}  // namespace training_log_test
