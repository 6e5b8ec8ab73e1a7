#pragma once
#include "tally/engine/plan.h"

namespace tally {

/// Notes a node's element type, shapes and layouts in its row.
void describe_operands(PlanRow& row, const TypedNode& node, const Candidate& candidate, Operands in,
                       std::span<const TensorType> out);

/// ideal += what an ONNX node should cost.
void add_ideal(Ideal& ideal, const NodeEstimate& node);

}  // namespace tally
