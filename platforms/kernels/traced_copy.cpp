// What copy.h touches: rows where elements are adjacent on both sides, blocks where a plane is transposed, else one
// element after the other.
#include <algorithm>
#include <vector>

#include "tally/platforms/accesses.h"

namespace tally {
namespace {

struct Loop {
  int64_t size = 1, x = 0, y = 0;  ///< strides in bytes
};

/// Takes the innermost loop with strides x and y (−1: any) out of `loops`; a loop of one where there is none.
bool take(std::vector<Loop>& loops, int64_t x, int64_t y, Loop& taken) {
  for (size_t d = loops.size(); d-- > 0;) {
    if ((x != -1 && loops[d].x != x) || (y != -1 && loops[d].y != y)) continue;
    taken = loops[d];
    loops.erase(loops.begin() + static_cast<std::ptrdiff_t>(d));
    return true;
  }
  return false;
}

void trace_plane(const std::byte* x, const std::byte* y, const Loop& outer, const Loop& inner, int64_t element,
                 bool in_blocks, int64_t lanes, AccessSink& sink) {
  if (inner.x == element && inner.y == element) {
    for (int64_t i = 0; i < outer.size; ++i) {
      // Reading and writing take turns by lines.
      for (int64_t b = 0; b < inner.size * element; b += 64) {
        const int64_t n = std::min<int64_t>(64, inner.size * element - b);
        sink.load(x + i * outer.x + b, n);
        sink.store(y + i * outer.y + b, n);
      }
    }
    return;
  }
  const int64_t width = in_blocks ? std::clamp<int64_t>(lanes, 1, 8) : 1;
  for (int64_t i = 0; i < outer.size; i += width) {
    const int64_t rows = std::min(width, outer.size - i);
    for (int64_t j = 0; j < inner.size; j += width) {
      const int64_t columns = std::min(width, inner.size - j);
      for (int64_t k = 0; k < columns; ++k) sink.load(x + i * outer.x + (j + k) * inner.x, rows * element);
      for (int64_t k = 0; k < rows; ++k) sink.store(y + (i + k) * outer.y + j * inner.y, columns * element);
    }
  }
}

}  // namespace

void trace(const CopyArgs& args, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink) {
  if (begin >= end) return;
  const int64_t element = args.element_bytes;
  std::vector<Loop> loops;
  if (end - begin > 1) loops.push_back({end - begin, args.x_stride[0] * element, args.y_stride[0] * element});
  for (int d = 1; d < args.rank; ++d) {
    if (args.size[d] == 0) return;
    if (args.size[d] > 1) loops.push_back({args.size[d], args.x_stride[d] * element, args.y_stride[d] * element});
  }
  Loop inner{1, element, element}, outer;
  const bool adjacent = take(loops, element, element, inner);
  if (!adjacent && !take(loops, -1, element, inner)) take(loops, -1, -1, inner);
  if (adjacent || !take(loops, element, -1, outer)) take(loops, -1, -1, outer);
  const bool in_blocks = element == 4 && inner.y == 4 && outer.x == 4;
  const std::byte* x = static_cast<const std::byte*>(args.x) + begin * args.x_stride[0] * element;
  const std::byte* y = static_cast<const std::byte*>(args.y) + begin * args.y_stride[0] * element;
  std::vector<int64_t> index(loops.size(), 0);
  for (bool more = true; more;) {
    trace_plane(x, y, outer, inner, element, in_blocks, geometry.lanes, sink);
    more = false;
    for (size_t d = loops.size(); d-- > 0 && !more;) {
      x += loops[d].x;
      y += loops[d].y;
      if (++index[d] < loops[d].size) {
        more = true;
      } else {
        x -= loops[d].x * loops[d].size;
        y -= loops[d].y * loops[d].size;
        index[d] = 0;
      }
    }
  }
}

}  // namespace tally
