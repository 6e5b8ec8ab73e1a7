#pragma once
// Tails, fp16 and int8 in SSE2's 128-bit registers.
#include <emmintrin.h>
#include <stdint.h>

#include "tally/platforms/kernels/small_formats.h"

namespace tally::TALLY_ISA_NAMESPACE {

TALLY_INLINE __m128 load_partial_4(const float* p, int n) {
  if (n == 1) return _mm_load_ss(p);
  const __m128 two = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  return n == 2 ? two : _mm_movelh_ps(two, _mm_load_ss(p + 2));
}
TALLY_INLINE void store_partial_4(float* p, __m128 v, int n) {
  if (n == 1) {
    _mm_store_ss(p, v);
    return;
  }
  _mm_storel_pi(reinterpret_cast<__m64*>(p), v);
  if (n == 3) _mm_store_ss(p + 2, _mm_movehl_ps(v, v));
}

struct Fp16Sse2 {
  /// Exact, as float_from_half.
  static TALLY_INLINE __m128 load(const uint16_t* p) {
    const __m128i half = _mm_unpacklo_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)), _mm_setzero_si128());
    const __m128i sign = _mm_slli_epi32(_mm_and_si128(half, _mm_set1_epi32(0x8000)), 16);
    const __m128i exponent_fraction = _mm_and_si128(half, _mm_set1_epi32(0x7fff));
    const __m128i magnitude = _mm_slli_epi32(exponent_fraction, 13);
    const __m128i rebias = _mm_set1_epi32((127 - 15) << 23);
    const __m128i one = _mm_set1_epi32((127 - 14) << 23);
    const __m128i is_special = _mm_cmpgt_epi32(exponent_fraction, _mm_set1_epi32(0x7bff));
    const __m128i is_denormal = _mm_cmplt_epi32(exponent_fraction, _mm_set1_epi32(0x0400));
    const __m128i normal = _mm_add_epi32(_mm_add_epi32(magnitude, rebias), _mm_and_si128(is_special, rebias));
    const __m128 denormal = _mm_sub_ps(_mm_castsi128_ps(_mm_add_epi32(magnitude, one)), _mm_castsi128_ps(one));
    const __m128i chosen =
        _mm_or_si128(_mm_and_si128(is_denormal, _mm_castps_si128(denormal)), _mm_andnot_si128(is_denormal, normal));
    return _mm_castsi128_ps(_mm_or_si128(sign, chosen));
  }
  static TALLY_INLINE __m128 broadcast(const uint16_t* p) { return _mm_set1_ps(float_from_half(*p)); }
  static TALLY_INLINE void store(uint16_t* p, __m128 v) {
    alignas(16) float lane[4];
    _mm_store_ps(lane, v);
    uint64_t four = 0;
    for (int i = 3; i >= 0; --i) four = four << 16 | half_from_float(lane[i]);
    __builtin_memcpy(p, &four, sizeof(four));
  }
  static TALLY_INLINE __m128 load_partial(const uint16_t* p, int n) {
    alignas(16) uint16_t lane[4] = {};
    copy_elements(lane, p, n);
    return load(lane);
  }
  static TALLY_INLINE void store_partial(uint16_t* p, __m128 v, int n) {
    alignas(16) uint16_t lane[4];
    store(lane, v);
    copy_elements(p, lane, n);
  }
};

/// Two depth elements a step: widened to 16 bits, pmaddwd adds the products of a pair in 32 bits, which cannot
/// overflow.
struct Int8Sse2 {
  using Acc = __m128i;
  using Weights = __m128i;
  using Factor = __m128i;
  static constexpr int kStep = 2;
  static constexpr bool kColumnSums = false;
  static TALLY_INLINE Acc zero() { return _mm_setzero_si128(); }
  static TALLY_INLINE Acc add(Acc a, Acc b) { return _mm_add_epi32(a, b); }
  static TALLY_INLINE Acc load(const int32_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
  static TALLY_INLINE void store(int32_t* p, Acc v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v); }
  static TALLY_INLINE Acc load_partial(const int32_t* p, int n) {
    return _mm_castps_si128(load_partial_4(reinterpret_cast<const float*>(p), n));
  }
  static TALLY_INLINE void store_partial(int32_t* p, Acc v, int n) {
    store_partial_4(reinterpret_cast<float*>(p), _mm_castsi128_ps(v), n);
  }
  static TALLY_INLINE __m128i widen(__m128i v) { return _mm_srai_epi16(_mm_unpacklo_epi8(v, v), 8); }
  static TALLY_INLINE Weights load_weights(const int8_t* p) {
    return widen(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  }
  static TALLY_INLINE Factor factor(const int8_t* p) {
    return _mm_shuffle_epi32(widen(_mm_cvtsi32_si128(load_pair(p))), 0);
  }
  static TALLY_INLINE Factor factor_tail(const int8_t* p, int) {
    return _mm_shuffle_epi32(widen(_mm_cvtsi32_si128(static_cast<uint8_t>(*p))), 0);
  }
  static TALLY_INLINE Acc step(Acc acc, Factor f, Weights w) { return _mm_add_epi32(acc, _mm_madd_epi16(f, w)); }
  static TALLY_INLINE void pin(__m128i& v) { asm("" : "+x"(v)); }
};

}  // namespace tally::TALLY_ISA_NAMESPACE
