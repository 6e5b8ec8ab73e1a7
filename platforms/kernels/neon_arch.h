#pragma once
// What AArch64 and 32-bit ARM share of an Arch on 128-bit NEON registers. B: an xsimd batch of four floats.
#include "tally/platforms/kernels/neon_formats.h"
#include "tally/platforms/kernels/simd.h"

namespace tally::TALLY_ISA_NAMESPACE {

template <class B>
struct NeonArch : XsimdArch<B> {
  using Vec = B;
  using Fp16 = Fp16Neon;
  using Int8 = Int8Neon;
  static constexpr bool kHasFma = true;
  static TALLY_INLINE Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
  // xsimd 8.1's shifts by a constant go through an assert.
  static TALLY_INLINE Vec pow2(Vec z) { return vreinterpretq_f32_s32(vshlq_n_s32(vreinterpretq_s32_f32(z), 23)); }
  static TALLY_INLINE Vec add_exponent(Vec p, Vec z) {
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), vshlq_n_s32(vreinterpretq_s32_f32(z), 23)));
  }
  static TALLY_INLINE Vec pow2_first_half(Vec z) { return pow2(half_bits(z)); }
  static TALLY_INLINE Vec pow2_second_half(Vec z) {
    return pow2(vreinterpretq_f32_s32(vsubq_s32(vreinterpretq_s32_f32(z), vreinterpretq_s32_f32(half_bits(z)))));
  }
  static TALLY_INLINE Vec half_bits(Vec z) { return vreinterpretq_f32_s32(vshrq_n_s32(vreinterpretq_s32_f32(z), 1)); }
  static TALLY_INLINE int32x4_t exponent_bits(Vec a) {
    return vshrq_n_s32(vsubq_s32(vreinterpretq_s32_f32(a), vdupq_n_s32(XsimdArch<B>::kRootHalf)), 23);
  }
  static TALLY_INLINE Vec exponent(Vec a) {
    return vsubq_f32(vreinterpretq_f32_s32(vaddq_s32(exponent_bits(a), vdupq_n_s32(XsimdArch<B>::kFloatOfInteger))),
                     vdupq_n_f32(12582912.0f));
  }
  static TALLY_INLINE Vec significand(Vec a) {
    return vreinterpretq_f32_s32(vsubq_s32(vreinterpretq_s32_f32(a), vshlq_n_s32(exponent_bits(a), 23)));
  }
  static TALLY_INLINE void pin(Vec& v) { asm("" : "+w"(v.data)); }
  static TALLY_INLINE Vec load_partial(const float* p, int n) { return load_partial_4(p, n); }
  static TALLY_INLINE void store_partial(float* p, Vec v, int n) { store_partial_4(p, v, n); }
};

}  // namespace tally::TALLY_ISA_NAMESPACE
