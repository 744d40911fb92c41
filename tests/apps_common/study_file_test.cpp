// Study files: all problems at once, the jobs of a study, and what a job's identity depends on.
#include <gtest/gtest.h>

#include "checkpoint/folder.hpp"
#include "common/study/study_plan.hpp"
#include "common/study/study_worker.hpp"
#include "tinyvision/core/files.hpp"

namespace study_file_test {

using namespace tinyvision;
using tv_app::Study;
using tv_app::StudyPlan;

struct Desk {
  TestFolder folder;

  Study read(const std::string& text, const std::string& name = "study.toml") const {
    write_file_atomically(folder.path(name), text);
    return tv_app::read_study(folder.path(name));
  }
};

const std::string small =
    "settings = ['linear_probe', 'fine_tune']\n"
    "networks = [{ network = 'mobilenet_v1', width = 0.25, weights = 'w.safetensors' }]\n"
    "datasets = [{ dataset = 'fashion_mnist', train_per_class = 20 }]\n"
    "[fine_tune]\nsteps = 10\nbatch = 4\nlearning_rates = [0.01, 0.1]\ndecay_ratios = [0, 1e-5]\n";

std::string replaced(std::string text, const std::string& old, const std::string& by) {
  const std::size_t at = text.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return text.replace(at, old.size(), by);
}

std::map<std::string, Index> kinds_of(const StudyPlan& plan) {
  std::map<std::string, Index> kinds;
  for (const tv_app::StudyJob& job : plan.jobs) ++kinds[job.kind];
  return kinds;
}

std::vector<tv_app::PlannedJob> identified(const Study& study) {
  const StudyPlan plan = tv_app::plan_study(study, tv_app::Rates());
  tv_app::StudyDigests digests;
  for (const tv_app::StudyJob& job : plan.jobs)
    for (const auto& [what, key] : job.sources) digests[key] = "digest of the " + what;
  return tv_app::identify(plan, study, digests);
}

TEST(StudyFile, AllProblemsAreListedAtOnce) {
  const Desk desk;
  const Study study = desk.read(
      "settings = ['linear_probe', 'svm', 'fine_tune', 'finetune']\n"
      "sedes = [1]\n"
      "precision = 'f16'\n"
      "networks = [\n"
      "  { network = 'mobilenet_v1', weights = 'missing.safetensors', wdith = 0.25 },\n"
      "  { network = 'resnet50_v1', width = 0.5, weights = '${TV_NO_SUCH_VARIABLE}/w' },\n"
      "  { network = 'mobilenet_v2' },\n"
      "]\n"
      "datasets = [{ dataset = 'dtd', data = 'nowhere', part = 11 }, { dataset = 'imagenot', data = 'nowhere' }]\n"
      "[fine_tune]\nsteps = 0\nauxiliary_head = true\nlr = 0.1\nlearning_rates = [0]\ncrop = ['half']\n"
      "[svm]\naugment = 'inception'\n"
      "[random_init]\nsteps = 5\n");
  std::string wrong, missing;
  for (const std::string& p : study.problems.wrong) wrong += p + "\n";
  for (const std::string& p : study.problems.missing) missing += p + "\n";
  for (const char* part :
       {"line 1: there is no setting 'finetune' (did you mean fine_tune?)",
        "line 2: unknown key 'sedes' (did you mean seeds?)", "line 3: precision must be f32, tf32 or bf16, not f16",
        "line 5: unknown key 'wdith' (did you mean width?)",
        "resnet50_v1 width=0.5: [network] resnet50_v1 has no width multiplier",
        "line 9: 'part': ", "'dataset': ", "line 7: mobilenet_v2: linear_probe needs weights, or a [pretrain]",
        "[fine_tune]: steps must be whole and positive",
        "[fine_tune] with mobilenet_v1: [network] mobilenet_v1 has no auxiliary head", "unknown key 'lr'",
        "a learning rate must be positive", "'crop': ", "[random_init] is not among the settings"})
    EXPECT_NE(wrong.find(part), std::string::npos) << part << "\nin\n" << wrong;
  EXPECT_TRUE(wrong.find("--augment") != std::string::npos || wrong.find("'augment'") != std::string::npos) << wrong;
  for (const char* part : {"mobilenet_v1: there are no weights ", "the environment has no TV_NO_SUCH_VARIABLE",
                           "dtd: there is no folder "})
    EXPECT_NE(missing.find(part), std::string::npos) << part << "\nin\n" << missing;
  try {
    tv_app::check_study(study, true);
    ADD_FAILURE();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find(" problems:\n  line "), std::string::npos) << error.what();
  }
  EXPECT_THROW(desk.read("settings = ["), UsageError);
}

