#pragma once
// AVX-512 F+DQ+BW+VL: 32 registers of 16 lanes. Short panels use 8-lane registers, which cost half as much on cores
// that split 512-bit work.
#include <immintrin.h>

#include "tally/platforms/kernels/avx512_formats.h"
#include "tally/platforms/kernels/simd.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// 4 lanes, for row ends of pixel tiles: loaded, stored and joined, never computed with.
struct QuarterArch : XsimdArch<xsimd::batch<float, xsimd::sse2>> {
  static TALLY_INLINE void store_partial(float* p, Vec v, int n) {
    _mm_mask_storeu_ps(p, static_cast<__mmask8>((1u << n) - 1), v);
  }
};

struct HalfArch : XsimdArch<xsimd::batch<float, xsimd::fma3<xsimd::avx2>>> {
  using Fp16 = Fp16Avx2;
  using Int8 = Int8Half;
  static constexpr int kGemmRows[] = {8};
  static constexpr int kGemvVectors = 1;
  static constexpr int kRegisters = 32;
  static constexpr bool kHasFma = true;
  static TALLY_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
  static TALLY_INLINE Vec select_less(Vec a, Vec b, Vec yes, Vec no) {
    return _mm256_mask_blend_ps(_mm256_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
  }
  static TALLY_INLINE Vec broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static TALLY_INLINE void pin(Vec& v) { asm("" : "+v"(v.data)); }
  static TALLY_INLINE Vec load_partial(const float* p, int n) {
    return _mm256_maskz_loadu_ps(static_cast<__mmask8>((1u << n) - 1), p);
  }
  static TALLY_INLINE void store_partial(float* p, Vec v, int n) {
    _mm256_mask_storeu_ps(p, static_cast<__mmask8>((1u << n) - 1), v);
  }
  using Piece = QuarterArch;
  static TALLY_INLINE Vec join(Piece::Vec low, Piece::Vec high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
  }
  static TALLY_INLINE Piece::Vec low(Vec v) { return _mm256_castps256_ps128(v); }
  static TALLY_INLINE Piece::Vec high(Vec v) { return _mm256_extractf128_ps(v, 1); }
};

struct Arch : XsimdArch<xsimd::batch<float, xsimd::avx512bw>> {
  using Half = HalfArch;
  using Fp16 = Fp16Avx512;
  using Int8 = Int8Full;
  static constexpr int kGemmRows[] = {8, 8, 8, 6};
  static constexpr int kGemvVectors = 8;
  static constexpr int kRegisters = 32;
  static constexpr bool kHasFma = true;
  static TALLY_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
  /// p · 2^n, rounded once.
  static TALLY_INLINE Vec scale(Vec p, Vec n) { return _mm512_scalef_ps(p, n); }
  static TALLY_INLINE Vec broadcast(const float* p) { return _mm512_set1_ps(*p); }
  /// Keeps the value in a register: the compiler may neither reload it nor fold its load into an instruction.
  static TALLY_INLINE void pin(Vec& v) { asm("" : "+v"(v.data)); }
  static TALLY_INLINE Vec load_partial(const float* p, int n) {
    return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
  }
  static TALLY_INLINE void store_partial(float* p, Vec v, int n) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v);
  }
  /// Half-width vectors as the two ends of one register.
  using Piece = HalfArch;
  static TALLY_INLINE Vec join(Piece::Vec low, Piece::Vec high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
  }
  static TALLY_INLINE Piece::Vec low(Vec v) { return _mm512_castps512_ps256(v); }
  static TALLY_INLINE Piece::Vec high(Vec v) { return _mm512_extractf32x8_ps(v, 1); }
  /// Elements 0, 2, 4 … (even) or 1, 3, 5 … (odd) of a followed by b.
  static TALLY_INLINE Vec even(Vec a, Vec b) {
    return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30), b);
  }
  static TALLY_INLINE Vec odd(Vec a, Vec b) {
    return _mm512_permutex2var_ps(a, _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31), b);
  }
  /// Elements of a and b by turns: those of the first halves (low), of the second (high).
  static TALLY_INLINE Vec interleave_low(Vec a, Vec b) {
    return _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), b);
  }
  static TALLY_INLINE Vec interleave_high(Vec a, Vec b) {
    return _mm512_permutex2var_ps(a, _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
                                  b);
  }
};

}  // namespace tally::TALLY_ISA_NAMESPACE
