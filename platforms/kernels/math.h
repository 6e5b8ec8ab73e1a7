#pragma once
// exp, tanh and sigmoid on vectors, written once over an Arch's members. Straight-line code: every lane of every vector
// takes the same operations whatever its value, so that the FMA lanes of a call are a constant, kFmaPerVector. That
// constant is not written down but counted: the same template runs at compile time on CountingArch.
//
// Error at most 2 ULP, with or without FMA, over all floats: infinities, NaN, signed zeros, denormal arguments and
// denormal results included (tests/platforms/math_test.cpp). Worst seen, AVX-512, AVX2 and SSE2 (tanh, and sigmoid on
// AVX-512, over every float from 1e-4 on, else over some of them): exp 0.87, 0.87 and 1.15; tanh 1.72, 1.72 and 1.89;
// sigmoid 1.97.
//
// No constant factor 2 and no division by a constant: compilers turn the first into an addition and the second into a
// multiplication, and the count would no longer be what runs.
#include "tally/platforms/kernel_args.h"

namespace tally::TALLY_ISA_NAMESPACE {

namespace math {

/// Adding 1.5·2^23 rounds a float of small magnitude to an integer, which then sits in the low bits of the sum.
constexpr float kRound = 12582912.0f;
constexpr float kExponentBias = 127.0f;
constexpr float kLog2E = 1.44269504088896341f;
/// ln 2 in two parts. The first has 9 significant bits, so that n·kLn2High is exact for |n| ≤ 150 even without FMA.
constexpr float kMinusLn2High = -0.693359375f;
constexpr float kMinusLn2Low = 2.12194440054690583e-4f;

/// exp(x) = p · 2^n with n an integer and p in about [0.70, 1.42]; `z` = n + magic, so that an Arch can build powers of
/// two from its bits.
template <class Vec>
struct ExpParts {
  Vec p, n, z;
};

/// e^r = 1 + r·g behind the reduction r = x − n·ln 2.
template <class Vec>
struct ExpReduced {
  Vec r, g, n, z;
};

/// Cody and Waite's reduction, then g = 1 + r·q(r), |r| ≤ ln 2 / 2. q is the minimax polynomial of degree 4 for the
/// relative error of exp, 3.1e-9 (Remez), 0.03 ULP. |x| must be below 105 or x NaN.
template <class Arch>
TALLY_INLINE constexpr ExpReduced<typename Arch::Vec> exp_reduced(typename Arch::Vec x, float magic) {
  using Vec = typename Arch::Vec;
  const Vec z = Arch::fma(x, Arch::set(kLog2E), Arch::set(magic));
  const Vec n = Arch::sub(z, Arch::set(magic));
  Vec r = Arch::fma(n, Arch::set(kMinusLn2High), x);
  r = Arch::fma(n, Arch::set(kMinusLn2Low), r);
  Vec p = Arch::fma(Arch::set(0.00138143197398f), r, Arch::set(0.00836885096501f));
  p = Arch::fma(p, r, Arch::set(0.0416684010853f));
  p = Arch::fma(p, r, Arch::set(0.166665195253f));
  p = Arch::fma(p, r, Arch::set(0.499999933732f));
  return {r, Arch::fma(p, r, Arch::set(1.0f)), n, z};
}

template <class Arch>
TALLY_INLINE constexpr ExpParts<typename Arch::Vec> exp_parts(typename Arch::Vec x, float magic) {
  const auto e = exp_reduced<Arch>(x, magic);
  return {Arch::fma(e.g, e.r, Arch::set(1.0f)), e.n, e.z};
}

}  // namespace math

/// y = e^x. Denormal results are rounded once; above ln(FLT_MAX) +∞; NaN stays NaN.
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec exp_vec(typename Arch::Vec x) {
  // Beyond these the result is 0 or +∞ all the same, and n stays where 2^n splits into two normal factors.
  x = Arch::max(Arch::set(-104.0f), Arch::min(Arch::set(89.0f), x));
  const auto e = math::exp_parts<Arch>(x, math::kRound + 2 * math::kExponentBias);
  if constexpr (requires { Arch::scale(e.p, e.n); }) {
    return Arch::scale(e.p, e.n);
  } else {
    return Arch::mul(Arch::mul(e.p, Arch::pow2_first_half(e.z)), Arch::pow2_second_half(e.z));
  }
}

/// y = e^x for x ≤ 0, the exponential of differences to a maximum; 0 below −86.6, NaN stays NaN. Half of exp_vec's
/// multiplications: one step of reduction, whose error in a result is |x|·e^x·2^−24 at most, 0.4·2^−24; a polynomial of
/// degree 5 (minimax for the relative error, 1.8·2^−24; 2.8·2^−24 as rounded); the power of two added to the exponent's
/// bits.
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec exp_nonpositive(typename Arch::Vec x) {
  using Vec = typename Arch::Vec;
  const Vec one = Arch::set(1.0f), round = Arch::set(math::kRound);
  const Vec z = Arch::fma(x, Arch::set(math::kLog2E), round);
  const Vec r = Arch::fma(Arch::sub(z, round), Arch::set(-0.693147180559945f), x);
  Vec p = Arch::fma(Arch::set(0.00831247760676f), r, Arch::set(0.0418905499587f));
  p = Arch::fma(p, r, Arch::set(0.166671163144f));
  p = Arch::fma(p, r, Arch::set(0.499992288258f));
  p = Arch::fma(p, r, one);
  p = Arch::fma(p, r, one);
  return Arch::select_less(x, Arch::set(-86.6f), Arch::set(0.0f), Arch::add_exponent(p, z));
}

/// y = tanh x, odd to the bit. Below 0.9: x·(1 + x²·P(x²)), P minimax of degree 5 (relative error 1.6e-8); above:
/// 1 − N(|x|)/D(|x|), both of degree 6, minimax for the absolute error (4.3e-9). Both are computed, one is chosen. No
/// exponential, whose range reduction would stand before its polynomial: summed by pairs, 35 cycles on Zen 4 from x to
/// y where 1 − 2/(e^{2|x|} + 1) took 47.
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec tanh_vec(typename Arch::Vec x) {
  using Vec = typename Arch::Vec;
  const Vec one = Arch::set(1.0f);
  // From 9.02 on tanh rounds to 1, as does 1 − N/D from there to 9.3; beyond, N/D would not stay small.
  const Vec a = Arch::min(Arch::set(9.3f), Arch::abs(x));
  const Vec s = Arch::mul(a, a), s2 = Arch::mul(s, s);
  const Vec n1 = Arch::fma(a, Arch::set(0.673921525478363f), Arch::set(-0.9986070394515991f));
  const Vec n2 = Arch::fma(a, Arch::set(0.03059898316860199f), Arch::set(-0.1944030076265335f));
  const Vec n3 = Arch::fma(a, Arch::set(0.00013539034989662468f), Arch::set(-0.0027636189479380846f));
  const Vec d1 = Arch::fma(a, Arch::set(0.31741511821746826f), one);
  const Vec d2 = Arch::fma(a, Arch::set(0.13598737120628357f), Arch::set(0.5351793766021729f));
  const Vec d3 = Arch::fma(a, Arch::set(0.0038403570652008057f), Arch::set(0.06448546797037125f));
  const Vec n4 = Arch::fma(s, Arch::set(-2.8024326184095116e-06f), n3);
  const Vec d4 = Arch::fma(s, Arch::set(0.0031113538425415754f), d3);
  const Vec minus_n = Arch::fma(n4, s2, Arch::fma(n2, s, n1));
  const Vec sign = Arch::copysign(one, x);
  const Vec large = Arch::fma(Arch::div(minus_n, Arch::fma(d4, s2, Arch::fma(d2, s, d1))), sign, sign);

  const Vec p1 = Arch::fma(s, Arch::set(0.13330304622650146f), Arch::set(-0.3333320915699005f));
  const Vec p2 = Arch::fma(s, Arch::set(0.020894639194011688f), Arch::set(-0.05371801555156708f));
  const Vec p3 = Arch::fma(s, Arch::set(0.0012986676301807165f), Arch::set(-0.006848395802080631f));
  const Vec p = Arch::fma(Arch::fma(p3, s2, p2), s2, p1);
  const Vec small = Arch::mul(x, Arch::fma(s, p, one));
  return Arch::select_less(a, Arch::set(0.9f), small, large);
}

/// y = 1/(1 + e^{−x}). With e^{−x} = 2^n·(1 + q), q = e^r − 1 minimax of degree 6 (3.3e-9), the divisor is
/// (1 + 2^n) + 2^n·q: rounded once, so that with the division two roundings are left; 1 + e^{−x} with a rounded e^{−x}
/// errs by up to 2.3 ULP. For x < −60 both sides are scaled by 2^−64, so that small results stay accurate down to the
/// last denormal. Summed by pairs for short latency: 46 cycles on Zen 4.
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec sigmoid_vec(typename Arch::Vec x) {
  using Vec = typename Arch::Vec;
  const Vec bounded = Arch::max(Arch::set(-104.0f), Arch::min(Arch::set(30.0f), x));
  const Vec magic = Arch::set(math::kRound + math::kExponentBias);
  const Vec z = Arch::fma(bounded, Arch::set(-math::kLog2E), magic);
  const Vec n = Arch::sub(z, magic);
  // r = −x − n·ln 2, the first product exact.
  const Vec minus_high = Arch::fma(n, Arch::set(-math::kMinusLn2High), bounded);
  const Vec r = Arch::sub(Arch::mul(n, Arch::set(math::kMinusLn2Low)), minus_high);
  const Vec r2 = Arch::mul(r, r);
  const Vec q1 = Arch::fma(r, Arch::set(0.166665166616f), Arch::set(0.499999940395f));
  const Vec q2 = Arch::fma(r, Arch::set(0.00836916640401f), Arch::set(0.0416681021452f));
  const Vec q3 = Arch::fma(r2, Arch::set(0.00138383428566f), q2);
  // From n = 24 on the sum 1 + 2^n loses the 1: up to 1 ULP at 24, where q gets it back, less beyond.
  const Vec from_24 = Arch::abs(Arch::add(bounded, Arch::set(16.63553f)));
  const Vec lost = Arch::select_less(from_24, Arch::set(0.34657f), Arch::set(0x1p-24f), Arch::set(0.0f));
  const Vec q = Arch::fma(q3, Arch::mul(r2, r2), Arch::fma(q1, r2, Arch::add(r, lost)));
  const Vec edge = Arch::set(-60.0f);
  const Vec numerator = Arch::select_less(bounded, edge, Arch::set(0x1p-64f), Arch::set(1.0f));
  const Vec power = Arch::pow2(Arch::sub(z, Arch::select_less(bounded, edge, Arch::set(64.0f), Arch::set(0.0f))));
  return Arch::div(numerator, Arch::fma(power, q, Arch::add(power, numerator)));
}

/// max(lo, min(hi, x)); NaN stays NaN.
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec clamp_vec(typename Arch::Vec x, typename Arch::Vec lo,
                                                    typename Arch::Vec hi) {
  return Arch::max(lo, Arch::min(hi, x));
}

/// y = op(x); lo and hi belong to clamp.
template <class Arch, UnaryOp op>
TALLY_INLINE constexpr typename Arch::Vec unary_vec(typename Arch::Vec x, [[maybe_unused]] typename Arch::Vec lo,
                                                    [[maybe_unused]] typename Arch::Vec hi) {
  if constexpr (op == UnaryOp::clamp) return clamp_vec<Arch>(x, lo, hi);
  if constexpr (op == UnaryOp::tanh) return tanh_vec<Arch>(x);
  if constexpr (op == UnaryOp::sigmoid) return sigmoid_vec<Arch>(x);
  if constexpr (op == UnaryOp::exp) return exp_vec<Arch>(x);
  if constexpr (op == UnaryOp::copy) return x;
}

/// The UnaryOp that an epilogue's activation runs.
constexpr UnaryOp unary_of(Activation activation) {
  switch (activation) {
    case Activation::clamp:
      return UnaryOp::clamp;
    case Activation::tanh:
      return UnaryOp::tanh;
    case Activation::sigmoid:
      return UnaryOp::sigmoid;
    case Activation::none:
      break;
  }
  return UnaryOp::copy;
}

/// An Arch whose vectors hold nothing but where to count: FMAs, or multiplications for an ISA without FMA.
template <bool has_fma>
struct CountingArch {
  struct Vec {
    int* count = nullptr;
  };
  static constexpr Vec set(float) { return {}; }
  static constexpr Vec join(Vec a, Vec b) { return a.count ? a : b; }
  static constexpr Vec add(Vec a, Vec b) { return join(a, b); }
  static constexpr Vec sub(Vec a, Vec b) { return join(a, b); }
  static constexpr Vec div(Vec a, Vec b) { return join(a, b); }
  static constexpr Vec max(Vec a, Vec b) { return join(a, b); }
  static constexpr Vec min(Vec a, Vec b) { return join(a, b); }
  static constexpr Vec abs(Vec a) { return a; }
  static constexpr Vec copysign(Vec a, Vec b) { return join(a, b); }
  static constexpr Vec select_less(Vec a, Vec b, Vec yes, Vec no) { return join(join(a, b), join(yes, no)); }
  static constexpr Vec sqrt(Vec a) { return a; }
  static constexpr Vec select_nan(Vec a, Vec yes, Vec no) { return join(a, join(yes, no)); }
  static constexpr Vec exponent(Vec a) { return a; }
  static constexpr Vec significand(Vec a) { return a; }
  static constexpr Vec pow2(Vec z) { return z; }
  static constexpr Vec add_exponent(Vec p, Vec z) { return join(p, z); }
  static constexpr Vec pow2_first_half(Vec z) { return z; }
  static constexpr Vec pow2_second_half(Vec z) { return z; }
  static constexpr Vec mul(Vec a, Vec b) {
    const Vec v = join(a, b);
    if (!has_fma) ++*v.count;
    return v;
  }
  static constexpr Vec fma(Vec a, Vec b, Vec c) {
    const Vec v = join(join(a, b), c);
    ++*v.count;
    return v;
  }
};

template <bool has_fma, UnaryOp op>
consteval int count_fma_per_vector() {
  int count = 0;
  const typename CountingArch<has_fma>::Vec x{&count};
  unary_vec<CountingArch<has_fma>, op>(x, x, x);
  return count;
}

template <bool has_fma>
consteval int count_exp_nonpositive() {
  int count = 0;
  exp_nonpositive<CountingArch<has_fma>>(typename CountingArch<has_fma>::Vec{&count});
  return count;
}

/// The same of exp_nonpositive.
template <class Arch>
inline constexpr int kExpNonpositiveFma = count_exp_nonpositive<Arch::kHasFma>();

/// FMA instructions (multiplications where the ISA has no FMA) that unary_vec<Arch, op> executes; times Arch::kLanes
/// for lanes.
template <class Arch, UnaryOp op>
inline constexpr int kFmaPerVector = count_fma_per_vector<Arch::kHasFma, op>();

}  // namespace tally::TALLY_ISA_NAMESPACE
