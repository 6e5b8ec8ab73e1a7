#pragma once
// fp16 and int8 on one element, for tails and for instruction sets that have no better.
#include <stdint.h>

#include "tally/platforms/kernels/inline.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// n elements, one at a time: a compiler may not make a call or overlapping loads of it, which would be counted.
template <class T>
TALLY_INLINE void copy_elements(T* to, const T* from, int n) {
  for (int i = 0; i < n; ++i) {
    to[i] = from[i];
    asm volatile("" : : : "memory");
  }
}

/// Two int8 elements as they lie in memory, in one load.
TALLY_INLINE int16_t load_pair(const int8_t* p) {
  int16_t pair;
  __builtin_memcpy(&pair, p, sizeof(pair));
  return pair;
}

TALLY_INLINE float float_from_bits(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof(x));
  return x;
}
TALLY_INLINE uint32_t bits_from_float(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof(bits));
  return bits;
}

// binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits; binary32: 1, 8 (bias 127), 23. No multiplication below,
// since those are counted.

/// Exact.
TALLY_INLINE float float_from_half(uint16_t half) {
  constexpr uint32_t kRebias = uint32_t{127 - 15} << 23;
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  const uint32_t magnitude = uint32_t{half & 0x7fffu} << 13;
  const uint32_t exponent = half & 0x7c00u;
  const uint32_t normal = magnitude + kRebias + (exponent == 0x7c00u ? kRebias : 0);
  // A denormal is its fraction in units of 2^-24: placed behind the leading one of 2^-14, which is then taken away.
  constexpr uint32_t kOne = uint32_t{127 - 14} << 23;
  const uint32_t denormal = bits_from_float(float_from_bits(magnitude + kOne) - float_from_bits(kOne));
  return float_from_bits(sign | (exponent != 0 ? normal : denormal));
}

/// Rounded to nearest, ties to even; overflow to infinity, NaN to a quiet NaN.
TALLY_INLINE uint16_t half_from_float(float x) {
  const uint32_t bits = bits_from_float(x);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x1ffu));
  if (magnitude >= (uint32_t{127 + 16} << 23)) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < (uint32_t{127 - 14} << 23)) {
    // Adding 2^-1 puts the units of 2^-24 into the last place of the sum, rounded as the addition rounds.
    const float sum = float_from_bits(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (bits_from_float(sum) - bits_from_float(0.5f)));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - (uint32_t{127 - 15} << 23)) >> 13));
}

struct Fp16Scalar {
  static TALLY_INLINE float load(const uint16_t* p) { return float_from_half(*p); }
  static TALLY_INLINE float broadcast(const uint16_t* p) { return float_from_half(*p); }
  static TALLY_INLINE void store(uint16_t* p, float v) { *p = half_from_float(v); }
  static TALLY_INLINE float load_partial(const uint16_t*, int) { return 0.0f; }
  static TALLY_INLINE void store_partial(uint16_t*, float, int) {}
};

struct Int8Scalar {
  using Acc = int32_t;
  using Weights = int32_t;
  using Factor = int32_t;
  static constexpr int kStep = 1;
  static constexpr bool kColumnSums = false;
  static TALLY_INLINE Acc zero() { return 0; }
  static TALLY_INLINE Acc add(Acc a, Acc b) { return a + b; }
  static TALLY_INLINE Acc load(const int32_t* p) { return *p; }
  static TALLY_INLINE void store(int32_t* p, Acc v) { *p = v; }
  static TALLY_INLINE Acc load_partial(const int32_t*, int) { return 0; }
  static TALLY_INLINE void store_partial(int32_t*, Acc, int) {}
  static TALLY_INLINE Weights load_weights(const int8_t* p) { return *p; }
  static TALLY_INLINE Factor factor(const int8_t* p) { return *p; }
  static TALLY_INLINE Acc step(Acc acc, Factor f, Weights w) { return acc + f * w; }
  static TALLY_INLINE void pin(int32_t& v) { asm("" : "+r"(v)); }
};

}  // namespace tally::TALLY_ISA_NAMESPACE
