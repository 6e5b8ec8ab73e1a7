#include "tally/layers/elementwise.h"

#include <algorithm>
#include <array>

#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/pair_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

int64_t non_unit_dimensions(const Shape& shape) {
  return std::count_if(shape.begin(), shape.end(), [](int64_t extent) { return extent != 1; });
}

}  // namespace

Role elementwise_role(const Operand& operand) {
  if (element_count(operand.shape) == 1) return Role::free;
  return non_unit_dimensions(operand.shape) <= 1 ? Role::weight : Role::constant;
}

Binary::Binary(const Node& node, BinaryOp operation) : Layer(node), operation_(operation) {
  const bool sum = node.op == "Sum";
  old_broadcast_ = node.opset < (sum ? 8 : 7);
  if (!old_broadcast_) return;
  may_broadcast_ = !sum && node.get_int("broadcast", 0) != 0;
  if (may_broadcast_ && node.has("axis")) axis_ = node.get_int("axis", 0);
}

Role Binary::role(int input, Operands in) const { return elementwise_role(in[static_cast<size_t>(input)]); }

Shape Binary::aligned_shape(Operands in, int input, size_t rank) const {
  const Shape& own = in[static_cast<size_t>(input)].shape;
  if (input != kB || !axis_) return with_leading_ones(own, rank);
  // Before opset 7: B's dimensions stand at A's from `axis` on.
  const auto axis = static_cast<size_t>(normalize_axis(*axis_, static_cast<int64_t>(rank), label()));
  if (axis + own.size() > rank)
    fail(label(), text("axis=", *axis_, " with B of shape ", to_string(own)),
         text("must keep B within A's rank ", rank));
  Shape aligned(rank, 1);
  std::copy(own.begin(), own.end(), aligned.begin() + static_cast<std::ptrdiff_t>(axis));
  return aligned;
}

std::vector<TensorType> Binary::infer(Operands in) const {
  require_inputs(label(), in, 2, 2);
  const DType type = in[kA].dtype;
  if (!with_number_type(type, [](auto) {})) fail(label(), text("A of type ", name_of(type)), "must be a number");
  if (in[kB].dtype != type)
    fail(label(), text("B of type ", name_of(in[kB].dtype)), text("must be ", name_of(type), " like A"));
  const Shape &a = in[kA].shape, &b = in[kB].shape;
  if (!old_broadcast_) {
    const std::optional<Shape> y = broadcast(a, b);
    if (!y) fail(label(), text("B of shape ", to_string(b)), text("must broadcast with A of shape ", to_string(a)));
    return {{type, *y}};
  }
  const bool fits =
      may_broadcast_ ? b.size() <= a.size() && broadcast(a, aligned_shape(in, kB, a.size())) == a : a == b;
  if (!fits)
    fail(label(), text("B of shape ", to_string(b)),
         text(may_broadcast_ ? "must broadcast to" : "must equal", " A's ", to_string(a)));
  return {{type, a}};
}

// One operation an output element.
Cost Binary::cost(Operands, std::span<const TensorType> out) const {
  Cost cost;
  cost.source = "ONNX " + op() + ": one operation an output element";
  cost.formulas = {product(label(), "elementwise", {{"outputs", element_count(out[0].shape, label())}})};
  cost.elementwise = cost.formulas[0].value;
  return cost;
}

std::vector<Candidate> Binary::candidates(const PlanContext& context, Operands in,
                                          std::span<const TensorType> out) const {
  const Geometry& g = context.kernels->geometry;
  std::vector<Candidate> list;
  for (Layout layout : {Layout::plain, Layout::channels_last}) {
    if (layout == Layout::channels_last && !may_meet_channels_last(in, out[0])) continue;
    const Placement y = expected_placement(out[0], layout, g.channel_pad);
    const auto operand = [&](int i) {
      return expected_pair_operand(in[static_cast<size_t>(i)], aligned_shape(in, i, out[0].shape.size()), y,
                                   g.channel_pad);
    };
    const double cycles = pair_cycles(g, operation_, operand(kA), operand(kB), y);
    list.push_back(uniform_candidate(out[0].dtype == DType::f32 ? "map" : "host", 2, 1, layout, layout, cycles));
  }
  return list;
}

