#pragma once
// Convolution with output pixels across lanes: cuts a map into row pairs and those into register tiles (pixel_tile.h).
#include "tally/platforms/kernels/pixel_tile.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// What the planned tally needs to know of the tiles.
template <class Arch>
constexpr void fill_pixel_geometry(Geometry& g) {
  g.pixel_channels = pixel_channels<Arch>();
  for (int c = 1; c <= g.pixel_channels; ++c) g.pixel_registers[c] = pixel_registers<Arch>(c);
  g.pixel_piece = Arch::kLanes;
  if constexpr (kHasHalfPiece<Arch>) g.pixel_piece = Arch::kLanes / 2;
  if constexpr (kHasQuarterPiece<Arch>) g.pixel_piece = Arch::kLanes / 4;
}

/// How the ends of `rows` (1 or 2) rows of ow pixels lie in registers: `full` registers a row, the last with `last`
/// pixels, then, if any, a register of half pieces and a half-width register of quarter pieces with so many pixels
/// each.
struct PixelRow {
  int rows = 1, full = 0, last = 0;
  bool half = false, quarter = false;
  int half_n = 0, quarter_n[2] = {};
};

template <class Arch>
inline PixelRow cut_row(int rows, int ow) {
  constexpr int kLanes = Arch::kLanes;
  PixelRow row;
  row.rows = rows;
  row.full = ow / kLanes;
  row.last = kLanes;
  const int rest = ow % kLanes;
  if (rest == 0) return row;
  if constexpr (kHasHalfPiece<Arch>) {
    constexpr int kHalf = kLanes / 2, kSmallest = kHasQuarterPiece<Arch> ? kLanes / 4 : kHalf;
    const int taken = (rest + kSmallest - 1) / kSmallest * kSmallest;
    if (rows == 2 && taken < kLanes) {
      row.half = taken >= kHalf;
      row.half_n = !row.half ? 0 : rest < kHalf ? rest : kHalf;
      row.quarter = taken % kHalf != 0;
      row.quarter_n[0] = row.quarter_n[1] = rest - row.half_n;
      return row;
    }
    if (kHasQuarterPiece<Arch> && taken <= kHalf) {
      // The two pieces of a single row lie side by side.
      row.quarter = true;
      row.quarter_n[0] = rest < kSmallest ? rest : kSmallest;
      row.quarter_n[1] = rest - row.quarter_n[0];
      return row;
    }
  }
  ++row.full;
  row.last = rest;
  return row;
}

/// The pieces at the rows' ends, into `tile`.
template <class Arch>
TALLY_INLINE void place_pieces(const PixelConvArgs& a, const PixelRow& row, const float* x, float* y, PixelTile& tile) {
  const int half_column = row.full * Arch::kLanes;
  const int quarter_column = half_column + (row.half ? Arch::kLanes / 2 : 0);
  // The second piece of a single row lies beside the first, or, where it holds no pixel, reads the first once more.
  const bool pair = row.rows == 2;
  const int64_t x_step = pair ? a.x_y : row.quarter_n[1] > 0 ? Arch::kLanes / 4 : 0;
  const int64_t y_step = pair ? a.y_row : Arch::kLanes / 4;
  tile.half[0] = {x + half_column, y + half_column, row.half_n};
  tile.half[1] = {x + a.x_y + half_column, y + a.y_row + half_column, row.half_n};
  tile.quarter[0] = {x + quarter_column, y + quarter_column, row.quarter_n[0]};
  tile.quarter[1] = {x + x_step + quarter_column, y + y_step + quarter_column, row.quarter_n[1]};
}

/// Adds a column of tiles of `full` registers and perhaps one of half that width. The products that results use are
/// counted by rows (count_pixel_products).
template <class Arch>
inline void count_pixel_tiles(const PixelConvArgs& a, const PixelTile& tile, int channels, int full, bool narrow,
                              int64_t pixels, Tally& tally) {
  const int64_t lanes = full * Arch::kLanes + (narrow ? Arch::kLanes / 2 : 0), vectors = tile.repeats * channels;
  tally.lane_macs += vectors * a.taps * lanes;
  tally.bytes_loaded += 4 * (tile.repeats * a.taps * lanes + vectors * (a.taps + (a.bias ? 1 : 0)));
  tally.bytes_stored += 4 * vectors * pixels;
  tally.lane_fma_other += vectors * full * activation_fma_lanes<Arch>(a.epilogue.activation);
  if constexpr (kHasQuarterPiece<Arch>) {
    if (narrow) tally.lane_fma_other += vectors * activation_fma_lanes<typename Arch::Piece>(a.epilogue.activation);
  }
}

