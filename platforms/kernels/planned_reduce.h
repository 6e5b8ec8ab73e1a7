#pragma once
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/planned.h"

namespace tally {

/// What reduce, row_norm and lrn execute over all their items, from closed formulas; equal to the counted tallies for
/// any division of the items. Which of scale, bias, mean and inverse there are is told by `operands`, since the
/// pointers are not yet set when a plan is made.
struct RowNormOperands {
  bool scale = true, bias = true, mean = false, inverse = false;
};
Planned planned_reduce(const ReduceArgs& args, const Geometry& geometry);
Planned planned_row_norm(const RowNormArgs& args, const RowNormOperands& operands, const Geometry& geometry);
Planned planned_lrn(const LrnArgs& args, const Geometry& geometry);

}  // namespace tally
