#pragma once
// The matrix kernel around its register tiles: items, depth blocks, regions, tiles of rows, and what it all adds up to.
// GemmArgs (kernel_args.h) says what it computes.
#include <stdint.h>

#include "tally/platforms/kernels/gemm_finish.h"
#include "tally/platforms/kernels/gemm_pairs.h"
#include "tally/platforms/kernels/gemm_tile.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// What Arch::kGemmRows says of a panel of `vectors`: the most rows of its tile; wider panels have tiles of one row.
template <class A>
constexpr int gemm_rows(int vectors) {
  constexpr int kWidest = static_cast<int>(sizeof(A::kGemmRows) / sizeof(A::kGemmRows[0]));
  return vectors <= kWidest ? A::kGemmRows[vectors - 1] : 1;
}

template <class A>
constexpr void fill_gemm_geometry(Geometry& g) {
  g.gemm_vectors = static_cast<int>(sizeof(A::kGemmRows) / sizeof(A::kGemmRows[0]));
  g.gemv_vectors = A::kGemvVectors;
  for (int v = 1; v <= A::kGemvVectors; ++v) g.gemm_rows[static_cast<unsigned>(v)] = gemm_rows<A>(v);
  if constexpr (requires { typename A::Half; }) {
    g.half_lanes = A::Half::kLanes;
    static_assert(gemm_rows<typename A::Half>(1) == gemm_rows<A>(1));
  }
  g.k_step[static_cast<int>(Num::i8)] = NumFormat<A, Num::i8>::kStep;
  g.dot_step[static_cast<int>(Num::i8)] = g.k_step[static_cast<int>(Num::i8)];
  g.i8_column_sums = NumFormat<A, Num::i8>::kColumnSums;
}

template <class F>
using GemmTileFunction = void (*)(GemmTile<F>&) noexcept;

/// The tiles of one format: [vectors − 1][rows − 1], those that exist.
template <class A, class F>
struct GemmTiles {
  GemmTileFunction<F> tile[A::kGemvVectors][kGemmMaxRows] = {};

  template <int NV, int MR>
  constexpr void fill() {
    static_assert(MR <= kGemmMaxRows && MR * NV * F::kLanes <= kGemmScratch);
    tile[NV - 1][MR - 1] = &gemm_tile<F, NV, MR>;
    if constexpr (MR > 1) {
      fill<NV, MR - 1>();
    } else if constexpr (NV > 1) {
      fill<NV - 1, gemm_rows<A>(NV - 1)>();
    }
  }
  constexpr GemmTiles() { fill<A::kGemvVectors, gemm_rows<A>(A::kGemvVectors)>(); }
};

template <class A, class F>
inline constexpr GemmTiles<A, F> kGemmTiles{};

/// Pixels [begin, end) of one region, in its row-major order, and the depth block that they take.
struct GemmChunk {
  Region region;
  int64_t begin = 0, end = 0;
  const Segment* segment = nullptr;
  const Segment* segment_end = nullptr;
  int64_t image = 0;
  int32_t region_index = 0, block = 0;
};

/// One chunk times one panel.
template <class F, class Policy>
class GemmSweep {
 public:
  GemmSweep(const GemmArgs& args, const Panel& panel, const GemmTileFunction<F>* tiles, int max_rows, Tally* tally)
      : args_(args), panel_(panel), tiles_(tiles), max_rows_(max_rows), tally_(tally) {
    width_ = int64_t{panel.half ? 1 : panel.vectors} * F::kLanes;
    tile_.w = static_cast<const typename F::Storage*>(args.w) + panel.w_offset;
    if (args.bias) tile_.bias = static_cast<const typename F::Sum*>(args.bias) + panel.bias_offset;
  }

  /// Tiles of max_rows or, so that none is left with a few, of the two next smaller equal shares.
  TALLY_INLINE void run(const GemmChunk& chunk) {
    start(chunk);
    const int64_t rows = chunk.end - chunk.begin;
    const int64_t tiles = (rows + max_rows_ - 1) / max_rows_;
    const int small = static_cast<int>(rows / tiles);
    run_tiles(small + 1, rows % tiles);
    run_tiles(small, tiles - rows % tiles);
    if constexpr (Policy::kCounts) count_chunk();
  }

