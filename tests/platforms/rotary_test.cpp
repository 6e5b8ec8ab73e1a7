// The rotary kernel of every usable ISA: values to the bit, guards, in place, any split of the items, counts.
#include <algorithm>
#include <vector>

#include "kernel_check.h"
#include "tally/platforms/kernels/planned_map.h"

namespace {

using namespace tally;
using namespace tally::test;

struct Case {
  int64_t size[kRotaryLoops] = {1, 1, 1};
  int64_t width = 8, rotated = 8;
  bool interleaved = false, wide = false, ids = false;
  bool swapped = false;  ///< X lies with its first two loops the other way round
};

/// Rows of X and Y lie dense, one position for each index of loops 1 and 2.
RotaryArgs arguments(const Case& c) {
  RotaryArgs args;
  for (int d = 0; d < kRotaryLoops; ++d) args.size[d] = c.size[d];
  const int64_t rows[kRotaryLoops] = {c.size[1] * c.size[2], c.size[2], 1};
  for (int d = 0; d < kRotaryLoops; ++d) args.x_stride[d] = args.y_stride[d] = rows[d] * c.width;
  if (c.swapped) args.x_stride[0] = c.size[2] * c.width, args.x_stride[1] = c.size[0] * c.size[2] * c.width;
  args.position[1] = c.size[2];
  args.position[2] = 1;
  args.width = c.width;
  args.rotated = c.rotated;
  args.interleaved = c.interleaved;
  args.wide = c.wide;
  return args;
}

/// One rounded operation after the other, as the kernel promises.
void check_row(const RotaryArgs& args, const float* x, const float* cos, const float* sin, const float* y) {
  const int64_t half = args.rotated / 2;
  int wrong = 0;
  for (int64_t i = 0; i < half; ++i) {
    const int64_t one = args.interleaved ? 2 * i : i, two = args.interleaved ? 2 * i + 1 : half + i;
    const int64_t first = args.wide ? one : i, second = args.wide ? two : i;
    const volatile float a = cos[first] * x[one], b = sin[first] * x[two], c = cos[second] * x[two],
                         d = sin[second] * x[one];
    wrong += y[one] != a - b;
    wrong += y[two] != c + d;
  }
  for (int64_t i = args.rotated; i < args.width; ++i) wrong += y[i] != x[i];
  CHECK(wrong == 0);
}

void check(const KernelTable& counted, const KernelTable& uncounted, const Case& c) {
  CAPTURE(c.width);
  CAPTURE(c.rotated);
  CAPTURE(c.interleaved);
  CAPTURE(c.wide);
  CAPTURE(c.ids);
  RotaryArgs args = arguments(c);
  const int64_t positions = c.size[1] * c.size[2], rows = c.size[0] * positions;
  const int64_t table = c.wide ? c.rotated : c.rotated / 2;
  Floats x(static_cast<size_t>(rows * c.width)), y(x.size()), cos(static_cast<size_t>(positions * table)),
      sin(cos.size());
  fill_random(x.span(), 1);
  fill_random(cos.span(), 2);
  fill_random(sin.span(), 3);
  args.x = x.data();
  args.y = y.data();
  args.cos = cos.data();
  args.sin = sin.data();
  reference::GuardedBuffer<int64_t> ids(c.ids ? static_cast<size_t>(positions) : 0);
  if (c.ids) {
    for (int64_t i = 0; i < positions; ++i)
      ids[static_cast<size_t>(i)] = i % 3 == 0 ? -1 - i : positions - i;  // one beyond the end
    args.ids = ids.data();
    args.positions = positions;
  }
  check_kernel(
      y, args.items(), [&](int64_t b, int64_t e, Tally* t) { counted.rotary(args, b, e, t); },
      [&](int64_t b, int64_t e, Tally* t) { uncounted.rotary(args, b, e, t); },
      planned_rotary(args, c.ids, counted.geometry), operands(x, cos, sin, ids));
  for (int64_t i = 0; i < c.size[0]; ++i)
    for (int64_t p = 0; p < positions; ++p) {
      int64_t row = p;
      if (c.ids)
        row = std::min(positions - 1, ids[static_cast<size_t>(p)] + (ids[static_cast<size_t>(p)] < 0) * positions);
      const int64_t j = p / c.size[2], k = p % c.size[2];
      check_row(args, x.data() + i * args.x_stride[0] + j * args.x_stride[1] + k * args.x_stride[2],
                cos.data() + row * table, sin.data() + row * table, y.data() + (i * positions + p) * c.width);
    }
  if (c.swapped) return;
  args.y = x.data();
  uncounted.rotary(args, 0, args.items(), nullptr);
  CHECK(std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0);
}

}  // namespace

TEST_CASE("rotary: halves and neighbours, tables of either width, every row end") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    const int64_t L = counted.geometry.lanes;
    for (const int64_t half :
         {int64_t{1}, int64_t{2}, int64_t{3}, int64_t{4}, L / 2 + 1, L, L + 1, 2 * L, 3 * L + 2, int64_t{37}})
      for (const bool interleaved : {false, true})
        for (const bool wide : {false, true})
          for (const int64_t behind : {int64_t{0}, int64_t{3}, L + 1})
            check(counted, uncounted, {{2, 3, 2}, 2 * half + behind, 2 * half, interleaved, wide});
  });
}

TEST_CASE("rotary: rows that lie apart, positions by ids") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const bool ids : {false, true})
      for (const bool swapped : {false, true}) {
        check(counted, uncounted, {{3, 4, 5}, 16, 16, false, false, ids, swapped});
        check(counted, uncounted, {{1, 7, 1}, 20, 12, true, false, ids, swapped});
        check(counted, uncounted, {{4, 1, 3}, 6, 0, false, false, ids, swapped});  // nothing turned
      }
  });
}

TEST_CASE("planned rotary, worked by hand") {
  Geometry g;
  g.lanes = 8;
  g.has_fma = false;
  RotaryArgs args;
  args.size[0] = 2, args.size[1] = 3, args.size[2] = 5;  // 30 rows
  args.width = 24, args.rotated = 20;                    // 10 pairs: two vectors
  CHECK(planned_rotary(args, false, g).tally == Tally{0, 0, 30 * 4 * 16, 30 * 4 * (24 + 2 * 10), 30 * 4 * 24});
  args.wide = true;
  g.has_fma = true;
  CHECK(planned_rotary(args, true, g).tally == Tally{0, 0, 0, 30 * (4 * (24 + 2 * 20) + 8), 30 * 4 * 24});
}
