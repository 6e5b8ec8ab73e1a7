// pool of every usable ISA against the definition in double: layouts, windows, edges, counted padding, ceil_mode,
// counts.
#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tally/platforms/kernels/planned_pool.h"
#include "tests/platforms/kernel_check.h"
#include "tests/reference/pool_reference.h"

using namespace tally;
using namespace tally::test;

namespace {

size_t at(int64_t i) { return static_cast<size_t>(i); }

int output_size(int size, int kernel, int stride, int dilation, int pads, bool ceil_mode) {
  const int room = size + pads - (kernel - 1) * dilation - 1;
  return (ceil_mode ? (room + stride - 1) / stride : room / stride) + 1;
}

/// Runs `a` (without pointers) as maximum and average, planar and channels_last.
void check(const KernelTable& counted, const KernelTable& uncounted, PoolArgs a, bool infinities = false) {
  std::string text;
  for (const int v :
       {a.images, a.channels, a.h, a.w, a.oh, a.ow, a.kh, a.kw, a.sh, a.sw, a.dh, a.dw, a.pt, a.pl, a.pb, a.pr}) {
    text += std::to_string(v) + " ";
  }
  CAPTURE(text);
  CAPTURE(a.count_include_pad);
  const int64_t maps = int64_t{a.images} * a.channels, pixels = int64_t{a.h} * a.w, outputs = int64_t{a.oh} * a.ow;
  std::vector<float> planar(at(maps * pixels));
  fill_random(planar, 5);
  if (infinities) {
    for (size_t i = 0; i < planar.size(); ++i) planar[i] = i % 3 ? -INFINITY : i % 2 ? INFINITY : planar[i];
  }
  for (const bool last : {false, true}) {
    Floats x(planar.size()), y(at(maps * outputs));
    for (int64_t m = 0; m < maps; ++m)
      for (int64_t p = 0; p < pixels; ++p) {
        const int64_t image = m / a.channels, c = m % a.channels;
        x[at(last ? (image * pixels + p) * a.channels + c : m * pixels + p)] = planar[at(m * pixels + p)];
      }
    for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
      if (infinities && kind == PoolKind::average) continue;
      CAPTURE(last);
      CAPTURE(static_cast<int>(kind));
      a.x = x.data(), a.y = y.data(), a.kind = kind, a.channels_last = last;
      check_kernel(
          y, a.items(), [&](int64_t b, int64_t e, Tally* t) { counted.pool(a, b, e, t); },
          [&](int64_t b, int64_t e, Tally* t) { uncounted.pool(a, b, e, t); }, planned_pool(a, counted.geometry),
          operands(x));
      const auto expected = reference::pool(a, {planar.begin(), planar.end()});
      const double unit = kind == PoolKind::max ? 0 : 0x1p-24 * (a.kh * a.kw + 2);
      size_t wrong = 0;
      for (int64_t m = 0; m < maps; ++m)
        for (int64_t p = 0; p < outputs; ++p) {
          const int64_t image = m / a.channels, c = m % a.channels;
          const double got = y[at(last ? (image * outputs + p) * a.channels + c : m * outputs + p)];
          const double want = expected.y[at(m * outputs + p)];
          wrong += got != want && !(std::fabs(got - want) <= unit * expected.scale[at(m * outputs + p)]);
        }
      CHECK(wrong == 0);
    }
  }
}

struct Window {
  int k = 2, s = 2, d = 1, pad = 0;
  bool ceil_mode = false, count_pad = false;
};

PoolArgs shape(int images, int channels, int h, int w, Window v) {
  PoolArgs a;
  a.images = images, a.channels = channels, a.h = h, a.w = w;
  a.kh = a.kw = v.k, a.sh = a.sw = v.s, a.dh = a.dw = v.d;
  a.pt = a.pl = a.pb = a.pr = v.pad;
  a.count_include_pad = v.count_pad;
  a.oh = output_size(h, v.k, v.s, v.d, 2 * v.pad, v.ceil_mode);
  a.ow = output_size(w, v.k, v.s, v.d, 2 * v.pad, v.ceil_mode);
  return a;
}

}  // namespace

TEST_CASE("pool: 2 × 2 windows, every row length") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (int w = 2; w <= 69; w += w < 37 ? 1 : 7) {
      check(counted, uncounted, shape(1, 2, 4, w, {}));
      check(counted, uncounted, shape(1, 1, 5, w, {.ceil_mode = true}));
    }
  });
}

TEST_CASE("pool: windows, strides, dilation, padding") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const int k : {1, 2, 3, 5}) {
      for (const int s : {1, 2, 3, 7}) {
        for (const int d : {1, 2}) {
          for (const int pad : {0, 1, 3}) {
            if ((k - 1) * d + 1 > 9 + 2 * pad) continue;
            for (const bool flag : {false, true}) {
              check(counted, uncounted, shape(2, 3, 9, 37, {k, s, d, pad, flag, !flag}));
              check(counted, uncounted, shape(1, 2, 11, 20, {k, s, d, pad, true, flag}));
            }
          }
        }
      }
    }
    PoolArgs a = shape(1, 5, 8, 21, {});
    a.kh = 3, a.kw = 4, a.sh = 1, a.sw = 2, a.pt = 2, a.pl = 0, a.pb = 0, a.pr = 3;
    a.oh = output_size(8, 3, 1, 1, 2, false), a.ow = output_size(21, 4, 2, 1, 3, false);
    check(counted, uncounted, a);
  });
}

TEST_CASE("pool: channel counts") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const int channels : {1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 33, 64, 67, 130}) {
      check(counted, uncounted, shape(1, channels, 6, 7, {.k = 3, .s = 2, .pad = 1}));
    }
  });
}

TEST_CASE("pool: one window for the whole map") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const int size : {1, 2, 3, 5, 7, 8, 11, 14, 25}) {
      PoolArgs a = shape(2, 10, size, size, {.k = size, .s = 1});
      check(counted, uncounted, a);
      a.w = a.kw = 2 * size + 1;
      check(counted, uncounted, a);
    }
  });
}

TEST_CASE("pool: infinities pass") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    check(counted, uncounted, shape(1, 3, 6, 38, {}), true);
    check(counted, uncounted, shape(1, 3, 6, 38, {.k = 3, .s = 1, .pad = 1}), true);
    check(counted, uncounted, shape(1, 17, 6, 6, {.k = 6, .s = 1}), true);
  });
}
