#pragma once
// AArch64 Advanced SIMD: 32 registers of 4 lanes, with what the compiler's flags allow of dot products (SDOT, SMMLA)
// and half-precision multiply-accumulates (FMLAL).
#include "tally/platforms/kernels/neon64_blocks.h"
#include "tally/platforms/kernels/neon64_int8.h"
#include "tally/platforms/kernels/neon_arch.h"

namespace tally::TALLY_ISA_NAMESPACE {

struct Arch : NeonArch<xsimd::batch<float, xsimd::neon64>> {
#ifdef __ARM_FEATURE_FP16_FML
  using Fp16 = Fp16Fml;
#endif
#if defined(__ARM_FEATURE_MATMUL_INT8)
  using Int8 = Int8Matrix;
#elif defined(__ARM_FEATURE_DOTPROD)
  using Int8 = Int8Dot;
#endif
  template <Num num>
  using Blocks = NeonBlocks<num>;
  static constexpr int kGemmRows[] = {8, 8, 6};
  static constexpr int kGemvVectors = 10;
  static constexpr int kRegisters = 32;
  /// xsimd 8.1 divides by reciprocal steps, 2.7 ULP in a sigmoid.
  static TALLY_INLINE Vec div(Vec a, Vec b) { return vdivq_f32(a, b); }
  static TALLY_INLINE Vec sqrt(Vec a) { return vsqrtq_f32(a); }
  /// One float for a multiplication by element, loaded without a duplication.
  using Element = float32x2_t;
  static TALLY_INLINE Element load_element(const float* p) { return Element{*p, 0.0f}; }
  static TALLY_INLINE Vec fma_element(Vec a, Element b, Vec c) { return vfmaq_lane_f32(c, a, b, 0); }
  static TALLY_INLINE void pin_element(Element& e) { asm("" : "+w"(e)); }
  /// Loads stay where they are written: in groups, as order.h says.
  static TALLY_INLINE void keep_order(Vec v) { loaded(v.data); }
  /// acc + x · w[lane], in the order that is written.
  template <int lane>
  static TALLY_INLINE Vec fma_lane(Vec acc, Vec x, Vec w) {
    asm volatile("fmla %0.4s, %1.4s, %2.s[%3]" : "+w"(acc.data) : "w"(x.data), "w"(w.data), "i"(lane));
    return acc;
  }
  /// Elements 0, 2, 4 … (even) or 1, 3, 5 … (odd) of a followed by b.
  static TALLY_INLINE Vec even(Vec a, Vec b) { return vuzp1q_f32(a, b); }
  static TALLY_INLINE Vec odd(Vec a, Vec b) { return vuzp2q_f32(a, b); }
  /// Elements of a and b by turns: those of the first halves (low), of the second (high).
  static TALLY_INLINE Vec interleave_low(Vec a, Vec b) { return vzip1q_f32(a, b); }
  static TALLY_INLINE Vec interleave_high(Vec a, Vec b) { return vzip2q_f32(a, b); }
};

}  // namespace tally::TALLY_ISA_NAMESPACE
