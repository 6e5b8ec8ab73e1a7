#pragma once
// What the pooling kernels share: the two reductions, a window's place in the image, loads and stores of row ends.
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/inline.h"
#include "tally/platforms/kernels/tap_range.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// y = max(x…), −∞ for an empty window.
struct MaxPool {
  static TALLY_INLINE float start() { return -__builtin_inff(); }
  static TALLY_INLINE float add(float acc, float x) { return x > acc ? x : acc; }
  static TALLY_INLINE float finish(float acc, float) { return acc; }
  template <class A>
  static TALLY_INLINE typename A::Vec add(typename A::Vec acc, typename A::Vec x) {
    return A::max(acc, x);
  }
  template <class A>
  static TALLY_INLINE typename A::Vec finish(typename A::Vec acc, float) {
    return acc;
  }
};

/// y = Σ x / count. A division, not a product with 1/count: it rounds once, and on no ISA is it a multiply-accumulate
/// lane.
struct AveragePool {
  static TALLY_INLINE float start() { return 0; }
  static TALLY_INLINE float add(float acc, float x) { return acc + x; }
  static TALLY_INLINE float finish(float acc, float count) { return acc / count; }
  template <class A>
  static TALLY_INLINE typename A::Vec add(typename A::Vec acc, typename A::Vec x) {
    return A::add(acc, x);
  }
  template <class A>
  static TALLY_INLINE typename A::Vec finish(typename A::Vec acc, float count) {
    return A::div(acc, A::set(count));
  }
};

/// Rows or columns of the window of one output: those inside the image, and how many an average counts.
struct PoolSpan {
  TapRange taps;
  int counted = 0;
};

inline PoolSpan pool_span(int o, int stride, int pad, int pad_end, int taps, int dilation, int extent, bool count_pad) {
  PoolSpan s;
  s.taps = taps_in(o * stride - pad, taps, dilation, extent);
  s.counted = count_pad ? taps_in(o * stride, taps, dilation, extent + pad + pad_end).size() : s.taps.size();
  return s;
}
inline PoolSpan pool_rows(const PoolArgs& a, int oy) {
  return pool_span(oy, a.sh, a.pt, a.pb, a.kh, a.dh, a.h, a.count_include_pad);
}
inline PoolSpan pool_columns(const PoolArgs& a, int ox) {
  return pool_span(ox, a.sw, a.pl, a.pr, a.kw, a.dw, a.w, a.count_include_pad);
}

/// True where no window reaches beyond the image.
inline bool all_inside(const PoolArgs& a) {
  return a.pt == 0 && a.pl == 0 && (a.oh - 1) * a.sh + a.kh <= a.h && (a.ow - 1) * a.sw + a.kw <= a.w;
}
/// True where windows of 2 × 2 pixels lie side by side.
inline bool quarters_image(const PoolArgs& a) {
  return all_inside(a) && a.kh == 2 && a.kw == 2 && a.sh == 2 && a.sw == 2 && a.dh == 1 && a.dw == 1;
}

/// What an average divides by; an empty window gives 0.
TALLY_INLINE float pool_count(const PoolSpan& rows, const PoolSpan& columns) {
  const int64_t count = int64_t{rows.counted} * columns.counted;
  return count > 0 ? static_cast<float>(count) : 1.0f;
}

/// The first n elements, at most a vector; nothing is read for n ≤ 0.
template <class A>
TALLY_INLINE typename A::Vec load_up_to(const float* p, int64_t n) {
  if (n >= A::kLanes) return A::load(p);
  return n > 0 ? A::load_partial(p, static_cast<int>(n)) : A::zero();
}
template <class A>
TALLY_INLINE void store_up_to(float* p, typename A::Vec v, int64_t n) {
  if (n >= A::kLanes) {
    A::store(p, v);
  } else {
    A::store_partial(p, v, static_cast<int>(n));
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
