# Include folders made of links, so that sources say "tally/<floor>/<file>.h" as an installed copy does, and so that the
# header-only dependencies of the host serve a cross-build without putting the host's /usr/include in its search path.
set(TALLY_INCLUDE_DIR "${PROJECT_BINARY_DIR}/include")
file(MAKE_DIRECTORY "${TALLY_INCLUDE_DIR}/tally")
foreach(floor platforms engine layers)
  file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${floor}" "${TALLY_INCLUDE_DIR}/tally/${floor}" SYMBOLIC)
endforeach()
file(CREATE_LINK "${PROJECT_SOURCE_DIR}/layers/tally.h" "${TALLY_INCLUDE_DIR}/tally/tally.h" SYMBOLIC)

# tally_header_only(<name> <header>): target tally_headers_<name> with the folder of <header>, e.g. fmt/format.h, linked
# alone into <build>/third_party/<name>. <NAME>_INCLUDE_DIR says where to look when it is not in a usual place.
function(tally_header_only name header)
  string(TOUPPER ${name} upper)
  find_path(${upper}_INCLUDE_DIR ${header} PATHS /usr/include /usr/local/include NO_CMAKE_FIND_ROOT_PATH
            DOC "Folder that holds ${header}")
  if(NOT ${upper}_INCLUDE_DIR)
    message(FATAL_ERROR "${header} not found: install the header-only library ${name}, or set ${upper}_INCLUDE_DIR")
  endif()
  cmake_path(GET header PARENT_PATH folder)
  set(include_dir "${PROJECT_BINARY_DIR}/third_party/${name}")
  file(MAKE_DIRECTORY "${include_dir}")
  file(CREATE_LINK "${${upper}_INCLUDE_DIR}/${folder}" "${include_dir}/${folder}" SYMBOLIC)
  add_library(tally_headers_${name} INTERFACE)
  target_include_directories(tally_headers_${name} SYSTEM INTERFACE "${include_dir}")
endfunction()

# tally_private_headers(<target> <name>…): lets <target>, and nobody who links it, include these libraries.
function(tally_private_headers target)
  foreach(name ${ARGN})
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:tally_headers_${name}>)
  endforeach()
endfunction()

tally_header_only(xsimd xsimd/xsimd.hpp)
tally_header_only(protozero protozero/pbf_reader.hpp)
if(TALLY_TOOLS)
  tally_header_only(fmt fmt/format.h)
  tally_header_only(cli11 CLI/CLI.hpp)
  tally_header_only(nlohmann_json nlohmann/json.hpp)
endif()
if(TALLY_TESTS)
  tally_header_only(doctest doctest/doctest.h)
endif()
