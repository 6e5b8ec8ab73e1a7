#pragma once
#include "tally/engine/typed_graph.h"

namespace tally {

/// Runs one layer on constant operands, as a plan of its own, on the reference ISA: how constants are folded. Throws
/// Error(limit) naming the layer where its buffers and the `folded_bytes` of constants before it would exceed
/// max_memory. Nothing where trips of loops within would be worth more than `max_work` multiply-accumulates.
std::vector<Tensor> evaluate(const TypedNode& node, const std::vector<Operand>& operands,
                             const std::vector<TensorType>& types, size_t folded_bytes, size_t max_memory,
                             int64_t max_work);

}  // namespace tally
