#pragma once
// The matrix kernel in double precision, straight from the definition in kernel_args.h. Weights come unpacked.
#include <cmath>
#include <cstdint>
#include <vector>

#include "tally/platforms/kernel_table.h"
#include "tally/platforms/kernels/pack.h"

namespace tally::reference {

/// One element of C: its value, and the sum of the absolute values of its terms, from which error bounds follow.
struct GemmElement {
  int64_t offset = 0;  ///< in C
  double value = 0;
  double magnitude = 0;
  int64_t terms = 0;
};

inline double element(Num num, const void* data, int64_t i) {
  switch (num) {
    case Num::f32:
      return static_cast<const float*>(data)[i];
    case Num::f16:
      return to_float(static_cast<const Half*>(data)[i]);
    case Num::i8:
      break;
  }
  return static_cast<const int8_t*>(data)[i];
}

inline double activate(const Epilogue& epilogue, double x) {
  switch (epilogue.activation) {
    case Activation::clamp:
      return std::fmax(epilogue.lo, std::fmin(epilogue.hi, x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::none:
      break;
  }
  return x;
}

/// Every real element of C, in no particular order. `bias` is one number a column (unpacked), or empty.
inline std::vector<GemmElement> gemm(const GemmArgs& args, Num num, const WeightSource& weights,
                                     const DepthOrder& order, const std::vector<double>& bias) {
  std::vector<GemmElement> result;
  const auto add_column = [&](const Panel& panel, int32_t region, int64_t a_row, int64_t c_row, int32_t lane) {
    const int64_t n = panel.n0 + lane;
    GemmElement e;
    e.offset = c_row + n;
    const auto add = [&](double term) {
      e.value += term;
      e.magnitude += std::fabs(term);
      ++e.terms;
    };
    if (!bias.empty()) add(bias[static_cast<size_t>(n)]);
    const int32_t* at = args.first_segment + int64_t{region} * (args.k_blocks + 1);
    for (int32_t s = at[0]; s < at[args.k_blocks]; ++s) {
      const Segment& segment = args.segments[s];
      for (int32_t i = 0; i < segment.length; ++i) {
        const int32_t k = order[static_cast<size_t>(segment.w_row + i)];
        add(element(num, args.a, a_row + panel.a_offset + segment.a_offset + i) *
            element(num, weights.data, n * weights.n_stride + k * weights.k_stride));
      }
    }
    if (args.residual) add(element(num, args.residual, e.offset));
    e.value = activate(args.epilogue, e.value);
    result.push_back(e);
  };
  for (int64_t image = 0; image < args.images; ++image) {
    for (int32_t r = 0; r < args.region_count; ++r) {
      const Region& region = args.regions[r];
      for (int64_t y = region.y0; y < region.y0 + region.height; ++y) {
        for (int64_t x = region.x0; x < region.x0 + region.width; ++x) {
          const int64_t a_row = image * args.a_image + y * args.a_y + x * args.a_x;
          const int64_t c_row = image * args.c_image + y * args.c_y + x * args.c_x;
          for (int32_t p = 0; p < args.panel_count; ++p) {
            for (int32_t lane = 0; lane < args.panels[p].n; ++lane) add_column(args.panels[p], r, a_row, c_row, lane);
          }
        }
      }
    }
  }
  return result;
}

}  // namespace tally::reference
