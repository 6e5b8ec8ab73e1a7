// What gemm.h touches, tile by tile.
#include <algorithm>

#include "tally/platforms/accesses.h"

namespace tally {
namespace {

struct Sizes {
  int64_t storage, sum, output;
};
constexpr Sizes sizes_of(Num num) {
  return num == Num::f32 ? Sizes{4, 4, 4} : num == Num::f16 ? Sizes{2, 4, 2} : Sizes{1, 4, 4};
}

const std::byte* at(const void* base, int64_t offset) { return static_cast<const std::byte*>(base) + offset; }

/// One panel's walk over pixels of a region, a depth block at a time.
class PanelTrace {
 public:
  PanelTrace(const GemmArgs& args, const Panel& panel, const Geometry& geometry, Num num, AccessSink& sink)
      : args_(args), panel_(panel), size_(sizes_of(num)), sink_(sink) {
    const int vectors = panel.half ? 1 : panel.vectors;
    width_ = int64_t{vectors} * (panel.half ? geometry.half_lanes : geometry.lanes);
    max_rows_ = std::max<int64_t>(1, geometry.gemm_rows[static_cast<size_t>(vectors)]);
    c_bytes_ = (args.full_stores ? width_ : panel.n) * size_.output;
  }

  /// Pixels [begin, end) of region `index` in depth block `block`.
  void run(int64_t image, int index, int block, int64_t begin, int64_t end) {
    const int64_t rows = end - begin, tiles = (rows + max_rows_ - 1) / max_rows_, small = rows / tiles;
    const int32_t* first = args_.first_segment + int64_t{index} * (args_.k_blocks + 1) + block;
    for (int64_t t = 0, pixel = begin; t < tiles; ++t) {
      const int64_t count = small + (t < rows % tiles ? 1 : 0);
      tile(image, args_.regions[index], block, first, pixel, count);
      pixel += count;
    }
  }

 private:
  void tile(int64_t image, const Region& region, int block, const int32_t* first, int64_t pixel, int64_t count) {
    const std::byte *a[kMostRows], *c[kMostRows];
    for (int64_t r = 0; r < count; ++r) {
      const int64_t y = region.y0 + (pixel + r) / region.width, x = region.x0 + (pixel + r) % region.width;
      a[r] = at(args_.a, size_.storage * (image * args_.a_image + panel_.a_offset + y * args_.a_y + x * args_.a_x));
      c[r] = at(args_.c, size_.output * (image * args_.c_image + panel_.n0 + y * args_.c_y + x * args_.c_x));
    }
    if (args_.bias && block == 0) sink_.load(at(args_.bias, panel_.bias_offset * size_.sum), width_ * size_.sum);
    for (int64_t r = 0; block > 0 && r < count; ++r) sink_.load(c[r], c_bytes_);
    // As far as a line of A reaches, operands take turns.
    const int64_t step = 64 / size_.storage;
    for (int32_t s = first[0]; s < first[1]; ++s) {
      const Segment& segment = args_.segments[s];
      for (int64_t i = 0; i < segment.length; i += step) {
        const int64_t n = std::min<int64_t>(step, segment.length - i);
        sink_.load(at(args_.w, size_.storage * (panel_.w_offset + (segment.w_row + i) * width_)),
                   n * width_ * size_.storage);
        for (int64_t r = 0; r < count; ++r)
          sink_.load(a[r] + (segment.a_offset + i) * size_.storage, n * size_.storage);
      }
    }
    const bool last = block + 1 == args_.k_blocks;
    for (int64_t r = 0; r < count; ++r) {
      if (last && args_.residual) sink_.load(at(args_.residual, c[r] - at(args_.c, 0)), c_bytes_);
      sink_.store(c[r], c_bytes_);
    }
  }

  static constexpr int64_t kMostRows = 16;
  const GemmArgs& args_;
  const Panel& panel_;
  const Sizes size_;
  AccessSink& sink_;
  int64_t width_ = 0, max_rows_ = 1, c_bytes_ = 0;
};

}  // namespace

void trace(const GemmArgs& args, const Geometry& geometry, Num num, int64_t begin, int64_t end, AccessSink& sink) {
  if (begin >= end) return;
  const int64_t row_blocks = (args.rows + args.rows_per_block - 1) / args.rows_per_block;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t row_block = item / args.panel_count % row_blocks, image = item / args.panel_count / row_blocks;
    const int64_t from = row_block * args.rows_per_block, to = std::min(args.rows, from + args.rows_per_block);
    PanelTrace panel(args, args.panels[item % args.panel_count], geometry, num, sink);
    for (int block = 0; block < args.k_blocks; ++block) {
      int64_t first = 0;
      for (int r = 0; r < args.region_count && first < to; ++r) {
        const int64_t size = int64_t{args.regions[r].height} * args.regions[r].width;
        const int64_t low = std::max<int64_t>(from - first, 0), high = std::min(to - first, size);
        if (low < high) panel.run(image, r, block, low, high);
        first += size;
      }
    }
  }
}

}  // namespace tally
