#pragma once
// How interpolation runs: one axis after the other, in double in between.
#include "tally/engine/preparation.h"
#include "tally/layers/resize_axis.h"

namespace tally {

/// One axis of a tensor that is resized: x [outer, n, inner] → y [outer, m, inner].
struct ResizePass {
  int64_t outer = 1, n = 0, m = 0, inner = 1;
  std::shared_ptr<const AxisTaps> taps;
};

/// The passes that make a tensor of extents `from` (in the order of memory) one of extents `to`; axes that shrink most
/// come first, and those whose taps are null stay as they are.
std::vector<ResizePass> resize_passes(Shape from, const Shape& to,
                                      const std::vector<std::shared_ptr<const AxisTaps>>& taps);

/// Appends a step a pass from input 0 to output 0 of a number type; values between passes are doubles in scratch.
/// Products and sums are formed in double and rounded once; integers to the nearest.
void add_resize_steps(Preparation& preparation, const std::vector<ResizePass>& passes, double extrapolation);

/// Planned cycles, for choosing only.
double resize_cycles(const std::vector<ResizePass>& passes);

/// Appends the step that copies nearest elements: y[i_0, i_1, …] = x[Σ_d offsets[d][i_d]], offsets in elements, y
/// plain.
void add_nearest_step(Preparation& preparation, std::vector<std::vector<int64_t>> offsets, double cycles);

}  // namespace tally
