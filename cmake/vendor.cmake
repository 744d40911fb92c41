# The vendor path: cuDNN through the cudnn-frontend headers, and cuBLAS. Both libraries are loaded when the program runs, so
# only headers are needed here. Where they are missing the path is left out and everything else builds as before; what was
# found and what was not is one line of the configuration. Adds to tinyvision_cuda.
option(TINYVISION_VENDOR "Build the cuDNN and cuBLAS path where its headers are found" ON)
set(vendor_missing "")

find_path(CUDNN_INCLUDE_DIR cudnn_version.h HINTS ${CUDAToolkit_INCLUDE_DIRS} DOC "Folder of cudnn.h")
find_path(CUBLAS_INCLUDE_DIR cublas_v2.h HINTS ${CUDAToolkit_INCLUDE_DIRS} DOC "Folder of cublas_v2.h")
if(NOT CUDNN_FRONTEND_INCLUDE_DIR)
  # The wheel puts its headers into the folder include of Python's site-packages.
  execute_process(COMMAND python3 -c "import site, sysconfig
for p in [sysconfig.get_path('purelib'), sysconfig.get_path('platlib'), site.getusersitepackages(), *site.getsitepackages()]: print(p + '/include', end=';')"
    OUTPUT_VARIABLE vendor_site ERROR_QUIET)
endif()
find_path(CUDNN_FRONTEND_INCLUDE_DIR cudnn_frontend.h HINTS ${vendor_site} DOC "Folder of cudnn_frontend.h")

# The number behind a #define; empty where it is not found.
function(vendor_number result file name)
  set(${result} "" PARENT_SCOPE)
  file(STRINGS ${file} lines REGEX "define +${name} +[0-9]+")
  if(lines MATCHES "${name} +([0-9]+)")
    set(${result} ${CMAKE_MATCH_1} PARENT_SCOPE)
  endif()
endfunction()

if(NOT TINYVISION_VENDOR)
  set(vendor_missing "TINYVISION_VENDOR is OFF")
elseif(NOT CUDNN_INCLUDE_DIR)
  set(vendor_missing "cudnn_version.h was not found: install cuDNN 9, or set CUDNN_INCLUDE_DIR")
elseif(NOT CUBLAS_INCLUDE_DIR)
  set(vendor_missing "cublas_v2.h was not found: install cuBLAS, or set CUBLAS_INCLUDE_DIR")
elseif(NOT CUDNN_FRONTEND_INCLUDE_DIR)
  set(vendor_missing "cudnn_frontend.h was not found: python3 -m pip install nvidia-cudnn-frontend, or set CUDNN_FRONTEND_INCLUDE_DIR")
else()
  vendor_number(vendor_cudnn ${CUDNN_INCLUDE_DIR}/cudnn_version.h CUDNN_MAJOR)
  vendor_number(vendor_major ${CUDNN_FRONTEND_INCLUDE_DIR}/cudnn_frontend_version.h CUDNN_FRONTEND_MAJOR_VERSION)
  vendor_number(vendor_minor ${CUDNN_FRONTEND_INCLUDE_DIR}/cudnn_frontend_version.h CUDNN_FRONTEND_MINOR_VERSION)
  if(NOT vendor_cudnn EQUAL 9)
    set(vendor_missing "${CUDNN_INCLUDE_DIR} has cuDNN '${vendor_cudnn}', not 9")
  elseif("${vendor_major}.${vendor_minor}" VERSION_LESS 1.32)
    set(vendor_missing "${CUDNN_FRONTEND_INCLUDE_DIR} has cudnn-frontend '${vendor_major}.${vendor_minor}', older than 1.32: python3 -m pip install --upgrade nvidia-cudnn-frontend")
  endif()
endif()

if(vendor_missing)
  message(STATUS "tinyvision: without the vendor path (--kernels vendor): ${vendor_missing}")
else()
  message(STATUS "tinyvision: with the vendor path (--kernels vendor): cuDNN ${vendor_cudnn}, cudnn-frontend ${vendor_major}.${vendor_minor}")
  file(GLOB vendor_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/vendor/*.cpp)
  target_sources(tinyvision_cuda PRIVATE ${vendor_sources})
  target_include_directories(tinyvision_cuda SYSTEM PRIVATE ${CUDNN_FRONTEND_INCLUDE_DIR} ${CUDNN_INCLUDE_DIR}
    ${CUBLAS_INCLUDE_DIR})
  set_source_files_properties(${vendor_sources} PROPERTIES COMPILE_OPTIONS
    "-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion;$<$<BOOL:${TINYVISION_WARNINGS_AS_ERRORS}>:-Werror>")
  target_link_libraries(tinyvision_cuda PUBLIC ${CMAKE_DL_LIBS})
  # Programs on the emulated device, which has no vendor libraries, have the property TINYVISION_EMULATED.
  target_compile_definitions(tinyvision INTERFACE
    $<$<NOT:$<BOOL:$<TARGET_PROPERTY:TINYVISION_EMULATED>>>:TINYVISION_WITH_VENDOR=1>)
endif()
