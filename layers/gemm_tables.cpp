#include "tally/layers/gemm_tables.h"

#include <algorithm>
#include <limits>

#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_gemm.h"
#include "tally/platforms/rounding.h"

namespace tally {

namespace {

constexpr int64_t kMaxSegments = int64_t{1} << 22;
constexpr int64_t kMaxGroups = int64_t{1} << 20, kMaxColumns = int64_t{1} << 27;
constexpr int64_t kMaxExtent = std::numeric_limits<int32_t>::max();
/// A panel's depth block stays in the second cache while the rows of a block pass; so do those rows.
constexpr int64_t kPanelBlockBytes = 128 * 1024;
constexpr int64_t kRowBlockBytes = 64 * 1024;

/// The segments of one region that lie in depth rows [begin, end), cut at the borders.
void append_block(const std::vector<Segment>& from, int64_t begin, int64_t end, std::vector<Segment>& to) {
  for (const Segment& s : from) {
    const int64_t first = std::max<int64_t>(begin, s.w_row), last = std::min<int64_t>(end, int64_t{s.w_row} + s.length);
    if (first >= last) continue;
    const auto skipped = static_cast<int32_t>(first - s.w_row);
    to.push_back({s.a_offset + skipped, s.w_row + skipped, static_cast<int32_t>(last - first)});
  }
}

int64_t rows_of(const GemmProblem& problem) {
  int64_t rows = 0;
  for (const auto& part : problem.parts) rows += int64_t{part.region.height} * part.region.width;
  return rows;
}

/// Panels of all groups. A half-width panel adds its products in another order than wide ones do, so that columns of
/// the same weights may differ in the last bit: visible in classifiers whose logits are huge and alike. A long row does
/// without it, for at most 2 % more weights.
GemmPacking plan_panels(const GemmProblem& problem, int64_t depth, bool one_row, const Geometry& g) {
  constexpr int64_t kLongRow = 49;  // vectors; even panels of them are wide enough to add in one order
  const int64_t vectors = divide_up(problem.group_columns, g.lanes);
  if (!one_row || problem.groups > 1 || vectors < kLongRow)
    return plan_packing(problem.group_columns, problem.groups, depth, problem.group_a_offset, one_row, g);
  GemmPacking packing = plan_packing(vectors * g.lanes, 1, depth, 0, true, g);
  packing.panels.back().n -= static_cast<int32_t>(vectors * g.lanes - problem.group_columns);
  return packing;
}

/// Rows of the tallest register tile among the panels.
int64_t tile_rows(const GemmPacking& packing, const Geometry& g) {
  int64_t rows = 1;
  for (const Panel& panel : packing.panels)
    rows = std::max<int64_t>(rows, g.gemm_rows[static_cast<size_t>(panel.vectors)]);
  return rows;
}

int64_t choose_k_blocks(const GemmPacking& packing, int64_t rows, const Geometry& g) {
  if (rows <= 2 * tile_rows(packing, g)) return 1;  // nothing would be read again
  int64_t widest = 1;
  for (const Panel& panel : packing.panels) widest = std::max(widest, panel_lanes(panel, g));
  const int64_t depth_rows = std::max<int64_t>(1, kPanelBlockBytes / (4 * widest));
  return std::max<int64_t>(1, divide_up(packing.depth, depth_rows));
}

int64_t choose_rows_per_block(const GemmProblem& problem, const GemmPacking& packing, int64_t rows, const Geometry& g) {
  const int64_t tile = tile_rows(packing, g);
  const int64_t row_bytes = std::max<int64_t>(4, problem.row_bytes);
  const int64_t most = std::clamp<int64_t>(kRowBlockBytes / row_bytes, 4 * tile, 512);
  const int64_t blocks = std::max<int64_t>(1, divide_up(rows, most));
  return std::max<int64_t>(1, round_up(divide_up(rows, blocks), tile));
}

}  // namespace

int64_t GemmTables::columns() const {
  int64_t sum = 0;
  for (const Panel& panel : packing.panels) sum += panel.n;
  return sum;
}

void GemmTables::pack_weights(const Geometry& geometry, const float* raw, float* packed) const {
  pack_gemm_weights(Num::f32, {raw, n_stride, k_stride}, order, packing, geometry, packed);
  if (scale == 1) return;
  // In double, so that no single-precision multiplication escapes the count.
  for (int64_t i = 0; i < packing.weight_elements; ++i) packed[i] = static_cast<float>(scale * packed[i]);
}

void GemmTables::pack_bias(const Geometry& geometry, const float* raw, int64_t stride, double factor,
                           float* packed) const {
  for (const Panel& panel : packing.panels)
    for (int64_t j = 0; j < panel_lanes(panel, geometry); ++j)
      packed[panel.bias_offset + j] = j < panel.n ? static_cast<float>(factor * raw[(panel.n0 + j) * stride]) : 0.0f;
}

std::shared_ptr<GemmTables> make_gemm_tables(const GemmProblem& problem, const Geometry& geometry) {
  const int64_t rows = rows_of(problem);
  const auto depth = static_cast<int64_t>(problem.order.size());
  if (problem.groups > kMaxGroups || problem.groups * problem.group_columns > kMaxColumns || rows > kMaxExtent)
    return nullptr;
  auto tables = std::make_shared<GemmTables>();
  tables->order = problem.order;
  tables->n_stride = problem.n_stride;
  tables->k_stride = problem.k_stride;
  tables->scale = problem.scale;
  tables->packing = plan_panels(problem, depth, rows == 1, geometry);
  const GemmPacking& packing = tables->packing;

  GemmArgs& args = tables->args;
  const int64_t k_blocks = choose_k_blocks(packing, rows, geometry);
  const int64_t block_depth = std::max<int64_t>(1, divide_up(depth, k_blocks));
  for (const auto& part : problem.parts) {
    tables->regions.push_back(part.region);
    for (int64_t b = 0; b < k_blocks; ++b) {
      tables->first_segment.push_back(static_cast<int32_t>(tables->segments.size()));
      append_block(part.segments, b * block_depth, (b + 1) * block_depth, tables->segments);
    }
    tables->first_segment.push_back(static_cast<int32_t>(tables->segments.size()));
    if (static_cast<int64_t>(tables->segments.size()) > kMaxSegments) return nullptr;
  }
  args.regions = tables->regions.data();
  args.segments = tables->segments.data();
  args.first_segment = tables->first_segment.data();
  args.panels = packing.panels.data();
  args.region_count = static_cast<int32_t>(tables->regions.size());
  args.panel_count = static_cast<int32_t>(packing.panels.size());
  args.k_blocks = static_cast<int32_t>(k_blocks);
  args.rows = rows;
  args.rows_per_block = choose_rows_per_block(problem, packing, rows, geometry);
  args.full_stores = problem.full_stores;
  return tables;
}

double GemmTables::cycles(const Geometry& geometry, bool has_bias, bool has_residual) const {
  // A tile's fixed cost, what a segment adds to it, and what a row that passes through the stack does (columns without
  // room for whole vectors, long activations), as measured on small shapes: order of magnitude.
  constexpr double kTileCycles = 12, kSegmentCycles = 2, kRowCycles = 8;
  const bool long_activation =
      args.epilogue.activation == Activation::tanh || args.epilogue.activation == Activation::sigmoid;
  double overhead = 0;
  for (const Panel& panel : packing.panels) {
    const int64_t most = geometry.gemm_rows[static_cast<size_t>(panel.vectors)];
    const bool through_stack = long_activation || (!args.full_stores && panel.n < panel_lanes(panel, geometry));
    if (through_stack) overhead += kRowCycles * static_cast<double>(args.rows);
    for (int64_t r = 0; r < args.region_count; ++r) {
      const int64_t pixels = int64_t{regions[static_cast<size_t>(r)].height} * regions[static_cast<size_t>(r)].width;
      const int32_t* first = first_segment.data() + r * (args.k_blocks + 1);
      overhead += static_cast<double>(divide_up(pixels, std::max<int64_t>(1, most))) *
                  (kTileCycles * args.k_blocks + kSegmentCycles * (first[args.k_blocks] - first[0]));
    }
  }
  const Planned planned = planned_gemm(described(args, has_bias, has_residual), Num::f32, geometry);
  return planned_cycles(geometry, planned, overhead * static_cast<double>(args.images));
}

}  // namespace tally
