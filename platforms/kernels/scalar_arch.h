#pragma once
// XsimdArch's members on one float: xsimd has no architecture without registers.
#include <stdint.h>

#include "tally/platforms/kernels/small_formats.h"

namespace tally::TALLY_ISA_NAMESPACE {

struct ScalarArch {
  using Vec = float;
  using Fp16 = Fp16Scalar;
  using Int8 = Int8Scalar;
  static constexpr int kGemmRows[] = {8, 5, 3, 2};
  static constexpr int kGemvVectors = 8;
  static constexpr int kLanes = 1;
  static constexpr int kRegisters = 16;
  static constexpr bool kHasFma = false;
  static TALLY_INLINE Vec zero() { return 0.0f; }
  static TALLY_INLINE Vec set(float x) { return x; }
  static TALLY_INLINE Vec load(const float* p) { return *p; }
  static TALLY_INLINE void store(float* p, Vec v) { *p = v; }
  static TALLY_INLINE Vec add(Vec a, Vec b) { return a + b; }
  static TALLY_INLINE Vec sub(Vec a, Vec b) { return a - b; }
  static TALLY_INLINE Vec mul(Vec a, Vec b) { return a * b; }
  /// By a constant the compiler would multiply, which is counted.
  static TALLY_INLINE Vec div(Vec a, Vec b) { return a / opaque(b); }
  // What is chosen passes through a register that the compiler knows nothing about: it would otherwise branch on the
  // comparison and leave out arithmetic behind it, and the count of multiplications would depend on the data.
  static TALLY_INLINE Vec max(Vec a, Vec b) { return opaque(a > b ? a : b); }
  static TALLY_INLINE Vec min(Vec a, Vec b) { return opaque(a < b ? a : b); }
  static TALLY_INLINE Vec opaque(Vec v) {
    pin(v);
    return v;
  }
  static TALLY_INLINE Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
  static TALLY_INLINE Vec abs(Vec a) { return from_bits(bits(a) & 0x7fffffffu); }
  static TALLY_INLINE Vec copysign(Vec a, Vec b) {
    return from_bits((bits(a) & 0x7fffffffu) | (bits(b) & 0x80000000u));
  }
  static TALLY_INLINE Vec select_less(Vec a, Vec b, Vec yes, Vec no) {
    uint32_t mask = a < b ? ~uint32_t{0} : 0;
    asm("" : "+r"(mask));
    return from_bits((bits(yes) & mask) | (bits(no) & ~mask));
  }
  static TALLY_INLINE Vec sqrt(Vec a) { return __builtin_sqrtf(a); }
  static TALLY_INLINE Vec select_nan(Vec a, Vec yes, Vec no) {
    uint32_t mask = a != a ? ~uint32_t{0} : 0;
    asm("" : "+r"(mask));
    return from_bits((bits(yes) & mask) | (bits(no) & ~mask));
  }
  static TALLY_INLINE Vec exponent(Vec a) {
    return from_bits(static_cast<uint32_t>(above_root(a) >> 23) + 0x4b400000u) - 12582912.0f;
  }
  static TALLY_INLINE Vec significand(Vec a) {
    return from_bits(bits(a) - (static_cast<uint32_t>(above_root(a) >> 23) << 23));
  }
  static TALLY_INLINE int32_t above_root(Vec a) { return static_cast<int32_t>(bits(a) - 0x3f3504f3u); }
  static TALLY_INLINE Vec pow2(Vec z) { return from_bits(bits(z) << 23); }
  static TALLY_INLINE Vec add_exponent(Vec p, Vec z) { return from_bits(bits(p) + (bits(z) << 23)); }
  static TALLY_INLINE Vec pow2_first_half(Vec z) { return from_bits((bits(z) >> 1) << 23); }
  static TALLY_INLINE Vec pow2_second_half(Vec z) { return from_bits((bits(z) - (bits(z) >> 1)) << 23); }
  static TALLY_INLINE uint32_t bits(Vec a) { return __builtin_bit_cast(uint32_t, a); }
  static TALLY_INLINE Vec from_bits(uint32_t a) { return __builtin_bit_cast(float, a); }
  static TALLY_INLINE Vec broadcast(const float* p) { return *p; }
  static TALLY_INLINE void pin(Vec& v) {
#if defined(__x86_64__)
    asm("" : "+x"(v));
#elif defined(__aarch64__)
    asm("" : "+w"(v));
#elif defined(__arm__)
    asm("" : "+t"(v));
#else
    (void)v;
#endif
  }
  static TALLY_INLINE Vec load_partial(const float*, int) { return 0.0f; }
  static TALLY_INLINE void store_partial(float*, Vec, int) {}
  static TALLY_INLINE Vec even(Vec a, Vec) { return a; }
  static TALLY_INLINE Vec odd(Vec, Vec b) { return b; }
  static TALLY_INLINE Vec interleave_low(Vec a, Vec) { return a; }
  static TALLY_INLINE Vec interleave_high(Vec, Vec b) { return b; }
};

}  // namespace tally::TALLY_ISA_NAMESPACE
