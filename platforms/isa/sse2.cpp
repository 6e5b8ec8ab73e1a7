// SSE2, which every x86-64 CPU has: 16 registers of 4 lanes, no FMA.
#include <emmintrin.h>

#include "tally/platforms/kernels/simd.h"
#include "tally/platforms/kernels/sse2_formats.h"

namespace tally::TALLY_ISA_NAMESPACE {

struct Arch : XsimdArch<xsimd::batch<float, xsimd::sse2>> {
  using Fp16 = Fp16Sse2;
  using Int8 = Int8Sse2;
  static constexpr int kGemmRows[] = {8, 5};
  static constexpr int kGemvVectors = 10;
  static constexpr int kRegisters = 16;
  static constexpr bool kHasFma = false;
  static TALLY_INLINE void pin(Vec& v) { asm("" : "+x"(v.data)); }
  static TALLY_INLINE Vec load_partial(const float* p, int n) { return load_partial_4(p, n); }
  static TALLY_INLINE void store_partial(float* p, Vec v, int n) { store_partial_4(p, v, n); }
  /// Elements 0, 2, 4 … (even) or 1, 3, 5 … (odd) of a followed by b.
  static TALLY_INLINE Vec even(Vec a, Vec b) { return _mm_shuffle_ps(a, b, 0x88); }
  static TALLY_INLINE Vec odd(Vec a, Vec b) { return _mm_shuffle_ps(a, b, 0xDD); }
  /// Elements of a and b by turns: those of the first halves (low), of the second (high).
  static TALLY_INLINE Vec interleave_low(Vec a, Vec b) { return _mm_unpacklo_ps(a, b); }
  static TALLY_INLINE Vec interleave_high(Vec a, Vec b) { return _mm_unpackhi_ps(a, b); }
};

}  // namespace tally::TALLY_ISA_NAMESPACE

#include "tally/platforms/kernels/fill.h"
