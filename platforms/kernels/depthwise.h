#pragma once
// Depthwise convolution, channels across lanes: row pairs, then vectors of channels, then columns.
#include "tally/platforms/kernels/depthwise_taps.h"
#include "tally/platforms/kernels/depthwise_tile.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// What the planned tally needs to know of the tiles.
template <class Arch>
constexpr void fill_depthwise_geometry(Geometry& g) {
  g.depthwise_columns = kDepthwiseColumns<Arch>;
  g.depthwise_resident = kDepthwiseResident<Arch>;
}

/// The 3 × 3 tiles serve strides 1 and 2 with at most one column of padding on either side that an output reaches.
inline bool has_depthwise_tile(const DepthwiseArgs& a) {
  return a.kh == 3 && a.kw == 3 && a.dh == 1 && a.dw == 1 && a.sh == a.sw && (a.sh == 1 || a.sh == 2) && a.pl >= 0 &&
         a.pl <= 1 && (a.ow - 1) * a.sw - a.pl + 2 <= a.w_in;
}

/// Channels of a vector that are no padding.
template <class A>
TALLY_INLINE int64_t real_lanes(const DepthwiseArgs& a, int64_t c, int vectors) {
  const int64_t left = a.real_channels - c, lanes = int64_t{vectors} * A::kLanes;
  return left <= 0 ? 0 : left < lanes ? left : lanes;
}

/// Adds what a row of 3 × 3 tiles executed. A column of padding takes one product from each kernel row and output row.
template <class A>
inline void count_depthwise_tiles(const DepthwiseArgs& a, const DepthwiseTile& t, int64_t c, int columns, int rows,
                                  Tally& tally) {
  const int64_t missing = t.left_missing + t.right_missing;
  int64_t kernel_rows = 0, input_rows = 0;
  for (int r = 0; r < rows; ++r) {
    for (int k = 0; k < 3; ++k) kernel_rows += t.rows_inside >> (r * a.sh + k) & 1;
  }
  for (int i = 0; i < (rows - 1) * a.sh + 3; ++i) input_rows += t.rows_inside >> i & 1;
  const int64_t products = kernel_rows * (3 * columns * t.tiles - missing);
  const int64_t row_vectors = t.tiles * ((columns - 1) * a.sw + 3) - missing,
                outputs = int64_t{rows} * columns * t.tiles;
  const int64_t weights = kDepthwiseResident<A> ? 9 : 9 * t.tiles, lanes = int64_t{t.vectors} * A::kLanes;
  tally.lane_macs += products * lanes;
  tally.macs += products * real_lanes<A>(a, c, t.vectors);
  tally.bytes_loaded +=
      4 * lanes * (row_vectors * (kDepthwiseResident<A> ? input_rows : kernel_rows) + weights + (a.bias ? 1 : 0));
  tally.bytes_stored += 4 * lanes * outputs;
  tally.lane_fma_other += outputs * t.vectors * activation_fma_lanes<A>(a.epilogue.activation);
}

/// `rows` output rows from oy on of the channels from c on that fill vectors of A, by 3 × 3 tiles of nearly equal
/// width.
template <class A, class Policy>
inline void depthwise_tiled(const DepthwiseArgs& a, const float* x, float* y, int64_t c, int oy, int rows,
                            [[maybe_unused]] Tally* tally) {
  DepthwiseTile t;
  t.x = x + c;
  t.w = a.w + c;
  t.bias = a.bias ? a.bias + c : nullptr;
  t.pixel = a.channels;
  t.x_row = int64_t{a.w_in} * a.channels;
  t.y_row = int64_t{a.ow} * a.channels;
  t.vectors = static_cast<int>((a.channels - c) / A::kLanes);
  t.epilogue = &a.epilogue;
  const int iy = oy * a.sh - a.pt;
  for (int i = 0; i < (rows - 1) * a.sh + 3; ++i)
    t.rows_inside |= static_cast<uint32_t>(iy + i >= 0 && iy + i < a.h) << i;
  const int count = (a.ow + kDepthwiseColumns<A> - 1) / kDepthwiseColumns<A>, narrow = a.ow / count;
  const int wide_tiles = a.ow % count, tiles[2] = {wide_tiles, count - wide_tiles};
  const bool right = (a.ow - 1) * a.sw - a.pl + 2 == a.w_in;
  int ox = 0;
  for (int i = 0; i < 2; ++i) {
    if (tiles[i] == 0) continue;
    const int columns = narrow + 1 - i;
    t.tiles = tiles[i];
    t.left_missing = ox == 0 && a.pl == 1;
    t.right_missing = ox + columns * t.tiles == a.ow && right;
    t.x_offset = iy * t.x_row + int64_t{ox * a.sw - a.pl} * a.channels;
    t.y = y + (int64_t{oy} * a.ow + ox) * a.channels + c;
    kDepthwiseTiles<A>.at[columns][a.sw - 1][rows - 1](t);
    if constexpr (Policy::kCounts) count_depthwise_tiles<A>(a, t, c, columns, rows, *tally);
    ox += columns * t.tiles;
  }
}

