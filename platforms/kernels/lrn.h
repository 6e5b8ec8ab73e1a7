#pragma once
// Local response normalisation across channels: pixels in the lanes, the window's squares summed anew for each channel,
// so that no rounding is carried along.
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/map.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// All channels of one vector of pixels, `n` of its lanes used.
template <class Arch, bool partial>
TALLY_INLINE void lrn_column(const LrnArgs& args, const float* x, float* y, int n) {
  using Vec = typename Arch::Vec;
  const auto load = [=](int64_t c) TALLY_LAMBDA -> Vec {
    if constexpr (partial) return load_partial_once<Arch>(x + c * args.pixels, n);
    return load_once<Arch>(x + c * args.pixels);
  };
  const Vec alpha = Arch::set(args.alpha), bias = Arch::set(args.bias), one = Arch::set(1.0f);
  for (int64_t c = 0; c < args.channels; ++c) {
    const Vec v = load(c);
    Vec squares = Arch::fma(v, v, Arch::zero());
    for (int64_t k = args.first(c); k < c; ++k) {
      const Vec u = load(k);
      squares = Arch::fma(u, u, squares);
    }
    for (int64_t k = c + 1; k <= args.last(c); ++k) {
      const Vec u = load(k);
      squares = Arch::fma(u, u, squares);
    }
    // s^(−3/4) = r·√r with r = 1/√s.
    const Vec root = Arch::div(one, Arch::sqrt(Arch::fma(squares, alpha, bias)));
    const Vec result = Arch::mul(Arch::mul(v, root), Arch::sqrt(root));
    if constexpr (partial) {
      Arch::store_partial(y + c * args.pixels, result, n);
    } else {
      Arch::store(y + c * args.pixels, result);
    }
  }
}

/// kernel_args.h says what it computes. A multiply-add a tap and one an element; without FMA its two products besides.
template <class Arch, class Policy>
void lrn(const LrnArgs& args, int64_t begin, int64_t end, [[maybe_unused]] Tally* tally) noexcept {
  constexpr int L = Arch::kLanes;
  [[maybe_unused]] int64_t columns = 0, pixels = 0;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t image = item / args.blocks() * args.channels * args.pixels;
    const int64_t first = item % args.blocks() * kLrnPixels;
    const int64_t last = first + kLrnPixels < args.pixels ? first + kLrnPixels : args.pixels;
    int64_t p = first;
    for (; p + L <= last; p += L) lrn_column<Arch, false>(args, args.x + image + p, args.y + image + p, L);
    if (p < last) lrn_column<Arch, true>(args, args.x + image + p, args.y + image + p, static_cast<int>(last - p));
    if constexpr (Policy::kCounts) {
      columns += (last - first + L - 1) / L;
      pixels += last - first;
    }
  }
  if constexpr (Policy::kCounts) {
    int64_t taps = 0;
    for (int64_t c = 0; c < args.channels; ++c) taps += args.last(c) - args.first(c) + 1;
    tally->lane_fma_other += columns * L * (taps + args.channels * (Arch::kHasFma ? 1 : 3));
    tally->bytes_loaded += 4 * pixels * taps;
    tally->bytes_stored += 4 * pixels * args.channels;
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
