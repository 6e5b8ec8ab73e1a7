#pragma once
// Packing of weights for the matrix kernel. The same code for every instruction set, steered by its Geometry; the
// caller owns the memory. Packed weights are read by the kernel in exactly the order they lie in.
#include <cstdint>
#include <span>
#include <vector>

#include "tally/platforms/kernel_table.h"

namespace tally {

/// The order in which depth lies in packed weights: entry r is the source depth k of packed row r, or kNoDepth for a
/// row of zeros.
inline constexpr int32_t kNoDepth = -1;
using DepthOrder = std::vector<int32_t>;

/// Depth `runs` one after another, run i being source depths first, first + 1 … first + length − 1, each padded to a
/// multiple of k_step. Segments that cover whole runs, or whole steps of a run, may be left out by a region.
struct DepthRun {
  int32_t first = 0;
  int32_t length = 0;
};
DepthOrder depth_order(std::span<const DepthRun> runs, int k_step);

/// Where the panels of a matrix lie and how much memory they take.
struct GemmPacking {
  std::vector<Panel> panels;
  int64_t depth = 0;  ///< packed rows of each panel, a multiple of k_step
  int64_t weight_elements = 0;
  int64_t bias_elements = 0;  ///< also the columns of column sums
};

/// Cuts `groups` × `group_columns` output columns into panels whose lanes are wasted least and whose tiles load least.
/// `one_row`: A has a single row, so that panels are as wide as the one-row tile takes. Group g reads A from
/// g · a_group_stride on. depth: rows of the DepthOrder; it must be a multiple of the format's k_step.
GemmPacking plan_packing(int64_t group_columns, int64_t groups, int64_t depth, int64_t a_group_stride, bool one_row,
                         const Geometry& geometry);

/// Weights as they come: element (n, k) of column n at data + n · n_stride + k · k_stride, in elements of the format's
/// storage type. For ONNX's Conv [M][C/g][kH][kW] n_stride = C/g·kH·kW, k_stride = 1; for MatMul's [K][N] 1 and N.
struct WeightSource {
  const void* data = nullptr;
  int64_t n_stride = 0;
  int64_t k_stride = 0;
};

/// packed[panel][r / k_step][lane][r % k_step] = source(n0 + lane, order[r]), zero beyond a panel's columns.
void pack_gemm_weights(Num num, const WeightSource& source, const DepthOrder& order, const GemmPacking& packing,
                       const Geometry& geometry, void* packed);

/// packed[panel][lane] = bias[n0 + lane], zero beyond: float, for int8 int32_t.
void pack_gemm_bias(const float* bias, const GemmPacking& packing, const Geometry& geometry, float* packed);
void pack_gemm_bias(const int32_t* bias, const GemmPacking& packing, const Geometry& geometry, int32_t* packed);

/// For Geometry::i8_column_sums: sums[region · k_blocks + block][column] = −128 · Σ W over the depth rows that the
/// segments of (region, block) execute, padding rows included. Takes the regions' count, k_blocks, segments and
/// first_segment from `args`; `sums` holds region_count · k_blocks rows of packing.bias_elements.
void pack_column_sums(const GemmArgs& args, const int8_t* packed, const GemmPacking& packing, const Geometry& geometry,
                      int32_t* sums);

/// Lanes of a panel.
inline int64_t panel_lanes(const Panel& panel, const Geometry& geometry) {
  return panel.half ? geometry.half_lanes : int64_t{panel.vectors} * geometry.lanes;
}

}  // namespace tally
