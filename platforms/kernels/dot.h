#pragma once
// The dot product of two vectors (DotArgs): several sums in registers, then one over their lanes.
#include <stdint.h>

#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/num.h"
#include "tally/platforms/kernels/small_formats.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// acc + Σ a·b over one vector of each operand, kLanes · kStep elements.
template <class F>
TALLY_INLINE typename F::Acc dot_step(typename F::Acc acc, const typename F::Storage* a, const typename F::Storage* b) {
  if constexpr (requires { F::Fp16::multiply_add(acc, a, b); }) {
    return F::Fp16::multiply_add(acc, a, b);  // of halves, unconverted
  } else if constexpr (F::kFloatSums) {
    return F::FloatArch::fma(F::load_output(a), F::load_output(b), acc);
  } else {
    return F::step(acc, F::load_weights(a), F::load_weights(b));
  }
}

/// The same over the first n elements of a vector, zeros beyond, which are multiplied too.
template <class F>
TALLY_INLINE typename F::Acc dot_tail(typename F::Acc acc, const typename F::Storage* a, const typename F::Storage* b,
                                      int n) {
  if constexpr (F::kFloatSums) {
    return F::FloatArch::fma(F::load_output_partial(a, n), F::load_output_partial(b, n), acc);
  } else {
    typename F::Storage a_lane[F::kLanes * F::kStep] = {}, b_lane[F::kLanes * F::kStep] = {};
    copy_elements(a_lane, a, n);
    copy_elements(b_lane, b, n);
    return dot_step<F>(acc, a_lane, b_lane);
  }
}

template <class F>
typename F::Sum sum_of_lanes(typename F::Acc acc) {
  typename F::Sum lane[F::kLanes];
  F::store_sum(lane, acc);
  for (int half = F::kLanes / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  }
  return lane[0];
}

template <class A, Num num, class Policy>
void dot(const DotArgs& args, Tally* tally) noexcept {
  using F = NumFormat<A, num>;
  constexpr int kVector = F::kLanes * F::kStep;
  constexpr int kSets = 8;
  const auto* a = static_cast<const typename F::Storage*>(args.a);
  const auto* b = static_cast<const typename F::Storage*>(args.b);
  typename F::Acc sum[kSets];
  TALLY_UNROLL
  for (int u = 0; u < kSets; ++u) sum[u] = F::zero();
  int64_t i = 0;
  for (; i + kSets * kVector <= args.n; i += kSets * kVector) {
    TALLY_UNROLL
    for (int u = 0; u < kSets; ++u) sum[u] = dot_step<F>(sum[u], a + i + u * kVector, b + i + u * kVector);
  }
  for (; i + kVector <= args.n; i += kVector) sum[0] = dot_step<F>(sum[0], a + i, b + i);
  if constexpr (kVector > 1) {
    if (i < args.n) {
      sum[0] = dot_tail<F>(sum[0], a + i, b + i, static_cast<int>(args.n - i));
      i += kVector;
    }
  }
  TALLY_UNROLL
  for (int half = kSets / 2; half > 0; half /= 2) {
    TALLY_UNROLL
    for (int u = 0; u < half; ++u) sum[u] = F::add(sum[u], sum[u + half]);
  }
  *static_cast<typename F::Sum*>(args.out) = sum_of_lanes<F>(sum[0]);
  if constexpr (Policy::kCounts) {
    tally->macs += args.n;
    tally->lane_macs += i;
    tally->bytes_loaded += 2 * args.n * static_cast<int64_t>(sizeof(typename F::Storage));
    tally->bytes_stored += static_cast<int64_t>(sizeof(typename F::Sum));
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
