#include "tally/layers/reduce.h"

#include <algorithm>

#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/permutation.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_reduce.h"

namespace tally {

ReduceLoops reduce_loops(const Shape& shape, const std::vector<bool>& is_reduced) {
  const Shape strides = row_major_strides(shape);
  ReduceLoops loops;
  for (size_t d = 0; d < shape.size(); ++d) {
    (is_reduced[d] ? loops.count : loops.outputs) *= shape[d];
    if (shape[d] == 1) continue;
    std::vector<ReduceLoop>& list = is_reduced[d] ? loops.reduced : loops.kept;
    if (!list.empty() && list.back().stride == strides[d] * shape[d])
      list.back() = {list.back().size * shape[d], strides[d]};
    else
      list.push_back({shape[d], strides[d]});
  }
  return loops;
}

Shape reduced_shape(const Shape& shape, const std::vector<bool>& is_reduced, bool keep_dims) {
  Shape y;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (!is_reduced[d])
      y.push_back(shape[d]);
    else if (keep_dims)
      y.push_back(1);
  }
  return y;
}

namespace {}  // namespace

Reduce::Reduce(const Node& node, Reduction reduction)
    : Layer(node),
      reduction_(reduction),
      axes_are_operand_(node.opset >= (reduction == Reduction::sum ? 13 : 18)),
      keep_dims_(node.get_int("keepdims", 1) != 0),
      noop_when_empty_(axes_are_operand_ && node.get_int("noop_with_empty_axes", 0) != 0) {
  if (!axes_are_operand_) axes_ = node.get_ints("axes");
}

std::vector<bool> Reduce::reduced_axes(Operands in) const {
  const auto rank = static_cast<int64_t>(in[kX].shape.size());
  std::vector<int64_t> axes = axes_;
  if (axes_are_operand_ && in.size() > kAxes && in[kAxes].present) {
    if (in[kAxes].shape.size() > 1)
      fail(label(), text("axes of shape ", to_string(in[kAxes].shape)), "must have rank 1");
    if (!in[kAxes].constant || !in[kAxes].constant->has_data())
      fail(label(), "axes", "must be constant or bound before planning");
    axes = in[kAxes].constant->to_int64();
  }
  std::vector<bool> reduced(static_cast<size_t>(rank), axes.empty() && !noop_when_empty_);
  for (int64_t given : axes) {
    const auto axis = static_cast<size_t>(normalize_axis(given, rank, label()));
    reduced[axis_of_.empty() ? axis : axis_of_[axis]] = true;
  }
  return reduced;
}

std::vector<TensorType> Reduce::infer(Operands in) const {
  require_inputs(label(), in, 1, axes_are_operand_ ? 2 : 1);
  const DType type = in[kX].dtype;
  const bool booleans = reduction_ == Reduction::max || reduction_ == Reduction::min;
  if (!with_number_type(type, [](auto) {}) && !(booleans && type == DType::boolean))
    fail(label(), text("input of type ", name_of(type)), booleans ? "must be a number or bool" : "must be a number");
  Shape shape;
  std::vector<bool> reduced;
  const std::vector<bool> reduced_in_x = reduced_axes(in);
  for (size_t axis : composed(y_order_, identity_permutation(in[kX].shape.size())))
    shape.push_back(in[kX].shape[axis]), reduced.push_back(reduced_in_x[axis]);
  return {{type, reduced_shape(shape, reduced, keep_dims_)}};
}

// n operations for each result from n elements, and the functions that are taken of sums or elements. Maxima and minima
// are n − 1 comparisons besides.
Cost Reduce::cost(Operands in, std::span<const TensorType>) const {
  const ReduceLoops loops = reduce_loops(in[kX].shape, reduced_axes(in));
  const int64_t n = loops.count;
  Cost cost;
  cost.source = "ONNX " + op() + ": n operations for a result of n elements";
  cost.formulas = {product(label(), "elementwise", {{"outputs", loops.outputs}, {"n", n}})};
  cost.elementwise = cost.formulas[0].value;
  if (reduction_ == Reduction::max || reduction_ == Reduction::min) {
    cost.formulas.push_back(
        product(label(), "comparisons", {{"outputs", loops.outputs}, {"(n−1)", std::max<int64_t>(n - 1, 0)}}));
    cost.comparisons = cost.formulas.back().value;
  }
  const bool root_or_log = reduction_ == Reduction::l2 || reduction_ == Reduction::log_sum;
  if (root_or_log) cost.formulas.push_back(product(label(), "special", {{"outputs", loops.outputs}}));
  if (reduction_ == Reduction::log_sum_exp)
    cost.formulas.push_back(product(label(), "special", {{"outputs", loops.outputs}, {"(n+1)", n + 1}}));
  if (root_or_log || reduction_ == Reduction::log_sum_exp) cost.special = cost.formulas.back().value;
  return cost;
}

StreamStep Reduce::stream(Operands in, std::span<const int> time_axes) const {
  const std::vector<bool> reduced = reduced_axes(in);
  return stream_through(in, time_axes, 1, [&](int axis) {
    if (reduced[static_cast<size_t>(axis)]) return -1;
    int y_axis = 0;
    for (size_t from : composed(y_order_, identity_permutation(reduced.size()))) {
      if (from == static_cast<size_t>(axis)) break;
      y_axis += keep_dims_ || !reduced[from];
    }
    return y_axis;
  });
}

std::shared_ptr<const Layer> Reduce::before_transposition(Operands, const std::vector<size_t>& permutation) const {
  if (!keep_dims_ || !y_order_.empty()) return nullptr;
  auto layer = std::make_shared<Reduce>(*this);
  layer->axis_of_ = composed(axis_of_, permutation);
  return layer;
}

