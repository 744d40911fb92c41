// Compiled with a configuration that differs from the program's, as a careless user might.
#include <typeinfo>

#include "odr.hpp"
#include "tinyvision/core/error.hpp"

std::string other_build_error() { return typeid(tinyvision::Error).name(); }
