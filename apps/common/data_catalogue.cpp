// What is known of the published data sets, shown; and files beside it.
#include "common/data_catalogue.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <vector>

#include "common/data_sets.hpp"
#include "common/interrupt.hpp"
#include "common/progress.hpp"
#include "tinyvision/core/digest.hpp"
#include "tinyvision/core/md5.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

/// "4.65 GiB"
std::string binary_size(Index bytes) {
  constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.2f %s", value, units[unit]);
  return text;
}

Json counts_json(const data::PartCounts& counts) {
  return {{"train", counts.train}, {"validation", counts.validation}, {"test", counts.test}};
}

}  // namespace

Json list_data_sets() {
  Json all = Json::array();
  std::printf("%-15s %7s %9s %10s %7s  %-15s %-11s %s\n", "name", "classes", "train", "validation", "test", "metric",
              "download", "title");
  for (const data::DatasetEntry& entry : data::dataset_registry()) {
    const data::DatasetInfo& info = *entry.info;
    Index bytes = 0;
    for (const data::OfficialFile& file : info.files) bytes += file.size;
    std::printf("%-15s %7lld %9lld %10lld %7lld  %-15s %-11s %s\n", std::string(info.name).c_str(),
                static_cast<long long>(info.classes), static_cast<long long>(info.counts.train),
                static_cast<long long>(info.counts.validation), static_cast<long long>(info.counts.test),
                to_string(info.metric), bytes > 0 ? binary_size(bytes).c_str() : "not stated",
                std::string(info.title).c_str());
    all.push_back({{"name", info.name},
                   {"classes", info.classes},
                   {"counts", counts_json(info.counts)},
                   {"metric", to_string(info.metric)},
                   {"download_bytes", bytes}});
  }
  for (const auto& [name, what] : unlisted_data_sets()) std::printf("besides %s: %s\n", name.c_str(), what.c_str());
  return all;
}

Json describe_data_set(const data::DatasetInfo& info) {
  const auto text = [](std::string_view view) { return std::string(view); };
  std::printf("%s: %s\n%s\n", text(info.name).c_str(), text(info.title).c_str(), text(info.citation).c_str());
  std::printf("classes %lld; train %lld, validation %lld, test %lld; metric %s\n", static_cast<long long>(info.classes),
              static_cast<long long>(info.counts.train), static_cast<long long>(info.counts.validation),
              static_cast<long long>(info.counts.test), to_string(info.metric));
  if (!info.note.empty()) std::printf("%s\n", text(info.note).c_str());
  Json files = Json::array();
  for (const data::OfficialFile& file : info.files) {
    std::printf("%s\n  %s\n  size %s, MD5 %s\n  SHA-256 %s\n", text(file.name).c_str(),
                file.url.empty() ? "offered to registered users" : text(file.url).c_str(),
                file.size > 0 ? concat_text(file.size, " bytes (", binary_size(file.size), ")").c_str() : "not stated",
                file.md5.empty() ? "not stated" : text(file.md5).c_str(),
                file.sha256.empty() ? "not stated" : text(file.sha256).c_str());
    files.push_back(
        {{"name", file.name}, {"url", file.url}, {"bytes", file.size}, {"md5", file.md5}, {"sha256", file.sha256}});
  }
  return {{"name", info.name},
          {"title", info.title},
          {"citation", info.citation},
          {"classes", info.classes},
          {"counts", counts_json(info.counts)},
          {"metric", to_string(info.metric)},
          {"note", info.note},
          {"files", files}};
}

FileDigests digest_file(const std::string& path, bool quiet) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail_usage("data", path, ": cannot be read");
  FileDigests result;
  Sha256 sha256;
  Md5 md5;
  Progress progress("checking " + std::filesystem::path(path).filename().string() + " (MiB)",
                    static_cast<Index>(std::filesystem::file_size(path)) >> 20, quiet);
  std::vector<char> buffer(1 << 20);
  while (in.read(buffer.data(), static_cast<std::streamsize>(buffer.size())), in.gcount() > 0) {
    if (interrupted()) throw Interrupted(path + " was not checked to its end");
    const std::string_view piece(buffer.data(), static_cast<std::size_t>(in.gcount()));
    sha256.update(piece);
    md5.update(piece);
    result.bytes += in.gcount();
    progress.update(result.bytes >> 20);
  }
  if (in.bad()) fail_usage("data", path, ": cannot be read to its end");
  result.sha256 = sha256.hex();
  result.md5 = md5.hex();
  return result;
}

std::string compare_with_official(const FileDigests& found, const data::OfficialFile& official) {
  std::string differences;
  const auto add = [&](const auto&... parts) {
    differences += (differences.empty() ? "" : "; ") + concat_text(parts...);
  };
  if (official.size > 0 && found.bytes != official.size)
    add("it has ", found.bytes, " bytes, ", official.size, " expected");
  if (!official.md5.empty() && found.md5 != official.md5) add("its MD5 is ", found.md5, ", expected ", official.md5);
  if (!official.sha256.empty() && found.sha256 != official.sha256)
    add("its SHA-256 is ", found.sha256, ", expected ", official.sha256);
  return differences;
}

}  // namespace tv_app
