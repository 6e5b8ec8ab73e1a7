#include "tally/layers/row_norm.h"

#include <algorithm>

#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/pair_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/row_norm_host.h"
#include "tally/layers/stream_axes.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_reduce.h"

namespace tally {

namespace {

bool is_wanted(std::span<const TensorType> out, size_t i) { return i < out.size() && out[i].dtype != DType::undefined; }

/// Loaded bytes told apart by which operands are constants.
Planned by_constness(Planned planned, Operands in, bool has_bias) {
  const int64_t each = planned.loaded_weights / (has_bias ? 2 : 1), x = planned.loaded_activations;
  int64_t weights = 0;
  if (in[RowNormalization::kX].constant) weights += x;
  if (in[RowNormalization::kScale].constant) weights += each;
  if (has_bias && in[RowNormalization::kB].constant) weights += each;
  planned.loaded_activations = planned.tally.bytes_loaded - weights;
  planned.loaded_weights = weights;
  return planned;
}

}  // namespace

RowNormalization::RowNormalization(const Node& node, RowNorm kind)
    : Layer(node),
      kind_(kind),
      epsilon_(node.get_float("epsilon", 1e-5f)),
      axis_(node.get_int("axis", -1)),
      groups_(node.get_int("num_groups", 0)),
      scale_a_channel_(node.opset >= 21) {
  if (kind == RowNorm::group && groups_ < 1) fail(label(), text("num_groups=", groups_), "must be at least 1");
  if ((kind == RowNorm::layer || kind == RowNorm::rms) && node.get_int("stash_type", 1) != 1)
    fail(label(), text("stash_type=", node.get_int("stash_type", 1)), "must be 1: moments are kept in float32");
  if (node.outputs.empty() || node.outputs[0].empty()) fail(label(), "an unwanted first output", "must be wanted");
  if (kind == RowNorm::layer) wanted_outputs_ = std::clamp<size_t>(node.outputs.size(), 1, 3);
}

bool RowNormalization::has_bias(Operands in) const { return in.size() > kB && in[kB].present; }

size_t RowNormalization::first_axis(Operands in) const {
  return static_cast<size_t>(normalize_axis(axis_, static_cast<int64_t>(in[kX].shape.size()), label()));
}

RowNormArgs RowNormalization::make_args(Operands in) const {
  const Shape& x = in[kX].shape;
  const auto product_of = [&](size_t first, size_t last) {
    return element_count(
        Shape(x.begin() + static_cast<std::ptrdiff_t>(first), x.begin() + static_cast<std::ptrdiff_t>(last)), label());
  };
  RowNormArgs args;
  args.epsilon = epsilon_;
  args.centred = kind_ != RowNorm::rms;
  if (kind_ == RowNorm::layer || kind_ == RowNorm::rms) {
    const size_t axis = first_axis(in);
    args.rows = product_of(0, axis);
    args.width = args.channels = product_of(axis, x.size());
    return args;
  }
  const int64_t C = x[1], pixels = product_of(2, x.size()), groups = kind_ == RowNorm::group ? groups_ : C;
  args.rows = x[0] * groups;
  args.width = groups == 0 ? 0 : C / groups * pixels;
  const bool a_channel = kind_ == RowNorm::instance || scale_a_channel_;
  args.inner = a_channel ? pixels : args.width;
  args.channels = a_channel ? C : groups;
  return args;
}

void RowNormalization::check_parameter(Operands in, int input) const {
  const Operand& parameter = in[static_cast<size_t>(input)];
  const char* name = input == kScale ? "scale" : "B";
  if (!is_real(parameter.dtype))
    fail(label(), text(name, " of type ", name_of(parameter.dtype)), "must be float16, bfloat16, float32 or float64");
  if (kind_ == RowNorm::layer || kind_ == RowNorm::rms) {
    const Shape& x = in[kX].shape;
    const Shape row(x.begin() + static_cast<std::ptrdiff_t>(first_axis(in)), x.end());
    if (broadcast(row, parameter.shape) != row)
      fail(label(), text(name, " of shape ", to_string(parameter.shape)), "must broadcast to " + to_string(row));
    return;
  }
  const Shape wanted = {make_args(in).channels};
  if (parameter.shape != wanted)
    fail(label(), text(name, " of shape ", to_string(parameter.shape)), "must have shape " + to_string(wanted));
}

std::vector<TensorType> RowNormalization::infer(Operands in) const {
  const bool over_axes = kind_ == RowNorm::layer || kind_ == RowNorm::rms;
  require_inputs(label(), in, over_axes ? 2 : 3, kind_ == RowNorm::rms ? 2 : 3);
  const Shape& x = in[kX].shape;
  if (!is_real(in[kX].dtype))
    fail(label(), text("X of type ", name_of(in[kX].dtype)), "must be float16, bfloat16, float32 or float64");
  if (x.size() < (over_axes ? 1 : 2))
    fail(label(), text("X of rank ", x.size()), text("must be at least ", over_axes ? 1 : 2));
  if (kind_ == RowNorm::group && x[1] % groups_ != 0)
    fail(label(), text("num_groups=", groups_), text("must divide C=", x[1]));
  check_parameter(in, kScale);
  if (has_bias(in)) check_parameter(in, kB);
  std::vector<TensorType> out = {{kind_ == RowNorm::rms ? in[kScale].dtype : in[kX].dtype, x}};
  if (kind_ != RowNorm::layer) return out;
  Shape moments = x;
  std::fill(moments.begin() + static_cast<std::ptrdiff_t>(first_axis(in)), moments.end(), 1);
  while (out.size() < wanted_outputs_) out.push_back({DType::f32, moments});
  return out;
}

// A row of w elements. LayerNormalization and InstanceNormalization, by the body of the first: mean w, deviations w,
// squares w, their mean w, ε 1, root (special), reciprocal 1, product w, scale w, bias w (by convention also where
// there is none). RMSNormalization's body (opset 23): squares w, mean w, ε 1, root, quotient w, scale w.
// GroupNormalization's (opset 21): mean w, squares w, their mean w, square of the mean 1, difference 1, ε 1, root,
// deviations w, quotient w, scale w, bias w.
Cost RowNormalization::cost(Operands in, std::span<const TensorType>) const {
  const RowNormArgs args = make_args(in);
  const int64_t w = args.width;
  Cost cost;
  cost.source = "ONNX " + op() + ": the operations of its function body over a row of w elements";
  if (kind_ == RowNorm::rms) {
    cost.formulas = {product(label(), "elementwise", {{"rows", args.rows}, {"(4w+1)", 4 * w + 1}})};
  } else if (kind_ == RowNorm::group) {
    cost.formulas = {product(label(), "elementwise", {{"rows", args.rows}, {"(7w+3)", 7 * w + 3}})};
  } else {
    cost.formulas = {product(label(), "elementwise", {{"rows", args.rows}, {"(7w+2)", 7 * w + 2}})};
  }
  cost.formulas.push_back(product(label(), "special", {{"rows", args.rows}}));
  cost.elementwise = cost.formulas[0].value;
  cost.special = cost.formulas[1].value;
  return cost;
}

StreamStep RowNormalization::stream(Operands in, std::span<const int> time_axes) const {
  const auto normalised = kind_ == RowNorm::layer || kind_ == RowNorm::rms ? static_cast<int>(first_axis(in)) : 1;
  return stream_through(in, time_axes, wanted_outputs_, [&](int axis) { return axis < normalised ? axis : -1; });
}

bool RowNormalization::kernel_serves(Operands in) const {
  const RowNormArgs args = make_args(in);
  if (args.rows == 0 || args.width == 0) return false;
  for (const Operand& operand : in) {
    if (!operand.present) continue;
    if (operand.dtype != DType::f32) return false;
    if (&operand != &in[kX] && element_count(operand.shape) != args.channels) return false;
  }
  return true;
}

std::vector<Candidate> RowNormalization::candidates(const PlanContext& context, Operands in,
                                                    std::span<const TensorType> out) const {
  const Geometry& g = context.kernels->geometry;
  const bool kernel = kernel_serves(in);
  const RowNormOperands operands{true, has_bias(in), is_wanted(out, kMean), is_wanted(out, kInverse)};
  const double cycles = kernel ? planned_cycles(g, planned_row_norm(make_args(in), operands, g), kStepCycles)
                               : 3 * kHostCyclesPerElement * static_cast<double>(element_count(in[kX].shape));
  return {uniform_candidate(kernel ? "row_norm" : "host", in.size(), out.size(), Layout::plain, Layout::plain, cycles)};
}

void RowNormalization::prepare(const Candidate& candidate, Preparation& p) const {
  const Operands in = p.inputs();
  const auto wanted = [&](size_t i) { return is_wanted(p.outputs(), i); };
  if (!kernel_serves(in)) return prepare_host(p);
  const RowNormArgs args = make_args(in);
  std::vector<PointerBinding> pointers = {{offsetof(RowNormArgs, x), p.input(kX).buffer},
                                          {offsetof(RowNormArgs, scale), p.input(kScale).buffer},
                                          {offsetof(RowNormArgs, y), p.output(kY).buffer}};
  if (has_bias(in)) pointers.push_back({offsetof(RowNormArgs, bias), p.input(kB).buffer});
  if (wanted(kMean)) pointers.push_back({offsetof(RowNormArgs, mean), p.output(kMean).buffer});
  if (wanted(kInverse)) pointers.push_back({offsetof(RowNormArgs, inverse), p.output(kInverse).buffer});
  Planned planned = planned_row_norm(args, {true, has_bias(in), wanted(kMean), wanted(kInverse)}, p.geometry());
  planned = by_constness(planned, in, has_bias(in));
  p.add_kernel<[](const KernelTable& t) { return t.row_norm; }>(args, pointers, planned, candidate.cycles);
}

void RowNormalization::prepare_host(Preparation& p) const {
  const Operands in = p.inputs();
  const bool over_axes = kind_ == RowNorm::layer || kind_ == RowNorm::rms;
  const Shape& x = in[kX].shape;
  const Shape row = over_axes ? Shape(x.begin() + static_cast<std::ptrdiff_t>(first_axis(in)), x.end()) : Shape{};
  add_host_row_norm(p, make_args(in), has_bias(in), row);
}

std::unique_ptr<Layer> make_layer_normalization(const Node& node) {
  return std::make_unique<RowNormalization>(node, RowNorm::layer);
}
std::unique_ptr<Layer> make_rms_normalization(const Node& node) {
  return std::make_unique<RowNormalization>(node, RowNorm::rms);
}
std::unique_ptr<Layer> make_instance_normalization(const Node& node) {
  return std::make_unique<RowNormalization>(node, RowNorm::instance);
}
std::unique_ptr<Layer> make_group_normalization(const Node& node) {
  return std::make_unique<RowNormalization>(node, RowNorm::group);
}

}  // namespace tally
