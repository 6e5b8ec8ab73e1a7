#pragma once
#include "tally/engine/gap.h"

namespace tally {

/// Notes a node's element type, shapes and layouts in its row.
void describe_operands(PlanRow& row, const TypedNode& node, const Candidate& candidate, Operands in,
                       std::span<const TensorType> out);

/// ideal += what an ONNX node should cost.
void add_ideal(Ideal& ideal, const NodeEstimate& node);

/// What the row of `node` moves ideally, its absorbed intermediate tensors left out.
MovedBytes moved_bytes(const TypedNode& node, Operands in, std::span<const TensorType> out, const Ideal& ideal);

}  // namespace tally
