#pragma once
// exp, tanh and sigmoid on vectors, written once over an Arch's members. Straight-line code: every lane of every vector
// takes the same operations whatever its value, so that the FMA lanes of a call are a constant, kFmaPerVector. That constant
// is not written down but counted: the same template runs at compile time on CountingArch.
//
// Error at most 2 ULP, with or without FMA, over all floats: infinities, NaN, signed zeros, denormal arguments and denormal
// results included (tests/platforms/math_test.cpp). Worst seen over every 37th bit pattern, AVX2 and SSE2: exp 0.87 and
// 1.15, tanh 1.32 and 1.30, sigmoid 1.61 and 1.79.
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

/// exp(x) = p · 2^n with n an integer and p in about [0.70, 1.42]; `z` = n + magic, so that an Arch can build powers of two
/// from its bits.
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

/// y = tanh x, odd to the bit. Below 0.625: x + x³·P(x²), P minimax of degree 4 (relative error 4.1e-9); above:
/// 1 − 2/(e^{2|x|} + 1). Both are computed, one is chosen.
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec tanh_vec(typename Arch::Vec x) {
  using Vec = typename Arch::Vec;
  const Vec a = Arch::abs(x);
  const Vec s = Arch::mul(a, a);
  Vec p = Arch::fma(Arch::set(-0.00571704968668f), s, Arch::set(0.0206505917953f));
  p = Arch::fma(p, s, Arch::set(-0.053743499599f));
  p = Arch::fma(p, s, Arch::set(0.133314913076f));
  p = Arch::fma(p, s, Arch::set(-0.333332839262f));
  const Vec small = Arch::fma(Arch::mul(p, s), a, a);
  // From 9.02 on tanh rounds to 1.
  const Vec bounded = Arch::min(Arch::set(9.5f), a);
  const auto e = math::exp_parts<Arch>(Arch::add(bounded, bounded), math::kRound + math::kExponentBias);
  const Vec one = Arch::set(1.0f);
  const Vec e2a = Arch::mul(e.p, Arch::pow2(e.z));
  const Vec large = Arch::sub(one, Arch::div(Arch::set(2.0f), Arch::add(e2a, one)));
  return Arch::copysign(Arch::select_less(a, Arch::set(0.625f), small, large), x);
}

/// y = 1/(1 + e^{−x}). With e = e^{−|x|} and q = e/(1 + e): 1 − q, or for negative x e·(1 − q), which keeps small results
/// accurate down to the last denormal. The plain quotients err by up to 2.03 ULP near x = −2, this form by 1.8.
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec sigmoid_vec(typename Arch::Vec x) {
  using Vec = typename Arch::Vec;
  const Vec zero = Arch::set(0.0f);
  const Vec e = exp_vec<Arch>(Arch::sub(zero, Arch::abs(x)));
  const Vec minus_q = Arch::div(e, Arch::sub(Arch::set(-1.0f), e));
  const Vec base = Arch::select_less(x, zero, e, Arch::set(1.0f));
  return Arch::fma(base, minus_q, base);
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

/// FMA instructions (multiplications where the ISA has no FMA) that unary_vec<Arch, op> executes; times Arch::kLanes for lanes.
template <class Arch, UnaryOp op>
inline constexpr int kFmaPerVector = count_fma_per_vector<Arch::kHasFma, op>();

}  // namespace tally::TALLY_ISA_NAMESPACE
