#pragma once
// How often windows meet an image, in closed form: for planned tallies.
#include <algorithm>
#include <cstdint>

#include "tally/platforms/rounding.h"

namespace tally {

/// The kernel, stride, dilation, leading padding and image size along one axis, and the number of outputs.
struct PlannedAxis {
  int64_t outputs = 1, kernel = 1, stride = 1, dilation = 1, pad = 0, extent = 1;

  /// Outputs [first, last) whose tap k lies in the image.
  int64_t first(int64_t k) const { return std::min(outputs, divide_up(pad - k * dilation, stride)); }
  int64_t last(int64_t k) const {
    const int64_t room = extent - 1 + pad - k * dilation;
    return room < 0 ? 0 : std::min(outputs, room / stride + 1);
  }
  /// Σ over taps of the outputs for which the tap lies in the image.
  int64_t taps_inside() const {
    int64_t sum = 0;
    for (int64_t k = 0; k < kernel; ++k) sum += std::max<int64_t>(0, last(k) - first(k));
    return sum;
  }
  /// Outputs all of whose taps lie in the image.
  int64_t whole_windows() const { return std::max<int64_t>(0, last(kernel - 1) - first(0)); }
};

}  // namespace tally
