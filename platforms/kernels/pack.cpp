#include "tally/platforms/kernels/pack.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace tally {

DepthOrder depth_order(std::span<const DepthRun> runs, int k_step) {
  DepthOrder order;
  for (const DepthRun& run : runs) {
    for (int32_t i = 0; i < run.length; ++i) order.push_back(run.first + i);
    while (order.size() % static_cast<size_t>(k_step) != 0) order.push_back(kNoDepth);
  }
  return order;
}

namespace {

/// Time of one depth step of a tile over its rows, in units of one vector multiply-accumulate, where a core loads as
/// many vectors or broadcasts a cycle as it multiplies; plus what a panel costs for reading A again.
double cost_of_panel(int vectors, const Geometry& geometry) {
  constexpr double kPerPanel = 0.05;
  const int rows = geometry.gemm_rows[static_cast<size_t>(vectors)];
  const double step = std::max(vectors * rows, vectors + rows);
  return step / rows + kPerPanel;
}

/// Widths of panels, in vectors, whose sum is `vectors`, widest first, of least cost.
std::vector<int> split_for_tiles(int64_t vectors, const Geometry& geometry) {
  std::vector<int> widths;
  const int widest = geometry.gemm_vectors;
  // The best split of a long row begins with the cheapest width; only its end needs a search.
  int cheapest = 1;
  for (int v = 2; v <= widest; ++v) {
    if (cost_of_panel(v, geometry) / v <= cost_of_panel(cheapest, geometry) / cheapest) cheapest = v;
  }
  for (; vectors > 4 * widest; vectors -= cheapest) widths.push_back(cheapest);

  std::vector<double> best(static_cast<size_t>(vectors) + 1, 0.0);
  std::vector<int> width(best.size(), 0);
  for (size_t total = 1; total < best.size(); ++total) {
    for (int v = 1; v <= std::min<int>(widest, static_cast<int>(total)); ++v) {
      const double cost = best[total - static_cast<size_t>(v)] + cost_of_panel(v, geometry);
      if (width[total] == 0 || cost < best[total]) {
        best[total] = cost;
        width[total] = v;
      }
    }
  }
  for (size_t total = best.size() - 1; total > 0; total -= static_cast<size_t>(width[total]))
    widths.push_back(width[total]);
  std::sort(widths.begin(), widths.end(), std::greater<>());
  return widths;
}

/// As few panels as the one-row tile allows, of about equal width.
std::vector<int> split_for_one_row(int64_t vectors, const Geometry& geometry) {
  const int64_t count = (vectors + geometry.gemv_vectors - 1) / geometry.gemv_vectors;
  std::vector<int> widths;
  for (int64_t i = 0; i < count; ++i) widths.push_back(static_cast<int>(vectors / count + (i < vectors % count)));
  return widths;
}

template <class T>
void pack_weights(const WeightSource& source, const DepthOrder& order, const GemmPacking& packing,
                  const Geometry& geometry, int k_step, T* packed) {
  const T* data = static_cast<const T*>(source.data);
  for (const Panel& panel : packing.panels) {
    T* out = packed + panel.w_offset;
    const int64_t lanes = panel_lanes(panel, geometry);
    for (int64_t first = 0; first < packing.depth; first += k_step) {
      for (int64_t lane = 0; lane < lanes; ++lane) {
        for (int i = 0; i < k_step; ++i) {
          const int32_t k = order[static_cast<size_t>(first + i)];
          const bool real = lane < panel.n && k != kNoDepth;
          *out++ = real ? data[(panel.n0 + lane) * source.n_stride + k * source.k_stride] : T{};
        }
      }
    }
  }
}

template <class T>
void pack_bias(const T* bias, const GemmPacking& packing, const Geometry& geometry, T* packed) {
  for (const Panel& panel : packing.panels) {
    T* out = packed + panel.bias_offset;
    std::copy_n(bias + panel.n0, panel.n, out);
    std::fill(out + panel.n, out + panel_lanes(panel, geometry), T{});
  }
}

}  // namespace

