# Components: the parts of the library that need a system library. Each is an INTERFACE target, tinyvision::<component>,
# that carries its library along; a program that asks for none needs a compiler and Eigen alone.
#
#   image   decoding images, reading published data sets     libjpeg-turbo, stb, zlib, pugixml, libarchive
#   json    weight files, results                             nlohmann-json
#   stats   intervals and tests                               Boost.Math (headers)
#   svm     support vector machines                           liblinear
# and, needing none, compiled: the kernels as a static library (compiled.cmake).
#
# The same list stands in tinyvision-config.cmake.in, for programs that use the installed package.
set(TINYVISION_COMPONENTS image json stats svm CACHE STRING "Components to provide")

function(tinyvision_component name)
  add_library(tinyvision_${name} INTERFACE)
  add_library(tinyvision::${name} ALIAS tinyvision_${name})
  set_target_properties(tinyvision_${name} PROPERTIES EXPORT_NAME ${name})
  target_link_libraries(tinyvision_${name} INTERFACE tinyvision ${ARGN})
  if(TINYVISION_INSTALL)
    install(TARGETS tinyvision_${name} EXPORT tinyvision-${name}-targets)
    install(EXPORT tinyvision-${name}-targets NAMESPACE tinyvision:: DESTINATION ${TINYVISION_PACKAGE_DIR})
  endif()
endfunction()

foreach(component IN LISTS TINYVISION_COMPONENTS)
  if(component STREQUAL image)
    find_package(TurboJPEG REQUIRED)
    find_package(JPEG REQUIRED)  # libjpeg-turbo's other interface, for parts of images
    find_package(Stb REQUIRED)
    find_package(ZLIB REQUIRED)
    find_package(pugixml REQUIRED)
    find_package(LibArchive REQUIRED)
    tinyvision_component(image TurboJPEG::TurboJPEG JPEG::JPEG Stb::Stb ZLIB::ZLIB pugixml::pugixml LibArchive::LibArchive
      ${CMAKE_DL_LIBS})
  elseif(component STREQUAL json)
    find_package(nlohmann_json 3.11 REQUIRED)
    tinyvision_component(json nlohmann_json::nlohmann_json)
  elseif(component STREQUAL stats)
    find_package(Boost REQUIRED)
    tinyvision_component(stats Boost::headers)
  elseif(component STREQUAL svm)
    find_package(LibLinear REQUIRED)
    tinyvision_component(svm LibLinear::LibLinear)
  else()
    message(FATAL_ERROR "TINYVISION_COMPONENTS: unknown component '${component}', choose among image, json, stats, svm")
  endif()
endforeach()
