// tv_data: the published data sets: what they are, fetching and checking them, their splits, and what a network sees.
#include "common/app.hpp"
#include "common/contact_sheet.hpp"
#include "common/data_fetch.hpp"
#include "common/data_sets.hpp"
#include "common/data_verification.hpp"
#include "common/split_files.hpp"
#include "tinyvision/data/tiny/make_tiny.hpp"

namespace {

using namespace tinyvision;
using tv_app::Json;
using tv_app::Results;

struct Options : tv_app::CommonOptions {
  std::string name, folder, mirror, decoder = "turbo", check, augmentation = "inception";
  data::ReadOptions reading;
  bool skip_images = false, full = false;
  tv_app::SplitChoice split;
  tv_app::SheetChoice sheet;
  data::TinyOptions tiny;
};

data::OfficialData read(const Options& options) {
  data::OfficialData data = tv_app::read_data_set(options.name, options.folder, options.reading, options.quiet);
  if (!data.coverage().empty()) std::fprintf(stderr, "%s\n", data.coverage().c_str());
  return data;
}

int verify(const Options& options, Results& results) {
  const tv_app::Verification found =
      tv_app::verify_data_set({options.name, options.folder, options.reading, options.skip_images, options.quiet});
  tv_app::print_verification(found);
  results["verification"] = found.report;
  return found.problems.empty() ? tv_app::exit_done : tv_app::exit_usage;
}

void sheet(Options& options, Results& results) {
  if (options.out.empty()) fail_usage("options", "--out is required: the sheets go there");
  options.sheet.seed = options.seed;
  options.sheet.quiet = options.quiet;
  options.sheet.augmentation.mode = data::parse_augmentation(options.augmentation);
  options.sheet.augmentation.fast_mode = !options.full;
  const data::OfficialData data = read(options);
  results["sheets"] = tv_app::write_contact_sheets(data, options.sheet, options.out);
  std::printf("%zu sheets in %s\n", results["sheets"].size(), options.out.c_str());
}

void split(Options& options, Results& results) {
  options.split.seed = options.seed;
  const data::OfficialData data = read(options);
  results["digests"]["split"] = options.check.empty()
                                    ? tv_app::report_split(data, tv_app::make_split(data, options.split), options.out)
                                    : tv_app::check_split_file(data, options.check);
}

void make_tiny(Options& options, Results& results) {
  options.tiny.seed = options.seed;
  const data::DatasetEntry& entry = tv_app::published_data_set(options.name);
  data::make_tiny(options.name, options.folder, options.tiny);
  const data::OfficialData made =
      entry.read(tv_app::open_data_set(*entry.info, options.folder, options.quiet), {.allow_partial = true});
  std::printf("%s: %s\n", options.folder.c_str(), made.coverage().c_str());
  results["coverage"] = made.coverage();
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("tv_data: the published data sets: what they are, fetching, checking, splitting and looking at them");
  app.require_subcommand(1);
  const auto command = [&](const char* name, const char* does, bool named, bool with_folder) {
    CLI::App* c = app.add_subcommand(name, does);
    if (named) c->add_option("name", options.name, "the data set; list names them")->required();
    if (with_folder) c->add_option("dir", options.folder, "its folder, or an archive")->required();
    tv_app::add_common_options(*c, options, "folder for results.json and what else is written");
    return c;
  };
  const auto reading = [&](CLI::App* c) {
    c->add_flag("--allow-partial", options.reading.allow_partial, "accept other counts than the official ones");
    c->add_option("--part", options.reading.part, "official partition of sun397 and dtd")->check(CLI::Range(1, 10));
    c->add_flag("--crop-banner", options.reading.crop_banner, "fgvc_aircraft: cut off the lowest 20 rows");
    c->add_option("--decoder", options.decoder, "turbo or stb")->capture_default_str();
    return c;
  };
  command("list", "every published data set: classes, examples, metric, bytes to fetch", false, false);
  command("info", "one of them: citation, files, sizes, digests", true, false);
  command("fetch", "fetch its official files, continue what stopped, check size and digests", true, true)
      ->add_option("--mirror", options.mirror, "address of a folder with the same files, instead of the publisher's");
  reading(command("verify", "look at files, digests, counts and every image, offline; 2 when there is a problem", true,
                  true))
      ->add_flag("--skip-images", options.skip_images, "files and counts alone");
  CLI::App* const see =
      reading(command("sheet", "a picture per class: whole image, evaluation view, augmented views", true, true));
  see->add_option("--per-class", options.sheet.per_class, "images of each class")
      ->capture_default_str()
      ->check(CLI::Range(1, 1000));
  see->add_option("--views", options.sheet.views, "augmented views of each image")
      ->capture_default_str()
      ->check(CLI::Range(0, 100));
  see->add_option("--from", options.sheet.part, "part to take images from")
      ->capture_default_str()
      ->check(CLI::IsMember({"train", "validation", "test"}));
  see->add_option("--classes", options.sheet.classes, "names, separated by commas; all without it")->delimiter(',');
  see->add_option("--image-size", options.sheet.preprocessing.image_size, "side in pixels")
      ->capture_default_str()
      ->check(CLI::Range(8, 1024));
  see->add_option("--augment", options.augmentation, "augmentation of the views")->capture_default_str();
  see->add_flag("--full", options.full, "inception: its full mode, with hue, contrast and the four resizers");
  CLI::App* const part =
      reading(command("split", "write the official or a drawn split, or check a split file", true, true));
  part->add_option("--train-per-class", options.split.train_per_class, "draw so many training images a class")
      ->check(CLI::NonNegativeNumber);
  part->add_option("--validation", options.split.validation, "hold out this fraction of the training images")
      ->check(CLI::Range(0.0, 0.9));
  part->add_option("--validation-per-class", options.split.validation_per_class, "hold out so many a class")
      ->check(CLI::NonNegativeNumber);
  part->add_option("--check", options.check, "a split file to compare with the data set");
  reading(command("subset", "a split with N training images a class, all else as it is: for the study of data size",
                  true, true))
      ->add_option("--per-class", options.split.train_per_class, "N")
      ->required()
      ->check(CLI::PositiveNumber);
  CLI::App* const tiny = command("make-tiny", "write a synthetic data set in the exact official layout", true, true);
  tiny->add_option("--per-class", options.tiny.per_class, "images a class and part")
      ->capture_default_str()
      ->check(CLI::Range(1, 100));
  tiny->add_flag("--archives", options.tiny.archives, "as the official archives instead of folders");
  return tv_app::run_app(app, "tv_data", options, argc, argv, [&](const Json& config) {
    options.reading.decoder = data::parse_decoder(options.decoder);
    Results results("tv_data", config);
    const std::string what = app.get_subcommands().front()->get_name();
    int code = tv_app::exit_done;
    if (what == "list") results["data_sets"] = tv_app::list_data_sets();
    if (what == "info") results["data_set"] = tv_app::describe_data_set(*tv_app::published_data_set(options.name).info);
    if (what == "fetch")
      results["files"] = tv_app::fetch_data_set(*tv_app::published_data_set(options.name).info, options.folder,
                                                options.mirror, options.quiet);
    if (what == "verify") code = verify(options, results);
    if (what == "sheet") sheet(options, results);
    if (what == "split" || what == "subset") split(options, results);
    if (what == "make-tiny") make_tiny(options, results);
    results.write(options.out);
    return code;
  });
}