template <class A, class Policy, int P, int V>
inline void depthwise_taps_at(const DepthwiseArgs& a, DepthwiseTaps& t, int64_t c, int64_t x_row, float* y, int ox,
                              [[maybe_unused]] Tally* tally) {
  t.x_offset = x_row + int64_t{ox * a.sw - a.pl} * a.channels;
  t.y = y + int64_t{ox} * a.channels + c;
  depthwise_taps<A, P, V>(t);
  if constexpr (Policy::kCounts) {
    const int64_t taps = int64_t{t.ky.end - t.ky.begin} * (t.kx.end - t.kx.begin);
    tally->lane_macs += taps * P * V * A::kLanes;
    tally->macs += taps * P * real_lanes<A>(a, c, V);
    tally->bytes_loaded += 4 * V * A::kLanes * (taps * (P + 1) + (a.bias ? 1 : 0));
    tally->bytes_stored += 4 * P * V * A::kLanes;
    tally->lane_fma_other += P * V * activation_fma_lanes<A>(a.epilogue.activation);
  }
}

/// One output row of V vectors of channels by single taps: columns whose taps are all inside in fours, the others
/// alone.
template <class A, class Policy, int V>
inline void depthwise_any(const DepthwiseArgs& a, const float* x, float* y, int64_t c, int oy, Tally* tally) {
  DepthwiseTaps t;
  t.x = x + c;
  t.w = a.w + c;
  t.bias = a.bias ? a.bias + c : nullptr;
  t.pixel = a.channels;
  t.x_kx = int64_t{a.dw} * a.channels;
  t.x_ky = int64_t{a.dh} * a.w_in * a.channels;
  t.x_column = int64_t{a.sw} * a.channels;
  t.w_ky = int64_t{a.kw} * a.channels;
  t.epilogue = &a.epilogue;
  const int iy = oy * a.sh - a.pt;
  t.ky = taps_in(iy, a.kh, a.dh, a.h);
  const int64_t x_row = int64_t{iy} * a.w_in * a.channels;
  y += int64_t{oy} * a.ow * a.channels;
  for (int ox = 0; ox < a.ow;) {
    t.kx = taps_in(ox * a.sw - a.pl, a.kw, a.dw, a.w_in);
    const TapRange last = taps_in((ox + kTapColumns - 1) * a.sw - a.pl, a.kw, a.dw, a.w_in);
    if (t.kx.begin == 0 && last.end == a.kw && ox + kTapColumns <= a.ow) {
      depthwise_taps_at<A, Policy, kTapColumns, V>(a, t, c, x_row, y, ox, tally);
      ox += kTapColumns;
    } else {
      depthwise_taps_at<A, Policy, 1, V>(a, t, c, x_row, y, ox, tally);
      ++ox;
    }
  }
}

/// `rows` output rows of channels from c on in vectors of A, two at a time where taps go singly; returns where they
/// end.
template <class A, class Policy>
inline int64_t depthwise_channels(const DepthwiseArgs& a, const float* x, float* y, int64_t c, int oy, int rows,
                                  Tally* tally) {
  if (has_depthwise_tile(a)) {
    if (c + A::kLanes <= a.channels) depthwise_tiled<A, Policy>(a, x, y, c, oy, rows, tally);
    return a.channels - (a.channels - c) % A::kLanes;
  }
  for (; c + 2 * A::kLanes <= a.channels; c += 2 * A::kLanes) {
    for (int r = 0; r < rows; ++r) depthwise_any<A, Policy, 2>(a, x, y, c, oy + r, tally);
  }
  for (; c + A::kLanes <= a.channels; c += A::kLanes) {
    for (int r = 0; r < rows; ++r) depthwise_any<A, Policy, 1>(a, x, y, c, oy + r, tally);
  }
  return c;
}

/// y = activation(bias + depthwise convolution), see DepthwiseArgs.
template <class Arch, class Policy>
void depthwise(const DepthwiseArgs& a, int64_t begin, int64_t end, Tally* tally) noexcept {
  const int pairs = (a.oh + 1) / 2;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t image = item / pairs;
    const int oy = static_cast<int>(item % pairs) * 2, rows = oy + 1 < a.oh ? 2 : 1;
    const float* x = a.x + image * a.h * a.w_in * a.channels;
    float* y = a.y + image * a.oh * a.ow * a.channels;
    [[maybe_unused]] const int64_t c = depthwise_channels<Arch, Policy>(a, x, y, 0, oy, rows, tally);
    if constexpr (requires { typename Arch::Half; }) {
      if (c < a.channels) depthwise_channels<typename Arch::Half, Policy>(a, x, y, c, oy, rows, tally);
    }
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
