#pragma once
// The sums of a register tile where the ISA multiplies two rows of A by two columns of weights at once
// (Int8::kRowPairs): rows go in pairs, a last odd one alone.
#include <stdint.h>

#include "tally/platforms/kernels/gemm_tile.h"

namespace tally::TALLY_ISA_NAMESPACE {

template <class F, int NV, int MR>
requires(F::Int8::kRowPairs) struct GemmSums<F, NV, MR> : TileSums<F, NV, MR, 1> {
  using Int8 = typename F::Int8;
  using Acc = typename F::Acc;
  static constexpr int kGroups = (MR + 1) / 2;  ///< pairs of rows, and the odd one
  static constexpr bool kOdd = MR % 2 == 1;

  /// Sums of VN vectors of columns: a vector of a pair takes two registers, as does one of a single row.
  template <int VN>
  struct Part {
    static constexpr int kSets = gemm_sets(kGroups * VN * 2);
    Acc sum[kSets][kGroups][VN][2];
  };

  /// Wide panels of one row, with two registers a vector, go in two parts.
  TALLY_INLINE void accumulate(GemmTile<F>* volatile& tile) {
    if constexpr (kGroups * NV * 2 <= 24) {
      walk<0, NV>(tile);
    } else {
      walk<0, (NV + 1) / 2>(tile);
      walk<(NV + 1) / 2, NV / 2>(tile);
    }
  }

 private:
  static constexpr int kStep = F::kStep;
  static constexpr int64_t kRow = NV * F::kLanes * kStep;  ///< weights of a step

  template <int first, int VN>
  TALLY_INLINE void walk(GemmTile<F>* volatile& tile) {
    const GemmTile<F>& t = *tile;
    const int8_t* row[MR];
    rows_of<MR>(row, t.a, t.a_step, t.a_rows, t.affine);
    Part<VN> part;
    enter<first>(part);
    constexpr int kSets = Part<VN>::kSets;
    for (const Segment* s = t.segment; s != tile->segment_end; ++s) {
      const int8_t* w = tile->w + int64_t{s->w_row} * (NV * F::kLanes) + first * F::kLanes * kStep;
      int64_t i = s->a_offset;
      const int64_t end = i + s->length;
      for (; i + kSets * kStep <= end; i += kSets * kStep) {
        repeat<kSets>([&](int u) TALLY_LAMBDA {
          step<VN>(part.sum[u], w, [&](int r) TALLY_LAMBDA { return Int8::load_row(row[r] + i + u * kStep); });
          w += kRow;
        });
      }
      for (; kSets > 1 && i + kStep <= end; i += kStep, w += kRow)
        step<VN>(part.sum[0], w, [&](int r) TALLY_LAMBDA { return Int8::load_row(row[r] + i); });
      if (i < end) {
        const int n = static_cast<int>(end - i);
        step<VN>(part.sum[0], w, [&](int r) TALLY_LAMBDA { return Int8::load_row_tail(row[r] + i, n); });
      }
    }
    leave<first>(part);
  }

  template <int VN, class LoadRow>
  TALLY_INLINE void step(Acc (&sum)[kGroups][VN][2], const int8_t* w, LoadRow load_row) {
    typename Int8::Factor rows[kGroups];
    TALLY_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      const typename Int8::Row one = load_row(2 * g);
      rows[g] = Int8::pair_of(one, 2 * g + 1 < MR ? load_row(2 * g + 1) : one);
    }
    TALLY_UNROLL
    for (int v = 0; v < VN; ++v) {
      TALLY_UNROLL
      for (int half = 0; half < 2; ++half) {
        const auto columns = Int8::load_weights(w + (2 * v + half) * 16);
        TALLY_UNROLL
        for (int g = 0; g < kGroups; ++g) {
          Acc& acc = sum[g][v][half];
          acc = kOdd && g + 1 == kGroups ? Int8::step_one(acc, rows[g], columns) : Int8::step(acc, rows[g], columns);
        }
      }
    }
  }

  template <int first, int VN>
  TALLY_INLINE void enter(Part<VN>& part) {
    TALLY_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      TALLY_UNROLL
      for (int v = 0; v < VN; ++v) {
        Acc(&two)[2] = part.sum[0][g][v];
        two[0] = this->sum[0][2 * g][first + v];
        if constexpr (kOdd) {
          if (g + 1 == kGroups) {
            Int8::open(this->sum[0][2 * g][first + v], two[0], two[1]);
            continue;
          }
        }
        if constexpr (MR > 1) {
          two[1] = this->sum[0][2 * g + 1 < MR ? 2 * g + 1 : 0][first + v];
          Int8::turn(two[0], two[1]);
        }
      }
    }
    repeat<Part<VN>::kSets - 1>([&](int u) TALLY_LAMBDA {
      TALLY_UNROLL
      for (int i = 0; i < kGroups * VN * 2; ++i) part.sum[u + 1][i / (2 * VN)][i / 2 % VN][i % 2] = F::zero();
    });
  }

  template <int first, int VN>
  TALLY_INLINE void leave(Part<VN>& part) {
    TALLY_UNROLL
    for (int g = 0; g < kGroups; ++g) {
      TALLY_UNROLL
      for (int v = 0; v < VN; ++v) {
        Acc two[2] = {part.sum[0][g][v][0], part.sum[0][g][v][1]};
        TALLY_UNROLL
        for (int u = 1; u < Part<VN>::kSets; ++u) {
          two[0] = F::add(two[0], part.sum[u][g][v][0]);
          two[1] = F::add(two[1], part.sum[u][g][v][1]);
        }
        if constexpr (kOdd) {
          if (g + 1 == kGroups) {
            this->sum[0][2 * g][first + v] = Int8::close(two[0], two[1]);
            continue;
          }
        }
        if constexpr (MR > 1) {
          Int8::turn(two[0], two[1]);
          this->sum[0][2 * g][first + v] = two[0];
          this->sum[0][2 * g + 1 < MR ? 2 * g + 1 : 0][first + v] = two[1];
        }
      }
    }
  }
};

}  // namespace tally::TALLY_ISA_NAMESPACE
