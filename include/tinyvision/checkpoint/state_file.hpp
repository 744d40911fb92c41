// The state of a training run on disk: one checksummed file, and the one before it.
//
//   folder/state.safetensors            the newest state
//   folder/state.previous.safetensors   the one before
//
// A state is written to a temporary file, flushed to the disk and renamed, so a process killed at any moment leaves the
// newest or the previous state whole. The checksum finds what renaming cannot prevent: bits that changed later.
#pragma once

#include <signal.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tinyvision/checkpoint/safetensors.hpp"

TINYVISION_BEGIN
namespace checkpoint {

/// Named tensors and texts that belong together.
struct StateFile {
  NamedTensors tensors{};
  Metadata metadata{};
  std::string path{};    ///< after loading: the file it came from
  std::string notice{};  ///< after loading: why the newest file was passed over; to be shown to the user

  /// The tensor of that name. Throws UsageError with the nearest names when there is none.
  const Tensor& tensor(std::string_view name) const {
    std::vector<std::string> names;
    for (const auto& [key, tensor] : tensors) {
      if (key == name) return tensor;
      names.push_back(key);
    }
    fail_usage("state", path, ": no tensor '", name, "'", suggestion(name, names));
  }
};

inline constexpr const char* state_file_name = "state.safetensors";
inline constexpr const char* previous_state_file_name = "state.previous.safetensors";

/// SHA-256 over names, types, shapes and elements of all tensors and over all metadata but the checksum itself. Every
/// text is preceded by its length, so that no two states share a message.
inline std::string state_digest(const NamedTensors& tensors, const Metadata& metadata) {
  Sha256 digest;
  const auto add = [&digest](std::string_view text) {
    digest.update(std::to_string(text.size())).update(":").update(text);
  };
  for (const auto& [key, value] : metadata) {
    if (key == "sha256") continue;
    add(key);
    add(value);
  }
  for (const auto& [name, tensor] : tensors) {
    const Tensor packed = tensor.to(Device::cpu()).packed();
    add(name);
    add(packed.text());
    digest.update(packed.raw(), packed.bytes());
  }
  return digest.hex();
}

/// Reads one state file. Throws UsageError naming the path when it is unreadable, malformed or fails its checksum.
inline StateFile load_state_file(const std::string& path) {
  Safetensors file = parse_safetensors(read_file(path), path);
  const auto checksum = file.metadata.find("sha256");
  if (checksum == file.metadata.end()) fail_usage("state", path, ": has no checksum: not a training state");
  const std::string actual = state_digest(file.tensors, file.metadata);
  if (checksum->second != actual)
    fail_usage("state", path, ": corrupt: its contents have SHA-256 ", actual, ", the checksum says ",
               checksum->second);
  file.metadata.erase(checksum);
  return {std::move(file.tensors), std::move(file.metadata), path, {}};
}

namespace detail {

/// Removes temporary files of state files whose writing process is gone.
inline void remove_abandoned_states(const std::filesystem::path& folder) {
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(folder, code)) {
    std::string name = entry.path().filename().string();  // state.<...>safetensors.<process>.tmp
    if (!name.starts_with("state.") || !name.ends_with(".tmp")) continue;
    name.resize(name.size() - 4);
    const std::size_t dot = name.rfind(".safetensors.");
    if (dot == std::string::npos) continue;
    const char* const end = name.data() + name.size();
    int process = 0;
    if (std::from_chars(name.data() + dot + 13, end, process).ptr != end || process <= 0) continue;
    if (::kill(process, 0) != 0 && errno == ESRCH) std::filesystem::remove(entry.path(), code);
  }
}

}  // namespace detail

/// Writes `state` as the newest of `folder` and keeps the one before it. Throws UsageError naming the file when it
/// cannot be written (a full disk, say); the states on the disk then stay as they were.
inline void save_state(const std::string& folder, const StateFile& state) {
  ensure_folder(folder);  // no trial write: a kill during it would leave a file behind
  detail::remove_abandoned_states(folder);
  const std::string newest = (std::filesystem::path(folder) / state_file_name).string();
  const std::string previous = (std::filesystem::path(folder) / previous_state_file_name).string();
  check(!state.metadata.contains("sha256"), "state", "the metadata name 'sha256' is reserved");
  Metadata metadata = state.metadata;
  metadata["sha256"] = state_digest(state.tensors, state.metadata);
  AtomicFile file(newest);
  write_safetensors(file, state.tensors, metadata);
  file.flush();
  // A second name for the present state while the new one takes its place: whatever is killed when, the newest state
  // has a name. File systems without hard links rename instead; a kill in between then leaves the previous state.
  const std::string kept = previous + "." + std::to_string(::getpid()) + ".tmp";
  std::error_code code;
  const bool any = std::filesystem::exists(newest, code);
  std::filesystem::remove(kept, code);
  std::error_code not_linked;
  if (any) std::filesystem::create_hard_link(newest, kept, not_linked);
  if (any && not_linked) {
    std::filesystem::rename(newest, previous, code);
    if (code) fail_usage("state", newest, ": cannot be kept as ", previous, ": ", code.message());
  }
  file.commit();
  if (any && !not_linked) {
    std::filesystem::rename(kept, previous, code);
    if (code) fail_usage("state", previous, ": cannot be replaced: ", code.message());
    flush_folder_of(previous);
  }
}

/// The newest intact state of `folder`; nothing when the folder holds none. When the newest file is damaged, the one
/// before it is taken and `notice` says so. Throws UsageError naming the files when all that are there are damaged.
inline std::optional<StateFile> load_state(const std::string& folder) {
  std::string damaged;
  bool any = false;
  for (const char* name : {state_file_name, previous_state_file_name}) {
    const std::string path = (std::filesystem::path(folder) / name).string();
    std::error_code code;
    if (!std::filesystem::exists(path, code)) continue;
    any = true;
    try {
      StateFile state = load_state_file(path);
      if (!damaged.empty()) state.notice = damaged + "; continuing from the state before it, " + path;
      return state;
    } catch (const UsageError& error) {
      damaged += (damaged.empty() ? "" : "; ") + std::string(error.what());
    }
  }
  if (any) fail_usage("state", folder, ": no intact state: ", damaged);
  return std::nullopt;
}

}  // namespace checkpoint
TINYVISION_END
