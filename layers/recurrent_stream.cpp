// A recurrent layer in a stream: one step at a time, with h and c kept in the context or fed back by the caller.
#include <algorithm>

#include "tally/layers/recurrent.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

enum class Source { absent, constant, fed };

Source source_of(Operands in, int i) {
  if (static_cast<size_t>(i) >= in.size() || !in[static_cast<size_t>(i)].present) return Source::absent;
  return in[static_cast<size_t>(i)].constant ? Source::constant : Source::fed;
}

/// sequence_lens of whole sequences is of no consequence.
bool all_whole(const Operand& lengths, int64_t T) {
  if (lengths.constant == nullptr || !lengths.constant->has_data()) return false;
  const std::vector<int64_t> values = lengths.constant->to_int64();
  return std::all_of(values.begin(), values.end(), [&](int64_t length) { return length == T; });
}

}  // namespace

StreamStep Recurrent::stream(Operands in, std::span<const int> time_axes) const {
  const RecurrentShape s = shape_of(in);
  const int sequence_axis = s.batch_first ? 1 : 0;
  for (size_t i = 1; i < time_axes.size(); ++i)
    if (in[i].present && time_axes[i] != kNoTimeAxis)
      return stream_obstacle(text("operand '", in[i].name, "' changes from step to step"));
  if (time_axes[kX] != sequence_axis)
    return stream_obstacle(text("time runs along axis ", time_axes[kX], " of X, its steps along axis ", sequence_axis));
  if (attributes_.direction != SequenceDirection::forward)
    return stream_obstacle("reverse reads the sequence from its end");
  StreamStep step;
  step.time_axes.assign(kind_ == CellKind::lstm ? 3 : 2, kNoTimeAxis);
  step.time_axes[kY] = sequence_axis;
  if (source_of(in, kSequenceLens) != Source::absent) {
    if (!all_whole(in[kSequenceLens], s.T)) return stream_obstacle("sequence_lens ends sequences before the last step");
    const std::vector<int32_t> ones(static_cast<size_t>(s.B), 1);
    step.constants.emplace_back(kSequenceLens, Tensor::of<int32_t>(DType::i32, {s.B}, ones));
  }
  const bool h_fed = source_of(in, kInitialH) == Source::fed, c_fed = source_of(in, kInitialC) == Source::fed;
  if (kind_ == CellKind::lstm && h_fed != c_fed)
    return stream_obstacle(text(h_fed ? "initial_h" : "initial_c", " is fed and ", h_fed ? "initial_c" : "initial_h",
                                " is not: both must be, or neither"));
  step.stateful = true;
  step.stateful = true;
  if (h_fed) {
    step.carries.emplace_back(kInitialH, kYh);
    if (kind_ == CellKind::lstm) step.carries.emplace_back(kInitialC, kYc);
    return step;
  }
  auto layer = std::make_shared<Recurrent>(*this);
  layer->stateful_ = true;
  step.layer = std::move(layer);
  return step;
}

}  // namespace tally
