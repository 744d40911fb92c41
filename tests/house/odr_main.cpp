// Two objects include every header and become one program: nothing is defined twice, and what must exist once does.
#include <cstdio>
#include <typeinfo>

#include "odr.hpp"
#include "tinyvision/core/error.hpp"

int main() {
  const ObjectIdentity a = first_object(), b = second_object();
  int failures = 0;
  const auto expect = [&failures](bool holds, const char* what) {
    if (holds) return;
    std::printf("FAILED: %s\n", what);
    ++failures;
  };
  expect(a.kernels == b.kernels, "both objects share the choice of kernels");
  expect(a.pool == b.pool, "both objects share the thread pool");
  expect(a.function == b.function, "an inline function has one address");
  expect(a.tensor == b.tensor, "Tensor is one type");
  expect(other_build_error() != typeid(tinyvision::Error).name(),
         "an object built with another configuration has types of its own, so mixing them fails to link");
  if (failures == 0) std::puts("one definition each");
  return failures == 0 ? 0 : 1;
}
