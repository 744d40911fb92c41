# tinyvision_emulated: the CUDA kernels as ordinary C++ on the emulated device of kernels/emulation, for the tests. The
# namespace of the entries is renamed, so that a build with CUDA can hold both.
file(GLOB kernels RELATIVE ${PROJECT_SOURCE_DIR}/kernels CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/*.cu
  ${PROJECT_SOURCE_DIR}/kernels/ladder/*.cu)
set(sources)
foreach(kernel IN LISTS kernels)
  set(source ${PROJECT_BINARY_DIR}/emulated/${kernel}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${PROJECT_SOURCE_DIR}/kernels/${kernel}\"\n")
  list(APPEND sources ${source})
endforeach()
# Of the vendor path, what needs no library: everything around its calls. The tests put plain loops in their place.
file(GLOB vendor CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/vendor/*.cpp)
list(FILTER vendor EXCLUDE REGEX "/(cudnn|cublas)\\.cpp$")
add_library(tinyvision_emulated STATIC ${sources} ${vendor} ${PROJECT_SOURCE_DIR}/kernels/emulation/emulated_runtime.cpp)
target_compile_features(tinyvision_emulated PUBLIC cxx_std_20)
target_compile_definitions(tinyvision_emulated PUBLIC tinyvision_kernels=tinyvision_emulated)
target_include_directories(tinyvision_emulated PUBLIC ${PROJECT_SOURCE_DIR}/kernels ${PROJECT_SOURCE_DIR}/include)
target_compile_options(tinyvision_emulated PUBLIC -ffp-contract=off)
target_link_libraries(tinyvision_emulated PRIVATE tinyvision_warnings PUBLIC ${CMAKE_DL_LIBS})

# tinyvision::compiled once more, for programs with the emulated device: their configuration has other names.
add_library(tinyvision_compiled_emulated STATIC ${TINYVISION_COMPILED})
target_link_libraries(tinyvision_compiled_emulated PUBLIC tinyvision tinyvision_emulated PRIVATE tinyvision_warnings)
target_compile_definitions(tinyvision_compiled_emulated PUBLIC TINYVISION_WITH_CUDA=1 TINYVISION_COMPILED=1)
target_compile_options(tinyvision_compiled_emulated PRIVATE $<$<CONFIG:Release>:-O1;-fexpensive-optimizations>)
