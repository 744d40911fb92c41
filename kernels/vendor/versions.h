// Which versions of the libraries are used, as functions of numbers alone.
#pragma once

#include <string>

#include "tinyvision/cuda/kernels.h"

namespace tinyvision_kernels {
namespace vendor {

/// The major version in a number as cudnnGetVersion() gives it: 92400 is 9.24.0, and 8907 was 8.9.7.
Index cudnn_major(Index version);
std::string cudnn_text(Index version);
/// As cublasGetVersion() numbers it: 130100 is 13.1.0.
std::string cublas_text(Index version);

/// Why a library found at run time cannot be used by a build made for another one; empty when it can.
std::string cudnn_refusal(Index built_for, Index found);
std::string cublas_refusal(Index built_for, Index found);

/// Why depthwise and grouped convolutions of this cuDNN are not used; empty when they are. Releases before 9.24 have a
/// depthwise engine with wrong results (NVIDIA/cudnn-frontend issue 442; corrected according to the notes of 9.24).
std::string grouped_refusal(Index cudnn);

}  // namespace vendor
}  // namespace tinyvision_kernels
