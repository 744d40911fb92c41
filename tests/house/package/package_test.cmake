# Programs outside the tree: the examples are built against the installed package and, one of them, against the source
# folder; they must run, and so must a program that calls into every component. A component or version that does not
# exist must not be found.
#   cmake -D SOURCE=<source> -D BINARY=<build> -D WORK=<scratch> -D CXX=<compiler> -P package_test.cmake
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})
# Copied, so that nothing beside the examples can be found by accident.
file(COPY ${SOURCE}/examples DESTINATION ${WORK})

function(run)
  cmake_parse_arguments(PARSE_ARGV 0 run "FAILS" "SAYS" "COMMAND")
  execute_process(COMMAND ${run_COMMAND} RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
  list(JOIN run_COMMAND " " line)
  if(run_FAILS)
    if(code EQUAL 0)
      message(FATAL_ERROR "should have failed: ${line}\n${output}")
    endif()
  elseif(NOT code EQUAL 0)
    message(FATAL_ERROR "failed (${code}): ${line}\n${output}")
  endif()
  if(run_SAYS AND NOT output MATCHES "${run_SAYS}")
    message(FATAL_ERROR "does not say '${run_SAYS}': ${line}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

# -O1: the examples are small; their build is what takes the time.
set(configure ${CMAKE_COMMAND} -G Ninja -D CMAKE_CXX_COMPILER=${CXX} -D CMAKE_CXX_FLAGS_RELEASE=-O1 -D CMAKE_BUILD_TYPE=Release)
set(examples own_op own_network own_training_loop)

run(COMMAND ${CMAKE_COMMAND} --install ${BINARY} --prefix ${WORK}/prefix)
run(COMMAND ${configure} -S ${WORK}/examples -B ${WORK}/installed -D CMAKE_PREFIX_PATH=${WORK}/prefix)
run(COMMAND ${CMAKE_COMMAND} --build ${WORK}/installed)
foreach(example IN LISTS examples)
  run(COMMAND ${WORK}/installed/${example})
  message("${output}")
endforeach()

run(COMMAND ${configure} -S ${WORK}/examples -B ${WORK}/folder -D TINYVISION_FOLDER=${SOURCE})
run(COMMAND ${CMAKE_COMMAND} --build ${WORK}/folder --target own_op)
run(COMMAND ${WORK}/folder/own_op)

file(COPY ${CMAKE_CURRENT_LIST_DIR}/components DESTINATION ${WORK})
set(configure ${configure} -S ${WORK}/components -D CMAKE_PREFIX_PATH=${WORK}/prefix)
run(COMMAND ${configure} -B ${WORK}/components/all "-DASKED=image json stats svm compiled")
run(COMMAND ${CMAKE_COMMAND} --build ${WORK}/components/all)
run(COMMAND ${WORK}/components/all/components)
message("${output}")
run(COMMAND ${configure} -B ${WORK}/components/unknown -D ASKED=teleport FAILS SAYS "teleport")
run(COMMAND ${configure} -B ${WORK}/components/later -D ASKED=json -D VERSION=0.99 FAILS SAYS "0.99")