GemmPacking plan_packing(int64_t group_columns, int64_t groups, int64_t depth, int64_t a_group_stride, bool one_row,
                         const Geometry& geometry) {
  // A rest that fits half a vector takes a half-width panel.
  const int64_t rest = group_columns % geometry.lanes;
  const bool half = rest > 0 && rest <= geometry.half_lanes;
  const int64_t vectors = group_columns / geometry.lanes + (rest > 0 && !half);
  std::vector<int> widths = one_row ? split_for_one_row(vectors, geometry) : split_for_tiles(vectors, geometry);

  GemmPacking packing;
  packing.depth = depth;
  const auto add = [&](Panel panel, int64_t column, int64_t group) {
    const int64_t lanes = panel_lanes(panel, geometry);
    panel.n0 = static_cast<int32_t>(group * group_columns + column);
    panel.n = static_cast<int32_t>(std::min(lanes, group_columns - column));
    panel.w_offset = packing.weight_elements;
    panel.bias_offset = packing.bias_elements;
    panel.a_offset = group * a_group_stride;
    packing.weight_elements += lanes * depth;
    packing.bias_elements += lanes;
    packing.panels.push_back(panel);
  };
  for (int64_t group = 0; group < groups; ++group) {
    int64_t column = 0;
    for (const int width : widths) {
      add(Panel{.vectors = width}, column, group);
      column += int64_t{width} * geometry.lanes;
    }
    if (half) add(Panel{.vectors = 1, .half = true}, column, group);
  }
  return packing;
}

void pack_gemm_weights(Num num, const WeightSource& source, const DepthOrder& order, const GemmPacking& packing,
                       const Geometry& geometry, void* packed) {
  const int k_step = geometry.k_step[static_cast<int>(num)];
  assert(static_cast<int64_t>(order.size()) == packing.depth && packing.depth % k_step == 0);
  switch (num) {
    case Num::f32:
      return pack_weights(source, order, packing, geometry, k_step, static_cast<float*>(packed));
    case Num::f16:
      return pack_weights(source, order, packing, geometry, k_step, static_cast<Half*>(packed));
    case Num::i8:
      return pack_weights(source, order, packing, geometry, k_step, static_cast<int8_t*>(packed));
  }
}

void pack_gemm_bias(const float* bias, const GemmPacking& packing, const Geometry& geometry, float* packed) {
  pack_bias(bias, packing, geometry, packed);
}

void pack_gemm_bias(const int32_t* bias, const GemmPacking& packing, const Geometry& geometry, int32_t* packed) {
  pack_bias(bias, packing, geometry, packed);
}

void pack_column_sums(const GemmArgs& args, const int8_t* packed, const GemmPacking& packing, const Geometry& geometry,
                      int32_t* sums) {
  const int k_step = geometry.k_step[static_cast<int>(Num::i8)];
  for (int64_t row = 0; row < int64_t{args.region_count} * args.k_blocks; ++row) {
    const int64_t region = row / args.k_blocks, block = row % args.k_blocks;
    const int32_t* at = args.first_segment + region * (args.k_blocks + 1) + block;
    int32_t* out = sums + row * packing.bias_elements;
    std::fill(out, out + packing.bias_elements, 0);
    for (const Panel& panel : packing.panels) {
      const int64_t lanes = panel_lanes(panel, geometry);
      for (const Segment& s : std::span(args.segments + at[0], args.segments + at[1])) {
        const int64_t steps = (s.length + k_step - 1) / k_step;
        const int8_t* w = packed + panel.w_offset + s.w_row * lanes;
        for (int64_t i = 0; i < steps * lanes * k_step; ++i) out[panel.bias_offset + i / k_step % lanes] -= 128 * w[i];
      }
    }
  }
}

}  // namespace tally
