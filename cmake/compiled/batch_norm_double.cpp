#include "tinyvision/cpu/compiled.hpp"

TINYVISION_BEGIN
TINYVISION_INSTANTIATE_BATCH_NORM(, double)
TINYVISION_END
