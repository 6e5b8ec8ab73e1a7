# Android through the NDK's own toolchain file; ANDROID_NDK (CMake or environment) names the NDK, ANDROID_ABI the target.
if(NOT ANDROID_NDK)
  set(ANDROID_NDK "$ENV{ANDROID_NDK}")
endif()
if(NOT EXISTS "${ANDROID_NDK}/build/cmake/android.toolchain.cmake")
  message(FATAL_ERROR "Android presets need the NDK: set ANDROID_NDK to its folder, the one that holds "
                      "build/cmake/android.toolchain.cmake (now: '${ANDROID_NDK}')")
endif()
set(ANDROID_PLATFORM android-24)
set(ANDROID_STL c++_static)
include("${ANDROID_NDK}/build/cmake/android.toolchain.cmake")
