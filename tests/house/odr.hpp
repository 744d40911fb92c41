// What the two objects of the one-definition-rule test tell about themselves.
#pragma once

#include <string>

struct ObjectIdentity {
  const void* kernels = nullptr;   ///< address of the process-wide choice of kernels
  const void* pool = nullptr;      ///< address of the thread pool
  const void* function = nullptr;  ///< address of an inline function
  std::string tensor;              ///< mangled name of Tensor
};

ObjectIdentity first_object();
ObjectIdentity second_object();
/// Mangled name of Error in an object that was built with another configuration.
std::string other_build_error();
