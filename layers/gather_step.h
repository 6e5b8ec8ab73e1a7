#pragma once
// Rows chosen by a tensor of indices when a plan runs.
#include "tally/engine/preparation.h"

namespace tally {

/// y[o, k, :] = x[o, index[k], :], o < outer, k < count, rows of row_bytes; x has n rows an outer index. An index
/// outside [−n, n) reads the nearest row (indices.h). Items: (o, k), k fastest.
struct GatherArgs {
  int64_t outer = 1, count = 0, n = 1, row_bytes = 0;
  bool wide_indices = true;  ///< int64, else int32
};

/// An operand of the step.
struct GatherEnd {
  BufferId buffer = -1;
  bool constant = false;  ///< its bytes are weights
};

/// Appends the step: every row goes through the copy kernel, indices are read once an item.
void add_gather_step(Preparation& preparation, const GatherArgs& args, const GatherEnd& x, const GatherEnd& indices,
                     BufferId y);

/// Planned cycles, for choosing only.
double gather_cycles(const GatherArgs& args);

}  // namespace tally
