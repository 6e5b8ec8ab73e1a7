# Configuring what cannot be built ends with an error that says what would help; a choice of operators and commands is
# made. Run by ctest; tests/CMakeLists.txt passes the variables.
#   SOURCE BUILD CXX TOOLCHAIN
cmake_minimum_required(VERSION 3.25)
set(work "${BUILD}/configure_test")
file(REMOVE_RECURSE "${work}")

# configure(<name> <options>…): into `result` and `output`.
function(configure name)
  execute_process(COMMAND "${CMAKE_COMMAND}" -S "${SOURCE}" -B "${work}/${name}" -G Ninja ${ARGN}
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")  # CMake wraps messages
  set(result "${result}" PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect_error words)
  string(FIND "${output}" "${words}" at)
  if(result EQUAL 0 OR at EQUAL -1)
    message(FATAL_ERROR "wanted an error with '${words}', got ${result}: ${output}")
  endif()
endfunction()

set(ENV{ANDROID_NDK} "")
foreach(preset android64 android32)
  execute_process(COMMAND "${CMAKE_COMMAND}" --preset ${preset} -B "${work}/${preset}" WORKING_DIRECTORY "${SOURCE}"
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  expect_error("Android presets need the NDK: set ANDROID_NDK to its folder")
endforeach()
configure(android "-DCMAKE_TOOLCHAIN_FILE=${SOURCE}/toolchains/android.cmake" -DANDROID_NDK=/no/such/folder)
expect_error("(now: '/no/such/folder')")

set(native "-DCMAKE_CXX_COMPILER=${CXX}" -DTALLY_TESTS=OFF -DTALLY_OPENMP=OFF)
if(TOOLCHAIN)
  set(native "-DCMAKE_TOOLCHAIN_FILE=${TOOLCHAIN}" -DTALLY_TESTS=OFF -DTALLY_OPENMP=OFF)
endif()
configure(operators ${native} "-DTALLY_OPERATORS=Nope")
expect_error("TALLY_OPERATORS: 'Nope' is no operator of layers/list.inc")
configure(commands ${native} "-DTALLY_COMMANDS=nope")
expect_error("TALLY_COMMANDS: 'nope' is no command of tools/commands/commands.inc")

configure(chosen ${native} "-DTALLY_OPERATORS=Relu")
file(READ "${work}/chosen/include/tally/chosen_layers.inc" rows)
if(NOT result EQUAL 0 OR NOT rows MATCHES "TALLY_LAYER\\(Relu," OR rows MATCHES "TALLY_LAYER\\(Conv," OR
   rows MATCHES "recognise_attention" OR NOT rows MATCHES "TALLY_RULE\\(1, absorb_activation\\)")
  message(FATAL_ERROR "TALLY_OPERATORS=Relu chose: ${rows}")
endif()
