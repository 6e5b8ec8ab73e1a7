#pragma once
// The tables of a GemmArgs for a layer: regions and segments, panels, depth blocks, row blocks, and the order in which
// raw weights are packed.
#include <memory>
#include <vector>

#include "tally/engine/preparation.h"
#include "tally/platforms/kernels/pack.h"

namespace tally {

/// What a layer knows of its product before panels and blocks are chosen.
struct GemmProblem {
  struct Part {
    Region region;
    std::vector<Segment> segments;  ///< by ascending w_row
  };
  std::vector<Part> parts;
  int64_t groups = 1;
  int64_t group_columns = 0;   ///< output columns a group
  int64_t group_a_offset = 0;  ///< between the inputs of two groups
  int64_t row_bytes = 0;       ///< of A that a row brings along, for blocking
  bool full_stores = false;    ///< C has room for whole vectors behind every group
  /// Source depth of every packed row, and where source depth k of output column n lies: raw[n · n_stride + k ·
  /// k_stride].
  DepthOrder order;
  int64_t n_stride = 0, k_stride = 1;
  double scale = 1;  ///< of the weights
};

/// Tables that a GemmArgs points to. Shared by the steps that use them.
struct GemmTables {
  std::vector<Region> regions;
  std::vector<Segment> segments;
  std::vector<int32_t> first_segment;
  DepthOrder order;
  GemmPacking packing;
  int64_t n_stride = 0, k_stride = 1;
  double scale = 1;
  GemmArgs args;  ///< all but pointers to data and strides; points into this object

  int64_t columns() const;  ///< real output columns of all panels
  void pack_weights(const Geometry& geometry, const float* raw, float* packed) const;
  /// bias[n] · factor; `stride` 0: one value for all columns.
  void pack_bias(const Geometry& geometry, const float* raw, int64_t stride, double factor, float* packed) const;

  /// Planned cycles once the strides are set.
  double cycles(const Geometry& geometry, bool has_bias, bool has_residual) const;
};

/// Null where the tables would be unreasonably large (extents beyond 32 bits, millions of segments).
std::shared_ptr<GemmTables> make_gemm_tables(const GemmProblem& problem, const Geometry& geometry);

/// Packed weights and bias of a product, wherever they come from: constants are packed now and become weights of the
/// plan; others are packed by a step before every run, into scratch.
struct PackedOperands {
  BufferId weights = -1, bias = -1;  ///< bias −1: none
  bool at_run_time = false;          ///< read from scratch, not from the plan's weights
};
PackedOperands pack_operands(Preparation& preparation, const std::shared_ptr<GemmTables>& tables, int weights_input,
                             int bias_input, double bias_factor);

/// Args as a planned tally needs them: bias and residual not null where they will be there.
GemmArgs described(GemmArgs args, bool has_bias, bool has_residual);

/// Adds the step that runs `tables`, its args complete but for the data pointers. `residual` −1: none. `c_offset`: of
/// the first element of C, and of the residual, in their buffers.
void add_gemm_step(Preparation& preparation, const std::shared_ptr<GemmTables>& tables, BufferId a, BufferId c,
                   const PackedOperands& packed, BufferId residual, double cycles, int64_t c_offset = 0);

}  // namespace tally
