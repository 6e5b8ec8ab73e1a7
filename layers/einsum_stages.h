#pragma once
// An Einsum as stages: sums over what one operand alone has, then products of two tensors at a time.
#include "tally/layers/einsum_shape.h"

namespace tally {

/// y = Σ a (without b), or y = Σ a·b, over the labels that y lacks. Values: operands first, then the results of stages
/// in order.
struct EinsumStage {
  int a = 0, b = -1, y = 0;  ///< values
  LabelledAxes a_axes, b_axes, y_axes;

  bool product() const { return b >= 0; }
  LabelSet labels() const { return a_axes.set() | b_axes.set(); }
  /// Labels that are summed over.
  LabelSet summed() const { return labels() & ~y_axes.set(); }
};

/// The stages, the last of which gives Y. Every operand is first summed over the labels that no other and not Y has;
/// products then follow in the order that takes the fewest multiply-accumulates, among all orders for up to
/// kOrderedOperands operands and from left to right beyond. `convert`: products are of converted values only, so that
/// every operand passes a stage of its own, and so does the result.
inline constexpr size_t kOrderedOperands = 8;
std::vector<EinsumStage> einsum_stages(const EinsumShape& shape, bool convert);

/// One loop of a stage, with what it adds to the offsets in each tensor.
struct EinsumLoop {
  int64_t size = 1, a = 0, b = 0, y = 0;
};

/// A stage as loops: over the elements of y, and over what is summed for each.
struct EinsumLoops {
  std::vector<EinsumLoop> outer, inner;
  int64_t outputs = 1, terms = 1;
};
EinsumLoops einsum_loops(const EinsumShape& shape, const EinsumStage& stage);

/// Π of the extents of a stage's labels: its multiply-accumulates, or its additions. Throws Error(limit).
int64_t einsum_work(const EinsumShape& shape, const EinsumStage& stage, const std::string& who);

}  // namespace tally
