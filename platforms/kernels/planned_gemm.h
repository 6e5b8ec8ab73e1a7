#pragma once
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/planned.h"

namespace tally {

/// What the matrix kernel executes over all items of `args`, by formula; equal to the counted tallies for any division
/// of the items. The operands' pointers are looked at for null only. With, for each region and panel,
///   P pixels, n columns of L lanes, c = L where full_stores else n, D_b depth of block b, E_b the same with every
///   segment rounded up to k_step, T register tiles: macs = I·P·n·ΣD_b   lane_macs = I·P·L·ΣE_b   A: I·P·ΣD_b   W:
///   I·T·L·ΣE_b   bias: I·T·L   C: I·P·c a block, read back before all but the first.
Planned planned_gemm(const GemmArgs& args, Num num, const Geometry& geometry);

/// The dot product of n elements: n rounded up to whole vectors of k_step elements a lane.
Planned planned_dot(const DotArgs& args, Num num, const Geometry& geometry);

}  // namespace tally