 private:
  TALLY_INLINE void start(const GemmChunk& chunk) {
    Region region = chunk.region;
    // Pixels at even distances throughout need no rows.
    if (args_.a_y == region.width * args_.a_x && args_.c_y == region.width * args_.c_x) {
      region.width *= region.height;
    }
    const int64_t row = region.width == 0 ? 0 : chunk.begin / region.width;
    const int64_t column = chunk.begin - row * region.width;
    left_in_row_ = region.width - column;
    row_width_ = region.width;
    a_ = static_cast<const typename F::Storage*>(args_.a) + chunk.image * args_.a_image + panel_.a_offset +
         (region.y0 + row) * args_.a_y + (region.x0 + column) * args_.a_x;
    c_ = static_cast<typename F::Output*>(args_.c) + chunk.image * args_.c_image + panel_.n0 +
         (region.y0 + row) * args_.c_y + (region.x0 + column) * args_.c_x;
    a_next_row_ = args_.a_y - region.width * args_.a_x;
    c_next_row_ = args_.c_y - region.width * args_.c_x;

    const bool last = chunk.block + 1 == args_.k_blocks;
    finish_.set(args_, last);
    through_scratch_ = finish_.needs_pass() || (!args_.full_stores && panel_.n < width_);
    tile_.segment = chunk.segment;
    tile_.segment_end = chunk.segment_end;
    tile_.reload = chunk.block > 0;
    tile_.has_residual = last && args_.residual && !through_scratch_;
    const bool clamp = last && args_.epilogue.activation == Activation::clamp && !through_scratch_;
    tile_.clamp_low = clamp && args_.epilogue.lo > -__builtin_inff();
    tile_.clamp_high = clamp && args_.epilogue.hi < __builtin_inff();
    tile_.lo = args_.epilogue.lo;
    tile_.hi = args_.epilogue.hi;
    tile_.residual_bytes = residual_bytes(args_);
    if constexpr (F::kColumnSums) {
      tile_.column_sums = args_.column_sums + panel_.bias_offset +
                          (int64_t{chunk.region_index} * args_.k_blocks + chunk.block) * args_.column_sums_stride;
    }
    rows_done_ = tiles_done_ = 0;
  }

  /// `count` tiles of `rows` rows: as many at once as lie in one row of pixels, or one that goes over its end.
  TALLY_INLINE void run_tiles(int rows, int64_t count) {
    if constexpr (Policy::kCounts) {
      rows_done_ += rows * count;
      tiles_done_ += count;
    }
    while (count > 0) {
      const int64_t in_row = left_in_row_ / rows;
      const int64_t tiles = through_scratch_ || in_row == 0 ? 1 : in_row < count ? in_row : count;
      tile_.left = tiles;
      tile_.affine = in_row > 0;
      if (tile_.affine) {
        place_in_row(tiles * rows);
      } else {
        place_rows(rows);
      }
      if (through_scratch_) {
        run_through_scratch(rows);
      } else {
        tiles_[rows - 1](tile_);
      }
      count -= tiles;
    }
  }

  TALLY_INLINE void place_in_row(int64_t pixels) {
    tile_.a = a_;
    tile_.c = c_;
    tile_.a_step = args_.a_x;
    tile_.c_step = args_.c_x;
    a_ += pixels * args_.a_x;
    c_ += pixels * args_.c_x;
    left_in_row_ -= pixels;
    if (left_in_row_ == 0) next_row();
  }
  TALLY_INLINE void place_rows(int rows) {
    for (int r = 0; r < rows; ++r) {
      tile_.a_rows[r] = a_;
      tile_.c_rows[r] = c_;
      a_ += args_.a_x;
      c_ += args_.c_x;
      if (--left_in_row_ == 0) next_row();
    }
  }
  TALLY_INLINE void next_row() {
    a_ += a_next_row_;
    c_ += c_next_row_;
    left_in_row_ = row_width_;
  }

  /// For panels that C has no whole vectors for, and for activations too long to unroll over a tile: the sums go by way
  /// of the stack.
  __attribute__((noinline)) void run_through_scratch(int rows) {
    alignas(64) typename F::Sum scratch[kGemmScratch];
    GemmTile<F> tile = tile_;
    typename F::Output* c[kGemmMaxRows];
    for (int r = 0; r < rows; ++r) c[r] = tile.affine ? tile.c + r * tile.c_step : tile.c_rows[r];
    if constexpr (sizeof(typename F::Sum) == sizeof(typename F::Output)) {
      if (tile.reload) {
        for (int r = 0; r < rows; ++r) {
          load_row<F>(scratch + r * width_, c[r], columns(), width_);
          tile.c_rows[r] = reinterpret_cast<typename F::Output*>(scratch + r * width_);
        }
        tile.c = tile.c_rows[0];
        tile.c_step = width_;
      }
    }
    tile.scratch = scratch;
    tiles_[rows - 1](tile);
    for (int r = 0; r < rows; ++r) finish_.template row<F>(scratch + r * width_, c[r], columns(), tile.residual_bytes);
  }

  /// Columns of a panel that are read and written in C.
  int64_t columns() const { return args_.full_stores ? width_ : panel_.n; }

