#include <algorithm>

#include "tally/layers/copy_steps.h"
#include "tally/layers/elementwise.h"
#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/pair_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

CopyArgs whole_copy(const Placement& y) {
  const auto bytes = bytes_of(y.type.dtype, 1);
  return copy_args({{placed_elements(y), 1, 1}}, bytes, "Sum");
}

}  // namespace

Role Sum::role(int input, Operands in) const { return elementwise_role(in[static_cast<size_t>(input)]); }

std::vector<TensorType> Sum::infer(Operands in) const {
  if (in.empty()) fail(label(), "0 inputs", "must be at least 1");
  require_inputs(label(), in, in.size(), in.size());
  const DType type = in[0].dtype;
  if (!with_number_type(type, [](auto) {})) fail(label(), text("input 0 of type ", name_of(type)), "must be a number");
  Shape y = in[0].shape;
  for (size_t i = 1; i < in.size(); ++i) {
    if (in[i].dtype != type)
      fail(label(), text("input ", i, " of type ", name_of(in[i].dtype)),
           text("must be ", name_of(type), " like input 0"));
    const std::optional<Shape> both = broadcasts_        ? broadcast(y, in[i].shape)
                                      : in[i].shape == y ? std::optional(y)
                                                         : std::nullopt;
    if (!both)
      fail(label(), text("input ", i, " of shape ", to_string(in[i].shape)),
           text(broadcasts_ ? "must broadcast with " : "must equal ", to_string(y)));
    y = *both;
  }
  return {{type, y}};
}

// n − 1 additions an output element.
Cost Sum::cost(Operands in, std::span<const TensorType> out) const {
  const int64_t n = element_count(out[0].shape, label());
  Cost cost;
  cost.source = "ONNX Sum: one addition fewer than operands an output element";
  cost.formulas = {
      product(label(), "elementwise", {{"outputs", n}, {"(operands−1)", static_cast<int64_t>(in.size()) - 1}})};
  cost.elementwise = cost.formulas[0].value;
  return cost;
}

std::vector<Candidate> Sum::candidates(const PlanContext& context, Operands in, std::span<const TensorType> out) const {
  const Geometry& g = context.kernels->geometry;
  std::vector<Candidate> list;
  for (Layout layout : {Layout::plain, Layout::channels_last}) {
    if (layout == Layout::channels_last && !may_meet_channels_last(in, out[0])) continue;
    const Placement y = expected_placement(out[0], layout, g.channel_pad);
    const auto operand = [&](size_t i) {
      return expected_pair_operand(in[i], with_leading_ones(in[i].shape, out[0].shape.size()), y, g.channel_pad);
    };
    double cycles = in.size() == 1 ? copy_cycles(whole_copy(y), g) : 0;
    for (size_t i = 1; i < in.size(); ++i) cycles += pair_cycles(g, BinaryOp::add, operand(0), operand(i), y);
    list.push_back(
        uniform_candidate(out[0].dtype == DType::f32 ? "map" : "host", in.size(), 1, layout, layout, cycles));
  }
  return list;
}

void Sum::prepare(const Candidate&, Preparation& p) const {
  const Placement y = p.output(0);
  const size_t rank = y.type.shape.size();
  if (p.inputs().size() == 1)
    return add_copy_step(p, whole_copy(y), {p.input(0).buffer, 0, p.inputs()[0].constant != nullptr}, {y.buffer});
  const auto operand = [&](size_t i) {
    return place_pair_operand(p, static_cast<int>(i), with_leading_ones(p.inputs()[i].shape, rank), y);
  };
  PairOperand sum = operand(0);
  for (size_t i = 1; i < p.inputs().size(); ++i) {
    add_pair_step(p, BinaryOp::add, {}, sum, operand(i), y);
    sum = {{y.type.shape, placed_strides(y)}, y.buffer, false};
  }
}

StreamStep Sum::stream(Operands in, std::span<const int> time_axes) const { return stream_broadcast(in, time_axes); }

std::unique_ptr<Layer> make_sum(const Node& node) {
  if (node.inputs.size() == 2) return std::make_unique<Binary>(node, BinaryOp::add);
  return std::make_unique<Sum>(node);
}

}  // namespace tally
