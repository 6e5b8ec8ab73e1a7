#pragma once
#include "tally/engine/typed_graph.h"

namespace tally {

/// Values of a node that depends on no input; nothing for any other, and where its loops would run too long for now.
/// Without binding.evaluate_weights large ones have types only. Throws Error(limit) naming the node where it would
/// exceed binding.folding, from which it takes what it costs.
std::vector<Tensor> fold(const TypedNode& node, const std::vector<Operand>& operands,
                         const std::vector<TensorType>& types, const Binding& binding);

}  // namespace tally
