// Is this copy of a data set whole? Files, digests, counts, and every image.
#pragma once

#include <string>
#include <vector>

#include "common/options.hpp"
#include "tinyvision/data/official.hpp"

namespace tv_app {

struct VerificationChoice {
  std::string name, folder;
  tinyvision::data::ReadOptions reading;
  bool skip_images = false;  ///< files and counts alone
  bool quiet = false;
};

struct Verification {
  Json report;  ///< files, coverage, counts per class and part, images, problems
  std::vector<std::string> problems, remarks;
};

/// Looks at everything without the network: official archives that are there (size, MD5, SHA-256), official counts,
/// classes, and every image: decoded, its format beside the one that its suffix claims, digests where the data set lists
/// them, annotations of VOC 2007 beside lists and images. A problem is what makes a result differ: a wrong digest, a missing or
/// unreadable image, an archive or a list that cannot be read (then the report ends there). A remark (a PNG called .jpg, a
/// grey image, a photo that is listed twice) does not. Throws UsageError for unknown names and where there is nothing.
Verification verify_data_set(const VerificationChoice& choice);

/// The findings on stdout, at most `most` lines of each kind.
void print_verification(const Verification& result, std::size_t most = 20);

}  // namespace tv_app
