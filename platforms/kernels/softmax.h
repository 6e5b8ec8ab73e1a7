#pragma once
// Softmax in three passes over a row: the maximum; e^(x − max), stored, and its sum; the division. Its logarithm the
// same, but that nothing is stored before the last pass, which subtracts. Rows whose elements are adjacent (inner = 1)
// are vectorised along the row, others across neighbouring rows.
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/functions.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

constexpr float kMinusInfinity = -__builtin_inff();

/// 0, 1, 2 … as floats.
alignas(64) constexpr float kLaneIndex[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/// The first n elements, −∞ beyond: neutral to a maximum, and e^(−∞) = 0 to a sum.
template <class Arch>
TALLY_INLINE typename Arch::Vec load_or_minus_infinity(const float* p, int n) {
  static_assert(Arch::kLanes <= 16);
  return Arch::select_less(Arch::load(kLaneIndex), Arch::set(static_cast<float>(n)), Arch::load_partial(p, n),
                           Arch::set(kMinusInfinity));
}

/// f over the lanes of v, pairwise: lanes i and i + L/2 first.
template <class Arch, class F>
TALLY_INLINE float reduce_lanes(typename Arch::Vec v, F f) {
  alignas(64) float lane[Arch::kLanes];
  Arch::store(lane, v);
  TALLY_UNROLL for (int half = Arch::kLanes / 2; half > 0; half /= 2) {
    TALLY_UNROLL for (int i = 0; i < half; ++i) lane[i] = f(lane[i], lane[i + half]);
  }
  return lane[0];
}

/// max over x[0 … n). A NaN may be lost here; it comes back in the exponentials.
template <class Arch>
TALLY_INLINE float row_maximum(const float* x, int64_t n) {
  using Vec = typename Arch::Vec;
  constexpr int L = Arch::kLanes;
  Vec m[4];
  TALLY_UNROLL for (int u = 0; u < 4; ++u) m[u] = Arch::set(kMinusInfinity);
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L) {
    TALLY_UNROLL for (int u = 0; u < 4; ++u) m[u] = Arch::max(m[u], Arch::load(x + i + u * L));
  }
  for (; i + L <= n; i += L) m[0] = Arch::max(m[0], Arch::load(x + i));
  if (i < n) m[0] = Arch::max(m[0], load_or_minus_infinity<Arch>(x + i, static_cast<int>(n - i)));
  const Vec v = Arch::max(Arch::max(m[0], m[1]), Arch::max(m[2], m[3]));
  return reduce_lanes<Arch>(v, [](float a, float b) TALLY_LAMBDA { return a > b ? a : b; });
}

/// One row of n adjacent elements. Returns the vectors of its exponential pass. The exponentials of a partial vector at
/// the end wait in a register: loading what a masked store has just written stalls.
template <class Arch>
int64_t softmax_row(const float* x, float* y, int64_t n) {
  using Vec = typename Arch::Vec;
  constexpr int L = Arch::kLanes;
  const Vec m = Arch::set(row_maximum<Arch>(x, n));
  const int64_t full = n / L * L;
  const int rest = static_cast<int>(n - full);
  Vec sum = Arch::zero(), last = Arch::zero();
  for (int64_t i = 0; i < full; i += L) {
    const Vec e = exp_vec<Arch>(Arch::sub(Arch::load(x + i), m));
    Arch::store(y + i, e);
    sum = Arch::add(sum, e);
  }
  if (rest > 0) {
    last = exp_vec<Arch>(Arch::sub(load_or_minus_infinity<Arch>(x + full, rest), m));
    sum = Arch::add(sum, last);
  }
  const Vec total = Arch::set(reduce_lanes<Arch>(sum, [](float a, float b) TALLY_LAMBDA { return a + b; }));
  for (int64_t i = 0; i < full; i += L) Arch::store(y + i, Arch::div(Arch::load(y + i), total));
  if (rest > 0) Arch::store_partial(y + full, Arch::div(last, total), rest);
  return full / L + (rest > 0);
}

/// The logarithm of the softmax of one row of n adjacent elements. Returns the same.
template <class Arch>
int64_t log_softmax_row(const float* x, float* y, int64_t n) {
  using Vec = typename Arch::Vec;
  constexpr int L = Arch::kLanes;
  const Vec m = Arch::set(row_maximum<Arch>(x, n));
  const int64_t full = n / L * L;
  const int rest = static_cast<int>(n - full);
  Vec sum = Arch::zero();
  for (int64_t i = 0; i < full; i += L) sum = Arch::add(sum, exp_vec<Arch>(Arch::sub(Arch::load(x + i), m)));
  if (rest > 0) sum = Arch::add(sum, exp_vec<Arch>(Arch::sub(load_or_minus_infinity<Arch>(x + full, rest), m)));
  // Pinned, or a compiler would take the logarithm of one lane and spread it.
  Vec total = Arch::set(reduce_lanes<Arch>(sum, [](float a, float b) TALLY_LAMBDA { return a + b; }));
  Arch::pin(total);
  const Vec log = log_vec<Arch>(total);
  for (int64_t i = 0; i < full; i += L) Arch::store(y + i, Arch::sub(Arch::sub(Arch::load(x + i), m), log));
  if (rest > 0) {
    Arch::store_partial(y + full, Arch::sub(Arch::sub(Arch::load_partial(x + full, rest), m), log), rest);
  }
  return full / L + (rest > 0);
}

