#pragma once
// Rules of streaming (Layer::stream) that many layers share.
#include <algorithm>

#include "tally/engine/layer.h"

namespace tally {

/// Operands that broadcast together into a result of rank `rank`: a step computes a step, constants that run along time hand
/// out the slice of each step.
StreamStep stream_broadcast(Operands in, std::span<const int> time_axes, size_t rank);

/// A layer whose input 0 alone runs along time, and which lets that axis pass as axis `output_axis(time axis)` of each of
/// its `outputs`; a negative one: it mixes times.
template <class F>
StreamStep stream_through(std::span<const int> time_axes, size_t outputs, F output_axis) {
  const auto timed = [](int axis) { return axis != kNoTimeAxis; };
  if (std::any_of(time_axes.begin() + 1, time_axes.end(), timed))
    return {"an operand beside the first runs along time", nullptr, {}, {}, {}};
  const int axis = timed(time_axes[0]) ? output_axis(time_axes[0]) : kNoTimeAxis;
  if (timed(time_axes[0]) && axis < 0) return {"combines elements of several time steps", nullptr, {}, {}, {}};
  return {"", nullptr, std::vector<int>(outputs, axis), {}, {}};
}

}  // namespace tally
