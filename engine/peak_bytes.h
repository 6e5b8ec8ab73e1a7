#pragma once
#include "tally/engine/typed_graph.h"

namespace tally {

/// Bytes of activations live at once in file order: inputs until their last use, graph outputs to the end; views alias;
/// an output may overwrite the node's first dying input of equal size, never a graph input.
int64_t peak_activation_bytes(const TypedGraph& graph);

}  // namespace tally
