// AArch64 Advanced SIMD: 32 registers of 4 lanes.
#include <arm_neon.h>

#include "tally/platforms/kernels/neon_formats.h"
#include "tally/platforms/kernels/simd.h"

namespace tally::TALLY_ISA_NAMESPACE {

struct Arch : XsimdArch<xsimd::batch<float, xsimd::neon64>> {
  using Fp16 = Fp16Neon;
  using Int8 = Int8Neon;
  static constexpr int kGemmRows[] = {8, 8, 8, 6};
  static constexpr int kGemvVectors = 16;
  static constexpr int kRegisters = 32;
  static constexpr bool kHasFma = true;
  static TALLY_INLINE Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
  /// xsimd 8.1 divides by reciprocal steps, 2.7 ULP in a sigmoid; and its shifts by a constant go through an assert.
  static TALLY_INLINE Vec div(Vec a, Vec b) { return vdivq_f32(a, b); }
  static TALLY_INLINE Vec pow2(Vec z) { return vreinterpretq_f32_s32(vshlq_n_s32(vreinterpretq_s32_f32(z), 23)); }
  static TALLY_INLINE Vec add_exponent(Vec p, Vec z) {
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), vshlq_n_s32(vreinterpretq_s32_f32(z), 23)));
  }
  static TALLY_INLINE Vec pow2_first_half(Vec z) { return pow2(half_bits(z)); }
  static TALLY_INLINE Vec pow2_second_half(Vec z) {
    return pow2(vreinterpretq_f32_s32(vsubq_s32(vreinterpretq_s32_f32(z), vreinterpretq_s32_f32(half_bits(z)))));
  }
  static TALLY_INLINE Vec half_bits(Vec z) { return vreinterpretq_f32_s32(vshrq_n_s32(vreinterpretq_s32_f32(z), 1)); }
  static TALLY_INLINE Vec sqrt(Vec a) { return vsqrtq_f32(a); }
  static TALLY_INLINE int32x4_t exponent_bits(Vec a) {
    return vshrq_n_s32(vsubq_s32(vreinterpretq_s32_f32(a), vdupq_n_s32(kRootHalf)), 23);
  }
  static TALLY_INLINE Vec exponent(Vec a) {
    return vsubq_f32(vreinterpretq_f32_s32(vaddq_s32(exponent_bits(a), vdupq_n_s32(kFloatOfInteger))),
                     vdupq_n_f32(12582912.0f));
  }
  static TALLY_INLINE Vec significand(Vec a) {
    return vreinterpretq_f32_s32(vsubq_s32(vreinterpretq_s32_f32(a), vshlq_n_s32(exponent_bits(a), 23)));
  }
  static TALLY_INLINE void pin(Vec& v) { asm("" : "+w"(v.data)); }
  /// One float for a multiplication by element, loaded without a duplication.
  using Element = float32x2_t;
  static TALLY_INLINE Element load_element(const float* p) { return Element{*p, 0.0f}; }
  static TALLY_INLINE Vec fma_element(Vec a, Element b, Vec c) { return vfmaq_lane_f32(c, a, b, 0); }
  static TALLY_INLINE void pin_element(Element& e) { asm("" : "+w"(e)); }
  static TALLY_INLINE Vec load_partial(const float* p, int n) { return load_partial_4(p, n); }
  static TALLY_INLINE void store_partial(float* p, Vec v, int n) { store_partial_4(p, v, n); }
  /// Elements 0, 2, 4 … (even) or 1, 3, 5 … (odd) of a followed by b.
  static TALLY_INLINE Vec even(Vec a, Vec b) { return vuzp1q_f32(a, b); }
  static TALLY_INLINE Vec odd(Vec a, Vec b) { return vuzp2q_f32(a, b); }
  /// Elements of a and b by turns: those of the first halves (low), of the second (high).
  static TALLY_INLINE Vec interleave_low(Vec a, Vec b) { return vzip1q_f32(a, b); }
  static TALLY_INLINE Vec interleave_high(Vec a, Vec b) { return vzip2q_f32(a, b); }
};

}  // namespace tally::TALLY_ISA_NAMESPACE

#include "tally/platforms/kernels/fill.h"
