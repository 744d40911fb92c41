#include "tinyvision/cpu/compiled.hpp"

TINYVISION_BEGIN
TINYVISION_INSTANTIATE_OTHERS(, double)
TINYVISION_END
