#pragma once
#include "tally/engine/typed_graph.h"

namespace tally {

/// Runs one layer on constant operands, as a plan of its own, on the reference ISA: how constants are folded. Nothing
/// where trips of loops within would be worth more than `max_work` multiply-accumulates.
std::vector<Tensor> evaluate(const TypedNode& node, const std::vector<Operand>& operands,
                             const std::vector<TensorType>& types, int64_t max_work);

}  // namespace tally
