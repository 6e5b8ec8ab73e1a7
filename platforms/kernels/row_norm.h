#pragma once
// Normalisation of rows: the mean, the sum of squares of what is left, the affine map. The second pass also sums the
// deviations themselves: their mean mends the rounding of the first mean, and their square the variance (Chan, Golub
// and LeVeque 1983, eq. 1.7), so that rows of large mean lose nothing.
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/map.h"
#include "tally/platforms/kernels/reduce.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// One value in every lane that no compiler sees through: it would work on one lane and spread the result.
template <class Arch>
TALLY_INLINE typename Arch::Vec opaque_set(float value) {
  typename Arch::Vec v = Arch::set(value);
  Arch::pin(v);
  return v;
}

/// m_r and d_r of a row in every lane, and the multiply-add vectors that they took.
template <class Vec>
struct RowMoments {
  Vec mean, inverse;
  int64_t fma_vectors;
};

/// Sums of x − m and of its squares over a row. Returns the vectors.
template <class Arch>
TALLY_INLINE int64_t sum_deviations(const float* x, int64_t n, typename Arch::Vec m, float& sum, float& squares) {
  using Vec = typename Arch::Vec;
  constexpr int L = Arch::kLanes;
  Vec s[2], q[2];
  TALLY_UNROLL for (int u = 0; u < 2; ++u) s[u] = q[u] = Arch::zero();
  const auto add = [&](int u, Vec v) TALLY_LAMBDA {
    const Vec d = Arch::sub(v, m);
    s[u] = Arch::add(s[u], d);
    q[u] = Arch::fma(d, d, q[u]);
  };
  int64_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    TALLY_UNROLL for (int u = 0; u < 2; ++u) add(u, load_once<Arch>(x + i + u * L));
  }
  for (; i + L <= n; i += L) add(0, load_once<Arch>(x + i));
  if (i < n) {  // lanes beyond the row deviate by 0
    const int rest = static_cast<int>(n - i);
    const Vec v = load_partial_once<Arch>(x + i, rest);
    add(1, Arch::select_less(Arch::load(kLaneIndex), Arch::set(static_cast<float>(rest)), v, m));
  }
  const auto plus = [](float a, float b) TALLY_LAMBDA { return a + b; };
  sum = reduce_lanes<Arch>(Arch::add(s[0], s[1]), plus);
  squares = reduce_lanes<Arch>(Arch::add(q[0], q[1]), plus);
  return i / L + (i < n);
}

template <class Arch, bool centred>
TALLY_INLINE RowMoments<typename Arch::Vec> row_moments(const float* x, int64_t n, float epsilon) {
  using Vec = typename Arch::Vec;
  const Vec width = Arch::set(static_cast<float>(n)), eps = Arch::set(epsilon), zero = Arch::zero();
  Vec mean = zero, squares;
  int64_t vectors = 0;
  if constexpr (centred) {
    mean = Arch::div(reduce_row<Arch, ReduceOp::sum>(x, n), width);
    float sum = 0, sum_of_squares = 0;
    vectors = 1 + sum_deviations<Arch>(x, n, mean, sum, sum_of_squares);
    const Vec deviation = opaque_set<Arch>(sum);
    const Vec rest = Arch::div(deviation, width);
    Vec minus_rest = Arch::sub(zero, rest);
    Arch::pin(minus_rest);
    mean = Arch::add(mean, rest);
    squares = Arch::max(zero, Arch::fma(minus_rest, deviation, opaque_set<Arch>(sum_of_squares)));
  } else {
    squares = reduce_row<Arch, ReduceOp::sum_squares>(x, n);
    vectors = (n + Arch::kLanes - 1) / Arch::kLanes;
  }
  const Vec deviation = Arch::sqrt(Arch::add(Arch::div(squares, width), eps));
  return {mean, Arch::div(Arch::set(1.0f), deviation), vectors};
}

