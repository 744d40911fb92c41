// A file as memory, for reading.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "tinyvision/core/error.hpp"

TINYVISION_BEGIN

/// The bytes of a file, mapped privately and read-only; pages come from the disk as they are touched. A file that another
/// process shortens meanwhile ends the program with SIGBUS, as with every mapping: it is for files that stay.
class MappedFile {
 public:
  /// Throws UsageError naming the path and the system's reason.
  explicit MappedFile(std::string path) : path_(std::move(path)) {
    const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) fail_usage("file", path_, ": ", std::strerror(errno));
    struct stat status {};
    if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
      const int error = errno;
      ::close(file);
      fail_usage("file", path_, ": ", S_ISREG(status.st_mode) ? std::strerror(error) : "not a regular file");
    }
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ > 0) {
      data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
      if (data_ == MAP_FAILED) {
        const int error = errno;
        ::close(file);
        data_ = nullptr;
        fail_usage("file", path_, ": cannot be mapped: ", std::strerror(error));
      }
    }
    ::close(file);
  }
  ~MappedFile() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

TINYVISION_END
