#pragma once
// Depthwise convolution of any kernel, stride and dilation: P output columns × V vectors of channels, tap after tap.
#include "tally/platforms/kernels/conv_finish.h"
#include "tally/platforms/kernels/tap_range.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// Columns of a tile in the interior of a row, where every column has the same taps.
inline constexpr int kTapColumns = 4;

/// Operands of one tile.
struct DepthwiseTaps {
  const float* x = nullptr;     ///< pixel (0, 0) of the image at the tile's channels
  int64_t x_offset = 0;         ///< from there to tap (0, 0) of the first column; may point outside
  const float* w = nullptr;     ///< tap (0, 0)
  const float* bias = nullptr;  ///< or null
  float* y = nullptr;
  TapRange ky, kx;
  int64_t x_ky = 0, x_kx = 0;   ///< from tap to tap
  int64_t x_column = 0;         ///< from output to output
  int64_t w_ky = 0, pixel = 0;  ///< kernel row of w; channels
  const Epilogue* epilogue = nullptr;
};

/// y[p, v] = activation(bias[v] + Σ_taps x[p, tap, v] · w[tap, v]).
template <class A, int P, int V>
inline void depthwise_taps(const DepthwiseTaps& t) {
  using Vec = typename A::Vec;
  Vec acc[P * V];
  TALLY_UNROLL
  for (int v = 0; v < V; ++v) {
    Vec bias = t.bias ? A::load(t.bias + v * A::kLanes) : A::zero();
    A::pin(bias);
    TALLY_UNROLL
    for (int p = 0; p < P; ++p) acc[p * V + v] = bias;
  }
  for (int ky = t.ky.begin; ky < t.ky.end; ++ky) {
    const float* x = t.x + t.x_offset + ky * t.x_ky + t.kx.begin * t.x_kx;
    const float* w = t.w + ky * t.w_ky + t.kx.begin * t.pixel;
    for (int kx = t.kx.begin; kx < t.kx.end; ++kx, x += t.x_kx, w += t.pixel) {
      Vec weight[V];
      TALLY_UNROLL
      for (int v = 0; v < V; ++v) {
        weight[v] = A::load(w + v * A::kLanes);
        A::pin(weight[v]);
      }
      TALLY_UNROLL
      for (int p = 0; p < P; ++p) {
        TALLY_UNROLL
        for (int v = 0; v < V; ++v) {
          acc[p * V + v] = A::fma(A::load(x + p * t.x_column + v * A::kLanes), weight[v], acc[p * V + v]);
        }
      }
    }
  }
  activate<A>(acc, *t.epilogue);
  TALLY_UNROLL
  for (int p = 0; p < P; ++p) {
    TALLY_UNROLL
    for (int v = 0; v < V; ++v) A::store(t.y + p * t.pixel + v * A::kLanes, acc[p * V + v]);
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
