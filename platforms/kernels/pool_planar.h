#pragma once
// Pooling of planar maps: one channel of one image at a time, output columns across lanes.
#include "tally/platforms/kernels/pool_window.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

TALLY_INLINE void count_pool([[maybe_unused]] int64_t loaded, [[maybe_unused]] int64_t stored, Tally& tally) {
  tally.bytes_loaded += 4 * loaded;
  tally.bytes_stored += 4 * stored;
}

/// Up to a vector of outputs of 2 × 2 windows, of which the upper pixels start at `top`.
template <class A, class Op>
TALLY_INLINE typename A::Vec pool_planar_quads(const float* top, const float* bottom, int64_t outputs, float count) {
  const int64_t inputs = 2 * outputs;
  const auto left = Op::template add<A>(load_up_to<A>(top, inputs), load_up_to<A>(bottom, inputs));
  const auto right = Op::template add<A>(load_up_to<A>(top + A::kLanes, inputs - A::kLanes),
                                         load_up_to<A>(bottom + A::kLanes, inputs - A::kLanes));
  return Op::template finish<A>(Op::template add<A>(A::even(left, right), A::odd(left, right)), count);
}

/// 2 × 2 windows, stride 2, all inside: rows first, then neighbours; every input is read once.
template <class A, class Op>
inline void pool_planar_2x2(const PoolArgs& a, const float* x, float* y) {
  const int64_t width = a.w, outputs = a.ow, whole = outputs / A::kLanes * A::kLanes, rest = outputs - whole;
  const float count = static_cast<float>(a.kh * a.kw);  // no constant, whose reciprocal a compiler would multiply with
  for (int oy = a.oh; oy > 0; --oy, x += 2 * width, y += outputs) {
    for (int64_t ox = 0; ox < whole; ox += A::kLanes)
      A::store(y + ox, pool_planar_quads<A, Op>(x + 2 * ox, x + 2 * ox + width, A::kLanes, count));
    if (rest > 0) {
      const float* top = x + 2 * whole;
      store_up_to<A>(y + whole, pool_planar_quads<A, Op>(top, top + width, rest, count), rest);
    }
  }
}

/// The one window that covers all `n` elements of a map.
template <class A, class Op, class Policy>
inline void pool_planar_global(const PoolArgs& a, const float* x, float* y, [[maybe_unused]] Tally* tally) {
  constexpr int kChains = 4;
  const int64_t n = int64_t{a.h} * a.w;
  float result = Op::start();
  int64_t i = 0;
  if (n >= kChains * A::kLanes) {
    typename A::Vec acc[kChains];
    TALLY_UNROLL
    for (int j = 0; j < kChains; ++j) acc[j] = A::set(Op::start());
    for (; i + kChains * A::kLanes <= n; i += kChains * A::kLanes) {
      TALLY_UNROLL
      for (int j = 0; j < kChains; ++j) acc[j] = Op::template add<A>(acc[j], A::load(x + i + j * A::kLanes));
    }
    alignas(64) float lane[A::kLanes];
    A::store(lane, Op::template add<A>(Op::template add<A>(acc[0], acc[1]), Op::template add<A>(acc[2], acc[3])));
    for (int j = 0; j < A::kLanes; ++j) result = Op::add(result, lane[j]);
  }
  for (; i < n; ++i) result = Op::add(result, x[i]);
  y[0] = Op::finish(result, static_cast<float>(n));
  if constexpr (Policy::kCounts) count_pool(n, 1, *tally);
}

