// tv_weights: the public checkpoints of the networks: list them, fetch them, check what was fetched, import it.
#include <optional>

#include "common/app.hpp"
#include "common/archive.hpp"
#include "common/conversion.hpp"
#include "common/download.hpp"
#include "common/first_use_digests.hpp"
#include "tinyvision/models/public_weights.hpp"
#include "tinyvision/models/registry.hpp"

namespace {

using namespace tinyvision;
using tv_app::Json;

struct Options : tv_app::CommonOptions {
  std::string name, folder = "weights", mirror, maps = "models/maps";
};

const PublicWeights& find(const std::string& name) {
  std::vector<std::string> names;
  for (const PublicWeights& w : public_weights) {
    if (w.name == name) return w;
    names.emplace_back(w.name);
  }
  fail_usage("weights", "no public weights '", name, "'", suggestion(name, names, 3), "; tv_weights list names them");
}

/// publisher/network as a folder, then the name of the publisher's file.
std::string path_of(const Options& options, const PublicWeights& weights) {
  return options.folder + "/" + std::string(weights.name) + "/" +
         std::string(weights.url.substr(weights.url.rfind('/') + 1));
}

void list(const Options& options) {
  const tv_app::FirstUseDigests digests(options.folder);
  std::printf("%-32s %-20s %-24s %-8s %s\n", "name", "network", "format", "here", "address");
  for (const PublicWeights& w : public_weights)
    std::printf("%-32s %-20s %-24s %-8s %s\n", std::string(w.name).c_str(), std::string(w.network).c_str(),
                std::string(w.format).c_str(), std::filesystem::exists(path_of(options, w)) ? "yes" : "-",
                std::string(w.url).c_str());
}

/// Compares a file that is there with what is known of it, and remembers its digest at first use.
void check_file(const Options& options, const PublicWeights& weights, tv_app::FirstUseDigests& digests) {
  const std::string path = path_of(options, weights), sha256 = sha256_file(path), known = digests.sha256(weights.name);
  const std::string expected = known.empty() ? std::string(weights.sha256) : known;
  if (sha256.rfind(expected, 0) != 0)
    fail_usage("weights", path, ": its SHA-256 is ", sha256, ", ",
               known.empty() ? "its publisher says " : "at first use it was ", expected);
  if (known.empty())
    digests.remember(weights.name, weights.url, static_cast<Index>(std::filesystem::file_size(path)), sha256);
  std::printf("%s  %s  %s\n", sha256.c_str(), path.c_str(), known.empty() ? "recorded" : "as at first use");
}

void fetch(const Options& options) {
  const PublicWeights& weights = find(options.name);
  const std::string path = path_of(options, weights);
  tv_app::FirstUseDigests digests(options.folder);
  if (!std::filesystem::exists(path)) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    tv_app::DownloadOptions how;
    how.quiet = options.quiet;
    const std::string known = digests.sha256(weights.name);
    how.sha256_prefix = known.empty() ? std::string(weights.sha256) : known;
    const std::string url =
        options.mirror.empty() ? std::string(weights.url) : options.mirror + path.substr(options.folder.size());
    tv_app::download(url, path, how);
  }
  check_file(options, weights, digests);
}

void verify(const Options& options) {
  tv_app::FirstUseDigests digests(options.folder);
  Index files = 0;
  for (const PublicWeights& w : public_weights) {
    if (!options.name.empty() && w.name != options.name) continue;
    if (!std::filesystem::exists(path_of(options, w))) continue;
    check_file(options, w, digests);
    ++files;
  }
  if (files == 0)
    fail_usage("weights", options.folder, ": holds none of the files", options.name.empty() ? "" : " of ",
               options.name);
}

/// Writes what was fetched as safetensors under our names, with the auxiliary head where the file has one.
void import_weights(const Options& options) {
  const PublicWeights& weights = find(options.name);
  const std::string path = path_of(options, weights), folder = std::filesystem::path(path).parent_path().string();
  if (!std::filesystem::exists(path))
    fail_usage("weights", path, ": is not there; tv_weights fetch ", weights.name, " fetches it");
  tv_app::FirstUseDigests digests(options.folder);
  check_file(options, weights, digests);
  std::optional<tv_app::UnpackedArchive> unpacked;
  if (weights.format.ends_with("in tar.gz")) unpacked.emplace(path, options.quiet);
  tv_app::Conversion c;
  c.network.network = weights.network;
  c.network.weights = unpacked ? tv_app::checkpoint_below(unpacked->folder()) : path;
  const std::string publisher(weights.name.substr(0, weights.name.find('/')));
  if (publisher != "slim") {
    c.map = tv_app::find_name_map(options.maps, publisher, c.network.network);
  } else {  // our names; TF-Slim's own settings
    c.network.preset = "tf_slim";
    c.network.auxiliary_head = tf_slim_options(c.network.network).auxiliary_head;
  }
  c.output = folder + "/" + c.network.network + ".safetensors";
  c.quiet = options.quiet;
  const tv_app::Converted converted = tv_app::convert(c);
  std::printf("%s  %s\n", converted.output.c_str(), c.output.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("tv_weights: lists, fetches, checks and imports the public checkpoints of the networks");
  app.require_subcommand(1);
  const auto common = [&](CLI::App* command) {
    command->add_option("--dir", options.folder, "where the files are")->capture_default_str();
    command->add_flag("--quiet", options.quiet, "no progress lines");
    return command;
  };
  common(app.add_subcommand("list", "every public checkpoint: network, format, address, and whether it is here"));
  CLI::App* const get = common(app.add_subcommand(
      "fetch", "fetch one; what stopped half-way is continued. Its SHA-256 is recorded at first use"));
  get->add_option("name", options.name, "publisher/network, as list prints it")->required();
  get->add_option("--mirror", options.mirror, "address that stands for --dir, instead of the publisher's")
      ->capture_default_str();
  CLI::App* const check =
      common(app.add_subcommand("verify", "compare what is here with the digests of its first use"));
  check->add_option("name", options.name, "publisher/network; without it all that are here");
  CLI::App* const take = common(app.add_subcommand(
      "import", "write what was fetched as safetensors under TF-Slim's names: DIR/NAME/NETWORK.safetensors"));
  take->add_option("name", options.name, "publisher/network")->required();
  take->add_option("--maps", options.maps, "folder of name maps")->capture_default_str();
  return tv_app::run_app(app, "tv_weights", options, argc, argv, [&](const Json&) {
    ensure_writable_folder(options.folder);
    if (app.got_subcommand("list")) return list(options);
    if (app.got_subcommand("import")) return import_weights(options);
    app.got_subcommand("fetch") ? fetch(options) : verify(options);
  });
}
