// Is this copy of a data set whole?
#include "common/data_verification.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>

#include "common/data_catalogue.hpp"
#include "common/data_sets.hpp"
#include "common/interrupt.hpp"
#include "common/progress.hpp"
#include "tinyvision/core/md5.hpp"
#include "tinyvision/core/thread_pool.hpp"

namespace tv_app {

using namespace tinyvision;

namespace {

/// What one image file turned out to be.
struct ImageFinding {
  std::vector<std::string> problems;
  std::string remark;
  data::ImageFormat format = data::ImageFormat::unknown;
  bool grey = false;
};

bool is_grey(const data::Image& image) {
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += 3)
    if (image.pixels[i] != image.pixels[i + 1] || image.pixels[i] != image.pixels[i + 2]) return false;
  return true;
}

/// Holds the annotation of an image of VOC 2007 to the lists and to the image.
void compare_annotation(const data::VocDataset& set, Index i, const data::Image& image, ImageFinding& found) {
  const std::string name = set.annotation_name(i), where = set.source().describe(name);
  const data::VocAnnotation annotation = data::read_voc_xml(set.source().read(name), where);
  for (const std::string& difference :
       data::differences_from_annotation(annotation, set.presence(i), image.height, image.width))
    found.problems.push_back(where + ": " + difference);
}

ImageFinding look_at(const data::FileDataset& set, Index i, data::Decoder decoder, const data::VocDataset* annotated) {
  ImageFinding found;
  const std::string name = set.source_name(i);
  try {
    const std::string bytes = set.read(i), expected = set.md5(i);
    const data::Bytes view{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
    found.format = data::image_format(view);
    const data::ImageFormat claimed = data::suffix_format(name);
    if (claimed != found.format && claimed != data::ImageFormat::unknown)
      found.remark = concat_text(set.path(i), ": a ", to_string(found.format), " file");
    if (!expected.empty() && md5_hex(bytes) != expected)
      found.problems.push_back(concat_text(set.path(i), ": its MD5 is ", md5_hex(bytes), ", expected ", expected));
    const data::Image image = data::decode_image(view, set.source().describe(name), decoder);
    found.grey = is_grey(image);
    if (annotated != nullptr) compare_annotation(*annotated, i, image, found);
  } catch (const UsageError& error) {
    found.problems.emplace_back(error.what());
  }
  return found;
}

/// Official archives beside the data.
void verify_files(const VerificationChoice& choice, const data::DatasetInfo& info, Verification& result) {
  namespace fs = std::filesystem;
  Json files = Json::array();
  for (const data::OfficialFile& file : info.files) {
    const fs::path given(choice.folder);
    const fs::path path = fs::is_directory(given) ? given / file.name : given;
    if (!fs::is_regular_file(path) || path.filename() != file.name) continue;
    const FileDigests digests = digest_file(path.string(), choice.quiet);
    const std::string differences = compare_with_official(digests, file);
    if (!differences.empty()) result.problems.push_back(path.string() + ": " + differences);
    files.push_back({{"name", file.name},
                     {"bytes", digests.bytes},
                     {"md5", digests.md5},
                     {"sha256", digests.sha256},
                     {"official", differences.empty()}});
  }
  result.report["files"] = files;
}

/// Examples of each class in each part.
void count_classes(const data::OfficialData& data, Verification& result) {
  const data::Dataset& set = *data.dataset;
  std::vector<data::PartCounts> counts(static_cast<std::size_t>(set.classes()));
  const auto add = [&](const std::vector<Index>& examples, Index data::PartCounts::*part) {
    for (const Index i : examples)
      for (const Index c : set.classes_of(i)) ++(counts[static_cast<std::size_t>(c)].*part);
  };
  add(data.split.train, &data::PartCounts::train);
  add(data.split.validation, &data::PartCounts::validation);
  add(data.split.test, &data::PartCounts::test);
  Json classes = Json::array();
  for (std::size_t c = 0; c < counts.size(); ++c) {
    const data::PartCounts& n = counts[c];
    classes.push_back(
        {{"class", set.class_names()[c]}, {"train", n.train}, {"validation", n.validation}, {"test", n.test}});
    if (n.all() == 0) result.problems.push_back("class " + set.class_names()[c] + " has no image");
  }
  result.report["classes"] = classes;
}

void verify_images(const VerificationChoice& choice, const data::FileDataset& set, Verification& result) {
  constexpr Index piece = 256;
  std::map<std::string, Index> formats;
  Index grey = 0;
  const auto* annotated = dynamic_cast<const data::VocDataset*>(&set);
  if (annotated != nullptr && set.source().names_below(annotated->annotation_folder()).empty()) {
    result.remarks.push_back(annotated->annotation_folder() + " has no annotations: they were not compared");
    annotated = nullptr;
  }
  Progress progress("images", set.size(), choice.quiet);
  for (Index begin = 0; begin < set.size(); begin += piece) {
    if (interrupted()) throw Interrupted("not all images were looked at; nothing was written");
    std::vector<ImageFinding> findings(static_cast<std::size_t>(std::min(piece, set.size() - begin)));
    parallel_for(static_cast<Index>(findings.size()), [&](Index k) {
      findings[static_cast<std::size_t>(k)] = look_at(set, begin + k, choice.reading.decoder, annotated);
    });
    for (const ImageFinding& found : findings) {
      result.problems.insert(result.problems.end(), found.problems.begin(), found.problems.end());
      if (!found.remark.empty()) result.remarks.push_back(found.remark);
      ++formats[to_string(found.format)];
      grey += found.grey ? 1 : 0;
    }
    progress.update(begin + static_cast<Index>(findings.size()));
  }
  progress.finish();
  result.report["images"] = {{"looked_at", set.size()}, {"grey", grey}, {"formats", formats}};
}

/// Photos that Birdsnap lists twice.
void name_duplicates(const data::OfficialData& data, const data::BirdsnapDataset& set, Verification& result) {
  const auto part_of = [&](Index i) {
    return std::binary_search(data.split.test.begin(), data.split.test.end(), i) ? " (test)" : " (train)";
  };
  for (const auto& [later, earlier] : set.duplicates())
    result.remarks.push_back(set.path(later) + part_of(later) + ": by its MD5 the same photo as " + set.path(earlier) +
                             part_of(earlier));
}

/// The data set, however little of it is there: what is missing is a finding, not the end. Throws UsageError when it cannot be
/// read at all.
data::OfficialData read_what_is_there(const VerificationChoice& choice, Verification& result) {
  data::ReadOptions partial = choice.reading;
  partial.allow_partial = true;
  partial.crop_banner = false;  // files are looked at as they are
  if (is_unlisted_data_set(choice.name)) return read_data_set(choice.name, choice.folder, partial, choice.quiet);
  const data::DatasetEntry& entry = published_data_set(choice.name);
  const auto source = open_data_set(*entry.info, choice.folder, choice.quiet);
  for (std::string& problem : data::check_inner_files(*entry.info, *source))
    result.problems.push_back(std::move(problem));
  data::OfficialData data = entry.read(source, partial);
  if (!data.complete()) {
    (choice.reading.allow_partial ? result.remarks : result.problems).push_back(data.coverage());
    result.report["coverage"] = data.coverage();
  }
  return data;
}

void verify_contents(const VerificationChoice& choice, Verification& result) {
  const data::OfficialData data = read_what_is_there(choice, result);
  for (const std::string& absent : data.absent) result.remarks.push_back(absent + ": listed, but not there");
  result.report["counts"] = {{"train", data.found.train},
                             {"validation", data.found.validation},
                             {"test", data.found.test},
                             {"classes", data.classes_found}};
  result.report["split_sha256"] = data::split_digest(data.split, *data.dataset);
  count_classes(data, result);
  if (const auto* birds = dynamic_cast<const data::BirdsnapDataset*>(data.dataset.get()))
    name_duplicates(data, *birds, result);
  if (const auto* files = dynamic_cast<const data::FileDataset*>(data.dataset.get()); files && !choice.skip_images)
    verify_images(choice, *files, result);
}

}  // namespace

Verification verify_data_set(const VerificationChoice& choice) {
  Verification result;
  result.report["data_set"] = choice.name;
  const bool listed = !is_unlisted_data_set(choice.name);
  const data::DatasetInfo* const info = listed ? published_data_set(choice.name).info : nullptr;
  std::error_code none;
  if (!std::filesystem::exists(choice.folder, none))
    fail_usage("data", choice.folder, ": there is no such folder or archive");
  if (info != nullptr) verify_files(choice, *info, result);
  try {
    verify_contents(choice, result);
  } catch (const UsageError& error) {  // an archive or a list that ends early, say; digests are told all the same
    result.problems.emplace_back(error.what());
  }
  result.report["problems"] = result.problems;
  result.report["remarks"] = result.remarks;
  return result;
}

void print_verification(const Verification& result, std::size_t most) {
  const auto list = [&](const char* title, const std::vector<std::string>& lines) {
    if (!lines.empty()) std::printf("%zu %s\n", lines.size(), title);
    for (std::size_t i = 0; i < std::min(most, lines.size()); ++i) std::printf("  %s\n", lines[i].c_str());
    if (lines.size() > most) std::printf("  and %zu more, see results.json\n", lines.size() - most);
  };
  const std::string name = result.report["data_set"];
  if (result.report.contains("counts")) {
    const Json& counts = result.report["counts"];
    std::printf("%s: classes %lld, train %lld, validation %lld, test %lld\n", name.c_str(),
                counts["classes"].get<long long>(), counts["train"].get<long long>(),
                counts["validation"].get<long long>(), counts["test"].get<long long>());
  } else {
    std::printf("%s: could not be read\n", name.c_str());
  }
  if (result.report.contains("images")) {
    const Json& images = result.report["images"];
    std::printf("images %lld, grey %lld, formats %s\n", images["looked_at"].get<long long>(),
                images["grey"].get<long long>(), images["formats"].dump().c_str());
  }
  list("remarks", result.remarks);
  list("PROBLEMS", result.problems);
  if (result.problems.empty()) std::printf("no problem found\n");
}

}  // namespace tv_app
