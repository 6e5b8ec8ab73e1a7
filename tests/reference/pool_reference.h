#pragma once
// The definition of ONNX's MaxPool and AveragePool in double, two spatial dimensions, planar.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tally/platforms/kernel_args.h"

namespace tally::reference {

struct PoolResult {
  std::vector<double> y;      ///< [maps][oh][ow]
  std::vector<double> scale;  ///< Σ |x| / count
};

/// Sizes, strides and pads of `a`; x [maps][h][w], maps = images · channels.
inline PoolResult pool(const PoolArgs& a, const std::vector<double>& x) {
  PoolResult r;
  const int64_t maps = int64_t{a.images} * a.channels;
  for (int64_t m = 0; m < maps; ++m)
    for (int oy = 0; oy < a.oh; ++oy)
      for (int ox = 0; ox < a.ow; ++ox) {
        double largest = -INFINITY, sum = 0, magnitude = 0;
        int64_t inside = 0, in_padded = 0;
        for (int ky = 0; ky < a.kh; ++ky)
          for (int kx = 0; kx < a.kw; ++kx) {
            const int y = oy * a.sh - a.pt + ky * a.dh, xx = ox * a.sw - a.pl + kx * a.dw;
            in_padded += y < a.h + a.pb && xx < a.w + a.pr;
            if (y < 0 || y >= a.h || xx < 0 || xx >= a.w) continue;
            const double v = x[static_cast<size_t>((m * a.h + y) * a.w + xx)];
            largest = std::fmax(largest, v);
            sum += v;
            magnitude += std::fabs(v);
            ++inside;
          }
        const int64_t count = std::max<int64_t>(1, a.count_include_pad ? in_padded : inside);
        r.y.push_back(a.kind == PoolKind::max ? largest : sum / static_cast<double>(count));
        r.scale.push_back(magnitude / static_cast<double>(count));
      }
  return r;
}

}  // namespace tally::reference
