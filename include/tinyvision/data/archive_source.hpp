// Opens data wherever they lie: unpacked, in archives, or both.
//
// A plain tar and a zip are read in place; a compressed tar is unpacked once (archive/unpack.hpp). An archive inside a zip
// (Caltech-101's holds 101_ObjectCategories.tar.gz) is written out beside the zip and treated the same way, and the archives
// of classes in ImageNet's archive of training images are read in place; deeper ones are left alone. In a folder the files
// that lie there and the official archives among them are one source; where both have a name, the unpacked file counts.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tinyvision/data/archive/tar_index.hpp"
#include "tinyvision/data/archive/unpack.hpp"
#include "tinyvision/data/archive/zip_index.hpp"
#include "tinyvision/data/official.hpp"

TINYVISION_BEGIN
namespace data {

namespace detail {

/// How a file's name says that it is packed.
enum class Packing { none, tar, zip, compressed_tar };

inline Packing packing_of(std::string_view name) {
  if (name.ends_with(".tar")) return Packing::tar;
  if (name.ends_with(".zip")) return Packing::zip;
  for (const std::string_view suffix : {".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst"})
    if (name.ends_with(suffix)) return Packing::compressed_tar;
  return Packing::none;
}

using Sources = std::vector<std::shared_ptr<const FileSource>>;

inline void add_archive(Sources& sources, const std::string& path, const UnpackOptions& options, bool inner,
                        std::string_view below = {});

/// Archives inside a zip: written beside it, once, under a hidden name.
inline void add_inner_archives(Sources& sources, const ZipSource& zip, const std::string& path,
                               const UnpackOptions& options) {
  for (const std::string& name : zip.names()) {
    if (packing_of(name) == Packing::none) continue;
    const std::filesystem::path archive(path);
    const std::filesystem::path parent =
        options.folder.empty() ? archive.parent_path() : std::filesystem::path(options.folder);
    const std::string file_name =
        "." + archive.filename().string() + "." + std::filesystem::path(name).filename().string();
    const std::string written = (parent / file_name).string();
    // Held to its checksum: the zip may have been replaced by another one, or by a sound one.
    if (!std::filesystem::exists(written) ||
        MappedFile(written).bytes().size() != static_cast<std::size_t>(zip.size(name)) ||
        zip_checksum(MappedFile(written).bytes()) != zip.checksum(name)) {
      if (options.announce)
        options.announce(concat_text("writing ", name, " of ", path, " to ", written, ": ", zip.size(name), " bytes"));
      if (!parent.empty()) ensure_folder(parent.string());
      write_file_atomically(written, zip.read(name));
    }
    add_archive(sources, written, options, true);
  }
}

inline void add_archive(Sources& sources, const std::string& path, const UnpackOptions& options, bool inner,
                        std::string_view below) {
  switch (packing_of(path)) {
    case Packing::tar: sources.push_back(std::make_shared<TarSource>(path, below)); return;
    case Packing::compressed_tar: sources.push_back(std::make_shared<FolderSource>(unpack(path, options))); return;
    case Packing::zip: {
      auto zip = std::make_shared<ZipSource>(path);
      sources.push_back(zip);
      if (!inner) add_inner_archives(sources, *zip, path, options);
      return;
    }
    case Packing::none:
      fail_usage("data", path, ": no archive that is known by its suffix (.tar, .tgz, .tar.gz, .zip)");
  }
}

}  // namespace detail

/// The files of a data set in `path`: an archive, or a folder in which they lie unpacked, or as those of `files` that are
/// archives, or some so and some so. Throws UsageError when there is nothing of that name or an archive cannot be read;
/// UnpackStopped.
inline std::shared_ptr<const FileSource> open_source(const std::string& path, std::span<const OfficialFile> files = {},
                                                     const UnpackOptions& options = {}) {
  std::error_code none;
  detail::Sources sources;
  if (std::filesystem::is_regular_file(path, none)) {
    detail::add_archive(sources, path, options, false);
  } else {
    sources.push_back(std::make_shared<FolderSource>(path));
    for (const OfficialFile& file : files) {
      const std::string archive = (std::filesystem::path(path) / file.name).string();
      if (detail::packing_of(file.name) != detail::Packing::none && std::filesystem::is_regular_file(archive, none))
        detail::add_archive(sources, archive, options, false, file.below);
    }
  }
  if (sources.size() == 1) return sources.front();
  return std::make_shared<UnionSource>(std::move(sources));
}

}  // namespace data
TINYVISION_END
