#pragma once
// The register tile of pixel_conv: C output channels × a few registers of output pixels, one or two rows of the map.
//
// A row rarely fills whole registers: of 28 columns AVX-512 fills one and three quarters. So the ends of the two rows
// share registers: two half-width pieces make a full register, two quarter pieces a half-width one, and 2 × 28 pixels
// are 3 registers and a half without a lost lane.
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/kernels/conv_finish.h"
#include "tally/platforms/kernels/order.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// Stands in for the pieces that an Arch lacks.
struct NoPiece {
  struct Vec {};
};
template <class A>
struct PieceOf {
  using type = NoPiece;
};
template <class A>
requires requires { typename A::Piece; }
struct PieceOf<A> {
  using type = typename A::Piece;
};

/// Most full registers of pixels of any tile.
inline constexpr int kMaxPixelRegisters = 4;

template <class Arch>
inline constexpr bool kHasHalfPiece = requires {
  typename Arch::Piece;
};
template <class Arch>
inline constexpr bool kHasQuarterPiece = requires {
  typename Arch::Piece::Piece;
};

/// Registers of pixels of a tile of `channels` output channels: as many as leave room for the inputs and one weight, or
/// the weights and one input, whichever is fewer, and without FMA for the product.
template <class Arch>
constexpr int pixel_registers(int channels) {
  for (int registers = kMaxPixelRegisters; registers > 1; --registers) {
    const int kept = channels < registers ? channels : registers;
    if (channels * registers + kept + 1 + (Arch::kHasFma ? 0 : 1) <= Arch::kRegisters) return registers;
  }
  return 1;
}

/// Most output channels of a tile that still has two registers of pixels.
template <class Arch>
constexpr int pixel_channels() {
  int channels = 1;
  while (channels < kMaxPixelChannels && pixel_registers<Arch>(channels + 1) > 1) ++channels;
  return channels;
}

/// Lanes of pixels: where tap 0 of the first is read, where the first `n` are stored.
struct PixelRun {
  const float* x = nullptr;
  float* y = nullptr;
  int n = 0;
};

/// Operands of a column of tiles.
struct PixelTile {
  const float* w = nullptr;     ///< [taps][C]
  const float* bias = nullptr;  ///< [C] or null
  const int32_t* tap_offset = nullptr;
  int64_t taps = 0;
  int64_t y_channel = 0;
  const Epilogue* epilogue = nullptr;
  int64_t repeats = 1;  ///< the tile is run so often, each time so much further down:
  int64_t x_advance = 0, y_advance = 0;
  PixelRun full[kMaxPixelRegisters];
  PixelRun half[2];     ///< the two pieces of the last full register
  PixelRun quarter[2];  ///< the two pieces of a half-width register
};

using PixelTileFn = void (*)(const PixelTile&) noexcept;

/// The first n ≤ lanes of acc[c · stride] to p + c · y_channel for every channel.
template <class A, int channels, int stride>
TALLY_INLINE void store_channels(float* p, int n, int64_t y_channel, const typename A::Vec* acc) {
  if (n == A::kLanes) {
    TALLY_UNROLL
    for (int c = 0; c < channels; ++c, p += y_channel) A::store(p, acc[c * stride]);
  } else if (n > 0) {
    TALLY_UNROLL
    for (int c = 0; c < channels; ++c, p += y_channel) A::store_partial(p, acc[c * stride], n);
  }
}

/// The two pieces of acc[c · stride].
template <class A, int channels, int stride>
TALLY_INLINE void store_pieces(const PixelRun (&run)[2], int64_t y_offset, int64_t y_channel,
                               const typename A::Vec* acc) {
  typename A::Piece::Vec low[channels], high[channels];
  TALLY_UNROLL
  for (int c = 0; c < channels; ++c) low[c] = A::low(acc[c * stride]), high[c] = A::high(acc[c * stride]);
  store_channels<typename A::Piece, channels, 1>(run[0].y + y_offset, run[0].n, y_channel, low);
  store_channels<typename A::Piece, channels, 1>(run[1].y + y_offset, run[1].n, y_channel, high);
}

