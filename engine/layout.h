#pragma once
#include "tally/engine/typed_graph.h"
#include "tally/platforms/kernel_table.h"

namespace tally {

/// Planned cost in cycles of rewriting a tensor from one layout to another.
double reorder_cycles(const Shape& shape, const Geometry& geometry);

/// For every node of the graph (dead ones and views included, whose candidate only carries layouts): how it will run.
/// Minimises the planned cycles of kernels and reorders over the whole graph: dynamic programming in topological order,
/// exact on chains and trees, then improved node by node until nothing changes.
std::vector<Candidate> choose_candidates(const TypedGraph& graph, const KernelTable& kernels);

}  // namespace tally
