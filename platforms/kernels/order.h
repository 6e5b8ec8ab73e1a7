#pragma once
// Straight-line code, and code whose order is its author's.
#include "tally/platforms/kernels/inline.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// A number that is a type too: for a body that needs a constant.
template <int I>
struct Index {
  constexpr operator int() const { return I; }
};

/// body(0), body(1) … body(N − 1) as straight-line code. gcc 12 unrolls a loop around loops too late to keep what they
/// index in registers.
template <int N, int I = 0, class Body>
TALLY_INLINE void repeat(Body body) {
  if constexpr (I < N) {
    body(Index<I>{});
    repeat<N, I + 1>(body);
  }
}

/// The ISA has cores that issue in order, and its Arch says keep_order(v): what was loaded before this stays before,
/// and fma_lane<i>(acc, x, w) = acc + x · w[i], in the order that is written.
///
/// Such a core loses at every change between multiply-adds and anything shorter. llvm's model of Cortex-A53 also
/// writes results back in order, so that a load behind a multiply-add waits 4 cycles, and the loads next to it no
/// more: loads and addresses go in groups, of which a long load is the first. Of that model's peak the 8 × 8 tile of
/// the matrix kernel had 0.28 with a load beside each multiply-add, 0.62 with loads of four depth steps in gcc's order,
/// and has 0.795 in this one (6 × 12: 0.81); 64 ÷ (64 + 13 + 2) = 0.81 is the most, without a loop around it.
/// Cortex-A72 and Neoverse N1 have 0.99 either way.
template <class A>
inline constexpr bool kLoadsInGroups = requires(typename A::Vec v) {
  A::keep_order(v);
};

}  // namespace tally::TALLY_ISA_NAMESPACE