/// acc[c, j] += Σ_t x[pixel + tap_offset[t]] · w[t, c], x shifted by x_offset. Every value used more than once is
/// pinned after its load: gcc 12 else folds the load into each use, which reads more bytes and takes up to 1.6 times as
/// long.
template <class A, int channels, int full, bool half, bool quarter>
TALLY_INLINE void pixel_taps(const PixelTile& t, int64_t x_offset, typename A::Vec* acc,
                             [[maybe_unused]] typename PieceOf<A>::type::Vec* acc_q) {
  constexpr int kWidth = full + half;
  using Vec = typename A::Vec;
  using Half = typename PieceOf<A>::type;
  using Quarter = typename PieceOf<Half>::type;
  const float* w = t.w;
  const float* x[kWidth];
  TALLY_UNROLL
  for (int j = 0; j < kWidth; ++j) x[j] = (j < full ? t.full[j] : t.half[0]).x + x_offset;
  [[maybe_unused]] const float* const half_x = half ? t.half[1].x + x_offset : nullptr;
  [[maybe_unused]] const float* const quarter_x0 = quarter ? t.quarter[0].x + x_offset : nullptr;
  [[maybe_unused]] const float* const quarter_x1 = quarter ? t.quarter[1].x + x_offset : nullptr;
  for (const int32_t *tap = t.tap_offset, *const end = tap + t.taps; tap != end; ++tap, w += channels) {
    const int64_t offset = *tap;
    const auto load = [&](int j) TALLY_LAMBDA {
      Vec v;
      if constexpr (half) {
        v = j == full ? A::join(Half::load(x[full] + offset), Half::load(half_x + offset)) : A::load(x[j] + offset);
      } else {
        v = A::load(x[j] + offset);
      }
      A::pin(v);
      return v;
    };
    const auto load_weight = [&](int c) TALLY_LAMBDA {
      Vec v = A::broadcast(w + c);
      A::pin(v);
      return v;
    };
    if constexpr (channels < kWidth && !quarter) {
      // The weights stay, the pixels pass: fewer registers.
      Vec weight[channels];
      TALLY_UNROLL
      for (int c = 0; c < channels; ++c) weight[c] = load_weight(c);
      TALLY_UNROLL
      for (int j = 0; j < kWidth; ++j) {
        const Vec in = load(j);
        TALLY_UNROLL
        for (int c = 0; c < channels; ++c) acc[c * kWidth + j] = A::fma(in, weight[c], acc[c * kWidth + j]);
      }
    } else {
      Vec in[kWidth];
      TALLY_UNROLL
      for (int j = 0; j < kWidth; ++j) in[j] = load(j);
      [[maybe_unused]] typename Half::Vec in_q;
      if constexpr (quarter) {
        in_q = Half::join(Quarter::load(quarter_x0 + offset), Quarter::load(quarter_x1 + offset));
        Half::pin(in_q);
      }
      TALLY_UNROLL
      for (int c = 0; c < channels; ++c) {
        const Vec weight = load_weight(c);
        TALLY_UNROLL
        for (int j = 0; j < kWidth; ++j) acc[c * kWidth + j] = A::fma(in[j], weight, acc[c * kWidth + j]);
        if constexpr (quarter) acc_q[c] = Half::fma(in_q, A::low(weight), acc_q[c]);
      }
    }
  }
}

/// The same by multiplications by element, where the ISA has them: the weights of a tap lie in a register or two, and
/// what a tap loads it loads at once (order.h says why).
template <class A, int channels, int width>
TALLY_INLINE void pixel_taps_by_element(const PixelTile& t, int64_t x_offset, typename A::Vec* acc) {
  constexpr int kWhole = channels / A::kLanes, kRest = channels % A::kLanes;
  using Vec = typename A::Vec;
  const float* w = t.w;
  const float* x[width];
  TALLY_UNROLL
  for (int j = 0; j < width; ++j) x[j] = t.full[j].x + x_offset;
  const int32_t* tap = t.tap_offset;
  for (int64_t left = t.taps; left > 0;) {
    const int64_t offset = *tap;
    Vec in[width], weight[kWhole + (kRest > 0)];
    TALLY_UNROLL
    for (int j = 0; j < width; ++j) {
      in[j] = A::load(x[j] + offset);
      A::keep_order(in[j]);
    }
    TALLY_UNROLL
    for (int i = 0; i < kWhole; ++i) {
      weight[i] = A::load(w + i * A::kLanes);
      A::keep_order(weight[i]);
    }
    if constexpr (kRest > 0) {
      weight[kWhole] = A::load_partial(w + kWhole * A::kLanes, kRest);
      A::keep_order(weight[kWhole]);
    }
    ++tap, w += channels, --left;
    asm("" : "+r"(tap), "+r"(w), "+r"(left));
    repeat<channels>([&](auto c) TALLY_LAMBDA {
      TALLY_UNROLL
      for (int j = 0; j < width; ++j) {
        Vec& sum = acc[c * width + j];
        sum = A::template fma_lane<c % A::kLanes>(sum, in[j], weight[c / A::kLanes]);
      }
    });
  }
}

