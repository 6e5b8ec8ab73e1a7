#pragma once
#include "tally/engine/typed_graph.h"

namespace tally {

/// Where time runs in a graph that is fed one step at a time.
struct Timeline {
  int64_t steps = 0;     ///< extent of the whole sequence along time
  bool bounded = false;  ///< no more than `steps` steps can follow each other: tables end, caches are full
  /// (output, input) of the graph: after a step the output's value is what the input takes at the next.
  std::vector<std::pair<size_t, size_t>> carries;
  std::vector<int> input_axes, output_axes;  ///< of the graph's inputs and outputs, or kNoTimeAxis
};

/// Turns a graph that takes whole sequences into one that takes a time step, with the same results step by step. Which
/// axis of which input is time follows from the layers (Layer::stream): of the choices under which every node can run
/// step by step, the first under which some node keeps state. Throws Error(model) naming the node that forbids it.
Timeline stream_graph(TypedGraph& graph);

}  // namespace tally
