#pragma once
// How kernels say that a call or a loop must not remain.

#define TALLY_INLINE inline __attribute__((always_inline))
#define TALLY_UNROLL _Pragma("GCC unroll 32")
/// Between a lambda's parameters and its body: inlined wherever it is called.
#define TALLY_LAMBDA __attribute__((always_inline))
