#pragma once
// The yardsticks of every roof: multiply-accumulates that never wait and never touch memory, and loads and stores that
// compute nothing.
#include <stdint.h>

#include "tally/platforms/kernel_table.h"
#include "tally/platforms/kernels/inline.h"
#include "tally/platforms/kernels/num.h"

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

/// The same with the multiply-accumulate step of a number format; returns its multiply-accumulates, kStep a lane.
template <class A, Num num>
int64_t mac_peak(int64_t rounds) noexcept {
  using F = NumFormat<A, num>;
  alignas(64) typename F::Storage ones[F::kLanes * F::kStep];
  for (int i = 0; i < F::kLanes * F::kStep; ++i) ones[i] = 1;
  typename F::Weights w = F::load_weights(ones);
  typename F::Factor x = F::factor(ones);
  F::pin_weights(w);
  typename F::Acc sum[kPeakChains];
  TALLY_UNROLL
  for (int j = 0; j < kPeakChains; ++j) sum[j] = F::zero();
  for (int64_t i = 0; i < rounds; ++i) {
    TALLY_UNROLL
    for (int j = 0; j < kPeakChains; ++j) {
      F::pin_factor(x);
      sum[j] = F::step(sum[j], x, w);
    }
  }
  TALLY_UNROLL
  for (int j = 1; j < kPeakChains; ++j) sum[0] = F::add(sum[0], sum[j]);
  alignas(64) typename F::Sum lane[F::kLanes];
  F::store_sum(lane, sum[0]);
  volatile typename F::Sum sink = lane[0];
  (void)sink;
  return rounds * kPeakChains * F::kLanes * F::kStep;
}

/// Vectors that an iteration of a stream moves; kStreamFloats is a multiple of their floats on every ISA.
inline constexpr int kStreamVectors = 8;

/// Loads x[0 … n) `rounds` times; every vector is added to one of eight sums, or no compiler would load it.
template <class A>
void stream_read(const float* x, int64_t n, int64_t rounds) noexcept {
  typename A::Vec sum[kStreamVectors];
  TALLY_UNROLL
  for (int u = 0; u < kStreamVectors; ++u) sum[u] = A::zero();
  for (int64_t r = 0; r < rounds; ++r) {
    for (int64_t i = 0; i < n; i += kStreamVectors * A::kLanes) {
      TALLY_UNROLL
      for (int u = 0; u < kStreamVectors; ++u) sum[u] = A::add(sum[u], A::load(x + i + u * A::kLanes));
    }
    A::pin(sum[0]);
  }
  TALLY_UNROLL
  for (int u = 1; u < kStreamVectors; ++u) sum[0] = A::add(sum[0], sum[u]);
  alignas(64) float lane[A::kLanes];
  A::store(lane, sum[0]);
  volatile float sink = lane[0];
  (void)sink;
}

/// Stores to y[0 … n) `rounds` times.
template <class A>
void stream_write(float* y, int64_t n, int64_t rounds) noexcept {
  typename A::Vec v = A::set(0.5f);
  for (int64_t r = 0; r < rounds; ++r) {
    for (int64_t i = 0; i < n; i += kStreamVectors * A::kLanes) {
      A::pin(v);  // unknown to the compiler, which would else call memset
      TALLY_UNROLL
      for (int u = 0; u < kStreamVectors; ++u) A::store(y + i + u * A::kLanes, v);
    }
  }
}

/// y[0 … n) = x[0 … n) `rounds` times.
template <class A>
void stream_copy(const float* x, float* y, int64_t n, int64_t rounds) noexcept {
  for (int64_t r = 0; r < rounds; ++r) {
    for (int64_t i = 0; i < n; i += kStreamVectors * A::kLanes) {
      TALLY_UNROLL
      for (int u = 0; u < kStreamVectors; ++u) {
        typename A::Vec v = A::load(x + i + u * A::kLanes);
        A::pin(v);  // or the loop becomes a call of memcpy
        A::store(y + i + u * A::kLanes, v);
      }
    }
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