void Binary::prepare(const Candidate&, Preparation& p) const {
  const Placement y = p.output(0);
  const size_t rank = y.type.shape.size();
  const PairOperand a = place_pair_operand(p, kA, aligned_shape(p.inputs(), kA, rank), y);
  const PairOperand b = place_pair_operand(p, kB, aligned_shape(p.inputs(), kB, rank), y);
  add_pair_step(p, operation_, epilogue_, a, b, y);
}

StreamStep Binary::stream(Operands in, std::span<const int> time_axes) const {
  if (!axis_) return stream_broadcast(in, time_axes);
  const int at = static_cast<int>(normalize_axis(*axis_, static_cast<int64_t>(in[kA].shape.size()), label()));
  return stream_aligned(in, time_axes, std::array{0, at});
}

// -----------------------------------------------------------------------------------------------------------
// absorption

std::optional<ChannelMap> Binary::channel_map(Operands in, int data, int64_t axis) const {
  const int other = 1 - data;
  const Tensor* constant = in[static_cast<size_t>(other)].constant;
  const Shape& x = in[static_cast<size_t>(data)].shape;
  if (!constant || !constant->has_data() || in[kA].dtype != DType::f32 || epilogue_.activation != Activation::none)
    return {};
  if (infer(in)[0].shape != x || (operation_ == BinaryOp::div && data == kB)) return {};
  const Shape aligned = aligned_shape(in, other, x.size());
  const auto along = static_cast<size_t>(axis);
  for (size_t d = 0; d < aligned.size(); ++d)
    if (d != along && aligned[d] != 1) return {};
  const std::span<const float> values = constant->values<float>();
  ChannelMap map;
  for (int64_t c = 0; c < x[along]; ++c) {
    const double v = values[values.size() == 1 ? 0 : static_cast<size_t>(c)];
    switch (operation_) {
      case BinaryOp::add:
        map.scale.push_back(1), map.shift.push_back(v);
        break;
      case BinaryOp::sub:
        map.scale.push_back(data == kA ? 1 : -1), map.shift.push_back(data == kA ? -v : v);
        break;
      case BinaryOp::mul:
        map.scale.push_back(v), map.shift.push_back(0);
        break;
      case BinaryOp::div:
        map.scale.push_back(1 / v), map.shift.push_back(0);
        break;
      default:
        return {};
    }
  }
  return map;
}

bool Binary::adds(Operands in) const {
  return operation_ == BinaryOp::add && in[kA].dtype == DType::f32 && epilogue_.activation == Activation::none;
}

std::shared_ptr<const Layer> Binary::with_epilogue(Operands in, const Epilogue& epilogue) const {
  if (in[kA].dtype != DType::f32 || epilogue_.activation != Activation::none ||
      epilogue.activation != Activation::clamp)
    return nullptr;
  auto layer = std::make_shared<Binary>(*this);
  layer->epilogue_ = epilogue;
  return layer;
}

std::shared_ptr<const Layer> Binary::before_transposition(Operands, const std::vector<size_t>&) const {
  if (old_broadcast_) return nullptr;  // operands stand at axes of the first one's
  return std::make_shared<Binary>(*this);
}

std::unique_ptr<Layer> make_add(const Node& node) { return std::make_unique<Binary>(node, BinaryOp::add); }
std::unique_ptr<Layer> make_sub(const Node& node) { return std::make_unique<Binary>(node, BinaryOp::sub); }
std::unique_ptr<Layer> make_mul(const Node& node) { return std::make_unique<Binary>(node, BinaryOp::mul); }
std::unique_ptr<Layer> make_div(const Node& node) { return std::make_unique<Binary>(node, BinaryOp::div); }

}  // namespace tally
