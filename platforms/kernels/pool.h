#pragma once
// Pooling, see PoolArgs. Planar maps in pool_planar.h; here channels_last, and the choice of the reduction.
#include "tally/platforms/kernels/pool_planar.h"
#include "tally/platforms/kernels/pool_window.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// V vectors of channels of one output, the last of them partial if n is less: y = finish(reduce(x[taps])).
template <class A, class Op, int V>
TALLY_INLINE void pool_pixel(const PoolArgs& a, const float* x, float* y, const TapRange& rows, const TapRange& columns,
                             int64_t first, int64_t n, float count) {
  typename A::Vec acc[V];
  TALLY_UNROLL
  for (int v = 0; v < V; ++v) acc[v] = A::set(Op::start());
  for (int ky = rows.begin; ky < rows.end; ++ky) {
    const float* tap = x + (first + (int64_t{ky} * a.dh * a.w + int64_t{columns.begin} * a.dw) * a.channels);
    for (int kx = columns.begin; kx < columns.end; ++kx, tap += int64_t{a.dw} * a.channels) {
      TALLY_UNROLL
      for (int v = 0; v < V; ++v) {
        acc[v] = Op::template add<A>(acc[v], V == 1 ? load_up_to<A>(tap, n) : A::load(tap + v * A::kLanes));
      }
    }
  }
  TALLY_UNROLL
  for (int v = 0; v < V; ++v) {
    const auto result = Op::template finish<A>(acc[v], count);
    if (V == 1) {
      store_up_to<A>(y, result, n);
    } else {
      A::store(y + v * A::kLanes, result);
    }
  }
}

/// V vectors of channels of one output whose window is 2 × 2 pixels, at x and one row below.
template <class A, class Op, int V>
TALLY_INLINE void pool_quad(const float* x, int64_t row, int64_t pixel, float* y, int64_t n, float count) {
  const auto tap = [&](int64_t at) TALLY_LAMBDA { return V == 1 ? load_up_to<A>(x + at, n) : A::load(x + at); };
  TALLY_UNROLL
  for (int v = 0; v < V; ++v) {
    const int64_t at = v * A::kLanes;
    const auto top = Op::template add<A>(tap(at), tap(at + pixel));
    const auto bottom = Op::template add<A>(tap(at + row), tap(at + row + pixel));
    const auto result = Op::template finish<A>(Op::template add<A>(top, bottom), count);
    if (V == 1) {
      store_up_to<A>(y, result, n);
    } else {
      A::store(y + at, result);
    }
  }
}

/// A row of outputs at y whose windows are 2 × 2 pixels side by side from x on.
template <class A, class Op>
inline void pool_quads(const PoolArgs& a, const float* x, float* y) {
  constexpr int kBlock = 2 * A::kLanes;
  const int64_t pixel = a.channels, row = pixel * a.w;
  const float count = static_cast<float>(a.kh * a.kw);  // no constant, whose reciprocal a compiler would multiply with
  for (int ox = 0; ox < a.ow; ++ox, x += 2 * pixel, y += pixel) {
    int64_t c = 0;
    for (; c + kBlock <= pixel; c += kBlock) pool_quad<A, Op, 2>(x + c, row, pixel, y + c, kBlock, count);
    for (; c < pixel; c += A::kLanes) pool_quad<A, Op, 1>(x + c, row, pixel, y + c, pixel - c, count);
  }
}

/// Columns that the windows of an output row read, each as often as it is read. Where the first and the last window lie
/// inside, so do all.
inline int64_t columns_read(const PoolArgs& a) {
  if (pool_columns(a, 0).taps.size() == a.kw && pool_columns(a, a.ow - 1).taps.size() == a.kw)
    return int64_t{a.ow} * a.kw;
  int64_t read = 0;
  for (int ox = 0; ox < a.ow; ++ox) read += pool_columns(a, ox).taps.size();
  return read;
}

/// One output row of one image, channels across lanes, in blocks of four vectors while they last.
template <class A, class Op>
inline void pool_channels_last(const PoolArgs& a, int64_t item) {
  constexpr int kBlock = 4 * A::kLanes;
  const int64_t image = item / a.oh;
  const int oy = static_cast<int>(item % a.oh);
  const float* x = a.x + image * a.h * a.w * a.channels;
  float* y = a.y + item * a.ow * a.channels;
  if (quarters_image(a)) return pool_quads<A, Op>(a, x + int64_t{oy} * 2 * a.w * a.channels, y);
  const PoolSpan rows = pool_rows(a, oy);
  for (int ox = 0; ox < a.ow; ++ox, y += a.channels) {
    const PoolSpan columns = pool_columns(a, ox);
    const float count = pool_count(rows, columns);
    const int64_t first = ((int64_t{oy} * a.sh - a.pt) * a.w + int64_t{ox} * a.sw - a.pl) * a.channels;
    int64_t c = 0;
    for (; c + kBlock <= a.channels; c += kBlock) {
      pool_pixel<A, Op, 4>(a, x, y + c, rows.taps, columns.taps, first + c, kBlock, count);
    }
    for (; c < a.channels; c += A::kLanes) {
      pool_pixel<A, Op, 1>(a, x, y + c, rows.taps, columns.taps, first + c, a.channels - c, count);
    }
  }
}

/// What pool_channels_last moved for items [begin, end).
inline void count_channels_last(const PoolArgs& a, int64_t begin, int64_t end, Tally& tally) {
  int64_t rows_read = 0;
  for (int64_t item = begin; item < end; ++item) rows_read += pool_rows(a, static_cast<int>(item % a.oh)).taps.size();
  count_pool(rows_read * columns_read(a) * a.channels, (end - begin) * a.ow * a.channels, tally);
}

template <class A, class Op, class Policy>
inline void pool_items(const PoolArgs& a, int64_t begin, int64_t end, Tally* tally) {
  for (int64_t item = begin; item < end; ++item) {
    if (a.channels_last) {
      pool_channels_last<A, Op>(a, item);
    } else {
      pool_planar<A, Op, Policy>(a, item, tally);
    }
  }
  if constexpr (Policy::kCounts) {
    if (a.channels_last) count_channels_last(a, begin, end, *tally);
  }
}

/// y = max or average of the windows of x. No multiply-accumulates, only bytes.
template <class Arch, class Policy>
void pool(const PoolArgs& a, int64_t begin, int64_t end, Tally* tally) noexcept {
  if (a.kind == PoolKind::max) {
    pool_items<Arch, MaxPool, Policy>(a, begin, end, tally);
  } else {
    pool_items<Arch, AveragePool, Policy>(a, begin, end, tally);
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