TEST(StudyFile, ASmallStudyIsTheseJobs) {
  const Desk desk;
  const Study study = desk.read(small);
  ASSERT_TRUE(study.problems.wrong.empty()) << study.problems.wrong[0];
  EXPECT_EQ(study.problems.missing.size(), 1u) << "the weights";
  const StudyPlan plan = tv_app::plan_study(study, tv_app::Rates());
  EXPECT_EQ(kinds_of(plan), (std::map<std::string, Index>{{"features", 1}, {"probe", 1}, {"train", 4}, {"refit", 1}}));
  const tv_app::StudyJob& refit = plan.jobs.back();
  EXPECT_EQ(refit.inputs.size(), 4u);
  EXPECT_EQ(refit.candidates[3].rate, 0.1);
  EXPECT_EQ(refit.candidates[3].weight_decay, 1e-5 / 0.1);
  EXPECT_EQ(study.datasets[0].train + study.datasets[0].validation, 200);
  EXPECT_EQ(study.datasets[0].test, 10000);
  EXPECT_THROW(identified(desk.read(replaced(small, "datasets = [{",
                                             "datasets = [{ dataset = 'fashion_mnist', label = 'again', "
                                             "train_per_class = 20 }, {"))),
               UsageError)
      << "the same jobs under another label";
}

TEST(StudyFile, AnIdentityDependsOnWhatDeterminesTheNumbers) {
  const Desk desk;
  const auto base = identified(desk.read(small));
  const auto equal = [&](const std::vector<tv_app::PlannedJob>& other) {
    std::string same;
    for (std::size_t i = 0; i < base.size(); ++i) same += base[i].identity == other[i].identity ? '=' : 'x';
    return same;
  };
  // features, probe, four points, refit
  EXPECT_EQ(equal(identified(desk.read(small))), "=======");
  EXPECT_EQ(equal(identified(desk.read("name = 'other'\n" + small, "elsewhere.toml"))), "=======");
  EXPECT_EQ(equal(identified(desk.read(replaced(small, "weights = 'w", "label = 'net', weights = 'folder/w")))),
            "=======")
      << "paths and labels do not count";
  EXPECT_EQ(equal(identified(desk.read(replaced(small, "0.1]", "0.2]")))), "====xxx") << "two points, and what chooses";
  EXPECT_EQ(equal(identified(desk.read(replaced(small, "steps = 10", "steps = 11")))), "==xxxxx");
  EXPECT_EQ(equal(identified(desk.read(replaced(small, "steps = 10", "steps = 10\ncheckpoint_every = 3")))), "=======");
  EXPECT_EQ(equal(identified(desk.read(replaced(small, "_class = 20", "_class = 30")))), "=xxxxxx")
      << "features are of all images";
  EXPECT_EQ(equal(identified(desk.read("kernels = 'reference'\n" + small))), "xxxxxxx");
  EXPECT_EQ(equal(identified(desk.read("seeds = [7]\n" + small))), "=xxxxxx");
}

TEST(StudyFile, ThePapersStudyHasItsNumbers) {
  const Study study = tv_app::read_study(TINYVISION_SOURCE_DIR "/presets/paper/full.toml");
  ASSERT_TRUE(study.problems.wrong.empty()) << study.problems.wrong[0];
  EXPECT_EQ(study.networks.size(), 16u);
  EXPECT_EQ(study.datasets.size(), 12u);
  const auto rates = tv_app::Rates::read(study.rates_path);
  const StudyPlan plan = tv_app::plan_study(study, rates);
  EXPECT_EQ(kinds_of(plan), (std::map<std::string, Index>{{"pixels", 10},
                                                          {"pretrain", 16},
                                                          {"features", 192},
                                                          {"probe", 192},
                                                          {"train", 2 * 192 * 56},
                                                          {"refit", 2 * 192}}));
  EXPECT_EQ(study.settings[1].rates, log_spaced(-4, -1, 7));
  EXPECT_EQ(study.settings[2].rates, log_spaced(-3, 0, 7));
  EXPECT_EQ(study.settings[1].ratios.size(), 8u);
  EXPECT_EQ(study.settings[1].ratios[0], 0);
  EXPECT_EQ(study.settings[0].penalties, log_spaced(5, -6, 45));
  const std::map<std::string, Index> sizes{
      {"food101", 75750}, {"voc2007", 5011}, {"fgvc_aircraft", 6667}, {"caltech101", 3060}};
  for (const tv_app::StudyDataset& d : study.datasets)
    if (const auto size = sizes.find(d.label); size != sizes.end()) {
      EXPECT_EQ(d.train + d.validation, size->second) << d.label;
    }
  for (const tv_app::StudyJob& job : plan.jobs) {
    ASSERT_GT(job.seconds, 0) << job.name;
    ASSERT_EQ(job.basis.find("unknown"), std::string::npos) << job.name;
  }
  // A training on ResNet-50: 20,000 steps of 256 images at 7,775 a second, and two crops of the validation images.
  const auto job = std::find_if(plan.jobs.begin(), plan.jobs.end(), [](const tv_app::StudyJob& j) {
    return j.kind == "train" && j.network == "resnet50_v1" && j.dataset == "dtd";
  });
  EXPECT_DOUBLE_EQ(job->seconds, 20000 * 256 / 7775.0 + 2 * 1880 / 45824.0);
}