/// y[c, pixel] = activation(bias[c] + Σ_taps) for `channels` channels and `full` whole registers of pixels, a register
/// of the two half pieces if `half`, and half a register of the two quarter pieces if `quarter`.
template <class A, int channels, int full, bool half, bool quarter>
TALLY_INLINE void pixel_tile_at(const PixelTile& t, int64_t x_offset, int64_t y_offset) {
  constexpr int kWidth = full + half;
  using Vec = typename A::Vec;
  using Half = typename PieceOf<A>::type;
  Vec acc[channels * kWidth];
  [[maybe_unused]] typename Half::Vec acc_q[quarter ? channels : 1];
  TALLY_UNROLL
  for (int c = 0; c < channels; ++c) {
    Vec bias = t.bias ? A::broadcast(t.bias + c) : A::zero();
    A::pin(bias);
    TALLY_UNROLL
    for (int j = 0; j < kWidth; ++j) acc[c * kWidth + j] = bias;
    if constexpr (quarter) acc_q[c] = A::low(bias);
  }
  if constexpr (kLoadsInGroups<A>) {
    pixel_taps_by_element<A, channels, kWidth>(t, x_offset, acc);
  } else {
    pixel_taps<A, channels, full, half, quarter>(t, x_offset, acc, acc_q);
  }
  activate<A>(acc, *t.epilogue);
  const int64_t y_channel = t.y_channel;
  TALLY_UNROLL
  for (int j = 0; j < full; ++j) {
    store_channels<A, channels, kWidth>(t.full[j].y + y_offset, t.full[j].n, y_channel, acc + j);
  }
  if constexpr (half) store_pieces<A, channels, kWidth>(t.half, y_offset, y_channel, acc + full);
  if constexpr (quarter) {
    activate<Half>(acc_q, *t.epilogue);
    store_pieces<Half, channels, 1>(t.quarter, y_offset, y_channel, acc_q);
  }
}

/// A column of tiles. The loop is in here because a call and its set-up cost as much as five taps.
template <class A, int channels, int full, bool half, bool quarter>
__attribute__((noinline)) void pixel_tile(const PixelTile& t) noexcept {
  int64_t x_offset = 0, y_offset = 0;
  for (int64_t left = t.repeats; left > 0; --left, x_offset += t.x_advance, y_offset += t.y_advance) {
    pixel_tile_at<A, channels, full, half, quarter>(t, x_offset, y_offset);
  }
}

/// The tile of given shape, or null where Arch has none: [channels][full][half][quarter].
template <class Arch>
struct PixelTiles {
  PixelTileFn at[kMaxPixelChannels + 1][kMaxPixelRegisters + 1][2][2] = {};

  template <int channels, int full>
  constexpr void add() {
    constexpr int kMost = pixel_registers<Arch>(channels);
    if constexpr (full > 0 && full <= kMost) at[channels][full][0][0] = &pixel_tile<Arch, channels, full, false, false>;
    if constexpr (kHasHalfPiece<Arch> && full + 1 <= kMost) {
      at[channels][full][1][0] = &pixel_tile<Arch, channels, full, true, false>;
    }
    if constexpr (kHasQuarterPiece<Arch> && full + 1 <= kMost) {
      // Nothing but quarter pieces: a tile of half-width registers.
      if constexpr (full == 0) at[channels][0][0][1] = &pixel_tile<typename Arch::Piece, channels, 0, true, false>;
      if constexpr (full > 0) at[channels][full][0][1] = &pixel_tile<Arch, channels, full, false, true>;
      if constexpr (full + 2 <= kMost) at[channels][full][1][1] = &pixel_tile<Arch, channels, full, true, true>;
    }
    if constexpr (full < kMost) add<channels, full + 1>();
  }
  template <int channels>
  constexpr void add_channels() {
    add<channels, 0>();
    if constexpr (channels < pixel_channels<Arch>()) add_channels<channels + 1>();
  }
  constexpr PixelTiles() { add_channels<1>(); }
};

template <class Arch>
inline constexpr PixelTiles<Arch> kPixelTiles{};

}  // namespace tally::TALLY_ISA_NAMESPACE
