// 32-bit ARM with NEON-VFPv4: 16 registers of 4 lanes and fused multiply-adds.
//
// NEON of 32-bit ARM has one mode: denormal operands and results are zeros of their sign, a NaN result is the default
// NaN, rounding is to nearest. The scalar unit, which divides and takes roots here, keeps denormals; so do moves. So
// where another instruction set has a denormal this one may have zero (tests/reference/flushing.h). Nothing may rest on
// how a denormal compares with zero: qemu 7.2 flushes the operands of vceq and of comparisons with #0, not of vcgt.
#include "tally/platforms/kernels/neon_arch.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// A pair of elements comes straight into a vector register; gcc would take it through a general one.
struct Int8Neon32 : Int8Neon {
  static TALLY_INLINE Factor factor(const int8_t* p) {
    return vreinterpret_s8_s16(vld1_dup_s16(reinterpret_cast<const int16_t*>(p)));
  }
};

struct Arch : NeonArch<xsimd::batch<float, xsimd::neon>> {
  using Int8 = Int8Neon32;
  /// With 12 sums, 2 vectors of weights and a factor one register is left.
  static constexpr int kGemmRows[] = {8, 6};
  static constexpr int kGemvVectors = 12;
  static constexpr int kRegisters = 16;
  /// Lane by lane, rounded as IEEE 754 asks: there is no vector division or root, and reciprocal steps (xsimd's way)
  /// err by several ULP and end at 2^126.
  static TALLY_INLINE Vec div(Vec a, Vec b) { return a.data / b.data; }
  static TALLY_INLINE Vec sqrt(Vec a) {
    return float32x4_t{__builtin_sqrtf(a.data[0]), __builtin_sqrtf(a.data[1]), __builtin_sqrtf(a.data[2]),
                       __builtin_sqrtf(a.data[3])};
  }
  /// Elements 0, 2, 4 … (even) or 1, 3, 5 … (odd) of a followed by b.
  static TALLY_INLINE Vec even(Vec a, Vec b) { return vuzpq_f32(a, b).val[0]; }
  static TALLY_INLINE Vec odd(Vec a, Vec b) { return vuzpq_f32(a, b).val[1]; }
  /// Elements of a and b by turns: those of the first halves (low), of the second (high).
  static TALLY_INLINE Vec interleave_low(Vec a, Vec b) { return vzipq_f32(a, b).val[0]; }
  static TALLY_INLINE Vec interleave_high(Vec a, Vec b) { return vzipq_f32(a, b).val[1]; }
};

}  // namespace tally::TALLY_ISA_NAMESPACE

#include "tally/platforms/kernels/fill.h"
