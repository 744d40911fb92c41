// Command lines, configuration files and what is recorded of them.
#include "common/options.hpp"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <sstream>

#include "checkpoint/folder.hpp"
#include "common/common_options.hpp"
#include "tinyvision/core/device.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/core/kernels.hpp"
#include "tinyvision/core/thread_pool.hpp"

namespace options_test {

using namespace tinyvision;

/// An application with one option of each kind.
struct Trial {
  Index steps = 10;
  std::uint64_t seed = 0;
  double lr = 0.1;
  std::string network = "mobilenet_v1", weights;
  std::optional<double> bn_decay;
  std::vector<std::string> photos;
  std::vector<double> rates;
  bool quiet = false;
  CLI::App app{"tries things"};

  explicit Trial(bool weights_required = false) {
    app.add_option("--steps", steps, "number of steps")->capture_default_str()->check(CLI::PositiveNumber);
    app.add_option("--seed", seed, "seed")->capture_default_str();
    app.add_option("--learning-rate", lr, "learning rate")->capture_default_str();
    app.add_option("--network", network, "network")
        ->capture_default_str()
        ->check(CLI::IsMember({"mobilenet_v1", "mobilenet_v2"}));
    auto* option = app.add_option("--weights", weights, "weights");
    if (weights_required) option->required();
    app.add_option("--bn-decay", bn_decay, "decay");
    app.add_option("--rates", rates, "rates");
    app.add_option("photos", photos, "photos");
    app.add_flag("--quiet", quiet, "quiet");
  }
  tv_app::Json parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "tv_trial");
    tv_app::parse_options(app, "tv_trial", static_cast<int>(arguments.size()), arguments.data());
    return tv_app::resolved_configuration(app);
  }
};

