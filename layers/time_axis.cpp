#include "tally/layers/time_axis.h"

namespace tally {

StreamStep stream_broadcast(Operands in, std::span<const int> time_axes, size_t rank) {
  StreamStep step;
  // Axes counted from the last, where broadcasting aligns shapes.
  const auto from_last = [](size_t of_rank, int axis) { return static_cast<int>(of_rank) - axis; };
  int time = kNoTimeAxis;
  for (size_t i = 0; i < in.size(); ++i) {
    if (time_axes[i] == kNoTimeAxis) continue;
    const int here = from_last(in[i].shape.size(), time_axes[i]);
    if (time != kNoTimeAxis && here != time) return {"operands run along time on different axes", nullptr, {}, {}, {}};
    time = here;
  }
  if (time == kNoTimeAxis) return {"", nullptr, {kNoTimeAxis}, {}, {}};
  for (size_t i = 0; i < in.size(); ++i) {
    const int own_axis = from_last(in[i].shape.size(), time);
    if (time_axes[i] != kNoTimeAxis || !in[i].present || own_axis < 0) continue;
    if (in[i].shape[static_cast<size_t>(own_axis)] == 1) continue;
    if (in[i].constant == nullptr)
      return {"operand '" + in[i].name + "' holds all time steps at once", nullptr, {}, {}, {}};
    step.tables.emplace_back(static_cast<int>(i), own_axis);
  }
  step.time_axes = {static_cast<int>(rank) - time};
  return step;
}

}  // namespace tally
