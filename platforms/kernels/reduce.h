#pragma once
// Reductions of one axis (or of several that lie beside each other): along adjacent elements, in four accumulators; or
// across rows, a vector of neighbouring columns in each accumulator.
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/map.h"
#include "tally/platforms/kernels/softmax.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

constexpr bool is_extreme(ReduceOp op) { return op == ReduceOp::max || op == ReduceOp::min; }
/// Neutral to the operation.
constexpr float neutral(ReduceOp op) {
  return op == ReduceOp::max ? kMinusInfinity : op == ReduceOp::min ? -kMinusInfinity : 0.0f;
}

/// The set with another element.
template <class Arch, ReduceOp op>
TALLY_INLINE typename Arch::Vec take(typename Arch::Vec set, typename Arch::Vec v) {
  if constexpr (op == ReduceOp::sum) return Arch::add(set, v);
  if constexpr (op == ReduceOp::sum_abs) return Arch::add(set, Arch::abs(v));
  if constexpr (op == ReduceOp::sum_squares) return Arch::fma(v, v, set);
  if constexpr (op == ReduceOp::max) return binary_vec<Arch, BinaryOp::max>(set, v);
  if constexpr (op == ReduceOp::min) return binary_vec<Arch, BinaryOp::min>(set, v);
}

/// Two sets in one.
template <class Arch, ReduceOp op>
TALLY_INLINE typename Arch::Vec join_sets(typename Arch::Vec a, typename Arch::Vec b) {
  if constexpr (is_extreme(op)) return take<Arch, op>(a, b);
  return Arch::add(a, b);
}

template <ReduceOp op>
TALLY_INLINE float join_lanes(float a, float b) {
  if (op == ReduceOp::max) return a > b || a != a ? a : b;
  if (op == ReduceOp::min) return a < b || a != a ? a : b;
  return a + b;
}

template <class Arch>
TALLY_INLINE typename Arch::Vec finished(typename Arch::Vec set, ReduceFinish finish, typename Arch::Vec width) {
  if (finish == ReduceFinish::divide) return Arch::div(set, width);
  if (finish == ReduceFinish::root) return Arch::sqrt(set);
  return set;
}

/// op over x[0 … n), all lanes of a vector the same.
template <class Arch, ReduceOp op>
TALLY_INLINE typename Arch::Vec reduce_row(const float* x, int64_t n) {
  using Vec = typename Arch::Vec;
  constexpr int L = Arch::kLanes;
  Vec set[4];
  TALLY_UNROLL for (int u = 0; u < 4; ++u) set[u] = Arch::set(neutral(op));
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L) {
    TALLY_UNROLL for (int u = 0; u < 4; ++u) set[u] = take<Arch, op>(set[u], load_once<Arch>(x + i + u * L));
  }
  for (; i + L <= n; i += L) set[0] = take<Arch, op>(set[0], load_once<Arch>(x + i));
  if (i < n) {
    const int rest = static_cast<int>(n - i);
    Vec v = load_partial_once<Arch>(x + i, rest);
    if constexpr (is_extreme(op))
      v = Arch::select_less(Arch::load(kLaneIndex), Arch::set(static_cast<float>(rest)), v, Arch::set(neutral(op)));
    set[1] = take<Arch, op>(set[1], v);
  }
  const Vec all = join_sets<Arch, op>(join_sets<Arch, op>(set[0], set[1]), join_sets<Arch, op>(set[2], set[3]));
  return Arch::set(reduce_lanes<Arch>(all, [](float a, float b) TALLY_LAMBDA { return join_lanes<op>(a, b); }));
}