/// Runs all tiles of tile.repeats times `row`, whose first pixels are at x and y.
template <class Arch, class Policy>
inline void pixel_rows(const PixelConvArgs& a, const PixelRow& row, int channels, PixelTile& tile, const float* x,
                       float* y, [[maybe_unused]] Tally* tally) {
  const int registers = row.rows * row.full + row.half + row.quarter, most = pixel_registers<Arch>(channels);
  const int chunks = (registers + most - 1) / most;
  int next = 0;
  for (int i = 0; i < chunks; ++i) {
    // The last tile has the pieces and, if they differ, the larger number of registers.
    const bool last = i == chunks - 1, half = last && row.half, quarter = last && row.quarter;
    const int full = (registers + i) / chunks - half - quarter;
    int64_t pixels = 0;
    for (int j = 0; j < full; ++j, ++next) {
      const int r = next % row.rows, column = next / row.rows;
      tile.full[j] = {x + r * a.x_y + column * Arch::kLanes, y + r * a.y_row + column * Arch::kLanes,
                      column == row.full - 1 ? row.last : Arch::kLanes};
      pixels += tile.full[j].n;
    }
    if (half || quarter) place_pieces<Arch>(a, row, x, y, tile);
    if (half) pixels += tile.half[0].n + tile.half[1].n;
    if (quarter) pixels += tile.quarter[0].n + tile.quarter[1].n;
    if (quarter && full == 0 && !half) {
      // Nothing but quarter pieces: a tile of half-width registers, whose halves they are.
      tile.half[0] = tile.quarter[0];
      tile.half[1] = tile.quarter[1];
    }
    kPixelTiles<Arch>.at[channels][full][half][quarter](tile);
    if constexpr (Policy::kCounts) count_pixel_tiles<Arch>(a, tile, channels, full + half, quarter, pixels, *tally);
  }
}

/// Of `size` outputs from `first` on, how many have tap k inside an input of `extent`: o·stride + k·dilation − pad in
/// [0, extent).
inline int64_t taps_inside(int first, int size, int k, int stride, int dilation, int pad, int extent) {
  int64_t inside = 0;
  for (int o = first; o < first + size; ++o) {
    const int i = o * stride + k * dilation - pad;
    inside += i >= 0 && i < extent;
  }
  return inside;
}

/// Products of one input and one output channel that a row of outputs makes with pixels of the image, for a kernel row
/// of it.
inline int64_t row_products(const PixelConvArgs& a) {
  int64_t products = 0;
  for (int kx = 0; kx < a.kw; ++kx) products += taps_inside(0, a.ow, kx, 1, a.dw, a.pl, a.w_in);
  return products;
}

/// Adds the products of `rows` rows from oy on that results use.
template <class Arch>
inline void count_pixel_products(const PixelConvArgs& a, int channels, int oy, int rows, Tally& tally) {
  if (a.h == 0) {
    tally.macs += int64_t{channels} * a.taps * rows * a.ow;
    return;
  }
  const int64_t inputs = a.taps / (a.kh * a.kw);
  int64_t kernel_rows = 0;
  for (int ky = 0; ky < a.kh; ++ky) kernel_rows += taps_inside(oy, rows, ky, a.sh, a.dh, a.pt, a.h);
  tally.macs += channels * inputs * kernel_rows * row_products(a);
}

/// So many pairs of rows go through one column of tiles before the next column: their input stays in the first cache.
inline constexpr int64_t kPixelPairs = 16;

/// One tile of output channels of one image: its pairs of rows [begin, end).
template <class Arch, class Policy>
inline void pixel_slice(const PixelConvArgs& a, int channels, const float* x, float* y, PixelTile& tile, int64_t begin,
                        int64_t end, [[maybe_unused]] Tally* tally) {
  const PixelRow pair = cut_row<Arch>(2, a.ow), single = cut_row<Arch>(1, a.ow);
  const int64_t rows = (end * 2 <= a.oh ? end * 2 : a.oh) - begin * 2;
  tile.x_advance = 2 * a.x_y;
  tile.y_advance = 2 * a.y_row;
  x += begin * tile.x_advance;
  y += begin * tile.y_advance;
  for (int64_t left = rows / 2; left > 0; left -= tile.repeats) {
    tile.repeats = left < kPixelPairs ? left : kPixelPairs;
    pixel_rows<Arch, Policy>(a, pair, channels, tile, x, y, tally);
    x += tile.repeats * tile.x_advance;
    y += tile.repeats * tile.y_advance;
  }
  if (rows % 2 != 0) {
    tile.repeats = 1;
    pixel_rows<Arch, Policy>(a, single, channels, tile, x, y, tally);
  }
  if constexpr (Policy::kCounts) {
    count_pixel_products<Arch>(a, channels, static_cast<int>(2 * begin), static_cast<int>(rows), *tally);
  }
}

/// y = activation(bias + convolution), see PixelConvArgs.
template <class Arch, class Policy>
void pixel_conv(const PixelConvArgs& a, int64_t begin, int64_t end, Tally* tally) noexcept {
  const int64_t pairs = (a.oh + 1) / 2, tiles = (a.group_channels + a.tile_channels - 1) / a.tile_channels;
  PixelTile tile;
  tile.tap_offset = a.tap_offset;
  tile.taps = a.taps;
  tile.y_channel = a.y_channel;
  tile.epilogue = &a.epilogue;
  while (begin < end) {
    const int64_t slice = begin / pairs, group = slice / tiles % a.groups, image = slice / tiles / a.groups;
    const int64_t slice_end = (slice + 1) * pairs < end ? (slice + 1) * pairs : end;
    const int64_t m0 = slice % tiles * a.tile_channels, m = group * a.group_channels + m0;
    const int64_t left = a.group_channels - m0;
    const int channels = static_cast<int>(left < a.tile_channels ? left : a.tile_channels);
    tile.w = a.w + m * a.taps;
    tile.bias = a.bias ? a.bias + m : nullptr;
    pixel_slice<Arch, Policy>(a, channels, a.x + image * a.x_image + group * a.x_group,
                              a.y + image * a.y_image + m * a.y_channel, tile, begin - slice * pairs,
                              slice_end - slice * pairs, tally);
    begin = slice_end;
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
