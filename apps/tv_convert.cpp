// tv_convert: looks into weight files, rewrites them as safetensors, compares them: docs/checkpoints.md.
#include "common/app.hpp"
#include "common/conversion.hpp"
#include "common/network_weights.hpp"
#include "common/weight_tables.hpp"

namespace {

using namespace tinyvision;
using tv_app::Json;

struct Options : tv_app::CommonOptions {
  tv_app::Conversion change;
  std::string file, other;
  bool no_averages = false;
  double tolerance = -1;

  checkpoint::ReadOptions reading() const { return {.prefer_averages = !no_averages}; }
  tv_app::Conversion conversion() const {
    tv_app::Conversion c = change;
    c.averages = !no_averages;
    c.quiet = quiet;
    return c;
  }
};

void inspect(const Options& options, const Json& config) {
  const WeightFile file = tv_app::read_weights(options.file, options.reading());
  std::vector<tv_app::TensorRow> rows;
  for (const auto& [name, tensor] : file.tensors) rows.push_back(tv_app::tensor_row(name, tensor));
  tv_app::print_tensor_rows(rows);
  for (const auto& [name, reason] : file.passed_over)
    std::printf("passed over: %s (%s)\n", name.c_str(), reason.c_str());
  for (const auto& [key, value] : file.metadata) std::printf("metadata: %s = %s\n", key.c_str(), value.c_str());
  std::printf("%s\nsha256 %s\n", tv_app::describe(file).c_str(), file.sha256.c_str());
  tv_app::Results results("tv_convert", config);
  results["digests"] = {{"weights", file.sha256}};
  for (const tv_app::TensorRow& row : rows) results["tensors"].push_back(tv_app::json_of(row));
  results.write(options.out);
}

void convert(const Options& options, const Json& config) {
  const tv_app::Converted written = tv_app::convert(options.conversion());
  std::printf("%s  %s\n", written.output.c_str(), options.change.output.c_str());
  tv_app::Results results("tv_convert", config);
  results["digests"] = {{"weights", written.source}, {"output", written.output}};
  results.write(options.out);
}

int verify(const Options& options, const Json& config) {
  const WeightFile a = tv_app::read_weights(options.file, options.reading());
  const WeightFile b = tv_app::read_weights(options.other, options.reading());
  const auto differences = tv_app::compare_weights(a, b, options.tolerance);
  for (const auto& [name, what] : differences) std::printf("%s: %s\n", name.c_str(), what.c_str());
  std::printf("%s\n%s\n", tv_app::describe(a).c_str(), tv_app::describe(b).c_str());
  std::printf("%s\n", differences.empty() ? "equal" : concat_text(differences.size(), " tensors differ").c_str());
  tv_app::Results results("tv_convert", config);
  results["digests"] = {{"weights", a.sha256}, {"other", b.sha256}};
  results["differences"] = Json::object();
  for (const auto& [name, what] : differences) results["differences"][name] = what;
  results.write(options.out);
  return differences.empty() ? tv_app::exit_done : tv_app::exit_failed;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.change.network.network = "";
  CLI::App app("tv_convert: looks into weight files of every format that is read, rewrites and compares them");
  app.require_subcommand(1);
  CLI::App* look = app.add_subcommand("inspect", "name, shape, dtype, mean, norm and digest of every tensor");
  look->add_option("file,--file", options.file, "weight file")->required();
  CLI::App* rewrite =
      app.add_subcommand("convert", "writes what a weight file holds as safetensors, or a network as ONNX");
  tv_app::add_network_options(*rewrite, options.change.network, true);
  rewrite->get_option("--network")
      ->description("load into this network first: names and shapes are checked, values f32");
  rewrite->add_flag_callback(
      "--auxiliary-head", [&] { options.change.network.auxiliary_head = true; }, "keep the classifier in the middle");
  rewrite->add_option("--map", options.change.map, "name map (models/maps): the file's names are another program's");
  rewrite
      ->add_option("--output", options.change.output,
                   "file to write: NAME.onnx is the network's ONNX model at --image-size, any other name safetensors")
      ->required();
  rewrite->add_option("--output-map", options.change.output_map,
                      "name map (models/maps): write under that program's names, in its layout");
  rewrite->add_option("--restore-bn", options.change.photos,
                      "folder of photos: batch norms that were folded are restored from their statistics on them");
  rewrite->add_option("--crop", options.change.crop, "central fraction of the photos' sides")->capture_default_str();
  rewrite->add_option("--batch", options.change.batch, "photos per batch")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  CLI::App* compare =
      app.add_subcommand("verify", "compares two weight files tensor by tensor; exit code 1: they differ");
  compare->add_option("file,--file", options.file, "weight file")->required();
  compare->add_option("other,--other", options.other, "the file beside it")->required();
  compare->add_option("--tolerance", options.tolerance, "largest difference that counts as equal; -1: every bit counts")
      ->capture_default_str();
  for (CLI::App* command : {look, rewrite, compare}) {
    command->add_flag("--no-averages", options.no_averages, "TensorFlow: the variables, not their moving averages");
    tv_app::add_common_options(*command, options, "folder for results.json");
  }
  return tv_app::run_app(app, "tv_convert", options, argc, argv, [&](const Json& config) {
    if (look->parsed()) inspect(options, config);
    if (rewrite->parsed()) convert(options, config);
    return compare->parsed() ? verify(options, config) : static_cast<int>(tv_app::exit_done);
  });
}