  /// Adds what the rows and tiles that ran in this chunk come to. They are added up tile by tile and multiplied out
  /// here once: multiplying after every tile cost up to 2 % of LeNet-5's second convolution.
  TALLY_INLINE void count_chunk() {
    int64_t depth = 0, padded_depth = 0;
#pragma GCC unroll 4
    for (const Segment* s = tile_.segment; s != tile_.segment_end; ++s) {
      depth += s->length;
      if constexpr (F::kStep > 1) padded_depth += (s->length + F::kStep - 1) / F::kStep * F::kStep;
    }
    if constexpr (F::kStep == 1) padded_depth = depth;
    constexpr int64_t kStorage = sizeof(typename F::Storage), kSum = sizeof(typename F::Sum);
    const int64_t c_bytes = columns() * static_cast<int64_t>(sizeof(typename F::Output));
    const int64_t sum_vectors = (!tile_.reload && tile_.bias) + F::kColumnSums;
    const int64_t c_loads = tile_.reload + finish_.residual;
    tally_->macs += rows_done_ * panel_.n * depth;
    tally_->lane_macs += rows_done_ * width_ * padded_depth;
    if (finish_.needs_pass()) {
      tally_->lane_fma_other += rows_done_ * finish_.template fma_lanes<typename F::FloatArch>(columns());
    }
    tally_->bytes_loaded += tiles_done_ * width_ * (padded_depth * kStorage + sum_vectors * kSum) +
                            rows_done_ * (depth * kStorage + c_loads * c_bytes);
    tally_->bytes_stored += rows_done_ * c_bytes;
  }

  const GemmArgs& args_;
  const Panel& panel_;
  const GemmTileFunction<F>* tiles_;
  const int max_rows_;
  Tally* tally_;
  int64_t width_ = 0;  ///< lanes of the panel
  bool through_scratch_ = false;
  GemmFinish finish_;
  GemmTile<F> tile_;
  const typename F::Storage* a_ = nullptr;
  typename F::Output* c_ = nullptr;
  int64_t left_in_row_ = 0, row_width_ = 0, a_next_row_ = 0, c_next_row_ = 0;
  int64_t rows_done_ = 0, tiles_done_ = 0;
};

/// Every chunk of one item: `rows` [begin, end) of all regions' pixels, over all depth blocks.
template <class F, class Policy>
void gemm_item(const GemmArgs& args, GemmSweep<F, Policy>& sweep, int64_t image, int64_t begin, int64_t end) {
  GemmChunk chunk;
  chunk.image = image;
  for (chunk.block = 0; chunk.block < args.k_blocks; ++chunk.block) {
    int64_t first = 0;
    for (chunk.region_index = 0; chunk.region_index < args.region_count && first < end; ++chunk.region_index) {
      chunk.region = args.regions[chunk.region_index];
      const int64_t size = int64_t{chunk.region.height} * chunk.region.width;
      chunk.begin = begin > first ? begin - first : 0;
      chunk.end = end - first < size ? end - first : size;
      first += size;
      if (chunk.begin >= chunk.end) continue;
      const int32_t* at = args.first_segment + int64_t{chunk.region_index} * (args.k_blocks + 1) + chunk.block;
      chunk.segment = args.segments + at[0];
      chunk.segment_end = args.segments + at[1];
      sweep.run(chunk);
    }
  }
}

template <class A, Num num, class Policy>
void gemm_panel(const GemmArgs& args, const Panel& panel, int64_t image, int64_t begin, int64_t end, Tally* tally) {
  using F = NumFormat<A, num>;
  const int vectors = panel.half ? 1 : panel.vectors;
  GemmSweep<F, Policy> sweep(args, panel, kGemmTiles<A, F>.tile[vectors - 1], gemm_rows<A>(vectors), tally);
  gemm_item<F, Policy>(args, sweep, image, begin, end);
}

/// Items [begin, end) of `args`; see GemmArgs.
template <class A, Num num, class Policy>
void gemm(const GemmArgs& args, int64_t begin, int64_t end, Tally* tally) noexcept {
  if (begin >= end) return;
  const int64_t row_blocks = (args.rows + args.rows_per_block - 1) / args.rows_per_block;
  int64_t panel_index = begin % args.panel_count;
  int64_t row_block = begin / args.panel_count % row_blocks;
  int64_t image = begin / args.panel_count / row_blocks;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t first = row_block * args.rows_per_block;
    const int64_t last = first + args.rows_per_block < args.rows ? first + args.rows_per_block : args.rows;
    const Panel& panel = args.panels[panel_index];
    if constexpr (requires { typename A::Half; }) {
      if (panel.half) {
        gemm_panel<typename A::Half, num, Policy>(args, panel, image, first, last, tally);
      } else {
        gemm_panel<A, num, Policy>(args, panel, image, first, last, tally);
      }
    } else {
      gemm_panel<A, num, Policy>(args, panel, image, first, last, tally);
    }
    if (++panel_index == args.panel_count) {
      panel_index = 0;
      if (++row_block == row_blocks) {
        row_block = 0;
        ++image;
      }
    }
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
