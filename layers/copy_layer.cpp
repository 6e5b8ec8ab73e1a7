#include "tally/layers/copy_layer.h"

#include <algorithm>

namespace tally {

Cost CopyLayer::cost(Operands, std::span<const TensorType>) const {
  Cost cost;
  cost.source = "ONNX " + op() + ", opset 1 to 24: moves data only";
  return cost;
}

std::vector<Candidate> CopyLayer::candidates(const PlanContext& context, Operands in,
                                             std::span<const TensorType> out) const {
  const Geometry& g = context.kernels->geometry;
  std::vector<Candidate> list;
  for (Layout layout : {Layout::plain, Layout::channels_last}) {
    const auto lies = [](DType dtype, const Shape& shape) {
      return dtype == DType::undefined || may_be_channels_last(dtype, shape);
    };
    if (layout == Layout::channels_last &&
        (!moves_channels_last() || !lies(in[0].dtype, in[0].shape) ||
         !std::all_of(out.begin(), out.end(), [&](const TensorType& y) { return lies(y.dtype, y.shape); })))
      continue;
    std::vector<Placement> y;
    for (const TensorType& type : out)
      y.push_back(type.dtype == DType::undefined ? Placement{} : expected_placement(type, layout, g.channel_pad));
    const int64_t bytes = whole_element_bytes(in[0].dtype, label());
    double cycles = 0;
    for (const Move& move : moves(in, expected_placement(in[0], layout, g.channel_pad), y))
      for (const CopyPart& part : copy_parts(move.loops, bytes, label())) cycles += copy_cycles(part.args, g);
    Candidate c = uniform_candidate("copy", in.size(), out.size(), Layout::plain, layout, cycles);
    c.inputs[0] = layout;
    list.push_back(std::move(c));
  }
  return list;
}

std::optional<Move> CopyLayer::whole_move(Operands in, std::span<const TensorType> out, int output) const {
  std::vector<Placement> y(out.size());
  for (size_t k = 0; k < out.size(); ++k)
    if (out[k].dtype != DType::undefined) y[k] = expected_placement(out[k], Layout::plain, 1);
  std::optional<Move> only;
  for (Move& move : moves(in, expected_placement(in[0], Layout::plain, 1), y)) {
    if (move.output != output) continue;
    if (only || move.input != 0 || move.y_offset != 0) return {};
    only = std::move(move);
  }
  return only;
}

void CopyLayer::prepare(const Candidate&, Preparation& p) const {
  std::vector<Placement> y;
  for (size_t k = 0; k < p.outputs().size(); ++k) y.push_back(p.output(static_cast<int>(k)));
  const Placement x = p.input(0);
  const bool constant = p.inputs()[0].constant != nullptr;
  for (const Move& move : moves(p.inputs(), x, y)) {
    const Placement& to = y[static_cast<size_t>(move.output)];
    if (to.buffer < 0) continue;
    for (const CopyPart& part : copy_parts(move.loops, whole_element_bytes(x.type.dtype, label()), label()))
      add_copy_step(p, part.args, {x.buffer, move.x_offset + part.x_offset, constant},
                    {to.buffer, move.y_offset + part.y_offset});
  }
}

}  // namespace tally
