#include "tally/layers/stream_axes.h"

#include <algorithm>

namespace tally {

bool other_operand_in_time(Operands in, std::span<const int> time_axes, int data) {
  for (size_t i = 0; i < in.size(); ++i)
    if (static_cast<int>(i) != data && in[i].present && time_axes[i] != kNoTimeAxis) return true;
  return false;
}

StreamStep stream_elements(Operands in, std::span<const int> time_axes) {
  if (other_operand_in_time(in, time_axes, 0)) return stream_obstacle("an operand beside its data changes over time");
  return stream_unchanged(time_axes[0]);
}

std::string meet_time(StreamStep& step, Operands in, int i, int axis, int64_t steps) {
  const Operand& operand = in[static_cast<size_t>(i)];
  if (axis < 0 || axis >= static_cast<int>(operand.shape.size())) return {};
  const int64_t extent = operand.shape[static_cast<size_t>(axis)];
  if (extent == 1) return {};
  if (extent != steps) return text("operand '", operand.name, "' is spread along time");
  if (operand.constant == nullptr) return text("operand '", operand.name, "' holds all time steps at once");
  step.tables.emplace_back(i, axis);
  return {};
}

StreamStep stream_aligned(Operands in, std::span<const int> time_axes, std::span<const int> offsets) {
  StreamStep step = stream_unchanged(kNoTimeAxis);
  int& axis = step.time_axes[0];
  int64_t steps = 1;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i].present || time_axes[i] == kNoTimeAxis) continue;
    const int here = time_axes[i] + offsets[i];
    if (axis != kNoTimeAxis && axis != here)
      return stream_obstacle(text("time runs along axes ", axis, " and ", here, " of its result"));
    axis = here;
    steps = std::max(steps, in[i].shape[static_cast<size_t>(time_axes[i])]);
  }
  if (axis == kNoTimeAxis) return step;
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i].present || time_axes[i] != kNoTimeAxis) continue;
    if (std::string why = meet_time(step, in, static_cast<int>(i), axis - offsets[i], steps); !why.empty())
      return stream_obstacle(std::move(why));
  }
  return step;
}

StreamStep stream_broadcast(Operands in, std::span<const int> time_axes) {
  size_t rank = 0;
  for (const Operand& operand : in) rank = std::max(rank, operand.shape.size());
  std::vector<int> offsets;
  for (const Operand& operand : in) offsets.push_back(static_cast<int>(rank - operand.shape.size()));
  return stream_aligned(in, time_axes, offsets);
}

}  // namespace tally
