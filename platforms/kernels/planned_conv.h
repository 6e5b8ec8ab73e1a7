#pragma once
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/planned.h"

namespace tally {

/// What pixel_conv and depthwise execute over all their items, from closed formulas; equal to the counted tallies for
/// any division of the items. Below L = geometry.lanes; inside(out, k, s, d, p, n) = Σ_k #{o < out : 0 ≤ o·s + k·d − p
/// < n}, the taps of a row or column of outputs that fall inside an image of n.
Planned planned_pixel_conv(const PixelConvArgs& args, const Geometry& geometry);
Planned planned_depthwise(const DepthwiseArgs& args, const Geometry& geometry);

}  // namespace tally
