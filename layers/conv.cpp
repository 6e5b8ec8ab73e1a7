#include "tally/layers/conv.h"

#include <algorithm>

#include "tally/layers/conv_methods.h"
#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

struct Method {
  void (*list)(const ConvTask&, const PlanContext&, std::vector<Candidate>&);
  void (*prepare)(const ConvTask&, const Candidate&, Preparation&);
};

constexpr Method kMethods[] = {
    {list_conv_gemm, prepare_conv_gemm},
    {list_conv_pixel, prepare_conv_pixel},
    {list_conv_depthwise, prepare_conv_depthwise},
    {list_conv_host, prepare_conv_host},
};

void check_types(const std::string& who, Operands in) {
  if (!is_real(in[Conv::kX].dtype))
    fail(who, text("X of type ", name_of(in[Conv::kX].dtype)), "must be float32, float16, bfloat16 or float64");
  for (int i : {Conv::kW, Conv::kB})
    if (static_cast<size_t>(i) < in.size() && in[static_cast<size_t>(i)].present &&
        in[static_cast<size_t>(i)].dtype != in[Conv::kX].dtype)
      fail(who, text(i == Conv::kW ? "W" : "B", " of type ", name_of(in[static_cast<size_t>(i)].dtype)),
           text("must be ", name_of(in[Conv::kX].dtype), " like X"));
}

/// Names of the spatial axes, outermost first; a tensor that lacks some has the last of them.
constexpr const char* kOutputNames[] = {"oD", "oH", "oW"};
constexpr const char* kKernelNames[] = {"kD", "kH", "kW"};
constexpr const char* kTapNames[] = {"Σtaps_z", "Σtaps_y", "Σtaps_x"};

}  // namespace

std::unique_ptr<Layer> make_conv(const Node& node) { return std::make_unique<Conv>(node); }

Conv::Conv(const Node& node) : Layer(node), window_(read_window(node)), group_(node.get_int("group", 1)) {
  if (group_ < 1) fail(label(), text("group=", group_), "must be >= 1");
  if (node.inputs.size() < 2 || node.inputs.size() > 3)
    fail(label(), text(node.inputs.size(), " inputs"), "must be 2 or 3 (X, W, B)");
}

Shape Conv::x_shape(Operands in) const {
  Shape x = in[kX].shape;
  if (channels_inner_) std::rotate(x.begin() + 1, x.end() - 1, x.end());
  return x;
}

ConvShape Conv::shape_of(Operands in) const {
  if (!in[kX].present || !in[kW].present) fail(label(), "an absent X or W", "must be given");
  const Shape x = x_shape(in);
  const Shape& w = in[kW].shape;
  if (x.size() < 3 || x.size() > 5)
    fail(label(), text("X of shape ", to_string(x)),
         "must have 1 to 3 spatial dimensions (rank 3 to 5): others are not supported");
  if (w.size() != x.size())
    fail(label(), text("W of shape ", to_string(w)), text("must have rank ", x.size(), " like X"));
  ConvShape s;
  s.N = x[0];
  s.C = x[1];
  s.M = w[0];
  s.G = group_;
  if (s.C % s.G != 0) fail(label(), text("group=", s.G), text("must divide C=", s.C));
  if (s.M % s.G != 0) fail(label(), text("group=", s.G), text("must divide M=", s.M));
  if (w[1] != s.C / s.G)
    fail(label(), text("W of shape ", to_string(w)), text("must have C/group=", s.C / s.G, " in dimension 1"));
  if (in.size() > kB && in[kB].present && in[kB].shape != Shape{s.M})
    fail(label(), text("B of shape ", to_string(in[kB].shape)), text("must have shape ", s.M));
  const size_t rank = x.size() - 2;
  for (size_t i = 0; i < rank; ++i) s.axis(i, rank) = resolve_axis(window_, i, rank, x[i + 2], w[i + 2], label());
  // Tensors without elements may have extents whose products overflow.
  product(label(), "an image of X", {{"C", s.C}, {"iD", s.z.in}, {"iH", s.y.in}, {"iW", s.x.in}});
  product(label(), "a map of X", {{"iD", s.z.in}, {"iH", s.y.in}, {"iW", s.x.in}});
  product(label(), "an image of Y", {{"M", s.M}, {"oD", s.z.out}, {"oH", s.y.out}, {"oW", s.x.out}});
  product(label(), "a map of Y", {{"oD", s.z.out}, {"oH", s.y.out}, {"oW", s.x.out}});
  product(label(), "a filter",
          {{"(C/g)", s.group_inputs()}, {"kD", s.z.kernel}, {"kH", s.y.kernel}, {"kW", s.x.kernel}});
  return s;
}

std::vector<TensorType> Conv::infer(Operands in) const {
  const ConvShape s = shape_of(in);
  check_types(label(), in);
  Shape y = {s.N, s.M};
  const size_t rank = in[kX].shape.size() - 2;
  for (size_t i = 0; i < rank; ++i) y.push_back(s.axis(i, rank).out);
  return {{in[kX].dtype, y}};
}

Role Conv::role(int input, Operands) const { return input == kW || input == kB ? Role::weight : Role::activation; }