/// One parameter an element. Returns the multiply-add vectors, without FMA the products with d included.
template <class Arch>
TALLY_INLINE int64_t normalise_elements(const RowNormArgs& args, int64_t row, RowMoments<typename Arch::Vec> r) {
  using Vec = typename Arch::Vec;
  constexpr int L = Arch::kLanes;
  const int64_t n = args.width, first = row * n % args.channels;
  const float *x = args.x + row * n, *scale = args.scale ? args.scale + first : nullptr,
              *bias = args.bias ? args.bias + first : nullptr;
  float* y = args.y + row * n;
  const Vec ones = opaque_set<Arch>(1.0f), zeros = opaque_set<Arch>(0.0f);
  const auto affine = [=](Vec v, Vec s, Vec b)
                          TALLY_LAMBDA { return Arch::fma(Arch::mul(Arch::sub(v, r.mean), r.inverse), s, b); };
  int64_t i = 0;
  for (; i + L <= n; i += L) {
    const Vec s = scale ? Arch::load(scale + i) : ones, b = bias ? Arch::load(bias + i) : zeros;
    Arch::store(y + i, affine(load_once<Arch>(x + i), s, b));
  }
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    const Vec s = scale ? Arch::load_partial(scale + i, rest) : ones;
    const Vec b = bias ? Arch::load_partial(bias + i, rest) : zeros;
    Arch::store_partial(y + i, affine(load_partial_once<Arch>(x + i, rest), s, b), rest);
  }
  return (i / L + (i < n)) * (Arch::kHasFma ? 1 : 2);
}

/// One parameter a run of `inner` elements. Returns the same.
template <class Arch>
TALLY_INLINE int64_t normalise_runs(const RowNormArgs& args, int64_t row, RowMoments<typename Arch::Vec> r) {
  using Vec = typename Arch::Vec;
  const int64_t runs = args.width / args.inner;
  const Vec ones = opaque_set<Arch>(1.0f), zeros = opaque_set<Arch>(0.0f);
  int64_t vectors = 0;
  for (int64_t run = 0; run < runs; ++run) {
    const int64_t c = (row * runs + run) % args.channels, first = (row * runs + run) * args.inner;
    Vec s = args.scale ? Arch::broadcast(args.scale + c) : ones;
    Vec inverse = r.inverse;
    Arch::pin(s);
    Arch::pin(inverse);
    const Vec factor = Arch::mul(inverse, s), b = args.bias ? Arch::broadcast(args.bias + c) : zeros;
    const Vec mean = r.mean;
    vectors += map_row<Arch>(args.x + first, args.y + first, args.inner,
                             [=](Vec v) TALLY_LAMBDA { return Arch::fma(Arch::sub(v, mean), factor, b); });
  }
  return vectors + (Arch::kHasFma ? 0 : runs);
}

template <class Arch, bool centred, class Policy>
void row_norm_rows(const RowNormArgs& args, int64_t begin, int64_t end, [[maybe_unused]] Tally* tally) noexcept {
  alignas(64) float lane[Arch::kLanes];
  for (int64_t row = begin; row < end; ++row) {
    const auto moments = row_moments<Arch, centred>(args.x + row * args.width, args.width, args.epsilon);
    if (args.mean) {
      Arch::store(lane, moments.mean);
      args.mean[row] = lane[0];
    }
    if (args.inverse) {
      Arch::store(lane, moments.inverse);
      args.inverse[row] = lane[0];
    }
    [[maybe_unused]] const int64_t vectors =
        args.inner == 1 ? normalise_elements<Arch>(args, row, moments) : normalise_runs<Arch>(args, row, moments);
    if constexpr (Policy::kCounts) {
      const int64_t parameters = args.inner == 1 ? args.width : args.width / args.inner;
      tally->lane_fma_other += (moments.fma_vectors + vectors) * Arch::kLanes;
      tally->bytes_loaded += 4 * (centred ? 3 : 2) * args.width;
      tally->bytes_loaded += 4 * parameters * ((args.scale != nullptr) + (args.bias != nullptr));
      tally->bytes_stored += 4 * (args.width + (args.mean != nullptr) + (args.inverse != nullptr));
    }
  }
}

/// y = (x − m_r) · d_r · scale[c] + bias[c]; kernel_args.h. A row is read three times (twice where not centred), a
/// multiply- add an element in the second pass and in the last.
template <class Arch, class Policy>
void row_norm(const RowNormArgs& args, int64_t begin, int64_t end, Tally* tally) noexcept {
  if (args.centred) {
    row_norm_rows<Arch, true, Policy>(args, begin, end, tally);
  } else {
    row_norm_rows<Arch, false, Policy>(args, begin, end, tally);
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
