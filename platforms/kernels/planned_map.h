#pragma once
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/planned.h"

namespace tally {

/// What the map, softmax and copy kernels execute over all their items, from closed formulas; equal to the counted
/// tallies for any division of the items. L = geometry.lanes; F(op) = geometry.fma_per_vector[op].
Planned planned_unary(const UnaryArgs& args, const Geometry& geometry);
Planned planned_binary(const BinaryArgs& args, const Geometry& geometry);
Planned planned_channel_affine(const ChannelAffineArgs& args, const Geometry& geometry);
Planned planned_softmax(const SoftmaxArgs& args, const Geometry& geometry);
/// `ids`: whether args.ids will be given. Tables and ids are taken for weights.
Planned planned_rotary(const RotaryArgs& args, bool ids, const Geometry& geometry);
Planned planned_copy(const CopyArgs& args);

}  // namespace tally
