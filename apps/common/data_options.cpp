// Options that name a labelled data set and its split; and their reading.
#include "common/data_options.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>

#include "tinyvision/data/datasets/caltech101.hpp"
#include "tinyvision/data/datasets/fashion_mnist.hpp"
#include "tinyvision/data/datasets/image_folder.hpp"

namespace tv_app {

void add_data_options(CLI::App& app, DataChoice& choice) {
  app.add_option("--dataset", choice.dataset, "how the folder is laid out")
      ->capture_default_str()
      ->check(CLI::IsMember({"image_folder", "caltech101", "fashion_mnist"}));
  app.add_option("--data", choice.folder,
                 "folder of the data set (fashion_mnist: that of Debian's package by default)");
  app.add_option("--train-per-class", choice.train_per_class,
                 "training images per class, without replacement, the rest is the test set; 0: the official parts "
                 "(fashion_mnist)")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  app.add_option("--validation", choice.validation, "fraction of the training images held out to choose settings")
      ->capture_default_str()
      ->check(CLI::Range(0.01, 0.9));
  app.add_option("--split", choice.split, "read the split from this file instead of drawing one");
  app.add_option("--split-seed", choice.split_seed, "seed of the drawn split")->capture_default_str();
  app.add_option("--only-classes", choice.classes, "fashion_mnist: keep these classes, relabelled in this order")
      ->delimiter(',');
  app.add_flag("--allow-partial", choice.allow_partial, "accept a data set whose counts differ from the official ones");
  app.add_flag("--skip-bad", choice.skip_bad, "name, count and skip unreadable images instead of failing");
}

LabelledData read_data(const DataChoice& choice, const std::string& decoder, const std::string& out) {
  using namespace tinyvision;
  LabelledData result;
  const data::Decoder jpeg = data::parse_decoder(decoder);
  std::unique_ptr<data::FashionMnist> fashion;
  if (choice.dataset != "fashion_mnist" && choice.folder.empty())
    fail_usage("data", "--data is required for ", choice.dataset);
  if (choice.dataset == "caltech101") {
    result.dataset = data::read_caltech101(choice.folder, choice.allow_partial, jpeg);
  } else if (choice.dataset == "image_folder") {
    result.dataset = data::read_image_folder(choice.folder, data::Metric::top1, jpeg);
  } else {
    fashion = data::FashionMnist::read(choice.folder.empty() ? data::fashion_mnist_folder : choice.folder,
                                       {.classes = choice.classes});
  }
  if (choice.dataset != "fashion_mnist" && choice.train_per_class == 0)
    fail_usage("data", choice.dataset, " has no official parts: --train-per-class must be positive");
  if (fashion) {
    result.split = fashion->split();
    const std::vector<std::int64_t> labels = fashion->labels();
    if (choice.train_per_class > 0)
      result.split.train = data::take_per_class(result.split.train, labels, choice.train_per_class, choice.split_seed);
    result.dataset = std::move(fashion);
  } else if (choice.split.empty()) {
    result.split = data::split_per_class(result.dataset->labels(), choice.train_per_class, choice.split_seed);
  }
  if (!choice.split.empty()) {
    result.split = data::read_split(choice.split, *result.dataset);
  }
  if (result.split.validation.empty())
    result.split = data::carve_validation(result.split, result.dataset->labels(), choice.validation, choice.split_seed);
  result.split_digest = out.empty() ? data::split_digest(result.split, *result.dataset)
                                    : data::write_split((std::filesystem::path(out) / "split.tsv").string(),
                                                        result.split, *result.dataset);
  return result;
}

}  // namespace tv_app
