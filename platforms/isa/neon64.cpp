// AArch64 Advanced SIMD as every 64-bit ARM core has it.
#include "tally/platforms/kernels/neon64_arch.h"

#include "tally/platforms/kernels/fill.h"
