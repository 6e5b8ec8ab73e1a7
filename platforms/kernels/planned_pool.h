#pragma once
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/planned.h"

namespace tally {

/// What pool executes over all its items, from closed formulas: bytes only.
Planned planned_pool(const PoolArgs& args, const Geometry& geometry);

}  // namespace tally