std::string error_of(std::vector<const char*> arguments, bool weights_required = false) {
  Trial trial(weights_required);
  try {
    trial.parse(std::move(arguments));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "parsed";
}

TEST(Options, DefaultsAreResolved) {
  Trial trial;
  EXPECT_EQ(
      trial.parse({}).dump(),
      R"({"steps":10,"seed":0,"learning_rate":0.1,"network":"mobilenet_v1","weights":"","bn_decay":null,"rates":[],)"
      R"("photos":[],"quiet":false})");
}

TEST(Options, GivenValuesAreResolvedWithTheirTypes) {
  Trial trial;
  const auto config =
      trial.parse({"--steps", "3", "--learning-rate=1e-3", "--seed", "18446744073709551615", "--bn-decay", "0.9",
                   "--quiet", "--rates", "1", "2.5", "--weights", "12", "--", "a b.jpg", "7"});
  EXPECT_EQ(config.dump(),
            R"({"steps":3,"seed":18446744073709551615,"learning_rate":0.001,"network":"mobilenet_v1","weights":"12",)"
            R"("bn_decay":0.9,"rates":[1.0,2.5],"photos":["a b.jpg","7"],"quiet":true})");
  EXPECT_EQ(trial.steps, 3);
  EXPECT_EQ(trial.seed, ~std::uint64_t{0});
  EXPECT_EQ(trial.lr, 1e-3);
  EXPECT_EQ(trial.bn_decay, 0.9);
  EXPECT_TRUE(trial.quiet);
}

TEST(Options, WrongCommandLines) {
  EXPECT_EQ(error_of({"--stpes", "3"}), "[options] unknown option --stpes (did you mean --steps?)");
  EXPECT_EQ(error_of({"--wieghts=w", "x"}, true), "[options] unknown option --wieghts (did you mean --weights?)");
  EXPECT_EQ(error_of({}, true), "[options] --weights is required (see tv_trial --help)");
  EXPECT_EQ(error_of({"--steps", "0"}), "[options] --steps must be a positive number, got 0");
  EXPECT_EQ(error_of({"--steps", "-3"}), "[options] --steps must be a positive number, got -3");
  EXPECT_EQ(error_of({"--steps", "many"}), "[options] --steps must be a positive number, got many");
  EXPECT_NE(error_of({"--steps", "2.5"}), "parsed");
  EXPECT_NE(error_of({"--steps"}), "parsed");
  EXPECT_NE(error_of({"--steps", "1", "--steps", "2"}), "parsed");
  EXPECT_NE(error_of({"--learning-rate", "fast"}), "parsed");
  EXPECT_EQ(error_of({"--learning-rate", "nan"}), "[options] --learning-rate must be a finite number, got nan");
  EXPECT_EQ(error_of({"--learning-rate", "1e999"}), "[options] --learning-rate must be a finite number, got 1e999");
  EXPECT_EQ(error_of({"--seed", "-1"}), "[options] --seed must not be negative, got -1");
  EXPECT_EQ(error_of({"--network", "resnet"}), "[options] --network: resnet not in {mobilenet_v1,mobilenet_v2}");
  EXPECT_EQ(error_of({"--learning-rate", "-0.5"}), "parsed");  // a value, not an option
}

TEST(Options, HelpAndVersion) {
  for (const char* argument : {"--help", "-h"}) {
    Trial trial(true);
    try {
      trial.parse({argument});
      FAIL();
    } catch (const tv_app::HelpRequested& help) {
      const std::string text = help.what();
      for (const char* part : {"tries things", "--steps", "=10", "--weights", "REQUIRED", "--config"})
        EXPECT_NE(text.find(part), std::string::npos) << part;
    }
  }
  Trial trial(true);
  try {
    trial.parse({"--version"});
    FAIL();
  } catch (const tv_app::HelpRequested& version) {
    EXPECT_EQ(std::string(version.what()), "tv_trial " TINYVISION_VERSION "\n");
  }
}

TEST(Options, ConfigurationFile) {
  const TestFolder folder;
  const std::string path = folder.path("c.toml");
  write_file_atomically(path,
                        "# comment\nsteps = 7\nlearning_rate = 0.25\nbn-decay = 0.5\nquiet = true\nweights = \"w\"\n"
                        "photos = [\"a\", 'b c']\nrates = [1, 2.5]\n");
  Trial trial(true);
  const auto config = trial.parse({"--learning-rate", "0.5", "--config", path.c_str()});
  EXPECT_EQ(
      config.dump(),
      R"({"steps":7,"seed":0,"learning_rate":0.5,"network":"mobilenet_v1","weights":"w","bn_decay":0.5,"rates":[1.0,2.5],)"
      R"("photos":["a","b c"],"quiet":true})");
  EXPECT_EQ(trial.steps, 7);
  EXPECT_EQ(trial.photos, (std::vector<std::string>{"a", "b c"}));
  EXPECT_TRUE(trial.quiet);
}

TEST(Options, WrongConfigurationFiles) {
  const TestFolder folder;
  const std::string path = folder.path("c.toml");
  const auto refused = [&](const std::string& text) {
    write_file_atomically(path, text);
    return error_of({"--config", path.c_str()});
  };
  EXPECT_EQ(refused("seed = 1\nstpes = 3\n"),
            "[options] " + path + ": line 2: unknown name 'stpes' (did you mean steps?)");
  EXPECT_EQ(refused("seed = 1\n\nsteps = 0\n"),
            "[options] " + path + ": line 3: --steps must be a positive number, got 0");
  EXPECT_EQ(refused("[section]\nsteps = 3\n"),
            "[options] " + path + ": line 1: 'section' must be a text, a number, true, false or a list of these");
  EXPECT_EQ(refused("steps = \n").find("[options] " + path + ": line 1: "), 0u);
  EXPECT_EQ(refused("steps = 1\nsteps = 2\n").find("[options] " + path + ": line 2: "), 0u);
  EXPECT_EQ(refused("seed = -1\n"), "[options] --seed must not be negative, got -1");
  EXPECT_EQ(refused("learning_rate = nan\n"), "[options] --learning-rate must be a finite number, got nan");
  EXPECT_EQ(error_of({"--config", folder.path("none").c_str()}),
            "[file] " + folder.path("none") + ": No such file or directory");
}

TEST(Options, Subcommands) {
  const auto parse = [](std::vector<const char*> arguments) {
    Index steps = 1;
    std::string batch;
    CLI::App app("looks inside");
    CLI::App* trace = app.add_subcommand("trace", "writes numbers");
    app.require_subcommand(1);
    trace->add_option("--steps", steps, "steps")->capture_default_str();
    trace->add_option("--batch", batch, "batch")->required();
    arguments.insert(arguments.begin(), "tv_audit");
    tv_app::parse_options(app, "tv_audit", static_cast<int>(arguments.size()), arguments.data());
    return tv_app::resolved_configuration(app).dump();
  };
  EXPECT_EQ(parse({"trace", "--batch", "b"}), R"({"steps":1,"batch":"b"})");
  const auto error = [&](std::vector<const char*> arguments) {
    try {
      parse(std::move(arguments));
    } catch (const UsageError& e) {
      return std::string(e.what());
    }
    return std::string("parsed");
  };
  EXPECT_EQ(error({"trce"}), "[options] unknown command 'trce' (did you mean trace?): choose trace");
  EXPECT_EQ(error({}), "[options] A subcommand is required");
  EXPECT_EQ(error({"trace"}), "[options] --batch is required (see tv_audit --help)");
  EXPECT_EQ(error({"trace", "--bach", "b"}), "[options] unknown option --bach (did you mean --batch?)");
  try {
    parse({"trace", "--help"});
    FAIL();
  } catch (const tv_app::HelpRequested& help) {
    EXPECT_NE(std::string(help.what()).find("--batch"), std::string::npos);
  }
}

TEST(Options, PrintedTable) {
  std::ostringstream out;
  tv_app::print_configuration(out, "tv_trial", tv_app::Json{{"steps", 3}, {"learning_rate", 0.1}, {"out", "a b"}});
  EXPECT_EQ(out.str(),
            "tv_trial " TINYVISION_VERSION "\n  steps          3\n  learning_rate  0.1\n  out            a b\n");
}

TEST(Options, CommandLinesCanBePasted) {
  const char* arguments[] = {"./tv_x", "--out", "my run", "it's", "", "a=b", "$HOME"};
  EXPECT_EQ(tv_app::command_line(7, arguments), "./tv_x --out 'my run' 'it'\\''s' '' a=b '$HOME'");
}

/// What choosing kernels and device says.
std::string choice_error(tv_app::CommonOptions common) {
  const KernelScope scope(kernels());
  const Device device = compute_device();
  std::string text = "accepted";
  try {
    tv_app::apply_common_options(common);
  } catch (const UsageError& error) {
    text = error.what();
  }
  compute_device() = device;
  precision() = Precision::f32;
  return text;
}

TEST(Options, VendorKernelsWantADeviceAndTheirOptionsWantThem) {
  tv_app::CommonOptions common;
  common.threads = num_threads();
  EXPECT_EQ(choice_error(common), "accepted");
  common.kernels = "vendor";
  if constexpr (with_vendor) {
    EXPECT_EQ(choice_error(common), "[kernels] the vendor kernels run on a CUDA device, not on cpu: add --device cuda");
  } else {
    EXPECT_EQ(choice_error(common).rfind("[kernels] this build has no vendor kernels: ", 0), 0u);
  }
  common.kernels = "own";
  for (auto set :
       {+[](tv_app::CommonOptions& c) { c.tune = true; }, +[](tv_app::CommonOptions& c) { c.plans = "p"; }}) {
    tv_app::CommonOptions changed = common;
    set(changed);
    EXPECT_EQ(choice_error(changed), "[kernels] --tune and --plans are about the vendor kernels: add --kernels vendor");
  }
}

TEST(Options, PrecisionsWantADevice) {
  tv_app::CommonOptions common;
  common.threads = num_threads();
  common.precision = "bf16";
  EXPECT_EQ(choice_error(common), "[precision] bf16 needs a CUDA device (--device cuda)");
  common.precision = "tf32";
  EXPECT_EQ(choice_error(common), "[precision] tf32 is for the vendor's kernels (--device cuda --kernels vendor)");
  common.precision = "fp8";
  EXPECT_EQ(choice_error(common), "[precision] unknown precision 'fp8': choose f32, tf32 or bf16");
}

}  // namespace options_test