/// `vectors` vectors of neighbouring columns at once, down `width` rows; the last `lanes` columns only where partial.
template <class Arch, ReduceOp op, int vectors, bool partial>
TALLY_INLINE void reduce_columns(const ReduceArgs& args, const float* x, float* y, [[maybe_unused]] int lanes) {
  using Vec = typename Arch::Vec;
  constexpr int L = Arch::kLanes;
  Vec set[vectors];
  TALLY_UNROLL for (int u = 0; u < vectors; ++u) set[u] = Arch::set(neutral(op));
  for (int64_t j = 0; j < args.width; ++j) {
    TALLY_UNROLL for (int u = 0; u < vectors; ++u) {
      const float* p = x + j * args.inner + u * L;
      if constexpr (partial) {
        set[u] = take<Arch, op>(set[u], load_partial_once<Arch>(p, lanes));
      } else {
        set[u] = take<Arch, op>(set[u], load_once<Arch>(p));
      }
    }
  }
  const Vec width = Arch::set(static_cast<float>(args.width));
  TALLY_UNROLL for (int u = 0; u < vectors; ++u) {
    if constexpr (partial) {
      Arch::store_partial(y + u * L, finished<Arch>(set[u], args.finish, width), lanes);
    } else {
      Arch::store(y + u * L, finished<Arch>(set[u], args.finish, width));
    }
  }
}

/// `columns` neighbouring columns. Returns the vectors taken of each row.
template <class Arch, ReduceOp op>
int64_t reduce_block(const ReduceArgs& args, const float* x, float* y, int64_t columns) {
  constexpr int L = Arch::kLanes;
  int64_t i = 0;
  for (; i + 4 * L <= columns; i += 4 * L) reduce_columns<Arch, op, 4, false>(args, x + i, y + i, L);
  for (; i + L <= columns; i += L) reduce_columns<Arch, op, 1, false>(args, x + i, y + i, L);
  if (i == columns) return i / L;
  reduce_columns<Arch, op, 1, true>(args, x + i, y + i, static_cast<int>(columns - i));
  return i / L + 1;
}

template <class Arch, ReduceOp op, class Policy>
void reduce_op(const ReduceArgs& args, int64_t begin, int64_t end, [[maybe_unused]] Tally* tally) noexcept {
  constexpr int L = Arch::kLanes;
  const int64_t blocks = (args.inner + kReduceColumns - 1) / kReduceColumns;  // of an outer index
  const typename Arch::Vec width = Arch::set(static_cast<float>(args.width));
  for (int64_t item = begin; item < end; ++item) {
    [[maybe_unused]] int64_t vectors = 0, results = 0;
    if (args.inner == 1) {
      const int64_t first = item * kReduceRows;
      const int64_t last = first + kReduceRows < args.outer ? first + kReduceRows : args.outer;
      for (int64_t row = first; row < last; ++row) {
        const auto set =
            finished<Arch>(reduce_row<Arch, op>(args.x + row * args.width, args.width), args.finish, width);
        alignas(64) float lane[L];
        Arch::store(lane, set);
        args.y[row] = lane[0];
        vectors += (args.width + L - 1) / L;
        ++results;
      }
    } else {
      const int64_t outer = item / blocks, first = item % blocks * kReduceColumns;
      results = args.inner - first < kReduceColumns ? args.inner - first : kReduceColumns;
      vectors = args.width * reduce_block<Arch, op>(args, args.x + outer * args.width * args.inner + first,
                                                    args.y + outer * args.inner + first, results);
    }
    if constexpr (Policy::kCounts) {
      if (op == ReduceOp::sum_squares) tally->lane_fma_other += vectors * L;
      tally->bytes_loaded += results * args.width * 4;
      tally->bytes_stored += results * 4;
    }
  }
}

/// y[o, i] = finish(op over j of x[o, j, i]); kernel_args.h.
template <class Arch, class Policy>
void reduce(const ReduceArgs& args, int64_t begin, int64_t end, Tally* tally) noexcept {
  switch (args.op) {
    case ReduceOp::sum:
      return reduce_op<Arch, ReduceOp::sum, Policy>(args, begin, end, tally);
    case ReduceOp::sum_abs:
      return reduce_op<Arch, ReduceOp::sum_abs, Policy>(args, begin, end, tally);
    case ReduceOp::sum_squares:
      return reduce_op<Arch, ReduceOp::sum_squares, Policy>(args, begin, end, tally);
    case ReduceOp::max:
      return reduce_op<Arch, ReduceOp::max, Policy>(args, begin, end, tally);
    case ReduceOp::min:
      return reduce_op<Arch, ReduceOp::min, Policy>(args, begin, end, tally);
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
