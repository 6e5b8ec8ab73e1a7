#include "tally/layers/norm.h"

#include <algorithm>
#include <cmath>

#include "tally/layers/formula.h"
#include "tally/layers/host_activation.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_map.h"

namespace tally {

namespace {

constexpr const char* kNames[] = {"X", "scale", "B", "mean", "var"};

}  // namespace

BatchNormalization::BatchNormalization(const Node& node)
    : Layer(node),
      epsilon_(node.get_float("epsilon", 1e-5f)),
      spatial_(node.opset >= 9 || node.get_int("spatial", 1) != 0) {
  if (node.opset >= 14 && node.get_int("training_mode", 0) != 0)
    fail(label(), "training_mode=1", "must be 0 (out of scope: training)");
  const auto wanted =
      std::count_if(node.outputs.begin(), node.outputs.end(), [](const std::string& name) { return !name.empty(); });
  if (wanted > 1) fail(label(), text(wanted, " outputs"), "must be 1: the others belong to training");
}

Role BatchNormalization::role(int input, Operands) const {
  if (input == kX) return Role::activation;
  return input == kScale || input == kB ? Role::weight : Role::buffer;
}

std::vector<TensorType> BatchNormalization::infer(Operands in) const {
  require_inputs(label(), in, 5, 5);
  const Shape& x = in[kX].shape;
  if (x.empty()) fail(label(), "X of rank 0", "must have rank >= 1");
  const Shape wanted = spatial_ ? Shape{x.size() < 2 ? 1 : x[1]} : Shape(x.begin() + 1, x.end());
  for (size_t i = 0; i < in.size(); ++i) {
    if (!is_real(in[i].dtype))
      fail(label(), text(kNames[i], " of type ", name_of(in[i].dtype)),
           "must be float16, bfloat16, float32 or float64");
    if (i > 0 && in[i].shape != wanted)
      fail(label(), text(kNames[i], " of shape ", to_string(in[i].shape)), text("must have shape ", to_string(wanted)));
  }
  // From opset 14 (mean and var) and 15 (scale and B) on, types may differ from X's in pairs.
  if (in[kB].dtype != in[kScale].dtype || in[kVar].dtype != in[kMean].dtype)
    fail(label(),
         text("statistics of types ", name_of(in[kScale].dtype), ", ", name_of(in[kB].dtype), ", ",
              name_of(in[kMean].dtype), ", ", name_of(in[kVar].dtype)),
         "must agree: B with scale, var with mean");
  return {{in[kX].dtype, x}};
}

// With folded statistics one product and one sum an element.
Cost BatchNormalization::cost(Operands in, std::span<const TensorType>) const {
  Cost cost;
  cost.source = "ONNX BatchNormalization, inference: x·s[c] + t[c]";
  cost.formulas = {product(label(), "elementwise",
                           {{"operations an element", 2}, {"elements", element_count(in[kX].shape, label())}})};
  cost.elementwise = cost.formulas[0].value;
  return cost;
}

std::optional<ChannelMap> BatchNormalization::folded(Operands in) const {
  if (!spatial_ || in[kX].dtype != DType::f32 || in[kX].shape.size() < 2) return {};
  for (int i = kScale; i <= kVar; ++i)
    if (!in[static_cast<size_t>(i)].constant || !in[static_cast<size_t>(i)].constant->has_data()) return {};
  const auto values = [&](int i) { return in[static_cast<size_t>(i)].constant->to_double(); };
  const std::vector<double> scale = values(kScale), bias = values(kB), mean = values(kMean), var = values(kVar);
  ChannelMap map;
  for (size_t c = 0; c < scale.size(); ++c) {
    const double s = scale[c] / std::sqrt(var[c] + epsilon_);
    map.scale.push_back(s);
    map.shift.push_back(bias[c] - mean[c] * s);
  }
  return map;
}

ChannelAffineArgs BatchNormalization::kernel_args(const Placement& y) const {
  const Shape& shape = y.type.shape;
  ChannelAffineArgs args;
  args.epilogue = epilogue_;
  // A matrix [N, C] lies like rows of channels in either layout.
  args.channels_last = y.layout == Layout::channels_last || shape.size() == 2;
  args.channels = y.channel_stride;
  const int64_t pixels = element_count(Shape(shape.begin() + 2, shape.end()));
  args.rows = shape[0] * (args.channels_last ? pixels : shape[1]);
  args.inner = args.channels_last ? 0 : pixels;
  return args;
}

std::vector<Candidate> BatchNormalization::candidates(const PlanContext& context, Operands in,
                                                      std::span<const TensorType> out) const {
  const Geometry& g = context.kernels->geometry;
  if (!folded(in)) {
    const double elements = static_cast<double>(element_count(out[0].shape));
    return {uniform_candidate("host", in.size(), 1, Layout::plain, Layout::plain, kHostCyclesPerElement * elements)};
  }
  std::vector<Candidate> list;
  for (Layout layout : {Layout::plain, Layout::channels_last}) {
    if (layout == Layout::channels_last && !may_be_channels_last(in[kX].dtype, in[kX].shape)) continue;
    const ChannelAffineArgs args = kernel_args(expected_placement(out[0], layout, g.channel_pad));
    const double cycles = planned_cycles(g, planned_channel_affine(args, g), kStepCycles);
    list.push_back(uniform_candidate("channel_affine", in.size(), 1, layout, layout, cycles));
  }
  return list;
}

void BatchNormalization::prepare(const Candidate& candidate, Preparation& p) const {
  if (element_count(p.outputs()[0].shape) == 0) return;
  const std::optional<ChannelMap> map = folded(p.inputs());
  if (!map) return prepare_host(p);
  const Placement x = p.input(kX), y = p.output(0);
  const ChannelAffineArgs args = kernel_args(y);
  std::vector<float> parameters(static_cast<size_t>(2 * args.channels), 0.0f);  // scales, then shifts
  for (size_t c = 0; c < map->scale.size(); ++c) {
    parameters[c] = static_cast<float>(map->scale[c]);
    parameters[static_cast<size_t>(args.channels) + c] = static_cast<float>(map->shift[c]);
  }
  const BufferId weights = add_float_weights(p, parameters, label() + " scale, shift");
  const auto shift = static_cast<int64_t>(sizeof(float)) * args.channels;
  Planned planned = planned_channel_affine(args, p.geometry());
  if (p.inputs()[kX].constant) {
    planned.loaded_weights += planned.loaded_activations;
    planned.loaded_activations = 0;
  }
  p.add_kernel<[](const KernelTable& t) { return t.channel_affine; }>(
      args,
      {{offsetof(ChannelAffineArgs, x), x.buffer},
       {offsetof(ChannelAffineArgs, scale), weights},
       {offsetof(ChannelAffineArgs, shift), weights, shift},
       {offsetof(ChannelAffineArgs, y), y.buffer}},
      planned, candidate.cycles);
}

namespace {

/// Statistics as they lie, each pair of a type of its own.
struct Statistics {
  DType affine, moments;

