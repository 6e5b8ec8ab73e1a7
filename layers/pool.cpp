#include "tally/layers/pool.h"

#include <algorithm>

#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_pool.h"

namespace tally {

namespace {

constexpr int kHost = 1;  ///< candidate of plain loops

}  // namespace

Pool::Pool(const Node& node, PoolKind kind, bool global)
    : Layer(node), kind_(kind), window_(read_pool_window(node, global)) {
  if (global) return;
  count_include_pad_ = kind == PoolKind::average && node.get_int("count_include_pad", 0) != 0;
  second_output_ = kind == PoolKind::max && node.outputs.size() > 1;
  indices_ = second_output_ && !node.outputs[1].empty();
  const int64_t order = node.get_int("storage_order", 0);
  if (order != 0 && order != 1) fail(label(), text("storage_order=", order), "must be 0 or 1");
  column_major_ = order == 1;
}

PoolTask Pool::task_of(Operands in) const {
  return {window_.resolve(in[0].shape, label()), kind_, count_include_pad_, column_major_};
}

std::vector<TensorType> Pool::infer(Operands in) const {
  require_inputs(label(), in, 1, 1);
  const DType type = in[0].dtype;
  const bool integers = kind_ == PoolKind::max && !window_.global;
  if (!is_real(type) && !(integers && with_number_type(type, [](auto) {})))
    fail(label(), text("X of type ", name_of(type)),
         integers ? "must be a number" : "must be float16, bfloat16, float32 or float64");
  const Shape y = task_of(in).shape.y();
  std::vector<TensorType> types = {{type, y}};
  if (second_output_) types.push_back({DType::i64, y});
  return types;
}

// Πk taps an output, those on padding and in the last windows of ceil_mode included: a mean adds Πk − 1 times and
// divides once, a maximum compares Πk − 1 times.
Cost Pool::cost(Operands in, std::span<const TensorType> out) const {
  const PoolShape s = task_of(in).shape;
  const Factor outputs{"outputs", element_count(out[0].shape, label())};
  const Factor window{window_.global ? "ΠI" : "Πk", s.window()},
      compared{window_.global ? "(ΠI−1)" : "(Πk−1)", std::max<int64_t>(s.window() - 1, 0)};
  Cost cost;
  cost.textbook = true;
  cost.source = "ONNX " + op() + ": one reduction over the window an output";
  if (kind_ == PoolKind::average) {
    cost.formulas = {product(label(), "elementwise", {outputs, window})};
    cost.elementwise = cost.formulas[0].value;
    return cost;
  }
  cost.formulas = {product(label(), "comparisons", {outputs, compared})};
  cost.comparisons = cost.formulas[0].value;
  if (window_.global) return cost;
  cost.formulas.push_back(product(label(), "pool_operations", {outputs, window}));
  cost.pool_operations = cost.formulas[1].value;
  return cost;
}

StreamStep Pool::stream(Operands in, std::span<const int> time_axes) const {
  if (second_output_) return stream_obstacle("its indices count from the first time step");
  if (std::string why = time_obstacle(window_, in[0].shape, time_axes[0], label()); !why.empty())
    return stream_obstacle(std::move(why));
  return stream_elements(in, time_axes);
}

std::vector<Candidate> Pool::candidates(const PlanContext& context, Operands in,
                                        std::span<const TensorType> out) const {
  const Geometry& g = context.kernels->geometry;
  const PoolTask task = task_of(in);
  std::vector<Candidate> list;
  for (Layout layout : {Layout::plain, Layout::channels_last}) {
    if (in[0].dtype != DType::f32 || indices_ || element_count(in[0].shape) == 0) break;
    if (layout == Layout::channels_last && !may_be_channels_last(in[0].dtype, in[0].shape)) continue;
    const int64_t channel_stride = expected_placement(out[0], layout, g.channel_pad).channel_stride;
    const std::vector<PoolArgs> passes = pool_passes(task, layout, channel_stride);
    if (passes.empty()) continue;
    double cycles = 0;
    for (const PoolArgs& pass : passes) cycles += planned_cycles(g, planned_pool(pass, g), kStepCycles);
    list.push_back(uniform_candidate("pool", 1, out.size(), layout, layout, cycles));
  }
  if (list.empty()) {
    const double taps = static_cast<double>(task.shape.window()) * static_cast<double>(element_count(out[0].shape));
    list.push_back(
        uniform_candidate("host", 1, out.size(), Layout::plain, Layout::plain, kHostCyclesPerElement * taps));
    list.back().variant = kHost;
  }
  return list;
}

void Pool::prepare(const Candidate& candidate, Preparation& p) const {
  const PoolTask task = task_of(p.inputs());
  if (candidate.variant == kHost) return add_host_pool_step(p, task);
  const Placement y = p.output(kY);
  add_pool_passes(p, pool_passes(task, y.layout, y.channel_stride), candidate.cycles);
}

std::shared_ptr<const Layer> Pool::with_zero_padding(Operands in, const Shape& unpadded,
                                                     const std::vector<int64_t>& pads) const {
  const size_t rank = unpadded.size();
  if (kind_ != PoolKind::average || window_.global || rank != in[0].shape.size() || pads.size() != 2 * rank)
    return nullptr;
  if (pads[0] || pads[1] || pads[rank] || pads[rank + 1]) return nullptr;
  if (std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p < 0; })) return nullptr;
  const PoolShape s = task_of(in).shape;
  auto layer = std::make_shared<Pool>(*this);
  WindowAttributes& window = layer->window_.attributes;
  window.auto_pad = AutoPad::explicit_pads;
  window.pads.assign(2 * (rank - 2), 0);
  layer->count_include_pad_ = true;
  for (size_t i = 0; i < rank - 2; ++i) {
    const WindowAxis& a = s.axes[i];
    // What it divides by must stay: taps on its own padding count now, and only now.
    if (!count_include_pad_ && (a.pad_begin || a.pad_end)) return nullptr;
    window.pads[i] = a.pad_begin + pads[i + 2];
    window.pads[i + rank - 2] = a.pad_end + pads[rank + i + 2];
  }
  Operand bare = in[0];
  bare.shape = unpadded;
  return layer->infer({&bare, 1})[0].shape == infer(in)[0].shape ? layer : nullptr;
}

std::unique_ptr<Layer> make_max_pool(const Node& node) { return std::make_unique<Pool>(node, PoolKind::max, false); }
std::unique_ptr<Layer> make_average_pool(const Node& node) {
  return std::make_unique<Pool>(node, PoolKind::average, false);
}
std::unique_ptr<Layer> make_global_max_pool(const Node& node) {
  return std::make_unique<Pool>(node, PoolKind::max, true);
}
std::unique_ptr<Layer> make_global_average_pool(const Node& node) {
  return std::make_unique<Pool>(node, PoolKind::average, true);
}

}  // namespace tally
