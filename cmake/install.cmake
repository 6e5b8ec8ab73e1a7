# cmake --install: headers under include/tally (as the sources include them), libraries, the CMake package `tally` with
# targets tally::tally, tally::platforms, tally::engine, tally::layers, and tally.pc. The kernels, the ONNX reader
# and the single layers stay behind, and with them every include of xsimd and protozero.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(include_dir "${CMAKE_INSTALL_INCLUDEDIR}/tally")
install(FILES layers/tally.h DESTINATION "${include_dir}")
install(FILES layers/tally.h layers/model.h layers/builder.h layers/registry.h DESTINATION "${include_dir}/layers")
install(DIRECTORY platforms engine DESTINATION "${include_dir}" FILES_MATCHING
        PATTERN "*.h" PATTERN "*.inc"
        PATTERN platforms/kernels EXCLUDE PATTERN engine/onnx EXCLUDE)

install(TARGETS tally_platforms tally_engine tally_layers tally_tally EXPORT tally)
if(TALLY_TOOLS)
  install(TARGETS tally)
endif()

# A static library leaves its own dependencies to whoever links it; a shared one has them inside.
get_target_property(library_type tally_platforms TYPE)
set(TALLY_NEEDS_OPENMP OFF)
set(pc_link_flags "")
if(TALLY_OPENMP AND library_type STREQUAL "STATIC_LIBRARY")
  set(TALLY_NEEDS_OPENMP ON)
  set(pc_link_flags " ${OpenMP_CXX_FLAGS}")
endif()

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/tally")
install(EXPORT tally NAMESPACE tally:: FILE tallyTargets.cmake DESTINATION "${package_dir}")
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/tallyConfig.cmake.in" "${PROJECT_BINARY_DIR}/tallyConfig.cmake"
                              INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/tallyConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/tallyConfig.cmake" "${PROJECT_BINARY_DIR}/tallyConfigVersion.cmake"
        DESTINATION "${package_dir}")

# Paths in tally.pc are relative to itself, so that an installed tree may be moved.
file(RELATIVE_PATH pc_prefix "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/tally.pc.in" "${PROJECT_BINARY_DIR}/tally.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/tally.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
