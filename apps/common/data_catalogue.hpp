// What is known of the published data sets, shown; and files beside it.
#pragma once

#include <string>

#include "common/options.hpp"
#include "tinyvision/data/official.hpp"

namespace tv_app {

/// A line for every published data set, on stdout; the same as JSON.
Json list_data_sets();

/// Everything known of one: counts, metric, citation, files with sizes and digests. On stdout, and as JSON.
Json describe_data_set(const tinyvision::data::DatasetInfo& info);

/// Bytes and digests of a file on disk, read once.
struct FileDigests {
  Index bytes = 0;
  std::string md5, sha256;
};
/// Throws UsageError when it cannot be read, Interrupted on Ctrl-C.
FileDigests digest_file(const std::string& path, bool quiet);

/// What differs from the publisher's figures ("1024 bytes, 345236087 expected"); empty when nothing does. Figures that the
/// publisher does not state are not compared.
std::string compare_with_official(const FileDigests& found, const tinyvision::data::OfficialFile& official);

}  // namespace tv_app
