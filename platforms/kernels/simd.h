#pragma once
// What a kernel asks of an instruction set. An ISA file (platforms/isa/<name>.cpp) defines one `Arch` with the members
// of XsimdArch below, overriding what xsimd 8.1 lacks (fused multiply-add on AVX-512 and NEON, masked tails, fp16), and
// then instantiates the kernels. All of it lives in a namespace of its own, TALLY_ISA_NAMESPACE, so that no two ISA
// objects share a symbol; nothing here may use inline code of namespace std.
#include <stdint.h>

#include <xsimd/xsimd.hpp>

#include "tally/platforms/kernels/inline.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// Vector operations by xsimd, the default of every Arch. B: an xsimd batch of float.
template <class B>
struct XsimdArch {
  using Vec = B;
  static constexpr int kLanes = static_cast<int>(B::size);

  static TALLY_INLINE Vec zero() { return Vec(0.0f); }
  static TALLY_INLINE Vec set(float x) { return Vec(x); }
  static TALLY_INLINE Vec load(const float* p) { return Vec::load_unaligned(p); }
  static TALLY_INLINE void store(float* p, Vec v) { v.store_unaligned(p); }
  static TALLY_INLINE Vec add(Vec a, Vec b) { return a + b; }
  static TALLY_INLINE Vec sub(Vec a, Vec b) { return a - b; }
  static TALLY_INLINE Vec mul(Vec a, Vec b) { return a * b; }
  static TALLY_INLINE Vec div(Vec a, Vec b) { return a / b; }
  /// max(a, b) and min(a, b); where b is NaN the result is NaN, so the data operand goes second.
  static TALLY_INLINE Vec max(Vec a, Vec b) { return xsimd::max(a, b); }
  static TALLY_INLINE Vec min(Vec a, Vec b) { return xsimd::min(a, b); }
  /// a·b + c, rounded once where the ISA has FMA (kHasFma), else a multiply and an add.
  static TALLY_INLINE Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
  static TALLY_INLINE Vec abs(Vec a) { return xsimd::abs(a); }
  /// |a| with the sign of b.
  static TALLY_INLINE Vec copysign(Vec a, Vec b) { return xsimd::copysign(a, b); }
  /// a < b ? yes : no, lane by lane; `no` where either is NaN.
  static TALLY_INLINE Vec select_less(Vec a, Vec b, Vec yes, Vec no) { return xsimd::select(a < b, yes, no); }
  /// 2^k where the low bits of z's significand hold k + 127, the exponent field of 2^k (math.h).
  static TALLY_INLINE Vec pow2(Vec z) { return from_bits(bits(z) << 23); }
  /// p · 2^k where the low bits of z's significand hold k, p and the product normal.
  static TALLY_INLINE Vec add_exponent(Vec p, Vec z) { return from_bits(bits(p) + (bits(z) << 23)); }
  /// 2^⌊k/2⌋ and 2^(k − ⌊k/2⌋) where the low bits of z's significand hold k + 254.
  static TALLY_INLINE Vec pow2_first_half(Vec z) { return from_bits((bits(z) >> 1) << 23); }
  static TALLY_INLINE Vec pow2_second_half(Vec z) { return from_bits((bits(z) - (bits(z) >> 1)) << 23); }
  static TALLY_INLINE Vec sqrt(Vec a) { return xsimd::sqrt(a); }
  /// a is NaN ? yes : no.
  static TALLY_INLINE Vec select_nan(Vec a, Vec yes, Vec no) { return xsimd::select(xsimd::isnan(a), yes, no); }
  /// a = significand · 2^exponent with the significand in [√½, √2), for positive normal a (math.h).
  static TALLY_INLINE Vec exponent(Vec a) {
    return from_bits((above_root(a) >> 23) + Bits(kFloatOfInteger)) - Vec(12582912.0f);
  }
  static TALLY_INLINE Vec significand(Vec a) { return from_bits(bits(a) - ((above_root(a) >> 23) << 23)); }
  static TALLY_INLINE auto above_root(Vec a) { return bits(a) - Bits(kRootHalf); }
  static constexpr int32_t kRootHalf = 0x3f3504f3;        ///< the bits of √½
  static constexpr int32_t kFloatOfInteger = 0x4b400000;  ///< those of 1.5·2^23: k added to them makes 1.5·2^23 + k
  using Bits = xsimd::batch<int32_t, typename B::arch_type>;
  static TALLY_INLINE Bits bits(Vec a) { return xsimd::bitwise_cast<Bits>(a); }
  static TALLY_INLINE Vec from_bits(Bits a) { return xsimd::bitwise_cast<Vec>(a); }
  /// One element in every lane.
  static TALLY_INLINE Vec broadcast(const float* p) { return Vec(*p); }
  /// The first n < kLanes elements, zero beyond; touches no byte past p[n − 1].
  static TALLY_INLINE Vec load_partial(const float* p, int n) {
    alignas(64) float lane[kLanes] = {};
    for (int i = 0; i < n; ++i) lane[i] = p[i];
    return Vec::load_aligned(lane);
  }
  static TALLY_INLINE void store_partial(float* p, Vec v, int n) {
    alignas(64) float lane[kLanes];
    v.store_aligned(lane);
    for (int i = 0; i < n; ++i) p[i] = lane[i];
  }
};

}  // namespace tally::TALLY_ISA_NAMESPACE
