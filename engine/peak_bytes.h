#pragma once
#include <vector>

#include "tally/engine/typed_graph.h"

namespace tally {

struct LiveBytes {
  int64_t peak = 0;  ///< the most of the nodes', or the inputs before any of them
  std::vector<int64_t>
      at_node;  ///< while a node runs, its outputs included and, of nodes with bodies, the bodies' peak
};

/// Bytes of activations live at once in file order: inputs until their last use, graph outputs to the end; views alias;
/// an output may overwrite the node's first dying input of equal size, never a graph input.
LiveBytes live_activation_bytes(const TypedGraph& graph);

}  // namespace tally
