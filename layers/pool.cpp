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

int64_t product_of(const std::vector<WindowAxis>& axes, int64_t WindowAxis::*extent) {
  Shape extents;
  for (const WindowAxis& axis : axes) extents.push_back(axis.*extent);
  return element_count(extents, "pooling");
}

/// ceil_mode: also windows that reach beyond the padded input, as long as they start inside it or its padding in front.
void round_up(WindowAxis& a) {
  const int64_t free = a.in + a.pad_begin + a.pad_end - a.extent();
  a.out = (free + a.stride - 1) / a.stride + 1;
  if ((a.out - 1) * a.stride >= a.in + a.pad_begin) --a.out;
}

/// The kernels count in int; window positions must stay far from its ends.
bool fits_kernel(const WindowAxis& a) {
  constexpr int64_t kMost = int64_t{1} << 29;
  return a.in < kMost && a.out < kMost && a.extent() < kMost && a.stride < kMost && a.pad_begin < kMost &&
         a.pad_end < kMost && a.out * a.stride < kMost;
}

}  // namespace

int64_t PoolShape::inputs() const { return product_of(axes, &WindowAxis::in); }
int64_t PoolShape::outputs() const { return product_of(axes, &WindowAxis::out); }
int64_t PoolShape::window() const { return product_of(axes, &WindowAxis::kernel); }
int64_t PoolShape::inside_taps() const {
  Shape taps;
  for (const WindowAxis& axis : axes) taps.push_back(axis.inside_taps());
  return element_count(taps, "pooling");
}

Pool::Pool(const Node& node, PoolKind kind, bool global) : Layer(node), kind_(kind), global_(global) {
  if (global) return;
  window_ = read_window(node);
  if (window_.kernel.empty()) fail(label(), "no kernel_shape", "must have the attribute kernel_shape");
  ceil_mode_ = node.get_int("ceil_mode", 0) != 0;
  count_include_pad_ = kind == PoolKind::average && node.get_int("count_include_pad", 0) != 0;
  second_output_ = kind == PoolKind::max && node.outputs.size() > 1;
  indices_ = second_output_ && !node.outputs[1].empty();
  const int64_t order = node.get_int("storage_order", 0);
  if (order != 0 && order != 1) fail(label(), text("storage_order=", order), "must be 0 or 1");
  column_major_ = order == 1;
}

PoolShape Pool::shape_of(Operands in) const {
  const Shape& x = in[0].shape;
  if (x.size() < (global_ ? 2 : 3))
    fail(label(), text("X of shape ", to_string(x)), text("must have rank >= ", global_ ? 2 : 3));
  PoolShape s;
  s.N = x[0];
  s.C = x[1];
  const size_t rank = x.size() - 2;
  if (rank > kMaxPoolAxes)
    fail(label(), text(rank, " spatial dimensions"), text("must be at most ", kMaxPoolAxes), ErrorCode::limit);
  if (!global_ && window_.kernel.size() != rank)
    fail(label(), text("kernel_shape of ", window_.kernel.size(), " values"), text("must have ", rank));
  for (size_t i = 0; i < rank; ++i) {
    if (global_) {
      WindowAxis axis;
      axis.in = axis.kernel = x[i + 2];
      s.axes.push_back(axis);
      continue;
    }
    s.axes.push_back(resolve_axis(window_, i, rank, x[i + 2], window_.kernel[i], label()));
    if (ceil_mode_ && window_.auto_pad == AutoPad::explicit_pads) round_up(s.axes.back());
  }
  return s;
}

std::vector<TensorType> Pool::infer(Operands in) const {
  require_inputs(label(), in, 1, 1);
  const DType type = in[0].dtype;
  const bool integers = kind_ == PoolKind::max && !global_;
  if (!is_real(type) && !(integers && with_number_type(type, [](auto) {})))
    fail(label(), text("X of type ", name_of(type)),
         integers ? "must be a number" : "must be float16, bfloat16, float32 or float64");
  const PoolShape s = shape_of(in);
  Shape y = {s.N, s.C};
  for (const WindowAxis& axis : s.axes) y.push_back(axis.out);
  std::vector<TensorType> types = {{type, y}};
  if (second_output_) types.push_back({DType::i64, y});
  return types;
}

// Πk taps an output, those on padding and in the last windows of ceil_mode included: a mean adds Πk − 1 times and
// divides once, a maximum compares Πk − 1 times.
Cost Pool::cost(Operands in, std::span<const TensorType> out) const {
  const PoolShape s = shape_of(in);
  const Factor outputs{"outputs", element_count(out[0].shape, label())};
  const Factor window{global_ ? "ΠI" : "Πk", s.window()},
      compared{global_ ? "(ΠI−1)" : "(Πk−1)", std::max<int64_t>(s.window() - 1, 0)};
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
  if (global_) return cost;
  cost.formulas.push_back(product(label(), "pool_operations", {outputs, window}));
  cost.pool_operations = cost.formulas[1].value;
  return cost;
}

