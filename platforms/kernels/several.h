#pragma once
// N vectors as one: an Arch whose every operation is done N times side by side. A function of math.h on it runs N
// chains at once in program order, which a core's window of waiting instructions (128 on Zen 4, fewer than four
// sigmoids one after another) would else not bring together; and each constant is loaded once for all of them and then
// dropped.
#include "tally/platforms/kernels/inline.h"

namespace tally::TALLY_ISA_NAMESPACE {

template <class A, int N>
struct Several {
  struct Vec {
    typename A::Vec at[N];
  };

  template <int I = 0, class F>
  static TALLY_INLINE void each(Vec& to, F f) {
    if constexpr (I < N) {
      to.at[I] = f(I);
      each<I + 1>(to, f);
    }
  }
  template <class F>
  static TALLY_INLINE Vec map(F f) {
    Vec v;
    each(v, f);
    return v;
  }

  static TALLY_INLINE Vec set(float x) {
    return map([&](int) TALLY_LAMBDA { return A::set(x); });
  }
  static TALLY_INLINE Vec add(Vec a, Vec b) {
    return map([&](int i) TALLY_LAMBDA { return A::add(a.at[i], b.at[i]); });
  }
  static TALLY_INLINE Vec sub(Vec a, Vec b) {
    return map([&](int i) TALLY_LAMBDA { return A::sub(a.at[i], b.at[i]); });
  }
  static TALLY_INLINE Vec mul(Vec a, Vec b) {
    return map([&](int i) TALLY_LAMBDA { return A::mul(a.at[i], b.at[i]); });
  }
  static TALLY_INLINE Vec div(Vec a, Vec b) {
    return map([&](int i) TALLY_LAMBDA { return A::div(a.at[i], b.at[i]); });
  }
  static TALLY_INLINE Vec max(Vec a, Vec b) {
    return map([&](int i) TALLY_LAMBDA { return A::max(a.at[i], b.at[i]); });
  }
  static TALLY_INLINE Vec min(Vec a, Vec b) {
    return map([&](int i) TALLY_LAMBDA { return A::min(a.at[i], b.at[i]); });
  }
  static TALLY_INLINE Vec fma(Vec a, Vec b, Vec c) {
    return map([&](int i) TALLY_LAMBDA { return A::fma(a.at[i], b.at[i], c.at[i]); });
  }
  static TALLY_INLINE Vec abs(Vec a) {
    return map([&](int i) TALLY_LAMBDA { return A::abs(a.at[i]); });
  }
  static TALLY_INLINE Vec copysign(Vec a, Vec b) {
    return map([&](int i) TALLY_LAMBDA { return A::copysign(a.at[i], b.at[i]); });
  }
  static TALLY_INLINE Vec select_less(Vec a, Vec b, Vec yes, Vec no) {
    return map([&](int i) TALLY_LAMBDA { return A::select_less(a.at[i], b.at[i], yes.at[i], no.at[i]); });
  }
  static TALLY_INLINE Vec pow2(Vec z) {
    return map([&](int i) TALLY_LAMBDA { return A::pow2(z.at[i]); });
  }
};

}  // namespace tally::TALLY_ISA_NAMESPACE
