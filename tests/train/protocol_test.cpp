// The parts of the paper's protocols: the grid and its choice, the regularisers' ladder, the loss and the metric of images
// that show several classes, decoded images shared by runs.
#include <gtest/gtest.h>

#include <set>

#include "ops/op_case.hpp"
#include "tinyvision/train/fine_tune.hpp"
#include "tinyvision/train/grid_search.hpp"
#include "tinyvision/train/regularisers.hpp"
#include "train/tiny_run.hpp"

namespace protocol_test {

using namespace tinyvision;

void expect_values(const std::vector<double>& values, const std::vector<double>& expected) {
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_DOUBLE_EQ(values[i], expected[i]) << i;
}

TEST(GridSearch, ThePapersGridsValueByValue) {
  const double root = 3.1622776601683795;  // of 10
  const SearchGrid tuning = paper_grid(false), scratch = paper_grid(true);
  expect_values(tuning.rates, {1e-4, root * 1e-4, 1e-3, root * 1e-3, 1e-2, root * 1e-2, 1e-1});
  expect_values(tuning.ratios, {0, 1e-6, root * 1e-6, 1e-5, root * 1e-5, 1e-4, root * 1e-4, 1e-3});
  expect_values(scratch.rates, {1e-3, root * 1e-3, 1e-2, root * 1e-2, 1e-1, root * 1e-1, 1});
  expect_values(scratch.ratios, {0, 1e-5, root * 1e-5, 1e-4, root * 1e-4, 1e-3, root * 1e-3, 1e-2});
  for (const SearchGrid& grid : {tuning, scratch}) {
    std::set<std::string> names;
    for (const GridPoint& p : grid_points(grid)) {
      names.insert(p.name());
      EXPECT_NEAR(p.weight_decay * p.rate, p.ratio, 1e-15);
      EXPECT_EQ(std::stod(p.name().substr(3)), p.rate) << "names read back";
    }
    EXPECT_EQ(names.size(), 56u);
  }
}

TEST(GridSearch, TheRuleMakesTheDecay) {
  EXPECT_DOUBLE_EQ(grid_points({{0.01}, {1e-4}, DecayRule::ratio_over_rate})[0].weight_decay, 1e-2);
  EXPECT_DOUBLE_EQ(grid_points({{0.01}, {1e-4}, DecayRule::ratio_times_rate})[0].weight_decay, 1e-6);
  EXPECT_DOUBLE_EQ(grid_points({{0.01}, {1e-4}, DecayRule::absolute})[0].weight_decay, 1e-4);
  for (const char* name : {"ratio/lr", "ratio*lr", "absolute"}) EXPECT_STREQ(to_string(parse_decay_rule(name)), name);
  EXPECT_THROW(parse_decay_rule("lr/ratio"), UsageError);
}

TEST(GridSearch, RefusesWhatIsNoGrid) {
  const auto refused = [](const SearchGrid& grid, const std::string& part) {
    try {
      grid_points(grid);
      ADD_FAILURE() << part;
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  refused({{}, {0}}, "0 learning rates");
  refused({{0.1, 0}, {0}}, "positive, got 0");
  refused({{0.1}, {-1e-3}}, "0 or above");
  refused({{0.1, 0.2, 0.1}, {0, 1}}, "occurs twice");
}

TEST(GridSearch, ChoosesTheBestFinitePointAndTheStrongerRegularisationOfEqualOnes) {
  const GridPoint weak{0.1, 0, 0}, strong{0.1, 1e-3, 1e-2}, slow{0.01, 1e-4, 1e-2};
  EXPECT_EQ(choose_grid_point(std::vector<GridScore>{{weak, true, 0.5}, {strong, true, 0.7}, {slow, true, 0.6}}), 1u);
  EXPECT_EQ(choose_grid_point(std::vector<GridScore>{{weak, false, 0.9}, {strong, true, 0.2}}), 1u);
  EXPECT_EQ(choose_grid_point(std::vector<GridScore>{{weak, true, 0.5}, {strong, true, 0.5}}), 1u);
  EXPECT_EQ(choose_grid_point(std::vector<GridScore>{{strong, true, 0.5}, {weak, true, 0.5}}), 0u);
  EXPECT_EQ(choose_grid_point(std::vector<GridScore>{{strong, true, 0.5}, {slow, true, 0.5}, {weak, true, 0.5}}), 1u)
      << "equal decays: the smaller rate";
  EXPECT_THROW(choose_grid_point(std::vector<GridScore>{{weak, false, 0.5}}), Error);
}

TEST(Regularisers, TheLadderSwitchesOneThingAtATime) {
  const std::vector<std::string> wanted{"inception", "bn_scale", "no_label_smoothing", "no_dropout", "paper"};
  std::vector<std::string> states;
  for (std::size_t i = 0; i < regulariser_ladder.size(); ++i) {
    const RegulariserSetting& setting = regulariser_ladder[i];
    EXPECT_EQ(setting.name, wanted[i]);
    EXPECT_EQ(find_regulariser_setting(wanted[i]), &setting);
    const NetworkOptions o = regularised_options("nasnet_a_mobile", setting);
    states.push_back(concat_text(*o.bn_scale, setting.label_smoothing, o.dropout_keep < 1, o.auxiliary_head));
    EXPECT_EQ(o.drop_path_keep < 1, false) << "TF-Slim drops no paths of the small one";
    EXPECT_EQ(regularised_options("nasnet_a_large", setting).drop_path_keep < 1, setting.dropout);
  }
  EXPECT_EQ(states, (std::vector<std::string>{"0111", "1111", "1011", "1001", "1000"}));
  NetworkOptions paper = NetworkOptions::paper(), last = regularised_options("inception_v4", regulariser_ladder[4]);
  EXPECT_EQ(last.text(), paper.text());
  EXPECT_EQ(find_regulariser_setting("tf_slim"), nullptr);
}

TEST(ClassificationLoss, OfPresenceIsTheMeanOverExamplesOfTheSumOverClasses) {
  const Tensor logits = Tensor::from_vector<double>({2, 3}, {0.5, -1, 2, 0, 3, -2});
  const Tensor presence = Tensor::from_vector<std::int64_t>({2, 3}, {1, -1, 0, -1, 1, 1});
  const auto entry = [](double z, double t) {
    const double p = 1 / (1 + std::exp(-z));
    return -t * std::log(p) - (1 - t) * std::log(1 - p);
  };
  for (const double s : {0.0, 0.1}) {
    const double yes = 1 - s / 2, no = s / 2;
    const double expected =
        (entry(0.5, yes) + entry(-1, no) + entry(0, no) + entry(3, yes) + entry(-2, yes)) / 2;  // one is difficult
    EXPECT_NEAR(classification_loss(Variable(logits), presence, s).value().item(), expected, 1e-14);
  }
  op_test::check_op({"classification_loss", {{4, 5}}, [](const std::vector<Variable>& v) {
                       const Tensor shown = Tensor::from_vector<std::int64_t>(
                           {4, 5}, {1, -1, 0, -1, 1, -1, -1, -1, -1, 1, 0, 0, 1, 1, 1, -1, 1, -1, 0, -1});
                       return classification_loss(v[0], shown, 0.1);
                     }});
  EXPECT_EQ(count_right(logits, presence), 1) << "the first image's best score is of a difficult class";
  EXPECT_EQ(count_right(logits, Tensor::from_vector<std::int64_t>({2}, {2, 1})), 2);
  EXPECT_THROW(classification_loss(Variable(logits), Tensor::from_vector<std::int64_t>({2, 3}, {1, 2, 0, 0, 0, 0})),
               Error);
  EXPECT_THROW(classification_loss(Variable(logits), Tensor::from_vector<std::int64_t>({1, 3}, {1, 1, 0})), Error);
}

/// Images of which those with class c in them have channel c bright; the last class is difficult in some.
class ShownColours : public data::MemoryDataset {
 public:
  static constexpr Index n = 48;
  ShownColours()
      : MemoryDataset("colours", "colours", pictures(), std::vector<std::int64_t>(n, 0), {"r", "g", "b"},
                      data::Metric::voc_ap11) {}
  std::span<const std::int8_t> presence(Index i) const override {
    return std::span<const std::int8_t>(shown_).subspan(static_cast<std::size_t>(3 * i), 3);
  }
  data::Image image(Index i) const override {
    ++decoded;
    return MemoryDataset::image(i);
  }
  mutable std::atomic<Index> decoded = 0;

 private:
  static std::int8_t is_shown(Index i, Index c) { return c == 2 && i % 5 == 0 ? 0 : ((i + 1) >> c & 1) != 0 ? 1 : -1; }
  static std::vector<data::Image> pictures() {
    std::vector<data::Image> images;
    for (Index i = 0; i < n; ++i) {
      data::Image image(32, 32);
      const Random random(5, Stream::test, static_cast<std::uint64_t>(i));
      for (std::size_t k = 0; k < image.pixels.size(); ++k) {
        const double bright = is_shown(i, static_cast<Index>(k % 3)) > 0 ? 160 : 20;
        image.pixels[k] = static_cast<std::uint8_t>(bright + random.uniform(k, 0, 60));
      }
      images.push_back(image);
    }
    return images;
  }
  std::vector<std::int8_t> shown_ = [] {
    std::vector<std::int8_t> all;
    for (Index i = 0; i < n; ++i)
      for (Index c = 0; c < 3; ++c) all.push_back(is_shown(i, c));
    return all;
  }();
};

std::shared_ptr<Network> small_network() {
  NetworkOptions options;
  options.classes = 3;
  options.width = 0.25;
  const auto network = make_network("mobilenet_v1", options);
  initialise(network->parameters(), 1);
  return network;
}

FineTuneOptions short_run() {
  FineTuneOptions o;
  o.trainer.schedule = {.kind = Schedule::Kind::cosine, .base = 0.02, .steps = 60};
  o.trainer.bn_decay = 0.8;
  o.run.steps = 60;
  o.batch_size = 16;
  o.preprocessing.image_size = 32;
  o.augmentation.mode = data::Augmentation::flip;
  return o;
}

TEST(FineTune, LearnsToTellWhichClassesAnImageShows) {
  const auto dataset = std::make_shared<ShownColours>();
  std::vector<Index> train, validation, test;
  for (Index i = 0; i < ShownColours::n; ++i) (i < 32 ? train : i < 40 ? validation : test).push_back(i);
  FineTuneOptions o = short_run();
  o.cache = std::make_shared<data::ImageCache>(std::size_t{1} << 20);
  const FineTuneResult run = fine_tune(small_network(), dataset, train, validation, test, o);
  EXPECT_GT(run.run.curve.front().loss, 1.5) << "three classes at log 2 each";
  EXPECT_LT(run.run.curve.back().loss, 0.5 * run.run.curve.front().loss);
  ASSERT_TRUE(run.test_metrics.multi_label && run.validation.multi_label);
  EXPECT_EQ(run.test_metrics.examples(), 8);
  EXPECT_EQ(run.test_metrics.top1.total, 0);
  EXPECT_GT(run.test_metrics.value(data::Metric::voc_ap11), 0.9);
  EXPECT_EQ(run.test_metrics.value(data::Metric::voc_ap11),
            stats::mean_average_precision(run.test.logits, data::presence_rows(*dataset, test)).value);
  ASSERT_EQ(run.crops.size(), 2u);
  for (const CropChoice& c : run.crops)
    EXPECT_LE(c.validation.value(data::Metric::voc_ap11), run.validation.value(data::Metric::voc_ap11));

  // A second run finds the images of training and validation decoded, and is the same run.
  EXPECT_EQ(o.cache->decoded(), 40);
  const FineTuneResult again = fine_tune(small_network(), dataset, train, validation, {}, o);
  EXPECT_EQ(o.cache->decoded(), 40);
  for (std::size_t i = 0; i < 60; ++i) EXPECT_EQ(again.run.curve[i].loss, run.run.curve[i].loss);
}

TEST(FineTune, LookingAtAveragesOnTheWayChangesNothing) {
  const auto dataset = std::make_shared<ShownColours>();
  std::vector<Index> train;
  for (Index i = 0; i < 16; ++i) train.push_back(i);
  std::vector<std::vector<CurveRow>> curves;
  Index looks = 0;
  for (const bool looking : {false, true}) {
    FineTuneOptions o = short_run();
    o.run.steps = 6;
    o.trainer.ema_decay = 0.9;
    if (looking)
      o.run.on_trained = [&](Index done, const Trainer& trainer) {
        looks += done;
        trainer.ema()->swap();
        std::vector<data::BadExample> bad;
        score_examples(*trainer.network(), dataset, train, 1, short_run(), nullptr, bad);
        trainer.ema()->swap();
      };
    curves.push_back(fine_tune(small_network(), dataset, train, {}, {}, o).run.curve);
  }
  EXPECT_EQ(looks, 1 + 2 + 3 + 4 + 5 + 6);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(curves[0][i].loss, curves[1][i].loss) << i;
}

}  // namespace protocol_test
