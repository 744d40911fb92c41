// Options of networks: presets, what overrides them, and what is recorded of them.
#include "common/network_options.hpp"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

#include "tinyvision/models/registry.hpp"

namespace network_options_test {

using namespace tinyvision;

/// The options of a program that trains, or only evaluates, as a command line sets them.
struct Trial {
  CLI::App app{"builds networks"};
  tv_app::NetworkChoice choice;
  tv_app::Json config;

  explicit Trial(std::vector<const char*> arguments, bool trains = true) {
    tv_app::add_network_options(app, choice, false);
    if (trains) tv_app::add_regulariser_options(app, choice);
    arguments.insert(arguments.begin(), "tv_trial");
    tv_app::parse_options(app, "tv_trial", static_cast<int>(arguments.size()), arguments.data());
    config = tv_app::resolved_configuration(app);
  }
  NetworkOptions options() const { return tv_app::build_network(choice, 3)->options(); }
};

TEST(NetworkChoice, ThePaperTrainsWithScalesAndWithoutRegularisers) {
  const Trial trial({"--network", "inception_v3"});
  const NetworkOptions options = trial.options();
  EXPECT_EQ(options.classes, 3);
  EXPECT_EQ(options.bn_scale, true);
  EXPECT_FALSE(options.auxiliary_head);
  EXPECT_EQ(options.dropout_keep, 1);
  EXPECT_EQ(options.drop_path_keep, 1);
  for (const char* name : {"bn_scale", "dropout_keep", "drop_path_keep", "auxiliary_head"})
    EXPECT_EQ(trial.config[name], "preset") << name;
  EXPECT_EQ(trial.config["preset"], "paper");
}

TEST(NetworkChoice, ThePresetOfTfSlim) {
  for (const char* name : {"inception_v3", "nasnet_a_large", "resnet50_v1"}) {
    const NetworkOptions slim = tf_slim_options(name);
    const NetworkOptions options = Trial({"--network", name, "--preset", "tf_slim"}).options();
    EXPECT_EQ(options.bn_scale, slim.bn_scale) << name;
    EXPECT_EQ(options.auxiliary_head, slim.auxiliary_head) << name;
    EXPECT_EQ(options.dropout_keep, slim.dropout_keep) << name;
    EXPECT_EQ(options.drop_path_keep, slim.drop_path_keep) << name;
  }
  // Where nothing is trained it says which variables there are.
  const NetworkOptions evaluated = Trial({"--network", "inception_v3", "--preset", "tf_slim"}, false).options();
  EXPECT_EQ(evaluated.bn_scale, false);
  EXPECT_FALSE(evaluated.auxiliary_head);
  EXPECT_EQ(evaluated.dropout_keep, 1);
}

TEST(NetworkChoice, TheStepsFromInceptionsDefaultToThePapers) {
  std::vector<std::string> states;
  for (const char* name : {"inception", "bn_scale", "no_label_smoothing", "no_dropout", "paper"}) {
    const Trial trial({"--network", "inception_v4", "--preset", name});
    const NetworkOptions o = trial.options();
    states.push_back(
        concat_text(*o.bn_scale, tv_app::label_smoothing_of(trial.choice), " ", o.dropout_keep, " ", o.auxiliary_head));
  }
  EXPECT_EQ(states, (std::vector<std::string>{"00.1 0.8 1", "10.1 0.8 1", "10 0.8 1", "10 1 1", "10 1 0"}));
  EXPECT_EQ(
      Trial({"--network", "inception_v4", "--preset", "inception", "--dropout-keep", "0.9"}).options().dropout_keep,
      0.9);
  EXPECT_THROW(Trial({"--network", "mobilenet_v2", "--preset", "no_dropout"}).options(), UsageError);
}

TEST(NetworkChoice, OptionsOverrideThePreset) {
  const Trial less({"--network", "nasnet_a_mobile", "--preset", "tf_slim", "--no-auxiliary-head", "--dropout-keep",
                    "0.75", "--drop-path-keep", "0.9", "--bn-scale", "off"});
  EXPECT_FALSE(less.options().auxiliary_head);
  EXPECT_EQ(less.options().dropout_keep, 0.75);
  EXPECT_EQ(less.options().drop_path_keep, 0.9);
  EXPECT_EQ(less.options().bn_scale, false);
  EXPECT_EQ(less.config["auxiliary_head"], false);
  EXPECT_EQ(less.config["drop_path_keep"], 0.9);
  const Trial more({"--network", "nasnet_a_mobile", "--auxiliary-head", "--drop-path-keep", "0.7"});
  EXPECT_TRUE(more.options().auxiliary_head);
  EXPECT_EQ(more.options().drop_path_keep, 0.7);
  EXPECT_EQ(more.options().dropout_keep, 1);
  EXPECT_EQ(more.config["auxiliary_head"], true);
}

TEST(NetworkChoice, RefusesWhatTheNetworkDoesNotHave) {
  EXPECT_THROW(Trial({"--network", "inception_v4", "--drop-path-keep", "0.7"}).options(), UsageError);
  EXPECT_THROW(Trial({"--network", "inception_v1", "--width", "0.25"}).options(), UsageError);
  EXPECT_THROW(Trial({"--network", "inception_v1", "--layout", "public"}).options(), UsageError);
  EXPECT_THROW(Trial({"--network", "densenet121", "--image-size", "8"}).options(), UsageError);
  EXPECT_THROW(Trial({"--preset", "mine"}), UsageError);
  EXPECT_THROW(Trial({"--drop-path-keep", "1.5"}), UsageError);
}

TEST(NetworkChoice, TheHelpNamesEveryNetworkWithAnAuxiliaryHead) {
  const Trial trial({});
  const std::string help = trial.app.get_option("--auxiliary-head")->get_description();
  for (const char* name : {"Inception v3", "v4", "ResNet v2", "NASNet"})
    EXPECT_NE(help.find(name), std::string::npos) << help;
}

}  // namespace network_options_test
