#pragma once
// The yardstick of every share of peak: multiply-accumulates that never wait and never touch memory.
#include <stdint.h>

#include "tally/platforms/kernel_table.h"
#include "tally/platforms/kernels/inline.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// sum[j] += x·y, `rounds` times over all chains; returns the lanes multiplied.
template <class A>
int64_t fma_peak(int64_t rounds) noexcept {
  typename A::Vec sum[kPeakChains];
  typename A::Vec x = A::set(0.5f), y = A::set(0.25f);
  A::pin(y);
  TALLY_UNROLL
  for (int j = 0; j < kPeakChains; ++j) sum[j] = A::zero();
  for (int64_t i = 0; i < rounds; ++i) {
    TALLY_UNROLL
    for (int j = 0; j < kPeakChains; ++j) {
      // Without FMA the product would be computed once for all chains and rounds if x were seen to be the same.
      A::pin(x);
      sum[j] = A::fma(x, y, sum[j]);
    }
  }
  TALLY_UNROLL
  for (int j = 1; j < kPeakChains; ++j) sum[0] = A::add(sum[0], sum[j]);
  alignas(64) float lane[A::kLanes];
  A::store(lane, sum[0]);
  volatile float sink = lane[0];
  (void)sink;
  return rounds * kPeakChains * A::kLanes;
}

}  // namespace tally::TALLY_ISA_NAMESPACE
