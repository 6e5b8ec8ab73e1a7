#include "tally/layers/pointwise.h"

#include <algorithm>

#include "tally/layers/elementwise.h"
#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/pair_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/pointwise_host.h"
#include "tally/layers/pointwise_kernel.h"
#include "tally/layers/stream_axes.h"
#include "tally/layers/truth_host.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_map.h"

namespace tally {

namespace {

/// Cycles an element that comparisons and logic take: order of magnitude.
constexpr double kTruthCycles = 1;

unsigned kind_of(DType type) {
  if (is_real(type)) return kReals;
  switch (type) {
    case DType::i8:
    case DType::i16:
    case DType::i32:
    case DType::i64:
      return kSigned;
    case DType::u8:
    case DType::u16:
    case DType::u32:
    case DType::u64:
      return kUnsigned;
    case DType::boolean:
      return kBooleans;
    default:
      return 0;
  }
}

std::string names_of(unsigned types) {
  std::string list;
  const auto add = [&](unsigned kind, const char* name) {
    if ((types & kind) == kind) list += (list.empty() ? "" : ", ") + std::string(name);
  };
  add(kReals, "float16, bfloat16, float32, float64");
  if ((types & kIntegers) == kIntegers) {
    add(kIntegers, "an integer");
  } else {
    add(kSigned, "a signed integer");
    add(kUnsigned, "an unsigned integer");
  }
  add(kBooleans, "bool");
  return list;
}

}  // namespace

Pointwise::Pointwise(const Node& node) : Layer(node), row_(&pointwise_row(node, parameters_)) {
  if (row_->arity == Arity::one) return;
  old_broadcast_ = node.opset < (row_->arity == Arity::many ? 8 : 7);
  if (!old_broadcast_) return;
  // A slope of one dimension belonged to the channels.
  may_broadcast_ = op() == "PRelu" || node.get_int("broadcast", 0) != 0;
  if (may_broadcast_ && node.has("axis")) axis_ = node.get_int("axis", 0);
}

Role Pointwise::role(int input, Operands in) const {
  return row_->arity == Arity::one ? Role::activation : elementwise_role(in[static_cast<size_t>(input)]);
}

Shape Pointwise::aligned_shape(Operands in, size_t input, size_t rank) const {
  const Shape& own = in[input].shape;
  std::optional<int64_t> axis = axis_;
  if (old_broadcast_ && op() == "PRelu" && own.size() == 1 && rank > 1) axis = 1;
  if (input == 0 || !axis) return with_leading_ones(own, rank);
  const auto first = static_cast<size_t>(normalize_axis(*axis, static_cast<int64_t>(rank), label()));
  if (first + own.size() > rank)
    fail(label(), text("axis=", *axis, " with an operand of shape ", to_string(own)),
         text("must keep it within rank ", rank));
  Shape aligned(rank, 1);
  std::copy(own.begin(), own.end(), aligned.begin() + static_cast<std::ptrdiff_t>(first));
  return aligned;
}

void Pointwise::check_type(Operands in, size_t input) const {
  const DType type = in[input].dtype;
  if ((kind_of(type) & row_->types) == 0)
    fail(label(), text("input ", input, " of type ", name_of(type)), "must be " + names_of(row_->types));
  if (type != in[0].dtype && op() != "Pow")
    fail(label(), text("input ", input, " of type ", name_of(type)),
         text("must be ", name_of(in[0].dtype), " like input 0"));
}

std::vector<TensorType> Pointwise::infer(Operands in) const {
  if (row_->arity == Arity::many)
    require_inputs(label(), in, std::max<size_t>(in.size(), 1), std::max<size_t>(in.size(), 1));
  else
    require_inputs(label(), in, row_->arity == Arity::one ? 1 : 2, row_->arity == Arity::one ? 1 : 2);
  Shape y = in[0].shape;
  check_type(in, 0);
  for (size_t i = 1; i < in.size(); ++i) {
    check_type(in, i);
    const Shape& own = in[i].shape;
    std::optional<Shape> both;
    if (!old_broadcast_)
      both = broadcast(y, own);
    else if (may_broadcast_ ? own.size() <= y.size() : own == y)
      both = broadcast(y, aligned_shape(in, i, y.size()));
    const bool grows = both && *both != y && (old_broadcast_ || op() == "PRelu");
    if (!both || grows)
      fail(label(), text("input ", i, " of shape ", to_string(own)),
           text("must broadcast ", old_broadcast_ || op() == "PRelu" ? "to " : "with ", to_string(y)));
    y = *both;
  }
  return {{row_->truth ? DType::boolean : in[0].dtype, y}};
}

// What the row says an output element; Mean ends with a division.
Cost Pointwise::cost(Operands in, std::span<const TensorType> out) const {
  const int64_t n = element_count(out[0].shape, label());
  const int64_t pairs = row_->arity == Arity::many ? static_cast<int64_t>(in.size()) - 1 : 1;
  Cost cost;
  cost.source = "ONNX " + op() + (*row_->variant ? text(" (", row_->variant, ")") : std::string()) +
                ": so many operations an output element";
  const auto add = [&](const char* quantity, int64_t each) -> int64_t {
    if (each == 0) return 0;
    cost.formulas.push_back(product(label(), quantity, {{"outputs", n}, {"operations an output", each}}));
    return cost.formulas.back().value;
  };
  cost.comparisons = add("comparisons", row_->cost.comparisons * pairs);
  cost.elementwise = add("elementwise", row_->cost.elementwise * pairs + (op() == "Mean" ? 1 : 0));
  cost.special = add("special", row_->cost.special);
  return cost;
}

StreamStep Pointwise::stream(Operands in, std::span<const int> time_axes) const {
  if (old_broadcast_ && axis_) return stream_obstacle("broadcasts by the attribute axis");
  return stream_broadcast(in, time_axes);
}

std::optional<UnaryArgs> Pointwise::unary_args(Operands in, std::span<const TensorType> out, int64_t n) const {
  if (in[0].dtype != DType::f32) return {};
  if (row_->arity == Arity::one) return op() == "Celu" ? celu_args(n) : unary_kernel(*row_, parameters_, n);
  if (in.size() == 1) return power_kernel(1, n);  // the only operand of a fold
  if (op() != "Pow" || out[0].shape != in[0].shape) return {};
  const Tensor* exponent = in[1].constant;
  if (!exponent || !exponent->has_data() || exponent->elements() != 1) return {};
  return power_kernel(exponent->to_double()[0], n);
}

/// With alpha 1 it is an Elu.
std::optional<UnaryArgs> Pointwise::celu_args(int64_t n) const {
  if (parameters_.alpha != 1) return {};
  UnaryArgs args;
  args.n = n;
  args.op = UnaryOp::elu;
  args.lo = args.hi = 1;
  return args;
}

std::optional<BinaryOp> Pointwise::pair_op(Operands in) const {
  if (in[0].dtype != DType::f32 || in.size() < 2) return {};
  return pair_kernel(*row_);
}

std::vector<Candidate> Pointwise::candidates(const PlanContext& context, Operands in,
                                             std::span<const TensorType> out) const {
  const Geometry& g = context.kernels->geometry;
  std::vector<Candidate> list;
  for (Layout layout : {Layout::plain, Layout::channels_last}) {
    const bool last = layout == Layout::channels_last;
    if (last && !may_be_channels_last(out[0].dtype, out[0].shape)) continue;
    const Placement y = expected_placement(out[0], layout, g.channel_pad);
    if (const std::optional<UnaryArgs> args = unary_args(in, out, placed_elements(y))) {
      if (last && !finite_at_zero(args->op)) continue;
      Candidate c = uniform_candidate("map", in.size(), 1, Layout::plain, layout,
                                      planned_cycles(g, planned_unary(*args, g), kStepCycles));
      c.inputs[0] = layout;
      list.push_back(c);
    } else if (const std::optional<BinaryOp> kernel = pair_op(in)) {
      if (last && !may_meet_channels_last(in, out[0])) continue;
      const auto operand = [&](size_t i) {
        return expected_pair_operand(in[i], aligned_shape(in, i, out[0].shape.size()), y, g.channel_pad);
      };
      double cycles = 0;
      for (size_t i = 1; i < in.size(); ++i) cycles += pair_cycles(g, *kernel, operand(0), operand(i), y);
      list.push_back(uniform_candidate("map", in.size(), 1, layout, layout, cycles));
    } else if (!last) {
      const double steps = std::max<double>(1, static_cast<double>(in.size()) - 1);
      const double each = serves_truth_pair(op(), in[0].dtype) ? kTruthCycles : kHostCyclesPerElement;
      list.push_back(uniform_candidate("host", in.size(), 1, layout, layout,
                                       steps * each * static_cast<double>(placed_elements(y))));
    }
  }
  return list;
}

void Pointwise::prepare(const Candidate& candidate, Preparation& p) const {
  const auto operands = static_cast<int>(p.inputs().size());
  if (element_count(p.outputs()[0].shape) == 0) return;
  if (const std::optional<UnaryArgs> args = unary_args(p.inputs(), p.outputs(), placed_elements(p.output(0))))
    return add_unary_step(p, *args, 0, candidate.cycles);
  if (const std::optional<BinaryOp> kernel = pair_op(p.inputs())) return prepare_pairs(*kernel, p);
  if (row_->arity == Arity::one) return prepare_unary_host(p);
  if (row_->arity == Arity::two) return prepare_pair_host(p, 0, 1);
  if (operands == 1) return prepare_pair_host(p, 0, 0);
  for (int i = 1; i < operands; ++i) prepare_pair_host(p, i == 1 ? 0 : -1, i);
}

void Pointwise::prepare_pairs(BinaryOp kernel, Preparation& p) const {
  const Placement y = p.output(0);
  const Shape& shape = y.type.shape;
  const size_t operands = p.inputs().size();
  const auto operand = [&](size_t i) {
    return place_pair_operand(p, static_cast<int>(i), aligned_shape(p.inputs(), i, shape.size()), y);
  };
  const PairOperand result{{shape, placed_strides(y)}, y.buffer, false};
  for (size_t i = 1; i < operands; ++i) add_pair_step(p, kernel, {}, i == 1 ? operand(0) : result, operand(i), y);
  if (op() != "Mean") return;
  const float count = static_cast<float>(operands);
  const BufferId divisor = add_float_weights(p, std::span(&count, 1), label() + " count");
  add_pair_step(p, BinaryOp::div, {}, result, {{Shape(shape.size(), 1), Shape(shape.size(), 0)}, divisor, true}, y);
}

PointwiseParameters Pointwise::parameters_for(DType type) const {
  PointwiseParameters p = parameters_;
  p.is_signed = kind_of(type) != kUnsigned && kind_of(type) != kBooleans;
  p.bits = bits_of(type);
  return p;
}

void Pointwise::prepare_unary_host(Preparation& p) const {
  const Operand& x = p.inputs()[0];
  if (op() == "Not")
    return add_negation(p, {p.input(0).buffer, x.dtype, x.constant != nullptr}, p.output(0).buffer,
                        element_count(x.shape), kTruthCycles * static_cast<double>(element_count(x.shape)));
  const PointwiseHost host{row_->real, row_->integer, parameters_for(x.dtype), row_->truth, 1};
  add_pointwise_unary(p, host, {p.input(0).buffer, x.dtype, x.constant != nullptr}, p.output(0).buffer,
                      element_count(x.shape));
}

void Pointwise::prepare_pair_host(Preparation& p, int a, int b) const {
  const Placement y = p.output(0);
  const size_t rank = y.type.shape.size();
  const auto operand = [&](int i) -> PointwiseOperand {
    if (i < 0) return {y.buffer, y.type.dtype, false, {y.type.shape, row_major_strides(y.type.shape)}};
    const Operand& x = p.inputs()[static_cast<size_t>(i)];
    const Shape aligned = aligned_shape(p.inputs(), static_cast<size_t>(i), rank);
    return {p.input(i).buffer, x.dtype, x.constant != nullptr, {aligned, row_major_strides(aligned)}};
  };
  if (row_->arity == Arity::two && serves_truth_pair(op(), p.inputs()[0].dtype))
    return add_truth_pair(p, op(), operand(a), operand(b), y,
                          kTruthCycles * static_cast<double>(element_count(y.type.shape)));
  const bool last = b == static_cast<int>(p.inputs().size()) - 1;
  PointwiseHost host{row_->real, row_->integer, parameters_for(p.inputs()[static_cast<size_t>(b)].dtype), row_->truth,
                     op() == "Mean" && last ? static_cast<double>(p.inputs().size()) : 1};
  if (a == b)  // the only operand of a fold
    host.real = [](double x, double, const PointwiseParameters&) { return x; },
    host.integer = [](uint64_t x, uint64_t, const PointwiseParameters&) { return x; };
  add_pointwise_pair(p, host, operand(a), operand(b), y);
}

std::shared_ptr<const Layer> Pointwise::before_transposition(Operands, const std::vector<size_t>&) const {
  if (old_broadcast_) return nullptr;  // operands stand at axes of the first one's
  return std::make_shared<Pointwise>(*this);
}

std::unique_ptr<Layer> make_pointwise(const Node& node) { return std::make_unique<Pointwise>(node); }

}  // namespace tally
