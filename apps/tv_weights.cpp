// tv_weights: the public checkpoints of the networks: list them, fetch them, check what was fetched.
#include <fstream>

#include "common/app.hpp"
#include "common/download.hpp"
#include "tinyvision/models/public_weights.hpp"

namespace {

using namespace tinyvision;
using tv_app::Json;

struct Options : tv_app::CommonOptions {
  std::string name, folder = "weights", mirror;
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

/// digests.json: {"slim/inception_v1": {"url", "bytes", "sha256"}}, written at the first use of each.
class Digests {
 public:
  explicit Digests(const std::string& folder) : path_(folder + "/digests.json") {
    if (!std::filesystem::exists(path_)) return;
    try {
      known_ = Json::parse(read_file(path_));
    } catch (const Json::parse_error& error) {
      fail_usage("weights", path_, ": ", error.what());
    }
    if (!known_.is_object()) fail_usage("weights", path_, ": not a JSON object");
  }
  /// Empty when nothing is known.
  std::string sha256(const PublicWeights& weights) const {
    const auto found = known_.find(std::string(weights.name));
    if (found == known_.end()) return "";
    if (!found->is_object() || !found->contains("sha256") || !(*found)["sha256"].is_string())
      fail_usage("weights", path_, ": the entry of ", weights.name, " has no sha256");
    return (*found)["sha256"];
  }
  void remember(const PublicWeights& weights, Index bytes, const std::string& sha256) {
    known_[std::string(weights.name)] = {{"url", weights.url}, {"bytes", bytes}, {"sha256", sha256}};
    write_file_atomically(path_, known_.dump(2) + "\n");
  }

 private:
  std::string path_;
  Json known_ = Json::object();
};

void list(const Options& options) {
  const Digests digests(options.folder);
  std::printf("%-32s %-20s %-24s %-8s %s\n", "name", "network", "format", "here", "address");
  for (const PublicWeights& w : public_weights)
    std::printf("%-32s %-20s %-24s %-8s %s\n", std::string(w.name).c_str(), std::string(w.network).c_str(),
                std::string(w.format).c_str(), std::filesystem::exists(path_of(options, w)) ? "yes" : "-",
                std::string(w.url).c_str());
}

/// Compares a file that is there with what is known of it, and remembers its digest at first use.
void check_file(const Options& options, const PublicWeights& weights, Digests& digests) {
  const std::string path = path_of(options, weights), sha256 = sha256_file(path), known = digests.sha256(weights);
  const std::string expected = known.empty() ? std::string(weights.sha256) : known;
  if (sha256.rfind(expected, 0) != 0)
    fail_usage("weights", path, ": its SHA-256 is ", sha256, ", ",
               known.empty() ? "its publisher says " : "at first use it was ", expected);
  if (known.empty()) digests.remember(weights, static_cast<Index>(std::filesystem::file_size(path)), sha256);
  std::printf("%s  %s  %s\n", sha256.c_str(), path.c_str(), known.empty() ? "recorded" : "as at first use");
}

void fetch(const Options& options) {
  const PublicWeights& weights = find(options.name);
  const std::string path = path_of(options, weights);
  Digests digests(options.folder);
  if (!std::filesystem::exists(path)) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    tv_app::DownloadOptions how;
    how.quiet = options.quiet;
    const std::string known = digests.sha256(weights);
    how.sha256_prefix = known.empty() ? std::string(weights.sha256) : known;
    const std::string url =
        options.mirror.empty() ? std::string(weights.url) : options.mirror + path.substr(options.folder.size());
    tv_app::download(url, path, how);
  }
  check_file(options, weights, digests);
}

void verify(const Options& options) {
  Digests digests(options.folder);
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

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("tv_weights: lists, fetches and checks the public checkpoints of the networks");
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
  return tv_app::run_app(app, "tv_weights", options, argc, argv, [&](const Json&) {
    ensure_writable_folder(options.folder);
    if (app.got_subcommand("list")) return list(options);
    app.got_subcommand("fetch") ? fetch(options) : verify(options);
  });
}