std::shared_ptr<const Layer> Reduce::with_transposition(Operands in, const std::vector<size_t>& permutation) const {
  const std::vector<bool> reduced = reduced_axes(in);
  std::vector<size_t> kept;
  for (size_t axis : composed(y_order_, identity_permutation(permutation.size())))
    if (!reduced[axis]) kept.push_back(permutation[axis]);
  if (!std::is_sorted(kept.begin(), kept.end())) return nullptr;
  auto layer = std::make_shared<Reduce>(*this);
  layer->axis_of_ = composed(axis_of_, permutation);
  layer->y_order_ = composed(y_order_, permutation);
  return layer;
}

std::optional<ReduceArgs> Reduce::kernel_args(Operands in) const {
  struct Kernel {
    Reduction reduction;
    ReduceOp op;
    ReduceFinish finish;
  };
  constexpr Kernel kKernels[] = {{Reduction::sum, ReduceOp::sum, ReduceFinish::none},
                                 {Reduction::mean, ReduceOp::sum, ReduceFinish::divide},
                                 {Reduction::max, ReduceOp::max, ReduceFinish::none},
                                 {Reduction::min, ReduceOp::min, ReduceFinish::none},
                                 {Reduction::l1, ReduceOp::sum_abs, ReduceFinish::none},
                                 {Reduction::l2, ReduceOp::sum_squares, ReduceFinish::root},
                                 {Reduction::sum_square, ReduceOp::sum_squares, ReduceFinish::none}};
  const ReduceLoops loops = reduce_loops(in[kX].shape, reduced_axes(in));
  const auto* kernel = std::find_if(std::begin(kKernels), std::end(kKernels),
                                    [&](const Kernel& k) { return k.reduction == reduction_; });
  if (in[kX].dtype != DType::f32 || kernel == std::end(kKernels) || loops.reduced.size() > 1 || loops.count == 0 ||
      loops.outputs == 0)
    return {};
  ReduceArgs args;
  args.op = kernel->op;
  args.finish = kernel->finish;
  args.width = loops.count;
  args.inner = loops.reduced.empty() ? loops.outputs : loops.reduced[0].stride;
  args.outer = loops.outputs / args.inner;
  return args;
}

std::optional<ReduceArgs> Reduce::pixel_args(Operands in, const Geometry& geometry) const {
  const Shape& x = in[kX].shape;
  std::optional<ReduceArgs> args = kernel_args(in);
  if (!args || in[kX].constant || !may_be_channels_last(in[kX].dtype, x) ||
      padded_channels(x[1], geometry.channel_pad) != x[1])
    return {};
  const std::vector<bool> reduced = reduced_axes(in);
  if (reduced[0] || reduced[1] || std::count(reduced.begin(), reduced.end(), true) + 2 != std::ssize(reduced))
    return {};
  args->outer = x[0];
  args->inner = x[1];
  return args;
}

std::vector<Candidate> Reduce::candidates(const PlanContext& context, Operands in, std::span<const TensorType>) const {
  const Geometry& g = context.kernels->geometry;
  if (const std::optional<ReduceArgs> args = kernel_args(in)) {
    std::vector<Candidate> list = {uniform_candidate("reduce", in.size(), 1, Layout::plain, Layout::plain,
                                                     planned_cycles(g, planned_reduce(*args, g), kStepCycles))};
    if (const std::optional<ReduceArgs> pixels = pixel_args(in, g)) {
      list.push_back(list[0]);
      list[1].inputs[kX] = Layout::channels_last;
      list[1].cycles = planned_cycles(g, planned_reduce(*pixels, g), kStepCycles);
    }
    return list;
  }
  return {uniform_candidate("host", in.size(), 1, Layout::plain, Layout::plain,
                            kHostCyclesPerElement * static_cast<double>(element_count(in[kX].shape)))};
}

void Reduce::prepare(const Candidate& candidate, Preparation& p) const {
  if (element_count(p.outputs()[0].shape) == 0) return;
  const bool pixels = candidate.inputs[kX] == Layout::channels_last;
  if (const auto args = pixels ? pixel_args(p.inputs(), p.geometry()) : kernel_args(p.inputs())) {
    Planned planned = planned_reduce(*args, p.geometry());
    if (p.inputs()[kX].constant) std::swap(planned.loaded_activations, planned.loaded_weights);
    p.add_kernel<[](const KernelTable& t) { return t.reduce; }>(
        *args, {{offsetof(ReduceArgs, x), p.input(kX).buffer}, {offsetof(ReduceArgs, y), p.output(0).buffer}}, planned,
        candidate.cycles);
    return;
  }
  add_host_reduction(p, reduction_, reduce_loops(p.inputs()[kX].shape, reduced_axes(p.inputs())));
}

std::unique_ptr<Layer> make_reduce(const Node& node) {
  constexpr std::pair<const char*, Reduction> kReductions[] = {
      {"ReduceSum", Reduction::sum}, {"ReduceMean", Reduction::mean},      {"ReduceMax", Reduction::max},
      {"ReduceMin", Reduction::min}, {"ReduceProd", Reduction::prod},      {"ReduceL1", Reduction::l1},
      {"ReduceL2", Reduction::l2},   {"ReduceLogSum", Reduction::log_sum}, {"ReduceSumSquare", Reduction::sum_square}};
  for (const auto& [name, reduction] : kReductions)
    if (node.op == name) return std::make_unique<Reduce>(node, reduction);
  return std::make_unique<Reduce>(node, Reduction::log_sum_exp);
}

}  // namespace tally
