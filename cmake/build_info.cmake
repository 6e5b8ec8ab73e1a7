# <build>/include/tally/build_info.h: what `tally --version` prints. Written by this file run as a script at each build, so
# that the revision is the one that was built; untouched, and nothing recompiled, where nothing changed.
if(CMAKE_SCRIPT_MODE_FILE)
  set(REVISION "")
  find_package(Git QUIET)
  if(GIT_FOUND)
    execute_process(COMMAND "${GIT_EXECUTABLE}" describe --always --dirty --abbrev=12 WORKING_DIRECTORY "${SOURCE_DIR}"
                    OUTPUT_VARIABLE REVISION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  configure_file("${TEMPLATE}" "${OUTPUT}" @ONLY)
  return()
endif()

string(TOUPPER "${CMAKE_BUILD_TYPE}" upper_build_type)
string(STRIP "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${upper_build_type}} -ffp-contract=off" build_flags)
string(REGEX REPLACE " +" " " build_flags "${build_flags}")
set(build_info_arguments
    "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}" "-DTEMPLATE=${CMAKE_CURRENT_LIST_DIR}/build_info.h.in"
    "-DOUTPUT=${PROJECT_BINARY_DIR}/include/tally/build_info.h" "-DVERSION=${PROJECT_VERSION}"
    "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}" "-DFLAGS=${build_flags}"
    "-DBUILD_TYPE=${CMAKE_BUILD_TYPE}" "-DSYSTEM=${CMAKE_SYSTEM_NAME} ${CMAKE_SYSTEM_PROCESSOR}")
add_custom_target(tally_build_info
  COMMAND "${CMAKE_COMMAND}" ${build_info_arguments} -P "${CMAKE_CURRENT_LIST_FILE}"
  BYPRODUCTS "${PROJECT_BINARY_DIR}/include/tally/build_info.h" VERBATIM)
