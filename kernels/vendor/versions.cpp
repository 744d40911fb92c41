#include "vendor/versions.h"

namespace tinyvision_kernels {
namespace vendor {
namespace {

std::string three_parts(Index major, Index minor, Index patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

constexpr Index first_with_good_depthwise = 92400;

}  // namespace

// cuDNN 9 gave the minor version two digits.
Index cudnn_major(Index version) { return version >= 90000 ? version / 10000 : version / 1000; }

std::string cudnn_text(Index version) {
  if (version >= 90000) return three_parts(version / 10000, version / 100 % 100, version % 100);
  return three_parts(version / 1000, version / 100 % 10, version % 100);
}

std::string cublas_text(Index version) { return three_parts(version / 10000, version / 100 % 100, version % 100); }

std::string cudnn_refusal(Index built_for, Index found) {
  if (cudnn_major(built_for) == cudnn_major(found)) return "";
  return "[cudnn] this build is for cuDNN " + std::to_string(cudnn_major(built_for)) + ", found cuDNN " +
         cudnn_text(found) + ": install cuDNN " + std::to_string(cudnn_major(built_for)) + ", or use --kernels own";
}

std::string cublas_refusal(Index built_for, Index found) {
  if (built_for / 10000 == found / 10000) return "";
  return "[cublas] this build is for cuBLAS " + std::to_string(built_for / 10000) + ", found cuBLAS " +
         cublas_text(found) + ": install CUDA " + std::to_string(built_for / 10000) + ", or use --kernels own";
}

std::string grouped_refusal(Index cudnn) {
  if (cudnn >= first_with_good_depthwise) return "";
  return "cuDNN " + cudnn_text(cudnn) + " is refused: before " + cudnn_text(first_with_good_depthwise) +
         " its depthwise convolutions have wrong results";
}

}  // namespace vendor
}  // namespace tinyvision_kernels
