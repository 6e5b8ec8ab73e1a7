#pragma once
// Attention in double precision, straight from its definition.
#include <cmath>
#include <cstdint>
#include <vector>

#include "tally/platforms/kernel_args.h"

namespace tally::reference {

/// What AttentionArgs says, densely addressed by y's strides.
inline std::vector<double> attention(const AttentionArgs& a) {
  std::vector<double> y(static_cast<size_t>(a.batch * a.q_heads * a.queries * a.e));
  std::vector<double> weight(static_cast<size_t>(a.keys));
  for (int64_t b = 0; b < a.batch; ++b)
    for (int64_t h = 0; h < a.q_heads; ++h)
      for (int64_t i = 0; i < a.queries; ++i) {
        const int64_t g = h / (a.q_heads / a.kv_heads);
        const float* q = a.q + b * a.q_batch + h * a.q_head + i * a.q_row;
        double largest = -INFINITY, sum = 0;
        for (int64_t j = 0; j < a.keys; ++j) {
          const float* k = a.k + b * a.k_batch + g * a.k_head + j * a.k_row;
          double s = 0;
          for (int64_t c = 0; c < a.d; ++c) s += static_cast<double>(q[c]) * k[c];
          s *= a.scale;
          if (a.softcap > 0) s = a.softcap * std::tanh(s / a.softcap);
          const int64_t at = b * a.mask_batch + h * a.mask_head + i * a.mask_row + j;
          if (a.mask_kind == MaskKind::additive) s += static_cast<const float*>(a.mask)[at];
          if (a.mask_kind == MaskKind::boolean && !static_cast<const uint8_t*>(a.mask)[at]) s = -INFINITY;
          if (a.causal && j > i + a.causal_offset) s = -INFINITY;
          weight[static_cast<size_t>(j)] = s;
          largest = std::max(largest, s);
        }
        for (double& w : weight) sum += w = std::exp(w - largest);
        for (int64_t c = 0; c < a.e; ++c) {
          double value = 0;
          for (int64_t j = 0; j < a.keys; ++j)
            value += weight[static_cast<size_t>(j)] / sum * a.v[b * a.v_batch + g * a.v_head + j * a.v_row + c];
          y[static_cast<size_t>(b * a.y_batch + h * a.y_head + i * a.y_row + c)] = value;
        }
      }
  return y;
}

}  // namespace tally::reference