/// One vector of neighbouring rows, element j of each at x[j · stride]; the first `lanes` of them are real.
template <class Arch, bool log, bool partial>
TALLY_INLINE void softmax_columns(const float* x, float* y, int64_t width, int64_t stride, [[maybe_unused]] int lanes) {
  using Vec = typename Arch::Vec;
  const auto load = [=](const float* p) TALLY_LAMBDA {
    if constexpr (partial) return Arch::load_partial(p, lanes);
    return Arch::load(p);
  };
  const auto store = [=](float* p, Vec v) TALLY_LAMBDA {
    if constexpr (partial) {
      Arch::store_partial(p, v, lanes);
    } else {
      Arch::store(p, v);
    }
  };
  Vec m = Arch::set(kMinusInfinity);
  for (int64_t j = 0; j < width; ++j) m = Arch::max(m, load(x + j * stride));
  Vec sum = Arch::zero();
  for (int64_t j = 0; j < width; ++j) {
    const Vec e = exp_vec<Arch>(Arch::sub(load(x + j * stride), m));
    if constexpr (!log) store(y + j * stride, e);
    sum = Arch::add(sum, e);
  }
  if constexpr (log) {
    const Vec rest = log_vec<Arch>(sum);
    for (int64_t j = 0; j < width; ++j) store(y + j * stride, Arch::sub(Arch::sub(load(x + j * stride), m), rest));
  } else {
    for (int64_t j = 0; j < width; ++j) store(y + j * stride, Arch::div(load(y + j * stride), sum));
  }
}

/// Rows `first` … of one outer block, `rows` of them side by side. Returns the vectors of the exponential passes.
template <class Arch, bool log>
int64_t softmax_block(const SoftmaxArgs& args, int64_t offset, int64_t rows) {
  constexpr int L = Arch::kLanes;
  int64_t i = 0;
  for (; i + L <= rows; i += L) {
    softmax_columns<Arch, log, false>(args.x + offset + i, args.y + offset + i, args.width, args.inner, L);
  }
  if (i == rows) return i / L * args.width;
  softmax_columns<Arch, log, true>(args.x + offset + i, args.y + offset + i, args.width, args.inner,
                                   static_cast<int>(rows - i));
  return (i / L + 1) * args.width;
}

template <class Arch, bool log, class Policy>
void softmax_items(const SoftmaxArgs& args, int64_t begin, int64_t end, [[maybe_unused]] Tally* tally) noexcept {
  constexpr int L = Arch::kLanes;
  const int64_t blocks = (args.inner + kSoftmaxRows - 1) / kSoftmaxRows;  // of an outer index
  for (int64_t item = begin; item < end; ++item) {
    // Elements a row that wait in y, and vectors of sums.
    [[maybe_unused]] int64_t vectors = 0, rows = 1, parked = args.width, sums = 1;
    if (args.inner == 1) {
      const float* x = args.x + item * args.width;
      float* y = args.y + item * args.width;
      vectors = log ? log_softmax_row<Arch>(x, y, args.width) : softmax_row<Arch>(x, y, args.width);
      parked = args.width / L * L;
    } else {
      const int64_t first = item % blocks * kSoftmaxRows;
      rows = args.inner - first < kSoftmaxRows ? args.inner - first : kSoftmaxRows;
      vectors = softmax_block<Arch, log>(args, item / blocks * args.width * args.inner + first, rows);
      sums = vectors / args.width;
    }
    if constexpr (Policy::kCounts) {
      tally->lane_fma_other += vectors * L * kFmaPerVector<Arch, UnaryOp::exp>;
      if (log) tally->lane_fma_other += sums * L * kFmaPerFunction<Arch, UnaryOp::log>;
      tally->bytes_loaded += 4 * rows * (log ? 3 * args.width : 2 * args.width + parked);
      tally->bytes_stored += 4 * rows * (log ? args.width : args.width + parked);
    }
  }
}

/// y[r, j] = e^(x[r, j] − max_r) / Σ_j e^(x[r, j] − max_r), or its logarithm; kernel_args.h. A row that holds NaN or
/// +∞, or nothing but −∞, becomes NaN, as the definition has it. x is read twice; y is written, read and written again,
/// but for a row's partial vector, which is only written. For the logarithm x is read three times and y written once.
template <class Arch, class Policy>
void softmax(const SoftmaxArgs& args, int64_t begin, int64_t end, Tally* tally) noexcept {
  if (args.log) {
    softmax_items<Arch, true, Policy>(args, begin, end, tally);
  } else {
    softmax_items<Arch, false, Policy>(args, begin, end, tally);
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