// Conv, opset 1 to 22: every output is a sum of C/g·kD·kH·kW products, padding taps counted; a bias is one addition an
// output.
Cost Conv::cost(Operands in, std::span<const TensorType>) const {
  const ConvShape s = shape_of(in);
  const Factor N{"N", s.N}, M{"M", s.M}, depth{"(C/g)", s.group_inputs()};
  std::vector<Factor> outputs = {N, M}, nopad = {N, M, depth};
  const size_t first = 5 - in[kX].shape.size();
  for (size_t i = first; i < 3; ++i) {
    outputs.push_back({kOutputNames[i], s.axis(i, 3).out});
    nopad.push_back({kTapNames[i], s.axis(i, 3).inside_taps()});
  }
  std::vector<Factor> macs = outputs;
  macs.push_back(depth);
  for (size_t i = first; i < 3; ++i) macs.push_back({kKernelNames[i], s.axis(i, 3).kernel});
  Cost cost;
  cost.source = "ONNX Conv, opset 1 to 22";
  cost.textbook = true;
  cost.formulas = {product(label(), "macs", macs), product(label(), "macs_nopad", nopad),
                   product(label(), "bias_additions", outputs)};
  cost.macs = cost.formulas[0].value;
  cost.macs_nopad = cost.formulas[1].value;
  if (in.size() > kB && in[kB].present)
    cost.bias_additions = cost.formulas[2].value;
  else
    cost.formulas.pop_back();
  return cost;
}

std::vector<Candidate> Conv::candidates(const PlanContext& context, Operands in, std::span<const TensorType>) const {
  const ConvTask task{shape_of(in), tail_, in, channels_inner_, {}};
  std::vector<Candidate> list;
  for (size_t i = 0; i < std::size(kMethods); ++i) {
    const size_t before = list.size();
    kMethods[i].list(task, context, list);
    for (size_t k = before; k < list.size(); ++k) list[k].variant = static_cast<int>(i);
  }
  return list;
}

void Conv::prepare(const Candidate& candidate, Preparation& preparation) const {
  const Operands in = preparation.inputs();
  const ConvTask task{shape_of(in), tail_, in, channels_inner_, {}};
  if (task.shape.outputs() == 0) return;
  kMethods[candidate.variant].prepare(task, candidate, preparation);
}

Candidate ConvTask::candidate(const char* kernel, Layout x, Layout y, double cycles) const {
  Candidate c;
  c.kernel = kernel;
  c.inputs.assign(in.size(), Layout::plain);
  c.inputs[Conv::kX] = x;
  if (tail.residual) c.inputs[Conv::kResidual] = y;
  c.outputs = {y};
  c.cycles = cycles;
  return c;
}

bool ConvTask::point() const {
  return grid ? grid->extents == std::array<int64_t, 3>{1, 1, 1} : shape.out_pixels() == 1;
}

ImageStrides image_strides(Layout layout, int64_t C, const std::array<int64_t, 3>& extents, int64_t channel_stride) {
  const auto [D, H, W] = extents;
  if (layout == Layout::plain) return {C * D * H * W, D * H * W, H * W, W, 1};
  return {D * H * W * channel_stride, 1, H * W * channel_stride, W * channel_stride, channel_stride};
}

StreamStep Conv::stream(Operands in, std::span<const int> time_axes) const {
  if (channels_inner_ || tail_.residual) return Layer::stream(in, time_axes);
  const ConvShape s = shape_of(in);
  const int axis = time_axes[kX], rank = static_cast<int>(in[kX].shape.size());
  if (axis == 1) return stream_obstacle("sums over time, which runs along its channels");
  if (axis >= 2)
    if (std::string why = time_obstacle(s.axis(static_cast<size_t>(axis) - 2, static_cast<size_t>(rank) - 2));
        !why.empty())
      return stream_obstacle(std::move(why));
  return stream_elements(in, time_axes);
}

// ---------------------------------------------------------------------------------------------------------- absorption

std::shared_ptr<const Layer> Conv::with_epilogue(Operands in, const Epilogue& epilogue) const {
  if (in[kX].dtype != DType::f32 || tail_.epilogue.activation != Activation::none) return nullptr;
  auto layer = std::make_shared<Conv>(*this);
  layer->tail_.epilogue = epilogue;
  return layer;
}

std::shared_ptr<const Layer> Conv::with_residual(Operands in) const {
  if (in[kX].dtype != DType::f32 || tail_.residual || tail_.epilogue.activation != Activation::none) return nullptr;
  // Only the matrix kernel adds residuals, and groups of a few channels would leave most of its lanes empty.
  if (group_ > 1 && shape_of(in).group_outputs() < 8) return nullptr;
  auto layer = std::make_shared<Conv>(*this);
  layer->tail_.residual = true;
  return layer;
}

