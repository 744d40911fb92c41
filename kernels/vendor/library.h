// A shared library that is loaded when it is first needed.
#pragma once

#include <string>

namespace tinyvision_kernels {
namespace vendor {

/// Stays loaded until the process ends: what it keeps on the device must not outlive its code.
class Library {
 public:
  /// `name` as dlopen() finds it, e.g. "libcudnn.so.9". Throws std::runtime_error, "[where] cannot be loaded: the system's
  /// text: advice".
  Library(std::string where, const char* name, const char* advice);
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  void* handle() const { return handle_; }
  /// Throws std::runtime_error naming the function that is missing.
  void* symbol(const char* name) const;
  /// Sets a pointer to the function of that name.
  template <class F>
  void find(const char* name, F*& function) const {
    function = reinterpret_cast<F*>(symbol(name));
  }

 private:
  std::string where_, name_;
  void* handle_;
};

}  // namespace vendor
}  // namespace tinyvision_kernels
