#pragma once
// fp16 and int8 in 256-bit registers, for AVX2 + F16C and the half-width panels of AVX-512.
#include <immintrin.h>
#include <stdint.h>

#include "tally/platforms/kernels/avx2_tail.h"
#include "tally/platforms/kernels/small_formats.h"

namespace tally::TALLY_ISA_NAMESPACE {

struct Fp16Avx2 {
  static TALLY_INLINE __m256 load(const uint16_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static TALLY_INLINE __m256 broadcast(const uint16_t* p) {
    return _mm256_cvtph_ps(_mm_set1_epi16(static_cast<short>(*p)));
  }
  static TALLY_INLINE void store(uint16_t* p, __m256 v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
  static TALLY_INLINE __m256 load_partial(const uint16_t* p, int n) {
    alignas(16) uint16_t lane[8] = {};
    copy_elements(lane, p, n);
    return load(lane);
  }
  static TALLY_INLINE void store_partial(uint16_t* p, __m256 v, int n) {
    alignas(16) uint16_t lane[8];
    store(lane, v);
    copy_elements(p, lane, n);
  }
};

/// int32 sums in 256-bit registers.
struct Int32Avx2 {
  using Acc = __m256i;
  static TALLY_INLINE Acc zero() { return _mm256_setzero_si256(); }
  static TALLY_INLINE Acc add(Acc a, Acc b) { return _mm256_add_epi32(a, b); }
  static TALLY_INLINE Acc load(const int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
  static TALLY_INLINE void store(int32_t* p, Acc v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  static TALLY_INLINE Acc load_partial(const int32_t* p, int n) {
    return _mm256_castps_si256(load_first8(reinterpret_cast<const float*>(p), n));
  }
  static TALLY_INLINE void store_partial(int32_t* p, Acc v, int n) {
    store_first8(reinterpret_cast<float*>(p), _mm256_castsi256_ps(v), n);
  }
};

/// Two depth elements a step: widened to 16 bits, vpmaddwd adds the products of a pair in 32 bits, which cannot
/// overflow.
struct Int8Avx2 : Int32Avx2 {
  using Weights = __m256i;
  using Factor = __m256i;
  static constexpr int kStep = 2;
  static constexpr bool kColumnSums = false;
  static TALLY_INLINE Weights load_weights(const int8_t* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static TALLY_INLINE Factor factor(const int8_t* p) { return _mm256_cvtepi8_epi16(_mm_set1_epi16(load_pair(p))); }
  static TALLY_INLINE Factor factor_tail(const int8_t* p, int) {
    return _mm256_cvtepi8_epi16(_mm_set1_epi16(static_cast<uint8_t>(*p)));
  }
  static TALLY_INLINE Acc step(Acc acc, Factor f, Weights w) { return _mm256_add_epi32(acc, _mm256_madd_epi16(f, w)); }
  static TALLY_INLINE void pin(__m256i& v) { asm("" : "+x"(v)); }
};

}  // namespace tally::TALLY_ISA_NAMESPACE
