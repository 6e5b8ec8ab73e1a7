#pragma once
// Rotary embedding, a row of pairs at a time. Products and their sum or difference are rounded one by one, as a graph
// that spells the rotation out does: the same bits, and no multiply-add lanes but where the ISA has none.
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/map.h"
#include "tally/platforms/kernels/pairs.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// cos and sin of the first elements of the pairs, and of the second ones.
template <class Vec>
struct RotaryFactors {
  TwoVectors<Vec> cos, sin;
};

template <class Arch, class Vec = typename Arch::Vec>
TALLY_INLINE TwoVectors<Vec> turn(TwoVectors<Vec> x, const RotaryFactors<Vec>& f) {
  Arch::pin(x.one);  // used twice, and gcc 12 would load it as often
  Arch::pin(x.two);
  return {Arch::sub(Arch::mul(x.one, f.cos.one), Arch::mul(x.two, f.sin.one)),
          Arch::add(Arch::mul(x.two, f.cos.two), Arch::mul(x.one, f.sin.two))};
}

/// Pairs i … of a row of `half`; the tables' rows begin at cos and sin.
template <class Arch, bool interleaved, bool wide, bool partial>
TALLY_INLINE void turn_pairs(const float* x, const float* cos, const float* sin, float* y, int64_t i, int64_t half,
                             int n) {
  using Two = TwoVectors<typename Arch::Vec>;
  const auto factors = [=](const float* table) TALLY_LAMBDA -> Two {
    if constexpr (wide && interleaved) return load_pairs<Arch, partial>(table + 2 * i, n);
    auto first = load_end<Arch, partial>(table + i, n);
    if constexpr (wide) return {first, load_end<Arch, partial>(table + half + i, n)};
    Arch::pin(first);
    return {first, first};
  };
  const RotaryFactors<typename Arch::Vec> f{factors(cos), factors(sin)};
  if constexpr (interleaved) {
    store_pairs<Arch, partial>(y + 2 * i, turn<Arch>(load_pairs<Arch, partial>(x + 2 * i, n), f), n);
  } else {
    const Two turned = turn<Arch>({load_end<Arch, partial>(x + i, n), load_end<Arch, partial>(x + half + i, n)}, f);
    store_end<Arch, partial>(y + i, turned.one, n);
    store_end<Arch, partial>(y + half + i, turned.two, n);
  }
}

/// One row. Returns the vectors of pairs.
template <class Arch, bool interleaved, bool wide>
TALLY_INLINE int64_t turn_row(const float* x, const float* cos, const float* sin, float* y, int64_t half) {
  constexpr int L = Arch::kLanes;
  int64_t i = 0;
  for (; i + L <= half; i += L) turn_pairs<Arch, interleaved, wide, false>(x, cos, sin, y, i, half, L);
  if (i == half) return i / L;
  turn_pairs<Arch, interleaved, wide, true>(x, cos, sin, y, i, half, static_cast<int>(half - i));
  return i / L + 1;
}

/// The row of the tables that belongs to a position.
TALLY_INLINE int64_t table_row(const RotaryArgs& args, int64_t position) {
  if (!args.ids) return position;
  int64_t id = args.ids[position];
  if (id < 0) id += args.positions;
  if (id < 0) return 0;
  return id < args.positions ? id : args.positions - 1;
}

template <class Arch, bool interleaved, bool wide, class Policy>
void rotary_rows(const RotaryArgs& args, int64_t begin, int64_t end, [[maybe_unused]] Tally* tally) noexcept {
  const int64_t half = args.rotated / 2, table = wide ? args.rotated : half;
  if (begin >= end) return;
  int64_t i = begin / args.size[1], j = begin % args.size[1];
  for (int64_t item = begin; item < end; ++item) {
    const float* x = args.x + i * args.x_stride[0] + j * args.x_stride[1];
    float* y = args.y + i * args.y_stride[0] + j * args.y_stride[1];
    int64_t position = i * args.position[0] + j * args.position[1];
    [[maybe_unused]] int64_t vectors = 0, rows = 0;
    for (; rows < args.size[2]; ++rows) {
      const int64_t at = table_row(args, position) * table;
      vectors += turn_row<Arch, interleaved, wide>(x, args.cos + at, args.sin + at, y, half);
      if (args.width > args.rotated) {
        map_row<Arch>(x + args.rotated, y + args.rotated, args.width - args.rotated,
                      [](typename Arch::Vec v) TALLY_LAMBDA { return v; });
      }
      x += args.x_stride[2];
      y += args.y_stride[2];
      position += args.position[2];
    }
    if constexpr (Policy::kCounts) {
      if (!Arch::kHasFma) tally->lane_fma_other += 4 * vectors * Arch::kLanes;
      tally->bytes_loaded += rows * (4 * (args.width + 2 * table) + (args.ids ? 8 : 0));
      tally->bytes_stored += rows * 4 * args.width;
    }
    if (++j == args.size[1]) {
      j = 0;
      ++i;
    }
  }
}

/// y1 = cos·x1 − sin·x2, y2 = sin·x1 + cos·x2 of every pair; kernel_args.h. Items: indices of the first two loops.
template <class Arch, class Policy>
void rotary(const RotaryArgs& args, int64_t begin, int64_t end, Tally* tally) noexcept {
  if (args.interleaved) {
    return args.wide ? rotary_rows<Arch, true, true, Policy>(args, begin, end, tally)
                     : rotary_rows<Arch, true, false, Policy>(args, begin, end, tally);
  }
  return args.wide ? rotary_rows<Arch, false, true, Policy>(args, begin, end, tally)
                   : rotary_rows<Arch, false, false, Policy>(args, begin, end, tally);
}

}  // namespace tally::TALLY_ISA_NAMESPACE
