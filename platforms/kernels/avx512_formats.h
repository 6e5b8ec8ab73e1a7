#pragma once
// fp16 and int8 in 512-bit registers and in the 256-bit ones of half-width panels, with and without VNNI.
#include <immintrin.h>
#include <stdint.h>

#include "tally/platforms/kernels/avx2_formats.h"

namespace tally::TALLY_ISA_NAMESPACE {

struct Fp16Avx512 {
  static TALLY_INLINE __m512 load(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static TALLY_INLINE __m512 broadcast(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<short>(*p)));
  }
  static TALLY_INLINE void store(uint16_t* p, __m512 v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
  static TALLY_INLINE __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static TALLY_INLINE __m512 load_partial(const uint16_t* p, int n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p));
  }
  static TALLY_INLINE void store_partial(uint16_t* p, __m512 v, int n) {
    _mm256_mask_storeu_epi16(p, first(n), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }
};

/// int32 sums in 512-bit registers.
struct Int32Avx512 {
  using Acc = __m512i;
  static TALLY_INLINE Acc zero() { return _mm512_setzero_si512(); }
  static TALLY_INLINE Acc add(Acc a, Acc b) { return _mm512_add_epi32(a, b); }
  static TALLY_INLINE Acc load(const int32_t* p) { return _mm512_loadu_si512(p); }
  static TALLY_INLINE void store(int32_t* p, Acc v) { _mm512_storeu_si512(p, v); }
  static TALLY_INLINE __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static TALLY_INLINE Acc load_partial(const int32_t* p, int n) { return _mm512_maskz_loadu_epi32(first(n), p); }
  static TALLY_INLINE void store_partial(int32_t* p, Acc v, int n) { _mm512_mask_storeu_epi32(p, first(n), v); }
};

#ifdef __AVX512VNNI__

/// A's bytes offset by 128, so that vpdpbusd, which takes unsigned by signed, is exact for all int8: each sum starts
/// from −128·Σ weights (GemmArgs::column_sums). A tail's missing elements are zeros, offset like the others; their
/// weights are in the column sums too.
struct OffsetFactor {
  static constexpr int32_t kOffset = static_cast<int32_t>(0x80808080u);
  static TALLY_INLINE int32_t load(const int8_t* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof(four));
    return four;
  }
  /// The first n < 4 elements in the low 32 bits, zeros beyond.
  static TALLY_INLINE __m128i load_tail(const int8_t* p, int n) {
    return _mm_maskz_loadu_epi8(static_cast<__mmask16>((1u << n) - 1), p);
  }
};

struct Int8Full : Int32Avx512 {
  using Weights = __m512i;
  using Factor = __m512i;
  static constexpr int kStep = 4;
  static constexpr bool kColumnSums = true;
  static TALLY_INLINE Weights load_weights(const int8_t* p) { return _mm512_loadu_si512(p); }
  static TALLY_INLINE Factor offset(__m512i four) {
    return _mm512_xor_si512(four, _mm512_set1_epi32(OffsetFactor::kOffset));
  }
  static TALLY_INLINE Factor factor(const int8_t* p) { return offset(_mm512_set1_epi32(OffsetFactor::load(p))); }
  static TALLY_INLINE Factor factor_tail(const int8_t* p, int n) {
    return offset(_mm512_broadcastd_epi32(OffsetFactor::load_tail(p, n)));
  }
  static TALLY_INLINE Acc step(Acc acc, Factor f, Weights w) { return _mm512_dpbusd_epi32(acc, f, w); }
  static TALLY_INLINE void pin(__m512i& v) { asm("" : "+v"(v)); }
};

struct Int8Half : Int32Avx2 {
  using Weights = __m256i;
  using Factor = __m256i;
  static constexpr int kStep = 4;
  static constexpr bool kColumnSums = true;
  static TALLY_INLINE Weights load_weights(const int8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static TALLY_INLINE Factor offset(__m256i four) {
    return _mm256_xor_si256(four, _mm256_set1_epi32(OffsetFactor::kOffset));
  }
  static TALLY_INLINE Factor factor(const int8_t* p) { return offset(_mm256_set1_epi32(OffsetFactor::load(p))); }
  static TALLY_INLINE Factor factor_tail(const int8_t* p, int n) {
    return offset(_mm256_broadcastd_epi32(OffsetFactor::load_tail(p, n)));
  }
  static TALLY_INLINE Acc step(Acc acc, Factor f, Weights w) { return _mm256_dpbusd_epi32(acc, f, w); }
  static TALLY_INLINE void pin(__m256i& v) { asm("" : "+v"(v)); }
};

#else

/// As Int8Avx2, twice as wide.
struct Int8Full : Int32Avx512 {
  using Weights = __m512i;
  using Factor = __m512i;
  static constexpr int kStep = 2;
  static constexpr bool kColumnSums = false;
  static TALLY_INLINE Weights load_weights(const int8_t* p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static TALLY_INLINE Factor factor(const int8_t* p) { return _mm512_cvtepi8_epi16(_mm256_set1_epi16(load_pair(p))); }
  static TALLY_INLINE Factor factor_tail(const int8_t* p, int) {
    return _mm512_cvtepi8_epi16(_mm256_set1_epi16(static_cast<uint8_t>(*p)));
  }
  static TALLY_INLINE Acc step(Acc acc, Factor f, Weights w) { return _mm512_add_epi32(acc, _mm512_madd_epi16(f, w)); }
  static TALLY_INLINE void pin(__m512i& v) { asm("" : "+v"(v)); }
};

struct Int8Half : Int8Avx2 {
  static TALLY_INLINE void pin(__m256i& v) { asm("" : "+v"(v)); }
};

#endif

}  // namespace tally::TALLY_ISA_NAMESPACE
