#pragma once
#include "tally/engine/layer.h"
#include "tally/platforms/kernel_table.h"

namespace tally {

/// Planned cycles an element takes in a copy that changes rows for columns, and in one that follows no rows at all.
/// Measured on Zen 4 over tensors of 400 to 800,000 elements: 0.4 to 0.7 and 4; without vectors all copies are of the
/// second kind.
inline constexpr double kStridedElementCycles = 4;
inline double transposed_element_cycles(const Geometry& geometry) {
  return geometry.lanes >= 4 ? 0.75 : kStridedElementCycles;
}

/// copy_nd arguments (pointers aside) that rewrite a float tensor N, C, spatial… from one layout to the other. The
/// padding channels of a channels_last result are left as they are: no kernel reads them.
CopyArgs reorder_args(const Shape& shape, Layout from, Layout to, int64_t channel_pad);

/// copy_nd arguments that copy `bytes` contiguous bytes.
CopyArgs byte_copy_args(int64_t bytes);

}  // namespace tally
