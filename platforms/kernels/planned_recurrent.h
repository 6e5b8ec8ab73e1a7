#pragma once
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/planned.h"

namespace tally {

/// What the recurrent kernel executes over all its items, from closed formulas; equal to the counted tallies for any
/// division of the items.
Planned planned_recurrent(const RecurrentArgs& args, const Geometry& geometry);

}  // namespace tally