/// `outputs` columns from ox on, at most a vector, whose taps are all inside; strides 1 and 2. With stride 2 a tap
/// reads every element from the first it needs to the last. `first`: index of tap 0 of column 0, which may lie outside.
template <class A, class Op>
TALLY_INLINE void pool_planar_block(const PoolArgs& a, const float* x, float* y, const TapRange& rows, int64_t first,
                                    int64_t ox, int64_t outputs, float count) {
  const int64_t inputs = a.sw == 1 ? outputs : 2 * outputs - 1;
  auto acc = A::set(Op::start());
  for (int ky = rows.begin; ky < rows.end; ++ky) {
    const float* row = x + (first + int64_t{ky} * a.dh * a.w + ox * a.sw);
    for (int kx = 0; kx < a.kw; ++kx, row += a.dw) {
      auto v = load_up_to<A>(row, inputs);
      if (a.sw == 2) v = A::even(v, load_up_to<A>(row + A::kLanes, inputs - A::kLanes));
      acc = Op::template add<A>(acc, v);
    }
  }
  store_up_to<A>(y + ox, Op::template finish<A>(acc, count), outputs);
}

/// One output from the taps that are inside.
template <class Op>
inline float pool_planar_one(const PoolArgs& a, const float* x, const PoolSpan& rows, const PoolSpan& columns,
                             int64_t first) {
  float acc = Op::start();
  for (int ky = rows.taps.begin; ky < rows.taps.end; ++ky) {
    for (int kx = columns.taps.begin; kx < columns.taps.end; ++kx) {
      acc = Op::add(acc, x[first + int64_t{ky} * a.dh * a.w + int64_t{kx} * a.dw]);
    }
  }
  return Op::finish(acc, pool_count(rows, columns));
}

/// Output row oy: columns whose taps are all inside by vectors, those at the edges and of strides beyond 2 singly.
template <class A, class Op, class Policy>
inline void pool_planar_row(const PoolArgs& a, const float* x, float* y, int oy, [[maybe_unused]] Tally* tally) {
  const PoolSpan rows = pool_rows(a, oy);
  const int64_t first = (int64_t{oy} * a.sh - a.pt) * a.w - a.pl;
  for (int64_t ox = 0; ox < a.ow;) {
    const PoolSpan columns = pool_columns(a, static_cast<int>(ox));
    if (a.sw > 2 || columns.taps.size() < a.kw) {
      y[ox] = pool_planar_one<Op>(a, x, rows, columns, first + ox * a.sw);
      if constexpr (Policy::kCounts) count_pool(int64_t{rows.taps.size()} * columns.taps.size(), 1, *tally);
      ++ox;
      continue;
    }
    int64_t end = (a.w - 1 - (a.kw - 1) * int64_t{a.dw} + a.pl) / a.sw + 1;  // the first column that is not all inside
    if (end > a.ow) end = a.ow;
    const float count = pool_count(rows, columns);
    for (; ox < end; ox += A::kLanes) {
      const int64_t outputs = end - ox < A::kLanes ? end - ox : A::kLanes;
      pool_planar_block<A, Op>(a, x, y, rows.taps, first, ox, outputs, count);
      if constexpr (Policy::kCounts) {
        const int64_t inputs = a.sw == 1 ? outputs : 2 * outputs - 1;
        count_pool(int64_t{rows.taps.size()} * a.kw * inputs, outputs, *tally);
      }
    }
    ox = end;
  }
}

/// One map, channel `channel` of all images.
template <class A, class Op, class Policy>
inline void pool_planar(const PoolArgs& a, int64_t channel, Tally* tally) {
  const float* x = a.x + channel * a.h * a.w;
  float* y = a.y + channel * a.oh * a.ow;
  if (quarters_image(a)) {
    pool_planar_2x2<A, Op>(a, x, y);
    if constexpr (Policy::kCounts) count_pool(4 * int64_t{a.ow} * a.oh, int64_t{a.ow} * a.oh, *tally);
  } else if (all_inside(a) && a.oh == 1 && a.ow == 1 && a.kh == a.h && a.kw == a.w && a.dh == 1 && a.dw == 1) {
    pool_planar_global<A, Op, Policy>(a, x, y, tally);
  } else {
    for (int oy = 0; oy < a.oh; ++oy, y += a.ow) pool_planar_row<A, Op, Policy>(a, x, y, oy, tally);
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