std::optional<TakesChannelMap::Folded> Conv::fold(Operands in, const ChannelMap& map) const {
  if (in[kX].dtype != DType::f32 || tail_.residual || tail_.epilogue.activation != Activation::none) return {};
  const Tensor* w = in[kW].constant;
  const bool has_bias = in.size() > kB && in[kB].present;
  if (!w || !w->has_data() || (has_bias && (!in[kB].constant || !in[kB].constant->has_data()))) return {};
  const ConvShape s = shape_of(in);
  if (map.scale.size() != static_cast<size_t>(s.M)) return {};
  Folded folded{std::make_shared<Conv>(*this), kW, kB, Tensor(DType::f32, w->shape()), Tensor(DType::f32, {s.M})};
  const std::span<const float> from = w->values<float>();
  const std::span<float> to = folded.weights.mutable_values<float>();
  const std::span<float> bias = folded.bias.mutable_values<float>();
  const size_t depth = static_cast<size_t>(s.depth());
  for (size_t m = 0; m < map.scale.size(); ++m) {
    for (size_t k = m * depth; k < (m + 1) * depth; ++k) to[k] = static_cast<float>(map.scale[m] * from[k]);
    const double b = has_bias ? in[kB].constant->values<float>()[m] : 0.0;
    bias[m] = static_cast<float>(map.scale[m] * b + map.shift[m]);
  }
  return folded;
}

int64_t Conv::input_map_axis(Operands in) const {
  return channels_inner_ ? static_cast<int64_t>(in[kX].shape.size()) - 1 : 1;
}

// w·(s·x + t) + b = (w·s)·x + (b + Σ w·t), but at the image's edge, where taps of zero padding are no t.
std::optional<TakesChannelMap::Folded> Conv::fold_input(Operands in, const ChannelMap& map) const {
  const Tensor* w = in[kW].constant;
  const bool has_bias = in.size() > kB && in[kB].present;
  if (in[kX].dtype != DType::f32 || !w || !w->has_data()) return {};
  if (has_bias && (!in[kB].constant || !in[kB].constant->has_data())) return {};
  const ConvShape s = shape_of(in);
  const bool shifts = std::any_of(map.shift.begin(), map.shift.end(), [](double t) { return t != 0; });
  if (map.scale.size() != static_cast<size_t>(s.C) || (shifts && s.padded())) return {};
  Folded folded{std::make_shared<Conv>(*this), kW, kB, Tensor(DType::f32, w->shape()), Tensor(DType::f32, {s.M})};
  const std::span<const float> from = w->values<float>();
  const std::span<float> to = folded.weights.mutable_values<float>();
  const std::span<float> bias = folded.bias.mutable_values<float>();
  const int64_t taps = s.group_inputs() == 0 ? 0 : s.depth() / s.group_inputs();
  size_t at = 0;
  for (int64_t m = 0; m < s.M; ++m) {
    double sum = has_bias ? in[kB].constant->values<float>()[static_cast<size_t>(m)] : 0.0;
    for (int64_t c = 0; c < s.group_inputs(); ++c) {
      const auto channel = static_cast<size_t>(m / s.group_outputs() * s.group_inputs() + c);
      for (int64_t k = 0; k < taps; ++k, ++at) {
        to[at] = static_cast<float>(map.scale[channel] * from[at]);
        sum += map.shift[channel] * from[at];
      }
    }
    bias[static_cast<size_t>(m)] = static_cast<float>(sum);
  }
  return folded;
}

std::shared_ptr<const Layer> Conv::with_zero_padding(Operands in, const Shape& unpadded,
                                                     const std::vector<int64_t>& pads) const {
  const size_t rank = unpadded.size();
  if (rank < 3 || rank != in[kX].shape.size() || pads.size() != 2 * rank) return nullptr;
  const size_t channel = channels_inner_ ? rank - 1 : 1, spatial = channels_inner_ ? 1 : 2;
  if (pads[0] || pads[channel] || pads[rank] || pads[rank + channel]) return nullptr;
  if (std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p < 0; })) return nullptr;
  const ConvShape s = shape_of(in);  // resolves auto_pad against the padded extents
  auto layer = std::make_shared<Conv>(*this);
  layer->window_.auto_pad = AutoPad::explicit_pads;
  layer->window_.pads.assign(2 * (rank - 2), 0);
  for (size_t i = 0; i < rank - 2; ++i) {
    const WindowAxis& axis = s.axis(i, rank - 2);
    layer->window_.pads[i] = axis.pad_begin + pads[i + spatial];
    layer->window_.pads[i + rank - 2] = axis.pad_end + pads[rank + i + spatial];
  }
  return layer;
}

std::shared_ptr<const Layer> Conv::with_transposition(Operands in, const std::vector<size_t>& permutation) const {
  const size_t rank = in[kX].shape.size();
  // Only the matrix kernel reads pixels anywhere; groups do better with kernels of their own.
  if (in[kX].dtype != DType::f32 || channels_inner_ || group_ != 1 || permutation.size() != rank || rank < 3)
    return nullptr;
  std::vector<size_t> channels_first(rank);
  for (size_t i = 2; i < rank; ++i) channels_first[i] = i - 1;
  channels_first[1] = rank - 1;
  if (permutation != channels_first) return nullptr;
  auto layer = std::make_shared<Conv>(*this);
  layer->channels_inner_ = true;
  return layer;
}

}  // namespace tally