  static double read(DType type, const std::byte* values, int64_t i) {
    double value = 0;
    with_number_type(type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if constexpr (!std::is_integral_v<T>) value = to_sum(reinterpret_cast<const T*>(values)[i]);
    });
    return value;
  }
  int64_t bytes() const { return 2 * bytes_of(affine, 1) + 2 * bytes_of(moments, 1); }
};

}  // namespace

void BatchNormalization::prepare_host(Preparation& p) const {
  const Operands in = p.inputs();
  const Shape& shape = in[kX].shape;
  const int64_t n = element_count(shape), channels = element_count(in[kScale].shape);
  // Consecutive elements with the same statistics.
  const int64_t run_length = spatial_ && shape.size() > 2 ? element_count(Shape(shape.begin() + 2, shape.end())) : 1;
  const Statistics statistics{in[kScale].dtype, in[kMean].dtype};
  int64_t statistics_read = 0, statistics_constant = 0;
  for (int i = kScale; i <= kVar; ++i) {
    const auto bytes = bytes_of(in[static_cast<size_t>(i)].dtype, 1) * n;
    (in[static_cast<size_t>(i)].constant ? statistics_constant : statistics_read) += bytes;
  }
  std::vector<BufferId> ids;
  for (int i = kX; i <= kVar; ++i) ids.push_back(p.input(i).buffer);
  ids.push_back(p.output(0).buffer);
  with_number_type(in[kX].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_integral_v<T>) {
      const auto run = [=, epsilon = epsilon_, epilogue = epilogue_](const std::vector<std::byte*>& at, int64_t,
                                                                     int64_t, Tally* tally) noexcept {
        const T* x = reinterpret_cast<const T*>(at[kX]);
        T* y = reinterpret_cast<T*>(at[5]);
        int64_t i = 0;
        for (; i < n; ++i) {
          const int64_t c = i / run_length % channels;
          const double scale = Statistics::read(statistics.affine, at[kScale], c),
                       bias = Statistics::read(statistics.affine, at[kB], c);
          const double mean = Statistics::read(statistics.moments, at[kMean], c),
                       var = Statistics::read(statistics.moments, at[kVar], c);
          y[i] = from_sum<T>(activated(epilogue, (to_sum(x[i]) - mean) / std::sqrt(var + epsilon) * scale + bias));
        }
        if (!tally) return;
        tally->bytes_loaded += i * (int64_t{sizeof(T)} + statistics.bytes());
        tally->bytes_stored += i * int64_t{sizeof(T)};
      };
      const int64_t bytes = n * int64_t{sizeof(T)};
      const bool constant = in[kX].constant != nullptr;
      add_host_step(
          p, ids,
          host_planned(statistics_read + (constant ? 0 : bytes), statistics_constant + (constant ? bytes : 0), bytes),
          kHostCyclesPerElement * static_cast<double>(n), run);
    }
  });
}

StreamStep BatchNormalization::stream(Operands in, std::span<const int> time_axes) const {
  if (time_axes[kX] == 1 || (!spatial_ && time_axes[kX] > 1))
    return stream_obstacle("its statistics differ from step to step");
  return stream_elements(in, time_axes);
}

// -----------------------------------------------------------------------------------------------------------
// absorption

std::optional<ChannelMap> BatchNormalization::channel_map(Operands in, int data, int64_t axis) const {
  if (data != kX || axis != 1 || epilogue_.activation != Activation::none) return {};
  return folded(in);
}

std::shared_ptr<const Layer> BatchNormalization::with_epilogue(Operands in, const Epilogue& epilogue) const {
  if (in[kX].dtype != DType::f32 || epilogue_.activation != Activation::none ||
      epilogue.activation != Activation::clamp)
    return nullptr;
  auto layer = std::make_shared<BatchNormalization>(*this);
  layer->epilogue_ = epilogue;
  return layer;
}

std::unique_ptr<Layer> make_batch_normalization(const Node& node) { return std::make_unique<BatchNormalization>(node); }

}  // namespace tally
