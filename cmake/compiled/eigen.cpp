#include "tinyvision/linalg/eigen.hpp"

TINYVISION_BEGIN
template void linalg::symmetric_eigen<float>(Index, float*, float*);
template void linalg::symmetric_eigen<double>(Index, double*, double*);
template void linalg::solve_symmetric<double>(Index, const double*, double*);
TINYVISION_END
