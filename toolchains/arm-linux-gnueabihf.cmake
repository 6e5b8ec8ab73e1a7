# 32-bit ARM Linux with hard float and NEON: 32-bit Raspberry Pi OS on a Pi 2 or later. Only the kernels of neon32 need
# NEON-VFPv4 (fused multiply-add) and are chosen at run time. Debian: g++-arm-linux-gnueabihf, and qemu-user for the tests.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv7)
set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)
set(CMAKE_CXX_COMPILER arm-linux-gnueabihf-g++)
# -marm: Debian's compiler would write Thumb-2, which cannot hold the markers of `run --mark`.
# -Wno-psabi: GCC has nothing to say of how it passed arguments before version 7.1.
set(CMAKE_CXX_FLAGS_INIT "-marm -march=armv7-a -mfpu=neon -mfloat-abi=hard -Wno-psabi")

set(TALLY_QEMU_CPU max CACHE STRING "CPU that qemu-arm plays: cortex-a7, cortex-a15, max")
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-arm -L /usr/arm-linux-gnueabihf -cpu ${TALLY_QEMU_CPU})

set(CMAKE_FIND_ROOT_PATH /usr/arm-linux-gnueabihf)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
