# tinyvision::cuda: one static library built from kernels/. The kernels see the thin kernel declarations and no framework
# header; the framework learns that they exist from TINYVISION_WITH_CUDA. CMAKE_CUDA_ARCHITECTURES is the user's choice.
file(GLOB kernels CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/*.cu ${PROJECT_SOURCE_DIR}/kernels/ladder/*.cu)
if(NOT kernels)
  message(FATAL_ERROR "TINYVISION_CUDA is ON, but there are no kernels yet: ${PROJECT_SOURCE_DIR}/kernels holds no .cu file")
endif()
file(GLOB host CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/runtime/*.cpp)

enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)
add_library(tinyvision_cuda STATIC ${kernels} ${host})
add_library(tinyvision::cuda ALIAS tinyvision_cuda)
target_include_directories(tinyvision_cuda PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/kernels)
target_compile_features(tinyvision_cuda PRIVATE cuda_std_17)
# As on the CPU, multiply-adds are fused where they are written so. A kernel that spills registers does not build.
target_compile_options(tinyvision_cuda PRIVATE
  "$<$<COMPILE_LANGUAGE:CUDA>:--fmad=false;--Werror;all-warnings;-Xptxas=--warn-on-spills,--warning-as-error>")
target_link_libraries(tinyvision_cuda PUBLIC CUDA::cudart_static)  # programs then need the driver alone

include(${CMAKE_CURRENT_LIST_DIR}/vendor.cmake)
target_compile_definitions(tinyvision INTERFACE TINYVISION_WITH_CUDA=1)
target_link_libraries(tinyvision INTERFACE tinyvision_cuda)
if(TINYVISION_INSTALL)
  set_target_properties(tinyvision_cuda PROPERTIES EXPORT_NAME cuda)
  install(TARGETS tinyvision_cuda EXPORT tinyvision-targets DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
