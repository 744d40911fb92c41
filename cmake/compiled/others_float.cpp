#include "tinyvision/cpu/compiled.hpp"

TINYVISION_BEGIN
TINYVISION_INSTANTIATE_OTHERS(, float)
TINYVISION_END