TEST(StudyFile, OtherPresetsHaveNoFaults) {
  for (const auto& entry : std::filesystem::directory_iterator(TINYVISION_SOURCE_DIR "/presets/paper")) {
    if (entry.path().filename() == "full.toml" || entry.path().extension() != ".toml") continue;
    const std::string text = read_file(entry.path().string());
    // One network is enough: they differ in their settings.
    const std::size_t second = text.find("  { network", text.find("  { network") + 1), end = text.find("\n]", second);
    const std::string shorter =
        second < end && text.find("datasets") > second ? text.substr(0, second) + text.substr(end + 1) : text;
    const Desk desk;
    const std::string path = desk.folder.path("p/preset.toml");
    std::filesystem::create_directories(desk.folder.path("p"));
    std::filesystem::create_directory_symlink(TINYVISION_SOURCE_DIR "/presets/rates", desk.folder.path("rates"));
    write_file_atomically(path, shorter);
    const Study study = tv_app::read_study(path);
    std::string all;
    for (const std::string& problem : study.problems.wrong) all += problem + "\n";
    EXPECT_EQ(all, "") << entry.path();
    EXPECT_FALSE(tv_app::plan_study(study, tv_app::Rates()).jobs.empty());
  }
}

TEST(StudyPlan, ARefitTakesTheBestPointAndItsCrop) {
  const Desk desk;
  const auto jobs = identified(desk.read(small));
  tv_app::Claim claim{.identity = jobs.back().identity, .name = "fine", .kind = "refit", .spec = jobs.back().spec};
  const auto add = [&](const std::string& record) { claim.inputs.push_back({"0123456789abcdef", "point", record}); };
  add(R"({"finite":true,"crop":1,"metrics":{"validation":{"value":0.5}}})");
  add(R"({"finite":true,"crop":0.875,"metrics":{"validation":{"value":0.75}}})");
  add(R"({"finite":false,"metrics":{}})");
  add(R"({"finite":true,"crop":1,"metrics":{"validation":{"value":0.625}}})");
  tv_app::Json chosen;
  const std::vector<std::string> arguments = tv_app::job_arguments(claim, "jobs", chosen);
  const auto has = [&](const std::string& a) {
    return std::find(arguments.begin(), arguments.end(), a) != arguments.end();
  };
  EXPECT_TRUE(has("--lr=0.01") && has("--wd=0.001") && has("--crop=0.875") && has("--train-on=train+validation"));
  EXPECT_FALSE(has("--no-test=true"));
  EXPECT_EQ(chosen["ratio"], 1e-5);
  claim.inputs.clear();
  for (int i = 0; i < 4; ++i) add(R"({"finite":false,"metrics":{}})");
  EXPECT_THROW(tv_app::job_arguments(claim, "jobs", chosen), Error) << "no point stayed finite";
}

TEST(Rates, OtherImageSizesAreScaled) {
  const tv_app::Rates rates(
      {{"train", "resnet50_v1", 224, 100, "measured", "a"}, {"train", "resnet50_v1", 112, 360, "measured", "b"}});
  EXPECT_EQ(rates.find("train", "resnet50_v1", 224)->per_second, 100);
  const auto half = rates.find("train", "resnet50_v1", 448);
  EXPECT_EQ(half->per_second, 25);
  EXPECT_EQ(half->basis, "measured, scaled");
  EXPECT_EQ(rates.find("train", "resnet50_v1", 56)->source, "b");
  EXPECT_FALSE(rates.find("infer", "resnet50_v1", 224));
}

}  // namespace study_file_test
