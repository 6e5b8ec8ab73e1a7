#pragma once
// The register tile of 3 × 3 depthwise convolution, strides 1 and 2: R output rows × P columns of one vector of
// channels.
//
// With 32 registers the nine weights stay for a whole row of tiles, and each input vector is loaded once and used up to
// six times. With 16, the three weights of a kernel row stay for a tile, and an input vector is loaded for each output
// row. Taps on padding are left out, not multiplied by zero: missing input rows by a bit each, the one column that may
// be missing on either side by a flag for the first and the last tile.
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/kernels/conv_finish.h"
#include "tally/platforms/kernels/order.h"

namespace tally::TALLY_ISA_NAMESPACE {

template <class Arch>
inline constexpr bool kDepthwiseResident = Arch::kRegisters >= 32;

/// Most output columns of a tile; two rows of accumulators, the weights, an input and, without FMA, a product fit the
/// registers.
template <class Arch>
inline constexpr int kDepthwiseColumns = kDepthwiseResident<Arch> ? 6 : 5;

/// Operands of a row of tiles of `vectors` neighbouring vectors of channels.
struct DepthwiseTile {
  const float* x = nullptr;     ///< pixel (0, 0) of the image at the first channels
  int64_t x_offset = 0;         ///< from there to the first tap of the first output; may point outside
  const float* w = nullptr;     ///< tap 0
  const float* bias = nullptr;  ///< or null
  float* y = nullptr;           ///< first output
  int64_t x_row = 0, y_row = 0;
  int64_t pixel = 0;  ///< channels: from pixel to pixel of x and y, and from tap to tap of w
  int vectors = 0, tiles = 0;
  uint32_t rows_inside = 0;  ///< bit i: input row i of the tile lies in the image
  bool left_missing = false, right_missing = false;
  const Epilogue* epilogue = nullptr;
};

using DepthwiseTileFn = void (*)(const DepthwiseTile&) noexcept;

template <class A>
TALLY_INLINE typename A::Vec load_pinned(const float* p) {
  auto v = A::load(p);
  A::pin(v);
  if constexpr (kLoadsInGroups<A>) A::keep_order(v);
  return v;
}

/// Makes an address opaque. The compiler would else derive one from another by an addition beside each load, or compute
/// all of them before the loop and spill them.
template <class T>
TALLY_INLINE void hide(T& address) {
  asm("" : "+r"(address));
}

/// Element offsets of neighbouring pixels: with `one` pixel, three, five, seven and nine at hand, the addressing modes'
/// scales make the rest.
template <int columns>
struct PixelOffsets {
  int64_t odd[columns / 2];
  TALLY_INLINE explicit PixelOffsets(int64_t pixel) {
    TALLY_UNROLL
    for (int i = 0; 2 * i + 1 < columns; ++i) {
      odd[i] = (2 * i + 1) * pixel;
      hide(odd[i]);
    }
  }
  TALLY_INLINE int64_t at(int i) const {
    int scale = 1;
    while (i % 2 == 0 && i > 0) i /= 2, scale *= 2;
    return i == 0 ? 0 : scale * odd[i / 2];
  }
};

/// Runs `use(v, column)` over the columns of one input row that lie in the image. (Columns in another order, so that
/// neighbours feed different accumulators, took 10 to 20 % longer on Zen 4.)
template <class A, int P, int S, class Offsets, class Use>
TALLY_INLINE void depthwise_row(const float* x, const Offsets& offsets, bool left_missing, bool right_missing,
                                const Use& use) {
  constexpr int kColumns = (P - 1) * S + 3;
  constexpr int kGroups = (kColumns + 7) / 8;
  constexpr int kGroup = kLoadsInGroups<A> ? (kColumns + kGroups - 1) / kGroups : 1;
  const auto missing = [&](int i) TALLY_LAMBDA {
    return i >= kColumns || (i == 0 && left_missing) || (i == kColumns - 1 && right_missing);
  };
  hide(x);
  TALLY_UNROLL
  for (int first = 0; first < kColumns; first += kGroup) {
    typename A::Vec v[kGroup];
    TALLY_UNROLL
    for (int k = 0; k < kGroup; ++k) {
      if (!missing(first + k)) v[k] = load_pinned<A>(x + offsets.at(first + k));
    }
    TALLY_UNROLL
    for (int k = 0; k < kGroup; ++k) {
      if (!missing(first + k)) use(v[k], first + k);
    }
  }
}

/// Adds what an input vector gives to the P outputs of one row, being their input column `column`.
template <class A, int P, int S>
TALLY_INLINE void depthwise_column(typename A::Vec* acc, typename A::Vec v, const typename A::Vec* w, int column) {
  TALLY_UNROLL
  for (int k = 0; k < 3; ++k) {
    if (column >= k && (column - k) % S == 0 && (column - k) / S < P) {
      acc[(column - k) / S] = A::fma(v, w[k], acc[(column - k) / S]);
    }
  }
}

/// acc[r][p] += Σ taps, each input row loaded once.
template <class A, int P, int S, int R, class Offsets>
TALLY_INLINE void depthwise_resident(const float* x, int64_t x_row, const Offsets& offsets, uint32_t rows_inside,
                                     bool left, bool right, const typename A::Vec* w, typename A::Vec* acc) {
  TALLY_UNROLL
  for (int i = 0; i < (R - 1) * S + 3; ++i) {
    if (!(rows_inside >> i & 1)) continue;
    depthwise_row<A, P, S>(x + i * x_row, offsets, left, right, [&](typename A::Vec v, int column) TALLY_LAMBDA {
      TALLY_UNROLL
      for (int r = 0; r < R; ++r) {
        if (i >= r * S && i - r * S < 3) depthwise_column<A, P, S>(acc + r * P, v, w + (i - r * S) * 3, column);
      }
    });
  }
}

/// acc[r][p] += Σ taps, one kernel row after the other.
template <class A, int P, int S, int R, class Offsets>
TALLY_INLINE void depthwise_by_row(const float* x, int64_t x_row, const Offsets& offsets, uint32_t rows_inside,
                                   bool left, bool right, const float* weights, int64_t pixel, typename A::Vec* acc) {
  TALLY_UNROLL
  for (int k = 0; k < 3; ++k, weights += 3 * pixel) {
    typename A::Vec w[3];
    hide(weights);
    TALLY_UNROLL
    for (int i = 0; i < 3; ++i) w[i] = load_pinned<A>(weights + i * pixel);
    TALLY_UNROLL
    for (int r = 0; r < R; ++r) {
      if (!(rows_inside >> (r * S + k) & 1)) continue;
      depthwise_row<A, P, S>(x + (r * S + k) * x_row, offsets, left, right,
                             [&](typename A::Vec v, int column)
                                 TALLY_LAMBDA { depthwise_column<A, P, S>(acc + r * P, v, w, column); });
    }
  }
}

/// y[r, p] = activation(bias + Σ_taps x · w) for t.tiles tiles side by side, for one vector of channels after the
/// other.
template <class A, int P, int S, int R>
__attribute__((noinline)) void depthwise_tiles(const DepthwiseTile& t) noexcept {
  using Vec = typename A::Vec;
  const int64_t pixel = t.pixel, x_row = t.x_row, y_row = t.y_row;
  const PixelOffsets<(P - 1) * S + 3> offsets(pixel);
  const uint32_t rows_inside = t.rows_inside;
  const Epilogue epilogue = *t.epilogue;
  for (int64_t c = 0, end = int64_t{t.vectors} * A::kLanes; c < end; c += A::kLanes) {
    const Vec bias = t.bias ? load_pinned<A>(t.bias + c) : A::zero();
    const float *weights = t.w + c, *x = t.x + (t.x_offset + c);
    float* y = t.y + c;
    [[maybe_unused]] Vec w[9];
    if constexpr (kDepthwiseResident<A>) {
      TALLY_UNROLL
      for (int i = 0; i < 9; ++i) w[i] = load_pinned<A>(weights + i * pixel);
    }
    bool left = t.left_missing;
    for (int tiles = t.tiles; tiles > 0; --tiles, left = false, x += P * S * pixel, y += P * pixel) {
      const bool right = tiles == 1 && t.right_missing;
      Vec acc[R * P];
      TALLY_UNROLL
      for (int i = 0; i < R * P; ++i) acc[i] = bias;
      if constexpr (kDepthwiseResident<A>) {
        depthwise_resident<A, P, S, R>(x, x_row, offsets, rows_inside, left, right, w, acc);
      } else {
        depthwise_by_row<A, P, S, R>(x, x_row, offsets, rows_inside, left, right, weights, pixel, acc);
      }
      activate<A>(acc, epilogue);
      TALLY_UNROLL
      for (int r = 0; r < R; ++r) {
        float* row = y + r * y_row;
        hide(row);
        TALLY_UNROLL
        for (int p = 0; p < P; ++p) A::store(row + offsets.at(p), acc[r * P + p]);
      }
    }
  }
}

/// [columns][stride − 1][rows − 1]
template <class A>
struct DepthwiseTiles {
  DepthwiseTileFn at[kDepthwiseColumns<A> + 1][2][2] = {};

  template <int P>
  constexpr void add() {
    at[P][0][0] = &depthwise_tiles<A, P, 1, 1>;
    at[P][0][1] = &depthwise_tiles<A, P, 1, 2>;
    at[P][1][0] = &depthwise_tiles<A, P, 2, 1>;
    at[P][1][1] = &depthwise_tiles<A, P, 2, 2>;
    if constexpr (P < kDepthwiseColumns<A>) add<P + 1>();
  }
  constexpr DepthwiseTiles() { add<1>(); }
};

template <class A>
inline constexpr DepthwiseTiles<A> kDepthwiseTiles{};

}  // namespace tally::TALLY_ISA_NAMESPACE
