#pragma once
// The register tiles of attention with queries across the lanes. Keys and values are read element by element as they
// lie, each once, and multiplied by whole vectors of queries or of weights: neither is packed.
#include <stdint.h>

#include "tally/platforms/kernels/gemm.h"
#include "tally/platforms/kernels/num.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// Keys of a tile that vector v of the block sees, cumulated: vectors from s on see the keys before end[s] (all of them
/// where nothing is masked). Ascending.
template <int NV>
struct VisibleKeys {
  int end[NV];
};

/// Operands of both products. `lanes`: floats between two rows of the block's scratch.
struct AttentionTile {
  const float* in = nullptr;    ///< scores: queries [d][lanes]; context: weights [key][lanes]
  const float* rows = nullptr;  ///< scores: the first key; context: its first value
  int64_t row_stride = 0;       ///< of keys or values
  int64_t lanes = 0;
  int64_t depth = 0;               ///< d; unused for context
  const int* visible = nullptr;    ///< context: VisibleKeys::end
  const float* rescale = nullptr;  ///< context: one factor a lane for the sums so far, or null: they start from zero
  float* out = nullptr;            ///< scores [key][lanes]; context: sums [element][lanes]
};

/// MR keys times NV vectors of queries: out[r][·] = Σ_c rows[r][c] · in[c][·].
template <class A, int NV, int MR>
void score_tile(const AttentionTile& t) noexcept {
  using Format = NumFormat<A, Num::f32>;
  constexpr int L = A::kLanes, kSets = gemm_sets(NV * MR);
  typename A::Vec sum[kSets][MR][NV];
  repeat<kSets>([&](int u) TALLY_LAMBDA {
    TALLY_UNROLL for (int r = 0; r < MR; ++r) { TALLY_UNROLL for (int v = 0; v < NV; ++v) sum[u][r][v] = A::zero(); }
  });
  const float* row[MR];
  row[0] = t.rows;
  TALLY_UNROLL for (int r = 1; r < MR; ++r) row[r] = row[r - 1] + t.row_stride;
  const float* in = t.in;
  const int64_t lanes = t.lanes, depth = t.depth;
  const auto step = [&](int u, int64_t c) TALLY_LAMBDA {
    typename A::Vec q[NV];
    TALLY_UNROLL for (int v = 0; v < NV; ++v) {
      q[v] = A::load(in + v * L);
      A::pin(q[v]);
    }
    TALLY_UNROLL for (int r = 0; r < MR; ++r) {
      auto factor = Format::factor(row[r] + c);
      if constexpr (NV > 1) Format::pin_factor(factor);
      TALLY_UNROLL for (int v = 0; v < NV; ++v) sum[u][r][v] = Format::step(sum[u][r][v], factor, q[v]);
    }
    in += lanes;
  };
  int64_t c = 0;
  if constexpr (kSets > 1) {
    for (; c + kSets <= depth; c += kSets) {
      asm("" : "+r"(c));
      repeat<kSets>([&](int u) TALLY_LAMBDA { step(u, c + u); });
    }
  }
  for (; c < depth; ++c) {
    asm("" : "+r"(c));
    step(0, c);
  }
  TALLY_UNROLL for (int u = 1; u < kSets; ++u) {
    TALLY_UNROLL for (int r = 0; r < MR; ++r) {
      TALLY_UNROLL for (int v = 0; v < NV; ++v) sum[0][r][v] = A::add(sum[0][r][v], sum[u][r][v]);
    }
  }
  float* out = t.out;
  TALLY_UNROLL for (int r = 0; r < MR; ++r) {
    TALLY_UNROLL for (int v = 0; v < NV; ++v) A::store(out + v * L, sum[0][r][v]);
    out += lanes;
  }
}

/// MR elements of the values times NV vectors of weights, added to the sums so far:
/// out[r][·] = out[r][·] · rescale + Σ_j rows[j][r] · in[j][·], vector v over the keys that it sees.
template <class A, int NV, int MR>
void context_tile(const AttentionTile& t) noexcept {
  using Format = NumFormat<A, Num::f32>;
  constexpr int L = A::kLanes;
  typename A::Vec sum[MR][NV];
  const int64_t lanes = t.lanes, stride = t.row_stride;
  float* out = t.out;
  if (t.rescale) {
    TALLY_UNROLL for (int v = 0; v < NV; ++v) {
      const auto factor = A::load(t.rescale + v * L);
      TALLY_UNROLL for (int r = 0; r < MR; ++r) sum[r][v] = A::mul(A::load(out + r * lanes + v * L), factor);
    }
  } else {
    TALLY_UNROLL for (int r = 0; r < MR; ++r) { TALLY_UNROLL for (int v = 0; v < NV; ++v) sum[r][v] = A::zero(); }
  }
  const float *in = t.in, *value = t.rows;
  int j = 0;
  repeat<NV>([&](int first) TALLY_LAMBDA {
    for (const int end = t.visible[first]; j < end; ++j) {
      typename A::Vec p[NV];
      TALLY_UNROLL for (int v = first; v < NV; ++v) {
        p[v] = A::load(in + v * L);
        A::pin(p[v]);
      }
      TALLY_UNROLL for (int r = 0; r < MR; ++r) {
        auto factor = Format::factor(value + r);
        if constexpr (NV > 1) Format::pin_factor(factor);
        TALLY_UNROLL for (int v = first; v < NV; ++v) sum[r][v] = Format::step(sum[r][v], factor, p[v]);
      }
      in += lanes;
      value += stride;
    }
  });
  TALLY_UNROLL for (int r = 0; r < MR; ++r) {
    TALLY_UNROLL for (int v = 0; v < NV; ++v) A::store(out + r * lanes + v * L, sum[r][v]);
  }
}

using AttentionTileFunction = void (*)(const AttentionTile&) noexcept;

/// The tiles of one width: [rows − 1].
template <class A, int NV>
struct AttentionTiles {
  static constexpr int kRows = gemm_rows<A>(NV);
  AttentionTileFunction score[kRows] = {}, context[kRows] = {};

  template <int MR>
  constexpr void fill() {
    score[MR - 1] = &score_tile<A, NV, MR>;
    context[MR - 1] = &context_tile<A, NV, MR>;
    if constexpr (MR > 1) fill<MR - 1>();
  }
  constexpr AttentionTiles() { fill<kRows>(); }
};

template <class A, int NV>
inline constexpr AttentionTiles<A, NV> kAttentionTiles{};

/// tile(row, function) over `rows` rows in tiles of at most `most`, of the two next smaller equal shares.
template <class Run>
TALLY_INLINE void tiles_of_rows(int64_t rows, int most, Run run) {
  if (rows <= 0) return;
  const int64_t tiles = (rows + most - 1) / most, small = rows / tiles, larger = rows % tiles;
  int64_t row = 0;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t size = small + (tile < larger);
    run(row, size);
    row += size;
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
