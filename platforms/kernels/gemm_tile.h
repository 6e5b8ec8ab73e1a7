#pragma once
// The register tile of the matrix kernel: MR rows of A times one panel of NV vectors of packed weights, sums in
// registers from the first depth element to the last.
#include <stdint.h>

#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/num.h"
#include "tally/platforms/kernels/order.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// Most rows of any tile.
inline constexpr int kGemmMaxRows = 8;

/// Operands of one tile, or of several: row r of A starts at a + r·a_step (`affine`), tile after tile, or the rows of
/// one tile at a_rows[r]; of C likewise.
template <class F>
struct GemmTile {
  const typename F::Storage* a = nullptr;
  int64_t a_step = 0;
  typename F::Output* c = nullptr;
  int64_t c_step = 0;
  int64_t left = 1;  ///< tiles; more than one only if affine
  bool affine = true;
  bool reload = false;  ///< sums start from C instead of the bias
  bool has_residual = false;
  bool clamp_low = false, clamp_high = false;  ///< bounds that are not infinite
  float lo = 0, hi = 0;
  const typename F::Storage* w = nullptr;
  const Segment* segment = nullptr;
  const Segment* segment_end = nullptr;
  const typename F::Sum* bias = nullptr;         ///< NV vectors, or null for zero
  const typename F::Sum* column_sums = nullptr;  ///< NV vectors, where the format needs them
  intptr_t residual_bytes = 0;                   ///< from a row of C to the row of the residual
  typename F::Sum* scratch = nullptr;            ///< MR × NV vectors: takes the sums instead of C
  const typename F::Storage* a_rows[kGemmMaxRows];
  typename F::Output* c_rows[kGemmMaxRows];
};

/// Dependent multiply-accumulates wait for each other: 4 cycles on current cores, two a cycle, so that 8 chains keep
/// the units busy (7 nearly). Tiles with fewer sums split the depth over several sets of them.
constexpr int gemm_sets(int sums) {
  constexpr int kChains = 8;
  return sums == 1 ? kChains : sums <= 3 ? 4 : sums <= 6 ? 2 : 1;
}

/// Starts of MR rows, from their distance or from a list.
template <int MR, class T>
TALLY_INLINE void rows_of(T* (&row)[MR], T* first, int64_t step, T* const* list, bool affine) {
  if (affine) [[likely]] {
    row[0] = first;
    TALLY_UNROLL
    for (int r = 1; r < MR; ++r) row[r] = row[r - 1] + step;
  } else {
    TALLY_UNROLL
    for (int r = 0; r < MR; ++r) row[r] = list[r];
  }
}

/// The sums of a tile, in `sets` sets of which the first starts from what comes before and the others from zero.
template <class F, int NV, int MR, int sets>
struct TileSums {
  static constexpr int kSets = sets;
  typename F::Acc sum[kSets][MR][NV];

  TALLY_INLINE void start(const GemmTile<F>& t) {
    typename F::Acc first[NV];
    TALLY_UNROLL
    for (int v = 0; v < NV; ++v) first[v] = F::zero();
    if (!t.reload && t.bias) {
      TALLY_UNROLL
      for (int v = 0; v < NV; ++v) first[v] = F::load_sum(t.bias + v * F::kLanes);
    }
    if constexpr (F::kColumnSums) {
      TALLY_UNROLL
      for (int v = 0; v < NV; ++v) first[v] = F::add(first[v], F::load_sum(t.column_sums + v * F::kLanes));
    }
    TALLY_UNROLL
    for (int r = 0; r < MR; ++r) {
      TALLY_UNROLL
      for (int v = 0; v < NV; ++v) sum[0][r][v] = first[v];
    }
    if (t.reload) [[unlikely]] {
      typename F::Output* c[MR];
      rows_of<MR>(c, t.c, t.c_step, t.c_rows, t.affine);
      TALLY_UNROLL
      for (int r = 0; r < MR; ++r) {
        TALLY_UNROLL
        for (int v = 0; v < NV; ++v) {
          const auto partial = F::load_output(c[r] + v * F::kLanes);
          sum[0][r][v] = F::kColumnSums ? F::add(sum[0][r][v], partial) : partial;
        }
      }
    }
    repeat<kSets - 1>([&](int u) TALLY_LAMBDA {
      TALLY_UNROLL
      for (int r = 0; r < MR; ++r) {
        TALLY_UNROLL
        for (int v = 0; v < NV; ++v) sum[u + 1][r][v] = F::zero();
      }
    });
  }

