#include "tally/platforms/kernels/avx512_arch.h"

#include "tally/platforms/kernels/fill.h"
