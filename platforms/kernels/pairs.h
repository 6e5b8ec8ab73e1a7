#pragma once
// Pairs of neighbouring elements, taken apart into two vectors and put together again.
#include "tally/platforms/kernels/inline.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// The first elements of pairs, and the second ones; or what belongs to them.
template <class Vec>
struct TwoVectors {
  Vec one, two;
};

/// n pairs from p on, n = kLanes but for a row's end.
template <class Arch, bool partial>
TALLY_INLINE TwoVectors<typename Arch::Vec> load_pairs(const float* p, [[maybe_unused]] int n) {
  constexpr int L = Arch::kLanes;
  typename Arch::Vec low = Arch::zero(), high = Arch::zero();
  if constexpr (partial) {
    low = 2 * n < L ? Arch::load_partial(p, 2 * n) : Arch::load(p);
    if (2 * n > L) high = Arch::load_partial(p + L, 2 * n - L);
  } else {
    low = Arch::load(p);
    high = Arch::load(p + L);
  }
  Arch::pin(low);  // used twice, and gcc 12 would load it as often
  Arch::pin(high);
  return {Arch::even(low, high), Arch::odd(low, high)};
}
template <class Arch, bool partial>
TALLY_INLINE void store_pairs(float* p, TwoVectors<typename Arch::Vec> v, [[maybe_unused]] int n) {
  constexpr int L = Arch::kLanes;
  Arch::pin(v.one);
  Arch::pin(v.two);
  const auto low = Arch::interleave_low(v.one, v.two), high = Arch::interleave_high(v.one, v.two);
  if constexpr (partial) {
    if (2 * n < L) {
      Arch::store_partial(p, low, 2 * n);
    } else {
      Arch::store(p, low);
    }
    if (2 * n > L) Arch::store_partial(p + L, high, 2 * n - L);
  } else {
    Arch::store(p, low);
    Arch::store(p + L, high);
  }
}

/// A vector of elements, the first n of it at a row's end.
template <class Arch, bool partial>
TALLY_INLINE typename Arch::Vec load_end(const float* p, [[maybe_unused]] int n) {
  if constexpr (partial) return Arch::load_partial(p, n);
  return Arch::load(p);
}
template <class Arch, bool partial>
TALLY_INLINE void store_end(float* p, typename Arch::Vec v, [[maybe_unused]] int n) {
  if constexpr (partial) {
    Arch::store_partial(p, v, n);
  } else {
    Arch::store(p, v);
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