  template <class Change>
  TALLY_INLINE void for_each_sum(Change change) {
    TALLY_UNROLL
    for (int r = 0; r < MR; ++r) {
      TALLY_UNROLL
      for (int v = 0; v < NV; ++v) change(r, v, sum[0][r][v]);
    }
  }
};

template <int sums>
inline constexpr int kGemmSets = gemm_sets(sums);

template <class F, int NV, int MR>
struct GemmSums : TileSums<F, NV, MR, kGemmSets<MR * NV>> {
  using Base = TileSums<F, NV, MR, kGemmSets<MR * NV>>;
  using Base::kSets;
  using Base::sum;
  using Blocks = typename F::Blocks;
  static constexpr int kRow = NV * F::kLanes;
  static constexpr int kBlock = Blocks::kSteps * F::kStep;  ///< depth elements
  static constexpr bool kInOrder = kLoadsInGroups<typename F::FloatArch>;
  static constexpr bool kBlocked = kBlock > 0 && MR > 1;  ///< a single row gains nothing: its loads are weights
  /// Blocks of an iteration. A branch behind multiply-adds waits for them; small tiles are rare and stay small in code.
  static constexpr int kBlocksAtOnce = MR * NV > 8 ? 4 : 2;
  /// Steps of an iteration: a multiple of the sets; for a single row with loads in groups as many as registers hold.
  static constexpr int kUnrolled = !kInOrder || MR > 1 || kSets > 4 ? kSets : NV > 5 ? 2 : 4;

  /// `steps` depth steps from w on, into all sets by turns. Every element of A and every vector of weights is loaded
  /// once: pinned where it is used again, because gcc 12 would fold the load into each use. Where order matters
  /// (order.h) all loads come first. load_factor(u, r): step u of row r.
  template <int steps, class LoadFactor>
  TALLY_INLINE void run_steps(const typename F::Storage* w, LoadFactor load_factor) {
    if constexpr (kInOrder) {
      typename F::Weights weights[steps][NV];
      typename F::Factor factors[steps][MR];
      TALLY_UNROLL
      for (int u = 0; u < steps; ++u) {
        TALLY_UNROLL
        for (int v = 0; v < NV; ++v) F::pin_weights(weights[u][v] = load_weights(w, u, v));
        TALLY_UNROLL
        for (int r = 0; r < MR; ++r) F::pin_factor(factors[u][r] = load_factor(u, r));
      }
      asm volatile("");
      TALLY_UNROLL
      for (int i = 0; i < steps * MR * NV; ++i) {
        const int u = i / (MR * NV), r = i / NV % MR, v = i % NV;
        typename F::Acc& acc = sum[u % kSets][r][v];
        acc = F::step(acc, factors[u][r], weights[u][v]);
      }
      asm volatile("");
    } else {
      repeat<steps>([&](int u) TALLY_LAMBDA {
        typename F::Weights weights[NV];
        if constexpr (MR > 1) {
          TALLY_UNROLL
          for (int v = 0; v < NV; ++v) F::pin_weights(weights[v] = load_weights(w, u, v));
        }
        TALLY_UNROLL
        for (int r = 0; r < MR; ++r) {
          auto factor = load_factor(u, r);
          if constexpr (NV > 1) F::pin_factor(factor);
          TALLY_UNROLL
          for (int v = 0; v < NV; ++v) {
            if constexpr (MR == 1) weights[v] = load_weights(w, u, v);
            typename F::Acc& acc = sum[u % kSets][r][v];
            acc = F::step(acc, factor, weights[v]);
          }
        }
      });
    }
  }
  static TALLY_INLINE typename F::Weights load_weights(const typename F::Storage* w, int u, int v) {
    return F::load_weights(w + (u * NV + v) * F::kLanes * F::kStep);
  }

