// Fetching a large file: continued where it stopped, checked before it gets its name.
#pragma once

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/interrupt.hpp"
#include "common/progress.hpp"
#include "tinyvision/core/digest.hpp"
#include "tinyvision/core/files.hpp"
#include "tinyvision/core/md5.hpp"

namespace tv_app {

struct DownloadOptions {
  std::string sha256_prefix{};  ///< hexadecimal digits that the digest must begin with
  std::string md5{};            ///< empty: not known
  std::optional<Index> size{};  ///< bytes
  bool keep_mismatch = false;   ///< a whole file with another digest is kept as `path`.unverified
  bool quiet = false;
  long seconds_without_data = 60;  ///< then the attempt has failed
};

struct Downloaded {
  Index bytes = 0;
  std::string sha256;
  std::string md5;       ///< empty unless one was expected
  bool resumed = false;  ///< part of it was there
};

namespace detail {

/// What the transfer writes to, and what is known of it.
struct Transfer {
  std::FILE* file = nullptr;
  CURL* curl = nullptr;
  std::string part, tag_file;  ///< names of the file that is written and of that which says which version it is
  Index kept = 0;              ///< bytes that were there before
  Index written = 0;           ///< by this attempt
  bool began = false;
  std::string head;   ///< the first bytes of the body, when it began at 0
  std::string tag;    ///< the server's word for this version of the file
  std::string error;  ///< why nothing more could be written
  Progress* progress = nullptr;
};

/// Called once, before the first byte of the file is written: an answer from the start replaces what is there, and the
/// version is noted at once, so that a program that is killed later on knows what its part is a part of.
inline bool begin_body(Transfer& t) {
  if (std::exchange(t.began, true)) return t.error.empty();
  long status = 0;
  curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
  // The server sends the whole file, because it knows no ranges or the file is another one now.
  if (t.kept > 0 && status == 200) {
    t.kept = 0;
    if (::ftruncate(::fileno(t.file), 0) != 0) t.error = t.part + ": cannot be emptied: " + std::strerror(errno);
  }
  std::error_code none;
  try {
    if (t.tag.empty()) {
      std::filesystem::remove(t.tag_file, none);
    } else {
      tinyvision::write_file_atomically(t.tag_file, t.tag);
    }
  } catch (const std::exception& error) {  // libcurl's code must not be left by an exception
    t.error = error.what();
  }
  return t.error.empty();
}

inline std::size_t receive(char* bytes, std::size_t, std::size_t count, void* to) {
  Transfer& t = *static_cast<Transfer*>(to);
  if (!begin_body(t)) return 0;
  if (t.kept == 0 && t.head.size() < 512) t.head.append(bytes, std::min<std::size_t>(count, 512 - t.head.size()));
  if (std::fwrite(bytes, 1, count, t.file) != count) {
    t.error = t.part + ": cannot be written: " + std::strerror(errno);
    return 0;
  }
  t.written += static_cast<Index>(count);
  return count;
}

inline std::size_t receive_header(char* bytes, std::size_t, std::size_t count, void* to) {
  Transfer& t = *static_cast<Transfer*>(to);
  const std::string_view line(bytes, count);
  constexpr std::string_view name = "etag:";
  const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
  if (line.starts_with("HTTP/")) t.tag.clear();  // another answer, behind a redirection
  if (line.size() > name.size() &&
      std::equal(name.begin(), name.end(), line.begin(), [&](char b, char a) { return same(a, b); })) {
    const std::size_t begin = line.find_first_not_of(' ', name.size()), end = line.find_last_not_of("\r\n");
    if (begin != std::string_view::npos && end != std::string_view::npos && begin <= end)
      t.tag = line.substr(begin, end - begin + 1);
  }
  long status = 0;
  curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
  if (line == "\r\n" && (status == 200 || status == 206) && !begin_body(t)) return 0;
  return count;
}

inline int watch(void* to, curl_off_t total, curl_off_t, curl_off_t, curl_off_t) {
  const Transfer& t = *static_cast<Transfer*>(to);
  if (t.progress && total > 0) t.progress->update((t.kept + t.written) >> 20);
  return interrupted() ? 1 : 0;
}

/// A web page in place of a file: a sign of a moved or blocked address. `head`: the first bytes, at least 512 where there are
/// so many. A mark of byte order, an XML declaration and comments may stand before it.
inline bool looks_like_html(std::string_view head) {
  if (head.starts_with("\xef\xbb\xbf")) head.remove_prefix(3);
  for (;;) {
    head.remove_prefix(std::min(head.find_first_not_of(" \t\r\n\f"), head.size()));
    const std::string_view end = head.starts_with("<?xml") ? "?>" : head.starts_with("<!--") ? "-->" : "";
    if (end.empty()) break;
    const std::size_t at = head.find(end);
    if (at == std::string_view::npos) return head.starts_with("<!--");  // no file of a data set begins so
    head.remove_prefix(at + end.size());
  }
  std::string lower(head.substr(0, 14));
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower.starts_with("<!doctype html") || lower.starts_with("<html");
}

}  // namespace detail

/// Fetches `url` (http, https or file) to `path`. Until it is complete and checked it is called `path`.part, and the next
/// call continues it if the server still has the same version. Throws UsageError when the address does not answer with a
/// file, or the file is not the one expected, which is then thrown away; Resumable when interrupted.
inline Downloaded download(const std::string& url, const std::string& path, const DownloadOptions& options = {}) {
  using tinyvision::fail_usage;
  detail::Transfer t;
  const std::string& part = t.part = path + ".part";
  const std::string& tag_file = t.tag_file = path + ".part.etag";
  std::error_code none;
  if (const auto size = std::filesystem::file_size(part, none); !none) t.kept = static_cast<Index>(size);
  const Index had = t.kept;
  const std::string old_tag = had > 0 && std::filesystem::exists(tag_file) ? tinyvision::read_file(tag_file) : "";
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), &curl_easy_cleanup);
  if (!curl) tinyvision::fail("download", "libcurl cannot be used");
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const std::filesystem::space_info space = std::filesystem::space(folder.empty() ? "." : folder, none);
  if (!none && options.size && *options.size - had > static_cast<Index>(space.available))
    fail_usage("download", path, ": ", *options.size - had, " bytes are to come, and ", space.available,
               " are free on that disk");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(part.c_str(), "ab"), &std::fclose);
  if (!file) fail_usage("download", part, ": cannot be written: ", std::strerror(errno));
  t.curl = curl.get(), t.file = file.get();
  const std::string name = std::filesystem::path(path).filename().string();
  Progress progress(name + " (MiB)", options.size ? *options.size >> 20 : 0, options.quiet);
  t.progress = &progress;
  std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(nullptr, &curl_slist_free_all);
  if (!old_tag.empty()) headers.reset(curl_slist_append(nullptr, ("If-Range: " + old_tag).c_str()));
  char message[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(t.curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(t.curl, CURLOPT_PROTOCOLS_STR, "http,https,file");
  curl_easy_setopt(t.curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(t.curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(t.curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(t.curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(t.curl, CURLOPT_LOW_SPEED_TIME, options.seconds_without_data);
  curl_easy_setopt(t.curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(t.curl, CURLOPT_ERRORBUFFER, message);
  curl_easy_setopt(t.curl, CURLOPT_WRITEFUNCTION, &detail::receive);
  curl_easy_setopt(t.curl, CURLOPT_WRITEDATA, &t);
  curl_easy_setopt(t.curl, CURLOPT_HEADERFUNCTION, &detail::receive_header);
  curl_easy_setopt(t.curl, CURLOPT_HEADERDATA, &t);
  curl_easy_setopt(t.curl, CURLOPT_XFERINFOFUNCTION, &detail::watch);
  curl_easy_setopt(t.curl, CURLOPT_XFERINFODATA, &t);
  curl_easy_setopt(t.curl, CURLOPT_NOPROGRESS, 0L);
  // Not CURLOPT_RESUME_FROM: with it an answer from the start would be an error.
  const std::string range = std::to_string(t.kept) + "-";
  if (t.kept > 0) curl_easy_setopt(t.curl, CURLOPT_RANGE, range.c_str());
  if (headers) curl_easy_setopt(t.curl, CURLOPT_HTTPHEADER, headers.get());
  const CURLcode code = curl_easy_perform(t.curl);
  long status = 0;
  curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
  if (std::fflush(t.file) != 0 && t.error.empty()) t.error = part + ": cannot be written: " + std::strerror(errno);
  const auto discard = [&] {
    std::filesystem::remove(part, none);
    std::filesystem::remove(tag_file, none);
  };
  const bool nothing_new = had == 0 && std::filesystem::file_size(part, none) == 0;
  if (!t.error.empty()) {
    if (nothing_new) discard();
    fail_usage("download", t.error, nothing_new ? "" : "; what came is kept, and the next call continues");
  }
  if (interrupted()) throw Resumable(name + " is not complete; what is there is kept");
  // 416: there is nothing behind what is there, so it may be the whole file; the checks below tell.
  const bool nothing_left = code == CURLE_HTTP_RETURNED_ERROR && status == 416 && had > 0;
  if (code != CURLE_OK && !nothing_left) {
    if (nothing_new) discard();
    fail_usage("download", url, ": ", message[0] != 0 ? message : curl_easy_strerror(code),
               t.written > 0 ? "; what came is kept, and the next call continues" : "");
  }
  progress.finish();
  if (detail::looks_like_html(t.head)) {
    discard();
    fail_usage("download", url, ": a web page came instead of a file; has the address changed?");
  }
  const Downloaded result{static_cast<Index>(std::filesystem::file_size(part)), tinyvision::sha256_file(part),
                          options.md5.empty() ? "" : tinyvision::md5_file(part), t.kept > 0};
  if (options.size && result.bytes != *options.size) {
    discard();
    fail_usage("download", url, ": ", result.bytes, " bytes came, ", *options.size, " were expected");
  }
  const auto expect = [&](const char* kind, const std::string& found, const std::string& expected) {
    if (found.starts_with(expected)) return;
    const std::string kept = path + ".unverified";
    if (options.keep_mismatch) std::filesystem::rename(part, kept);
    discard();
    fail_usage("download", url, ": its ", kind, " is ", found, ", expected ", expected,
               kind == std::string_view("SHA-256") && expected.size() < 64 ? "..." : "",
               options.keep_mismatch ? "; the file is kept as " + kept : "");
  };
  expect("SHA-256", result.sha256, options.sha256_prefix);
  expect("MD5", result.md5, options.md5);
  std::filesystem::rename(part, path);
  std::filesystem::remove(tag_file, none);
  return result;
}

}  // namespace tv_app
