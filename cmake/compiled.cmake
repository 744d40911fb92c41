# tinyvision::compiled: the kernels instantiated once, from the same headers. Tests, apps and benches link it to build
# quickly; users may, and need not.
file(GLOB TINYVISION_COMPILED CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/compiled/*.cpp)
if(TINYVISION_COMPILED)
  add_library(tinyvision_compiled STATIC ${TINYVISION_COMPILED})
  target_link_libraries(tinyvision_compiled PUBLIC tinyvision PRIVATE tinyvision_warnings)
  target_compile_definitions(tinyvision_compiled PUBLIC TINYVISION_COMPILED=1)
else()
  add_library(tinyvision_compiled INTERFACE)
  target_link_libraries(tinyvision_compiled INTERFACE tinyvision)
endif()
add_library(tinyvision::compiled ALIAS tinyvision_compiled)
