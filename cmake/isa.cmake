# The instruction sets of platforms/isa/list.inc, the X-macro list that the code reads too: one object library a row of
# the target's family.
include(CheckCXXSourceCompiles)

# The compiler is asked, not the machine: a 32-bit userland may run on a 64-bit kernel.
set(TALLY_FAMILY other)
foreach(family_macro x86_64:__x86_64__ aarch64:__aarch64__ armv7:__arm__)
  string(REPLACE ":" ";" family_macro ${family_macro})
  list(GET family_macro 0 family)
  list(GET family_macro 1 macro)
  check_cxx_source_compiles("#ifndef ${macro}\n#error\n#endif\nint main() {}" TALLY_TARGET_IS_${family})
  if(TALLY_TARGET_IS_${family})
    set(TALLY_FAMILY ${family})
    break()
  endif()
endforeach()

# Why these options. -O2 in every preset: at -O0 the linker may keep one ISA's copy of a weak inline function for all, and
# hand AVX-512 code to a baseline CPU; for the same reason no LTO, and xsimd under a name of its own in each object. No
# exceptions and no RTTI: they would bring weak symbols of namespace std. No errno from sqrt: it would bring a call of libm.
set(TALLY_ISA_OPTIONS -O2 -fno-lto -fno-exceptions -fno-rtti -fno-math-errno -ffp-contract=off)
# Of the sanitizers only plain address checks: with undefined behaviour and scopes checked too, gcc 12 takes ten minutes
# and 2 GB for one such file (half a minute without); guard pages around every operand test the kernels besides.
list(APPEND TALLY_ISA_OPTIONS -fno-sanitize=undefined -fno-sanitize-address-use-after-scope)
if(TALLY_FUZZ)
  list(APPEND TALLY_ISA_OPTIONS -fno-sanitize=fuzzer-no-link)  # nor does coverage in kernels tell a fuzzer much
endif()
if(TALLY_FAMILY STREQUAL "armv7")
  # A32, whatever the compiler's habit: the judge of the counters reads it. No addresses in vectors, which gcc 12 would
  # multiply there: the judge takes such products for MACs. No arithmetic under a condition, which emulators count whether
  # or not it is carried out. And gcc has no fp16 type here unless asked for.
  list(APPEND TALLY_ISA_OPTIONS -marm -fno-tree-slp-vectorize
       "$<$<CXX_COMPILER_ID:GNU>:-fno-if-conversion2;-mfp16-format=ieee>")
endif()
# gcc 12's own AVX-512 headers trip this warning (gcc bug 105593).
list(APPEND TALLY_ISA_OPTIONS "$<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized;-Wno-maybe-uninitialized>")

# tally_add_isas(<target>): compiles platforms/isa/<name>.cpp of each row into <target> and tells it TALLY_HAS_ISA_<name>.
# Sets TALLY_ISA_TARGETS to the object libraries.
function(tally_add_isas target)
  set(list_file "${PROJECT_SOURCE_DIR}/platforms/isa/list.inc")
  set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${list_file}")
  file(STRINGS "${list_file}" rows REGEX "^TALLY_ISA\\(")
  set(built "")
  foreach(row IN LISTS rows)
    if(NOT row MATCHES "^TALLY_ISA\\(([a-z0-9_]+), *([a-z0-9_]+), *([a-z0-9_]+), *\"([^\"]*)\"\\)")
      message(FATAL_ERROR "${list_file}: not a row of (name, family, base, \"flags\"): ${row}")
    endif()
    set(name ${CMAKE_MATCH_1})
    set(family ${CMAKE_MATCH_2})
    set(base ${CMAKE_MATCH_3})
    separate_arguments(flags UNIX_COMMAND "${CMAKE_MATCH_4}")
    set(source "${PROJECT_SOURCE_DIR}/platforms/isa/${name}.cpp")
    if(NOT family STREQUAL "any" AND NOT family STREQUAL TALLY_FAMILY)
      continue()
    elseif(TALLY_ISAS AND NOT name IN_LIST TALLY_ISAS)
      continue()
    elseif(NOT base STREQUAL name AND NOT base IN_LIST built)
      message(FATAL_ERROR "${name} builds on ${base}, which TALLY_ISAS leaves out")
    elseif(NOT EXISTS "${source}")
      message(WARNING "${name} of platforms/isa/list.inc has no ${source}")
      continue()
    endif()
    add_library(tally_isa_${name} OBJECT "${source}")
    target_include_directories(tally_isa_${name} PRIVATE "${TALLY_INCLUDE_DIR}")
    target_compile_options(tally_isa_${name} PRIVATE ${TALLY_ISA_OPTIONS} ${flags})  # a later -O2 would undo the row's flags
    target_compile_definitions(tally_isa_${name} PRIVATE xsimd=xsimd_${name} TALLY_ISA_NAMESPACE=isa_${name} TALLY_ISA_NAME=${name})
    tally_private_headers(tally_isa_${name} xsimd)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:tally_isa_${name}>)
    target_compile_definitions(${target} PRIVATE TALLY_HAS_ISA_${name}=1)
    list(APPEND built ${name})
  endforeach()
  foreach(name IN LISTS TALLY_ISAS)
    if(NOT name IN_LIST built)
      message(FATAL_ERROR "TALLY_ISAS: '${name}' is no instruction set of ${TALLY_FAMILY} in platforms/isa/list.inc")
    endif()
  endforeach()
  list(JOIN built " " text)
  message(STATUS "Instruction sets (${TALLY_FAMILY}): ${text}")
  list(TRANSFORM built PREPEND tally_isa_)
  set(TALLY_ISA_TARGETS ${built} PARENT_SCOPE)
endfunction()
