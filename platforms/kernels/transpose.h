#pragma once
// Square blocks of a matrix, as many rows as a vector has lanes, turned in registers.
#include "tally/platforms/kernels/inline.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// row[i][j] ↔ row[j][i]. Each of the log2 L rounds moves one bit of the index within a vector to the index of the
/// vector and one bit back: (even, odd) elements of a pair of vectors.
template <class A>
TALLY_INLINE void transpose_block(typename A::Vec (&row)[A::kLanes]) {
  constexpr int L = A::kLanes;
  TALLY_UNROLL for (int round = 1; round < L; round *= 2) {
    typename A::Vec turned[L];
    TALLY_UNROLL for (int i = 0; i < L / 2; ++i) {
      turned[i] = A::even(row[2 * i], row[2 * i + 1]);
      turned[L / 2 + i] = A::odd(row[2 * i], row[2 * i + 1]);
    }
    TALLY_UNROLL for (int i = 0; i < L; ++i) row[i] = turned[i];
  }
}

/// The first n of a vector's elements, n ≤ kLanes.
template <class A>
TALLY_INLINE typename A::Vec load_first(const float* p, int64_t n) {
  return n >= A::kLanes ? A::load(p) : A::load_partial(p, static_cast<int>(n));
}
template <class A>
TALLY_INLINE void store_first(float* p, typename A::Vec v, int64_t n) {
  if (n >= A::kLanes) {
    A::store(p, v);
  } else {
    A::store_partial(p, v, static_cast<int>(n));
  }
}

/// to[c · to_stride + r] = from[r · from_stride + c] · factor for r < rows ≤ kLanes, c < columns; zero for further r up
/// to kLanes. Touches nothing else of `from`.
template <class A>
TALLY_INLINE void transpose_into_lanes(const float* from, int64_t from_stride, int64_t rows, int64_t columns,
                                       float factor, float* to, int64_t to_stride) {
  constexpr int L = A::kLanes;
  const auto scale = A::set(factor);
  for (int64_t c = 0; c < columns; c += L) {
    const int64_t left = columns - c;
    typename A::Vec block[L];
    TALLY_UNROLL for (int r = 0; r < L; ++r) {
      block[r] = r < rows ? load_first<A>(from + r * from_stride + c, left) : A::zero();
    }
    transpose_block<A>(block);
    TALLY_UNROLL for (int i = 0; i < L; ++i) {
      if (i < left) A::store(to + (c + i) * to_stride, A::mul(block[i], scale));
    }
  }
}

/// to[r · to_stride + c] = from[c · from_stride + r] · factor[r] for r < rows ≤ kLanes, c < columns.
template <class A>
TALLY_INLINE void transpose_from_lanes(const float* from, int64_t from_stride, int64_t rows, int64_t columns,
                                       typename A::Vec factor, float* to, int64_t to_stride) {
  constexpr int L = A::kLanes;
  for (int64_t c = 0; c < columns; c += L) {
    const int64_t left = columns - c;
    typename A::Vec block[L];
    TALLY_UNROLL for (int i = 0; i < L; ++i) {
      block[i] = i < left ? A::mul(A::load(from + (c + i) * from_stride), factor) : A::zero();
    }
    transpose_block<A>(block);
    TALLY_UNROLL for (int r = 0; r < L; ++r) {
      if (r < rows) store_first<A>(to + r * to_stride + c, block[r], left);
    }
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
