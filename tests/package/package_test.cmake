# Installs the build into a folder of its own and builds and runs tests/package against it twice: by find_package, and by
# the plain compiler with pkg-config. Run by ctest; tests/CMakeLists.txt passes the variables.
#   BUILD SOURCE CXX CXX_FLAGS BUILD_TYPE TOOLCHAIN EMULATOR MODEL
cmake_minimum_required(VERSION 3.25)
set(work "${BUILD}/package_test")
set(prefix "${work}/prefix")
file(REMOVE_RECURSE "${work}")
separate_arguments(emulator UNIX_COMMAND "${EMULATOR}")
separate_arguments(flags UNIX_COMMAND "${CXX_FLAGS}")

function(run)
  list(JOIN ARGN " " text)
  message(STATUS "${text}")
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${prefix}")

set(options "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_BUILD_TYPE=${BUILD_TYPE}" "-DCMAKE_CXX_FLAGS=${CXX_FLAGS}")
if(TOOLCHAIN)
  # A toolchain file looks for packages under the target's root only, unless it is told the package's own folder.
  file(GLOB_RECURSE config "${prefix}/*/tallyConfig.cmake")
  cmake_path(GET config PARENT_PATH config_folder)
  list(APPEND options "-DCMAKE_TOOLCHAIN_FILE=${TOOLCHAIN}" "-Dtally_DIR=${config_folder}")
else()
  list(APPEND options "-DCMAKE_CXX_COMPILER=${CXX}")
endif()
run("${CMAKE_COMMAND}" -S "${SOURCE}" -B "${work}/by_cmake" -G Ninja ${options})
run("${CMAKE_COMMAND}" --build "${work}/by_cmake")
run(${emulator} "${work}/by_cmake/consumer" "${MODEL}")

# Every installed header stands alone; in a cross-build neither xsimd nor protozero is within reach.
file(GLOB_RECURSE headers RELATIVE "${prefix}/include" "${prefix}/include/*.h")
foreach(header IN LISTS headers)
  string(MAKE_C_IDENTIFIER "${header}" name)
  file(WRITE "${work}/headers/${name}.cpp" "#include <${header}>\n")
  list(APPEND header_sources "${work}/headers/${name}.cpp")
endforeach()
run("${CXX}" -std=c++20 -fsyntax-only ${flags} "-I${prefix}/include" ${header_sources})

find_program(PKG_CONFIG NAMES pkg-config pkgconf)
if(NOT PKG_CONFIG)
  message("skipped: the build by pkg-config (there is no pkg-config here)")
  return()
endif()
file(GLOB_RECURSE pc "${prefix}/*/tally.pc")
cmake_path(GET pc PARENT_PATH pc_folder)
set(ENV{PKG_CONFIG_PATH} "${pc_folder}")
execute_process(COMMAND "${PKG_CONFIG}" --cflags --libs tally OUTPUT_VARIABLE pc_flags COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(pc_flags UNIX_COMMAND "${pc_flags}")
run("${CXX}" -std=c++20 ${flags} "${SOURCE}/consumer.cpp" ${pc_flags} -o "${work}/by_pkg_config")
run(${emulator} "${work}/by_pkg_config" "${MODEL}")
