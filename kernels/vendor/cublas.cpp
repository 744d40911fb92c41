// The matrix product of tinyvision/cuda/vendor.h by cuBLAS, and the entries that are about both libraries.
#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <stdexcept>

#include "vendor/convolution_library.h"
#include "vendor/library.h"
#include "vendor/settings.h"
#include "vendor/versions.h"

namespace tinyvision_kernels {
namespace vendor {
namespace {

/// What NVIDIA recommends for its newest cards; fixed, because another size may choose another way of summing.
constexpr std::size_t scratch_bytes = std::size_t{32} << 20;

struct Cublas {
  Library library;
  decltype(&cublasCreate_v2) create = nullptr;
  decltype(&cublasGetProperty) get_property = nullptr;
  decltype(&cublasGetStatusString) status_text = nullptr;
  decltype(&cublasSetMathMode) set_math_mode = nullptr;
  decltype(&cublasSetStream_v2) set_stream = nullptr;
  decltype(&cublasSetWorkspace_v2) set_workspace = nullptr;
  decltype(&cublasGemmEx_64) gemm = nullptr;
  Index version = 0;
  cublasHandle_t handle = nullptr;  // never destroyed: at the end of the process the driver may be gone before it

  Cublas()
      : library("cublas", "libcublas.so.13",
                "install cuBLAS of CUDA 13 or add its folder to LD_LIBRARY_PATH; the own kernels need neither "
                "(--kernels own)") {
    library.find("cublasCreate_v2", create);
    library.find("cublasGetProperty", get_property);
    library.find("cublasGetStatusString", status_text);
    library.find("cublasSetMathMode", set_math_mode);
    library.find("cublasSetStream_v2", set_stream);
    library.find("cublasSetWorkspace_v2", set_workspace);
    library.find("cublasGemmEx_64", gemm);
    int parts[3] = {};
    const libraryPropertyType properties[3] = {MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL};
    for (int i = 0; i < 3; ++i) expect(get_property(properties[i], &parts[i]), "version of the library");
    version = Index{parts[0]} * 10000 + Index{parts[1]} * 100 + parts[2];
    const std::string refused = cublas_refusal(CUBLAS_VERSION, version);
    if (!refused.empty()) throw std::runtime_error(refused);
  }

  void expect(cublasStatus_t status, const std::string& what) const {
    if (status != CUBLAS_STATUS_SUCCESS) throw std::runtime_error("[cublas] " + what + ": " + status_text(status));
  }

  /// Makes the handle at the first call and binds it to stream and scratch space. Choosing a stream gives the handle its
  /// own space back, so the order matters.
  void start(Stream stream, void* space) {
    if (!handle) {
      expect(create(&handle), "making a handle");
      expect(set_math_mode(handle, static_cast<cublasMath_t>(CUBLAS_DEFAULT_MATH |
                                                             CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)),
             "choosing exact sums");
    }
    expect(set_stream(handle, static_cast<cudaStream_t>(stream)), "choosing the stream");
    expect(set_workspace(handle, space, scratch_bytes), "giving scratch space");
  }
};

Cublas& cublas() {
  static Cublas& the_library = *new Cublas;
  return the_library;
}

template <class T>
constexpr cudaDataType_t type_of = CUDA_R_32F;
template <>
constexpr cudaDataType_t type_of<double> = CUDA_R_64F;
template <>
constexpr cudaDataType_t type_of<bf16> = CUDA_R_16BF;

template <class T>
cublasComputeType_t sums_of() {
  if (type_of<T> == CUDA_R_64F) return CUBLAS_COMPUTE_64F;
  return type_of<T> == CUDA_R_32F && settings().tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

/// C = beta * C.
template <class C>
void scale_result(Index m, Index n, Accumulator<C> beta, C* c, Index ldc, Stream stream) {
  if (beta == 0) {
    fill(m, n, 0.0, c, ldc, stream);
  } else {
    scale(m, n, c, ldc, beta, c, ldc, false, stream);
  }
}

}  // namespace

template <class T, class C>
void gemm(bool transpose_a, bool transpose_b, Index m, Index n, Index k, Accumulator<T> alpha, const T* a, Index lda,
          const T* b, Index ldb, Accumulator<T> beta, C* c, Index ldc, const Scratch& scratch, Stream stream) {
  if (m == 0 || n == 0) return;
  if (k == 0) return scale_result(m, n, beta, c, ldc, stream);
  Cublas& library = cublas();
  const Space<char> space(scratch, static_cast<Index>(scratch_bytes));
  library.start(stream, space.data());
  // cuBLAS counts by columns: it sees the transposes of these matrices, and C' = op(B)' op(A)'.
  const auto operation = [](bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const cublasStatus_t status =
      library.gemm(library.handle, operation(transpose_b), operation(transpose_a), n, m, k, &alpha, b, type_of<T>, ldb,
                   a, type_of<T>, lda, &beta, c, type_of<C>, ldc, sums_of<T>(), CUBLAS_GEMM_DEFAULT);
  if (status != CUBLAS_STATUS_SUCCESS)
    library.expect(status, "gemm " + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) +
                               (transpose_a ? " A'" : " A") + (transpose_b ? " B'" : " B") + ", rows " +
                               std::to_string(lda) + " " + std::to_string(ldb) + " " + std::to_string(ldc) + " apart");
}

#define TV_INSTANTIATE(T, C)                                                                            \
  template void gemm(bool, bool, Index, Index, Index, Accumulator<T>, const T*, Index, const T*, Index, \
                     Accumulator<T>, C*, Index, const Scratch&, Stream);
TV_INSTANTIATE(float, float)
TV_INSTANTIATE(double, double)
TV_INSTANTIATE(bf16, bf16)
TV_INSTANTIATE(bf16, float)
#undef TV_INSTANTIATE

void require() {
  convolution_library();
  cublas();
}

bool available() {
  try {
    require();
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

std::string versions() {
  require();
  return "cudnn " + cudnn_text(convolution_library().version()) + ", cublas " + cublas_text(cublas().version);
}

}  // namespace vendor
}  // namespace tinyvision_kernels
