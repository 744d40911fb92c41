// Splits drawn from a data set, written and checked.
#include "common/split_files.hpp"

#include <cstdio>

#include "common/data_sets.hpp"
#include "tinyvision/core/digest.hpp"

namespace tv_app {

using namespace tinyvision;

data::Split make_split(const data::OfficialData& data, const SplitChoice& choice) {
  const std::vector<std::int64_t> labels = data.dataset->labels();
  data::Split split = data.split;
  if (choice.train_per_class > 0) {
    if (has_official_parts(data))
      split.train = data::take_per_class(split.train, labels, choice.train_per_class, choice.seed);
    else
      split = data::split_per_class(labels, choice.train_per_class, choice.seed);
  }
  if (choice.validation > 0) split = data::carve_validation(split, labels, choice.validation, choice.seed);
  if (choice.validation_per_class > 0)
    split = data::carve_validation_per_class(split, labels, choice.validation_per_class, choice.seed);
  return split;
}

std::string report_split(const data::OfficialData& data, const data::Split& split, const std::string& folder) {
  const std::string digest = data::split_digest(split, *data.dataset);
  std::printf("train %zu, validation %zu, test %zu\nSHA-256 %s\n", split.train.size(), split.validation.size(),
              split.test.size(), digest.c_str());
  if (!folder.empty()) {
    data::write_split(folder + "/split.tsv", split, *data.dataset);
    std::printf("%s/split.tsv\n", folder.c_str());
  }
  return digest;
}

std::string check_split_file(const data::OfficialData& data, const std::string& file) {
  const std::string digest = report_split(data, data::read_split(file, *data.dataset), ""), found = sha256_file(file);
  // As we write it, a file has exactly the digest of its split.
  if (found != digest)
    fail_usage("split", file, ": its SHA-256 is ", found,
               ": it names these examples, but not line by line as a split file does");
  return digest;
}

}  // namespace tv_app
