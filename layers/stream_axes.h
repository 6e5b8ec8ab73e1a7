#pragma once
// What layers have in common when they run one time step at a time: where time runs in their results.
#include "tally/engine/layer.h"

namespace tally {

inline StreamStep stream_obstacle(std::string why) {
  StreamStep step;
  step.obstacle = std::move(why);
  return step;
}

/// The layer itself runs a step; time runs along axis `axis` of its (first) output.
inline StreamStep stream_unchanged(int axis) {
  StreamStep step;
  step.time_axes = {axis};
  return step;
}

/// True where some operand but `data` changes from step to step.
bool other_operand_in_time(Operands in, std::span<const int> time_axes, int data);

/// The layer maps each element (or row without the time axis) of operand 0 to one of its output, the other operands
/// serving all alike: time stays on its axis.
StreamStep stream_elements(Operands in, std::span<const int> time_axes);

/// Operands that meet element by element: axis d of operand i lies on axis d + offsets[i] of the result. A constant
/// that extends along time becomes a table.
StreamStep stream_aligned(Operands in, std::span<const int> time_axes, std::span<const int> offsets);

/// The same where the last axes meet: ONNX's multidirectional broadcasting.
StreamStep stream_broadcast(Operands in, std::span<const int> time_axes);

/// Operand 0 alone runs along time, on an axis that is axis `output_axis(time axis)` of each of the `outputs`; a
/// negative one: the layer combines elements of several time steps.
template <class F>
StreamStep stream_through(Operands in, std::span<const int> time_axes, size_t outputs, F output_axis) {
  if (other_operand_in_time(in, time_axes, 0)) return stream_obstacle("an operand beside its data changes over time");
  const int axis = time_axes[0] == kNoTimeAxis ? kNoTimeAxis : output_axis(time_axes[0]);
  if (time_axes[0] != kNoTimeAxis && axis < 0) return stream_obstacle("combines elements of several time steps");
  return {{}, nullptr, std::vector<int>(outputs, axis), {}, {}};
}

/// Operand i meets a result whose `steps` time steps run along the operand's axis `axis` (outside its rank: it serves
/// all steps alike). Adds a table where it is constant and extends along time; gives the obstacle, or nothing.
std::string meet_time(StreamStep& step, Operands in, int i, int axis, int64_t steps);

}  // namespace tally
