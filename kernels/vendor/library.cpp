#include "vendor/library.h"

#include <dlfcn.h>

#include <stdexcept>

namespace tinyvision_kernels {
namespace vendor {
namespace {

std::string system_text() {
  const char* text = dlerror();
  return text ? text : "unknown error";
}

}  // namespace

Library::Library(std::string where, const char* name, const char* advice)
    : where_(std::move(where)), name_(name), handle_(dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
  if (!handle_) throw std::runtime_error("[" + where_ + "] cannot be loaded: " + system_text() + ": " + advice);
}

void* Library::symbol(const char* name) const {
  void* found = dlsym(handle_, name);
  if (!found) throw std::runtime_error("[" + where_ + "] " + name_ + " has no function " + name);
  return found;
}

}  // namespace vendor
}  // namespace tinyvision_kernels