  /// `blocks` times kBlock depth elements from `offset` (bytes from the rows) and w on; both move on, `left` falls by
  /// one. A register of A holds the elements of a block for a row, and multiplications by element take them one by
  /// one, into all sets by turns; weights come four vectors a load, the next four while four are multiplied.
  ///
  /// The order is what stands here (kLoadsInGroups, order.h): a block's first four, then its rows, and beside each row
  /// an address that the block or the next one needs.
  template <int blocks>
  TALLY_INLINE void run_blocks(const typename F::Storage* const (&row)[MR], int64_t& offset,
                               const typename F::Storage*& w, uint64_t& left) {
    constexpr int kFours = Blocks::kSteps * NV / 4, kFourElements = 4 * F::kLanes * F::kStep;
    constexpr int64_t kBlockBytes = kBlock * static_cast<int>(sizeof(typename F::Storage));
    repeat<blocks>([&](auto block) TALLY_LAMBDA {
      typename Blocks::Four four[2] = {Blocks::load_four(w), {}};
      settle(w);  // or gcc makes it a load that writes its address back, for which all others would wait
      const typename F::Storage* four_at[kFours + 1];  // the last one of the next block
      int64_t next_offset = offset;
      constexpr int kAddresses = kFours + (block + 1 < blocks ? 1 : 2);
      const auto address = [&](auto i) TALLY_LAMBDA {
        if constexpr (i < kFours) {
          settle(four_at[i + 1] = w + (i + 1) * kFourElements);
        } else if constexpr (i == kFours) {
          settle(next_offset += kBlockBytes);
        } else {
          settle(--left);
        }
      };
      typename Blocks::Block a[MR];
      repeat<MR>([&](auto r) TALLY_LAMBDA {
        a[r] = Blocks::load_block(
            reinterpret_cast<const typename F::Storage*>(reinterpret_cast<const char*>(row[r]) + offset));
        if constexpr (r < kAddresses) address(r);
      });
      repeat<(kAddresses > MR ? kAddresses - MR : 0)>([&](auto i) TALLY_LAMBDA { address(Index<MR + i>{}); });
      repeat<kFours>([&](auto q) TALLY_LAMBDA {
        repeat<4>([&](auto e) TALLY_LAMBDA {
          constexpr int kVector = q * 4 + e, u = kVector / NV, v = kVector % NV;
          TALLY_UNROLL
          for (int r = 0; r < MR; ++r) {
            typename F::Acc& acc = sum[u % kSets][r][v];
            acc = Blocks::template multiply_add<u, e>(acc, a[r], four[q % 2]);
          }
          if constexpr (e == 1 && q + 1 < kFours) four[(q + 1) % 2] = Blocks::load_four(four_at[q + 1]);
        });
      });
      w = four_at[kFours];
      offset = next_offset;
    });
  }

  /// Computed here and not later.
  template <class T>
  static TALLY_INLINE void settle(T& address) {
    asm volatile("" : "+r"(address));
  }

  /// All rows are addressed by one index. A compiler that sees it advance would rather advance MR pointers, and compute
  /// them anew for each segment.
  template <class T>
  static TALLY_INLINE void hide(T& index) {
    asm("" : "+r"(index));
  }