std::optional<PoolArgs> Pool::kernel_args(Operands in, Layout layout, int64_t channel_stride) const {
  PoolShape s = shape_of(in);
  if (in[0].dtype != DType::f32 || indices_ || element_count(in[0].shape) == 0) return {};
  if (global_) {  // one row of all pixels
    WindowAxis all;
    all.in = all.kernel = s.inputs();
    s.axes = {all};
  }
  if (s.axes.size() == 1) s.axes.insert(s.axes.begin(), WindowAxis{});
  constexpr int64_t kMost = int64_t{1} << 30;
  if (s.axes.size() != 2 || s.N >= kMost || channel_stride >= kMost || !fits_kernel(s.axes[0]) ||
      !fits_kernel(s.axes[1]))
    return {};
  const WindowAxis &y = s.axes[0], &x = s.axes[1];
  const auto i32 = [](int64_t v) { return static_cast<int32_t>(v); };
  PoolArgs a;
  a.kind = kind_;
  a.channels_last = layout == Layout::channels_last;
  a.count_include_pad = count_include_pad_;
  a.images = i32(s.N);
  a.channels = i32(a.channels_last ? channel_stride : s.C);
  a.h = i32(y.in), a.w = i32(x.in), a.oh = i32(y.out), a.ow = i32(x.out);
  a.kh = i32(y.kernel), a.kw = i32(x.kernel), a.sh = i32(y.stride), a.sw = i32(x.stride);
  a.dh = i32(y.dilation), a.dw = i32(x.dilation);
  a.pt = i32(y.pad_begin), a.pb = i32(y.pad_end), a.pl = i32(x.pad_begin), a.pr = i32(x.pad_end);
  return a;
}

StreamStep Pool::stream(Operands in, std::span<const int> time_axes) const {
  if (second_output_) return stream_obstacle("its indices count from the first time step");
  const int axis = time_axes[0];
  if (axis >= 2) {
    if (global_) return stream_obstacle("reduces over time");
    const PoolShape s = shape_of(in);
    if (std::string why = time_obstacle(s.axes[static_cast<size_t>(axis) - 2]); !why.empty())
      return stream_obstacle(std::move(why));
  }
  return stream_elements(in, time_axes);
}

std::vector<Candidate> Pool::candidates(const PlanContext& context, Operands in,
                                        std::span<const TensorType> out) const {
  const Geometry& g = context.kernels->geometry;
  std::vector<Candidate> list;
  for (Layout layout : {Layout::plain, Layout::channels_last}) {
    if (layout == Layout::channels_last && !may_be_channels_last(in[0].dtype, in[0].shape)) continue;
    const auto args = kernel_args(in, layout, expected_placement(out[0], layout, g.channel_pad).channel_stride);
    if (args)
      list.push_back(uniform_candidate("pool", 1, out.size(), layout, layout,
                                       planned_cycles(g, planned_pool(*args, g), kStepCycles)));
  }
  if (list.empty()) {
    const double taps = static_cast<double>(shape_of(in).window()) * static_cast<double>(element_count(out[0].shape));
    list.push_back(
        uniform_candidate("host", 1, out.size(), Layout::plain, Layout::plain, kHostCyclesPerElement * taps));
  }
  return list;
}

void Pool::prepare(const Candidate& candidate, Preparation& p) const {
  const Placement x = p.input(0), y = p.output(kY);
  const auto args = kernel_args(p.inputs(), y.layout, y.channel_stride);
  if (!args) return add_host_pool_step(p, {shape_of(p.inputs()), kind_, count_include_pad_, column_major_});
  Planned planned = planned_pool(*args, p.geometry());
  if (p.inputs()[0].constant) std::swap(planned.loaded_activations, planned.loaded_weights);
  p.add_kernel<[](const KernelTable& t) { return t.pool; }>(
      *args, {{offsetof(PoolArgs, x), x.buffer}, {offsetof(PoolArgs, y), y.buffer}}, planned, candidate.cycles);
}

std::shared_ptr<const Layer> Pool::with_zero_padding(Operands in, const Shape& unpadded,
                                                     const std::vector<int64_t>& pads) const {
  const size_t rank = unpadded.size();
  if (kind_ != PoolKind::average || global_ || rank != in[0].shape.size() || pads.size() != 2 * rank) return nullptr;
  if (pads[0] || pads[1] || pads[rank] || pads[rank + 1]) return nullptr;
  if (std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p < 0; })) return nullptr;
  const PoolShape s = shape_of(in);
  auto layer = std::make_shared<Pool>(*this);
  layer->window_.auto_pad = AutoPad::explicit_pads;
  layer->window_.pads.assign(2 * (rank - 2), 0);
  layer->count_include_pad_ = true;
  for (size_t i = 0; i < rank - 2; ++i) {
    const WindowAxis& a = s.axes[i];
    // What it divides by must stay: taps on its own padding count now, and only now.
    if (!count_include_pad_ && (a.pad_begin || a.pad_end)) return nullptr;
    layer->window_.pads[i] = a.pad_begin + pads[i + 2];
    layer->window_.pads[i + rank - 2] = a.pad_end + pads[rank + i + 2];
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
