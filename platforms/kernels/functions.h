#pragma once
// The functions of one element beside exp, tanh and sigmoid, on vectors: straight-line code like theirs (math.h), so
// that the FMA lanes of a call are a constant.
//
// Error bounds over all floats (tests/platforms/functions_test.cpp), in ULP of the result unless said otherwise: abs,
// negate, sqrt, reciprocal, square 0.5; rsqrt, softsign, cube 1.5; log, erf, softplus 2.5; elu 3; hard_sigmoid,
// hard_swish, leaky 1 ULP of the largest term; swish, mish 5 ULP and |x|·2^−149, where the sigmoid is denormal; gelu,
// gelu_tanh 2^−22·|x|, their tails towards −∞ being differences.
#include "tally/platforms/kernels/math.h"

namespace tally::TALLY_ISA_NAMESPACE {

namespace math {

/// ln m + k·ln 2 of x = m·2^k, m in [√½, √2); x must be positive and normal. With f = m − 1: ln m = f − f²/2 + f³·P(f),
/// P minimax of degree 8 for the relative error of ln m, 7.5e-10 (Lawson's iteration).
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec log_normal(typename Arch::Vec x, typename Arch::Vec more_exponent) {
  using Vec = typename Arch::Vec;
  const Vec k = Arch::add(Arch::exponent(x), more_exponent);
  const Vec f = Arch::sub(Arch::significand(x), Arch::set(1.0f));
  Vec p = Arch::fma(Arch::set(0.0674664080143f), f, Arch::set(-0.116756521165f));
  p = Arch::fma(p, f, Arch::set(0.118881620467f));
  p = Arch::fma(p, f, Arch::set(-0.124055892229f));
  p = Arch::fma(p, f, Arch::set(0.142195522785f));
  p = Arch::fma(p, f, Arch::set(-0.16667996347f));
  p = Arch::fma(p, f, Arch::set(0.200021192431f));
  p = Arch::fma(p, f, Arch::set(-0.250000089407f));
  p = Arch::fma(p, f, Arch::set(0.333333134651f));
  const Vec square = Arch::mul(f, f);
  // The small terms first: k·(ln 2)_low, f³·P, −f²/2; then f and the exact k·(ln 2)_high.
  Vec low = Arch::fma(k, Arch::set(-kMinusLn2Low), Arch::mul(Arch::mul(square, f), p));
  low = Arch::fma(square, Arch::set(-0.5f), low);
  return Arch::fma(k, Arch::set(-kMinusLn2High), Arch::add(f, low));
}

}  // namespace math

/// y = ln x: −∞ of 0, NaN below, +∞ of +∞.
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec log_vec(typename Arch::Vec x) {
  using Vec = typename Arch::Vec;
  const Vec zero = Arch::set(0.0f), infinity = Arch::set(__builtin_inff());
  // Denormals are brought up by 2^23 first.
  const Vec least = Arch::set(0x1p-126f);
  const Vec normal = Arch::select_less(x, least, Arch::mul(x, Arch::set(0x1p23f)), x);
  const Vec y = math::log_normal<Arch>(normal, Arch::select_less(x, least, Arch::set(-23.0f), zero));
  const Vec finite = Arch::select_less(x, infinity, y, x);  // +∞ and NaN pass
  const Vec at_zero = Arch::sub(x, infinity);               // −∞ of 0; NaN passes
  // Not x: where denormals are flushed, their product is zero for certain.
  const Vec not_positive = Arch::select_less(normal, zero, Arch::set(__builtin_nanf("")), at_zero);
  return Arch::select_less(zero, normal, finite, not_positive);
}

/// y = e^x − 1 for x ≤ 0 or NaN.
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec expm1_vec(typename Arch::Vec x) {
  using Vec = typename Arch::Vec;
  // From −17.33 down it rounds to −1.
  const auto e = math::exp_reduced<Arch>(Arch::max(Arch::set(-18.0f), x), math::kRound + math::kExponentBias);
  const Vec power = Arch::pow2(e.z);
  return Arch::fma(power, Arch::mul(e.g, e.r), Arch::sub(power, Arch::set(1.0f)));
}

/// y = erf x, odd to the bit. Below 0.9: x + x·P(x²), P minimax of degree 5 (relative error 2.2e-8); above:
/// 1 − e^(−t·R(t)), t = |x|, t·R(t) = −ln erfc t with R of degree 6 (8.6e-10). Both are computed, one is chosen.
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec erf_vec(typename Arch::Vec x) {
  using Vec = typename Arch::Vec;
  const Vec a = Arch::abs(x);
  const Vec s = Arch::mul(a, a);
  Vec p = Arch::fma(Arch::set(-0.000586208247114f), s, Arch::set(0.00496750697494f));
  p = Arch::fma(p, s, Arch::set(-0.0267488639802f));
  p = Arch::fma(p, s, Arch::set(0.112813204527f));
  p = Arch::fma(p, s, Arch::set(-0.376124471426f));
  p = Arch::fma(p, s, Arch::set(0.128379136324f));
  const Vec small = Arch::fma(p, a, a);
  const Vec t = Arch::min(Arch::set(4.0f), a);  // erf 3.92 rounds to 1
  Vec r = Arch::fma(Arch::set(1.04329028545e-05f), t, Arch::set(-0.00031485609361f));
  r = Arch::fma(r, t, Arch::set(0.00361033412628f));
  r = Arch::fma(r, t, Arch::set(-0.0236945506185f));
  r = Arch::fma(r, t, Arch::set(0.106159031391f));
  r = Arch::fma(r, t, Arch::set(0.635198056698f));
  r = Arch::fma(r, t, Arch::set(1.12863707542f));
  const Vec e = exp_vec<Arch>(Arch::sub(Arch::set(0.0f), Arch::mul(r, t)));
  const Vec large = Arch::sub(Arch::set(1.0f), e);
  return Arch::copysign(Arch::select_less(a, Arch::set(0.9f), small, large), x);
}

/// y = ln(1 + e^x) = max(x, 0) + ln(1 + u), u = e^−|x|: with w = 1 + u rounded, ln(1 + u) = ln w + (u − (w − 1))/w.
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec softplus_vec(typename Arch::Vec x) {
  using Vec = typename Arch::Vec;
  const Vec zero = Arch::set(0.0f), one = Arch::set(1.0f);
  const Vec u = exp_vec<Arch>(Arch::sub(zero, Arch::abs(x)));
  const Vec w = Arch::add(one, u);
  const Vec rest = Arch::div(Arch::sub(u, Arch::sub(w, one)), w);
  return Arch::add(Arch::max(zero, x), Arch::add(math::log_normal<Arch>(w, zero), rest));
}

/// y = x · sigmoid(z); 0 where x is −∞ and the sigmoid 0.
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec gated_vec(typename Arch::Vec x, typename Arch::Vec z) {
  const typename Arch::Vec finite = Arch::max(Arch::set(-__FLT_MAX__), x);
  return Arch::mul(finite, sigmoid_vec<Arch>(z));
}

/// y = x·tanh(ln(1 + e^x)) = x·n/(n + 2), n = e^x·(e^x + 2). From 20 on the quotient rounds to 1.
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec mish_vec(typename Arch::Vec x) {
  using Vec = typename Arch::Vec;
  const Vec two = Arch::set(2.0f);
  const Vec e = exp_vec<Arch>(Arch::min(Arch::set(20.0f), x));
  const Vec n = Arch::fma(e, e, Arch::add(e, e));
  const Vec finite = Arch::max(Arch::set(-__FLT_MAX__), x);
  return Arch::mul(finite, Arch::div(n, Arch::add(n, two)));
}

/// max(0, min(1, slope·x + shift)).
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec hard_sigmoid_vec(typename Arch::Vec x, typename Arch::Vec slope,
                                                           typename Arch::Vec shift) {
  return clamp_vec<Arch>(Arch::fma(x, slope, shift), Arch::set(0.0f), Arch::set(1.0f));
}

template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec gelu_vec(typename Arch::Vec x) {
  using Vec = typename Arch::Vec;
  const Vec half = Arch::mul(Arch::set(0.5f), Arch::max(Arch::set(-__FLT_MAX__), x));
  return Arch::fma(half, erf_vec<Arch>(Arch::mul(x, Arch::set(0.707106781187f))), half);
}

/// x/2·(1 + tanh u) = x·sigmoid(2u), u = √(2/π)·(x + 0.044715·x³).
template <class Arch>
TALLY_INLINE constexpr typename Arch::Vec gelu_tanh_vec(typename Arch::Vec x) {
  using Vec = typename Arch::Vec;
  const Vec s = Arch::mul(x, x);
  const Vec slope = Arch::fma(s, Arch::set(0.0713548162726f), Arch::set(1.59576912161f));
  return gated_vec<Arch>(x, Arch::mul(slope, x));
}

/// y = op(x); lo and hi as unary_ops.inc has them.
template <class Arch, UnaryOp op>
TALLY_INLINE constexpr typename Arch::Vec function_vec(typename Arch::Vec x, [[maybe_unused]] typename Arch::Vec lo,
                                                       [[maybe_unused]] typename Arch::Vec hi) {
  using Vec = typename Arch::Vec;
  [[maybe_unused]] const Vec zero = Arch::set(0.0f), one = Arch::set(1.0f);
  if constexpr (op == UnaryOp::log) return log_vec<Arch>(x);
  if constexpr (op == UnaryOp::erf) return erf_vec<Arch>(x);
  if constexpr (op == UnaryOp::sqrt) return Arch::sqrt(x);
  if constexpr (op == UnaryOp::reciprocal) return Arch::div(one, x);
  if constexpr (op == UnaryOp::rsqrt) return Arch::div(one, Arch::sqrt(x));
  if constexpr (op == UnaryOp::square) return Arch::mul(x, x);
  if constexpr (op == UnaryOp::cube) return Arch::mul(Arch::mul(x, x), x);
  if constexpr (op == UnaryOp::abs) return Arch::abs(x);
  if constexpr (op == UnaryOp::negate) return Arch::sub(Arch::set(-0.0f), x);
  if constexpr (op == UnaryOp::leaky) return Arch::select_less(x, zero, Arch::mul(x, lo), x);
  if constexpr (op == UnaryOp::elu)
    return Arch::mul(hi, Arch::select_less(x, zero, Arch::mul(lo, expm1_vec<Arch>(Arch::min(zero, x))), x));
  if constexpr (op == UnaryOp::hard_sigmoid) return hard_sigmoid_vec<Arch>(x, lo, hi);
  if constexpr (op == UnaryOp::hard_swish) return Arch::mul(x, hard_sigmoid_vec<Arch>(x, lo, hi));
  if constexpr (op == UnaryOp::softplus) return softplus_vec<Arch>(x);
  if constexpr (op == UnaryOp::softsign) return Arch::div(x, Arch::add(one, Arch::abs(x)));
  if constexpr (op == UnaryOp::swish) return gated_vec<Arch>(x, Arch::mul(lo, x));
  if constexpr (op == UnaryOp::mish) return mish_vec<Arch>(x);
  if constexpr (op == UnaryOp::gelu) return gelu_vec<Arch>(x);
  if constexpr (op == UnaryOp::gelu_tanh) return gelu_tanh_vec<Arch>(x);
  if constexpr (op <= UnaryOp::exp) return unary_vec<Arch, op>(x, lo, hi);
}

template <bool has_fma, UnaryOp op>
consteval int count_fma_per_function() {
  int count = 0;
  const typename CountingArch<has_fma>::Vec x{&count};
  function_vec<CountingArch<has_fma>, op>(x, x, x);
  return count;
}

/// FMA instructions (multiplications where the ISA has no FMA) that function_vec<Arch, op> executes.
template <class Arch, UnaryOp op>
inline constexpr int kFmaPerFunction = count_fma_per_function<Arch::kHasFma, op>();

}  // namespace tally::TALLY_ISA_NAMESPACE