  TALLY_INLINE void accumulate(GemmTile<F>* volatile& tile) {
    const GemmTile<F>& t = *tile;
    const typename F::Storage* row[MR];
    rows_of<MR>(row, t.a, t.a_step, t.a_rows, t.affine);
    for (const Segment* s = t.segment; s != tile->segment_end; ++s) {
      const typename F::Storage* w = tile->w + int64_t{s->w_row} * kRow;
      int64_t i = s->a_offset;
      const int64_t end = i + s->length;
      if constexpr (kBlocked) {
        constexpr int64_t kBytes = sizeof(typename F::Storage);
        const uint64_t length = static_cast<uint32_t>(s->length);
        int64_t offset = i * kBytes;
        uint64_t left = length / (kBlocksAtOnce * kBlock);
        while (left != 0) run_blocks<kBlocksAtOnce>(row, offset, w, left);
        left = length % (kBlocksAtOnce * kBlock) / kBlock;
        while (left != 0) run_blocks<1>(row, offset, w, left);
        i += static_cast<int64_t>(length / kBlock * kBlock);
      }
      if constexpr (kUnrolled > 1) {
        for (; i + kUnrolled * F::kStep <= end; i += kUnrolled * F::kStep) {
          hide(i);
          run_steps<kUnrolled>(w, [&](int u, int r) TALLY_LAMBDA { return F::factor(row[r] + i + u * F::kStep); });
          w += kUnrolled * kRow * F::kStep;
        }
      }
      for (; i + F::kStep <= end; i += F::kStep) {
        hide(i);
        run_steps<1>(w, [&](int, int r) TALLY_LAMBDA { return F::factor(row[r] + i); });
        w += kRow * F::kStep;
      }
      if constexpr (F::kStep > 1) {
        if (i < end)
          run_steps<1>(w,
                       [&](int, int r) TALLY_LAMBDA { return F::factor_tail(row[r] + i, static_cast<int>(end - i)); });
      }
    }
    join<kSets / 2>();
  }

  /// Adds the upper half of the sets to the lower one until one is left.
  template <int half>
  TALLY_INLINE void join() {
    if constexpr (half > 0) {
      repeat<half>([&](int u) TALLY_LAMBDA {
        TALLY_UNROLL
        for (int r = 0; r < MR; ++r) {
          TALLY_UNROLL
          for (int v = 0; v < NV; ++v) sum[u][r][v] = F::add(sum[u][r][v], sum[u + half][r][v]);
        }
      });
      join<half / 2>();
    }
  }
};

/// One tile: C = clamp(bias + Σ A·W + residual), or partial sums, as the tile says; moves it on to the next.
///
/// The tile is reached through memory, anew in each part. Held in a register over the depth loop, which needs nearly
/// all of them, gcc 12 saves it in a vector register, and to get it back from there waits for every multiply-accumulate
/// in flight: 40 to 70 cycles a tile on Zen 4.
template <class F, int NV, int MR>
TALLY_INLINE void run_tile(GemmTile<F>* volatile& tile) {
  GemmSums<F, NV, MR> sums;
  sums.start(*tile);
  sums.accumulate(tile);
  GemmTile<F>& t = *tile;
  if (typename F::Sum* scratch = t.scratch) [[unlikely]] {
    sums.for_each_sum([&](int r, int v, auto& x) TALLY_LAMBDA { F::store_sum(scratch + (r * NV + v) * F::kLanes, x); });
    return;
  }
  typename F::Output* c[MR];
  rows_of<MR>(c, t.c, t.c_step, t.c_rows, t.affine);
  if constexpr (F::kFloatSums) {
    if (t.has_residual) [[unlikely]] {
      const uintptr_t offset = static_cast<uintptr_t>(t.residual_bytes);
      sums.for_each_sum([&](int r, int v, auto& x) TALLY_LAMBDA {
        const auto* residual = reinterpret_cast<const typename F::Output*>(reinterpret_cast<uintptr_t>(c[r]) + offset);
        x = F::add(x, F::load_output(residual + v * F::kLanes));
      });
    }
    if (t.clamp_high) [[unlikely]] {
      const auto hi = F::set(t.hi);
      sums.for_each_sum([&](int, int, auto& x) TALLY_LAMBDA { x = F::min(hi, x); });
    }
    if (t.clamp_low) {
      const auto lo = F::set(t.lo);
      sums.for_each_sum([&](int, int, auto& x) TALLY_LAMBDA { x = F::max(lo, x); });
    }
  }
  sums.for_each_sum([&](int r, int v, auto& x) TALLY_LAMBDA { F::store_output(c[r] + v * F::kLanes, x); });
  t.a += MR * t.a_step;
  t.c += MR * t.c_step;
}

/// The tiles of `t`, one after another: with few depth elements a call a tile would cost a fifth of its time.
template <class F, int NV, int MR>
void gemm_tile(GemmTile<F>& t) noexcept {
  GemmTile<F>* volatile tile = &t;
  do {
    run_tile<F, NV, MR>(tile);
  } while (--tile->left > 0);
}

}  // namespace tally::TALLY_ISA_NAMESPACE
