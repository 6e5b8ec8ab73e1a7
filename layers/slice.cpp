#include "tally/layers/slice.h"
#include "tally/layers/stream_axes.h"

#include <algorithm>

namespace tally {

AxisRange slice_range(int64_t start, int64_t end, int64_t step, int64_t n) {
  step = std::clamp<int64_t>(step, -n - 1, n + 1);  // longer steps leave the axis all the same
  if (start < 0) start += n;
  if (end < 0) end += n;
  const int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? n : n - 1;
  start = std::clamp<int64_t>(start, step > 0 ? 0 : std::min<int64_t>(0, highest), highest);
  end = std::clamp(end, lowest, highest);
  const int64_t distance = step > 0 ? end - start : start - end, stride = step > 0 ? step : -step;
  const int64_t count = distance <= 0 ? 0 : (distance - 1) / stride + 1;
  return {count == 0 ? 0 : start, step, count};
}

Slice::Slice(const Node& node) : CopyLayer(node), from_inputs_(node.opset >= 10) {
  if (from_inputs_) return;
  if (!node.has("starts") || !node.has("ends")) fail(label(), "no starts or ends", "must have both attributes");
  starts_ = node.get_ints("starts");
  ends_ = node.get_ints("ends");
  if (node.has("axes")) axes_ = node.get_ints("axes");
}

std::vector<AxisRange> Slice::ranges(Operands in) const {
  const Shape& x = in[0].shape;
  std::vector<int64_t> starts = starts_, ends = ends_, steps;
  std::optional<std::vector<int64_t>> axes = axes_;
  if (from_inputs_) {
    starts = in[1].constant->to_int64();
    ends = in[2].constant->to_int64();
    if (in.size() > 3 && in[3].present) axes = in[3].constant->to_int64();
    if (in.size() > 4 && in[4].present) steps = in[4].constant->to_int64();
  }
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (!axes) {
    axes.emplace();
    for (size_t i = 0; i < starts.size(); ++i) axes->push_back(static_cast<int64_t>(i));
  }
  if (ends.size() != starts.size() || axes->size() != starts.size() || steps.size() != starts.size())
    fail(label(),
         text(starts.size(), " starts, ", ends.size(), " ends, ", axes->size(), " axes, ", steps.size(), " steps"),
         "must be as many of each");
  std::vector<AxisRange> all;
  for (int64_t extent : x) all.push_back({0, 1, extent});
  std::vector<bool> seen(x.size(), false);
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto axis = static_cast<size_t>(normalize_axis((*axes)[i], static_cast<int64_t>(x.size()), label()));
    if (seen[axis]) fail(label(), text("axis ", (*axes)[i], " twice"), "must be distinct");
    seen[axis] = true;
    if (steps[i] == 0) fail(label(), text("step 0 on axis ", (*axes)[i]), "must not be 0");
    if (static_cast<int>(axis) != whole_axis_) all[axis] = slice_range(starts[i], ends[i], steps[i], x[axis]);
  }
  return all;
}

std::vector<TensorType> Slice::infer(Operands in) const {
  require_inputs(label(), in, from_inputs_ ? 3 : 1, from_inputs_ ? 5 : 1);
  whole_element_bytes(in[0].dtype, label());
  Shape y;
  for (const AxisRange& range : ranges(in)) y.push_back(range.count);
  return {{in[0].dtype, y}};
}

bool Slice::does_nothing(Operands in) const {
  const std::vector<AxisRange> all = ranges(in);
  for (size_t d = 0; d < all.size(); ++d)
    if (all[d] != AxisRange{0, 1, in[0].shape[d]} && in[0].shape[d] != 1) return false;
  return true;
}

std::vector<Move> Slice::moves(Operands in, const Placement& x, std::span<const Placement> y) const {
  const Shape from = placed_strides(x), to = placed_strides(y[0]);
  Move move;
  const std::vector<AxisRange> all = ranges(in);
  for (size_t d = 0; d < all.size(); ++d) {
    move.loops.push_back({all[d].count, all[d].step * from[d], to[d]});
    move.x_offset += all[d].start * from[d];
  }
  return {std::move(move)};
}

StreamStep Slice::stream(Operands in, std::span<const int> time_axes) const {
  const int t = time_axes[0];
  if (t < 0) return stream_obstacle("cuts by values that change over time");
  const int64_t steps = in[0].shape[static_cast<size_t>(t)];
  const AxisRange range = ranges(in)[static_cast<size_t>(t)];
  const bool whole = range == AxisRange{0, 1, steps};
  if (!whole && !(range.count == 1 && range.start == steps - 1))
    return {
        text("takes ", range.count, " of ", steps, " time steps from step ", range.start, " on, not all or the last"),
        nullptr,
        {},
        {},
        {}};
  auto step = std::make_shared<Slice>(*this);
  step->whole_axis_ = t;
  return {"", std::move(step), {whole ? t : kNoTimeAxis}, {}, {}};
}

std::unique_ptr<Layer> make_slice(const Node& node) { return std::make_unique<Slice>(node); }

}  // namespace tally
