// AVX2 + FMA + F16C: 16 registers of 8 lanes.
#include <immintrin.h>

#include "tally/platforms/kernels/avx2_formats.h"
#include "tally/platforms/kernels/simd.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// 4 lanes, for row ends of pixel tiles: loaded, stored and joined, never computed with.
struct HalfArch : XsimdArch<xsimd::batch<float, xsimd::sse2>> {
  static TALLY_INLINE void store_partial(float* p, Vec v, int n) { store_first4(p, v, n); }
};

struct Arch : XsimdArch<xsimd::batch<float, xsimd::fma3<xsimd::avx2>>> {
  using Fp16 = Fp16Avx2;
  using Int8 = Int8Avx2;
  static constexpr int kGemmRows[] = {8, 6, 4};
  static constexpr int kGemvVectors = 12;
  static constexpr int kRegisters = 16;
  static constexpr bool kHasFma = true;
  static TALLY_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
  static TALLY_INLINE Vec broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static TALLY_INLINE void pin(Vec& v) { asm("" : "+x"(v.data)); }
  static TALLY_INLINE Vec load_partial(const float* p, int n) { return load_first8(p, n); }
  static TALLY_INLINE void store_partial(float* p, Vec v, int n) { store_first8(p, v, n); }
  /// Half-width vectors as the two ends of one register.
  using Piece = HalfArch;
  static TALLY_INLINE Vec join(Piece::Vec low, Piece::Vec high) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
  }
  static TALLY_INLINE Piece::Vec low(Vec v) { return _mm256_castps256_ps128(v); }
  static TALLY_INLINE Piece::Vec high(Vec v) { return _mm256_extractf128_ps(v, 1); }
  /// Elements 0, 2, 4 … (even) or 1, 3, 5 … (odd) of a followed by b.
  static TALLY_INLINE Vec even(Vec a, Vec b) { return in_order(_mm256_shuffle_ps(a, b, 0x88)); }
  static TALLY_INLINE Vec odd(Vec a, Vec b) { return in_order(_mm256_shuffle_ps(a, b, 0xDD)); }
  /// Elements of a and b by turns: those of the first halves (low), of the second (high).
  static TALLY_INLINE Vec interleave_low(Vec a, Vec b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
  }
  static TALLY_INLINE Vec interleave_high(Vec a, Vec b) {
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
  }
  /// Shuffles work within halves of a register: brings their pairs 0 2 1 3 into order.
  static TALLY_INLINE Vec in_order(__m256 v) {
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(v), 0xD8));
  }
};

}  // namespace tally::TALLY_ISA_NAMESPACE

#include "tally/platforms/kernels/fill.h"
