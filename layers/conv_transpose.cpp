#include "tally/layers/conv_transpose.h"

#include "tally/layers/conv_transpose_methods.h"
#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

struct Method {
  void (*list)(const TransposeTask&, const PlanContext&, std::vector<Candidate>&);
  void (*prepare)(const TransposeTask&, const Candidate&, Preparation&);
};

constexpr Method kMethods[] = {
    {list_transpose_phases, prepare_transpose_phases},
    {list_transpose_host, prepare_transpose_host},
};

void check_types(const std::string& who, Operands in) {
  if (!is_real(in[ConvTranspose::kX].dtype))
    fail(who, text("X of type ", name_of(in[ConvTranspose::kX].dtype)),
         "must be float32, float16, bfloat16 or float64");
  for (size_t i = 1; i < in.size(); ++i)
    if (in[i].present && in[i].dtype != in[ConvTranspose::kX].dtype)
      fail(who, text(i == ConvTranspose::kW ? "W" : "B", " of type ", name_of(in[i].dtype)),
           text("must be ", name_of(in[ConvTranspose::kX].dtype), " like X"));
}

/// Names of the spatial axes of a tensor with `rank` of them, outermost first.
constexpr const char* kInputNames[] = {"iD", "iH", "iW"};
constexpr const char* kOutputNames[] = {"oD", "oH", "oW"};
constexpr const char* kKernelNames[] = {"kD", "kH", "kW"};
constexpr const char* kTapNames[] = {"Σtaps_z", "Σtaps_y", "Σtaps_x"};

}  // namespace

std::unique_ptr<Layer> make_conv_transpose(const Node& node) { return std::make_unique<ConvTranspose>(node); }

ConvTranspose::ConvTranspose(const Node& node)
    : Layer(node), attributes_(read_transpose_window(node)), group_(node.get_int("group", 1)) {
  if (group_ < 1) fail(label(), text("group=", group_), "must be >= 1");
  if (node.inputs.size() < 2 || node.inputs.size() > 3)
    fail(label(), text(node.inputs.size(), " inputs"), "must be 2 or 3 (X, W, B)");
}

TransposeShape ConvTranspose::shape_of(Operands in) const {
  if (!in[kX].present || !in[kW].present) fail(label(), "an absent X or W", "must be given");
  const Shape& x = in[kX].shape;
  const Shape& w = in[kW].shape;
  if (x.size() < 3 || x.size() > 5)
    fail(label(), text("X of shape ", to_string(x)),
         "must have 1 to 3 spatial dimensions (rank 3 to 5): others are not supported");
  if (w.size() != x.size())
    fail(label(), text("W of shape ", to_string(w)), text("must have rank ", x.size(), " like X"));
  TransposeShape s;
  s.N = x[0];
  s.C = x[1];
  s.G = group_;
  if (s.C % s.G != 0) fail(label(), text("group=", s.G), text("must divide C=", s.C));
  if (w[0] != s.C) fail(label(), text("W of shape ", to_string(w)), text("must have C=", s.C, " in dimension 0"));
  s.M = product(label(), "M", {{"(M/g)", w[1]}, {"g", s.G}}).value;
  if (in.size() > kB && in[kB].present && in[kB].shape != Shape{s.M})
    fail(label(), text("B of shape ", to_string(in[kB].shape)), text("must have shape ", s.M));
  const size_t rank = x.size() - 2;
  for (size_t i = 0; i < rank; ++i)
    s.axes[3 - rank + i] = resolve_transpose_axis(attributes_, i, rank, x[2 + i], w[2 + i], label());
  // Tensors without elements may have extents whose products overflow.
  const auto& [D, H, W] = s.axes;
  product(label(), "a map of X", {{"iD", D.in}, {"iH", H.in}, {"iW", W.in}});
  product(label(), "an image of Y", {{"M", s.M}, {"oD", D.out}, {"oH", H.out}, {"oW", W.out}});
  product(label(), "a map of Y", {{"oD", D.out}, {"oH", H.out}, {"oW", W.out}});
  product(label(), "filters", {{"C", s.C}, {"(M/g)", w[1]}, {"kD", D.kernel}, {"kH", H.kernel}, {"kW", W.kernel}});
  return s;
}

std::vector<TensorType> ConvTranspose::infer(Operands in) const {
  const TransposeShape s = shape_of(in);
  check_types(label(), in);
  Shape y = {s.N, s.M};
  for (size_t i = 5 - in[kX].shape.size(); i < 3; ++i) y.push_back(s.axes[i].out);
  return {{in[kX].dtype, y}};
}

Role ConvTranspose::role(int input, Operands) const {
  return input == kW || input == kB ? Role::weight : Role::activation;
}

// ConvTranspose, opset 1 to 22: every input element meets every tap of every output channel of its group, whether its
// output is kept or cropped; a bias is one addition an output.
Cost ConvTranspose::cost(Operands in, std::span<const TensorType>) const {
  const TransposeShape s = shape_of(in);
  std::vector<Factor> macs = {{"N", s.N}}, kept = {{"N", s.N}, {"C", s.C}, {"(M/g)", s.group_outputs()}};
  std::vector<Factor> biases = {{"N", s.N}, {"M", s.M}};
  const size_t first = 5 - in[kX].shape.size();
  for (size_t i = first; i < 3; ++i) {
    macs.push_back({kInputNames[i], s.axes[i].in});
    kept.push_back({kTapNames[i], s.axes[i].kept_taps()});
    biases.push_back({kOutputNames[i], s.axes[i].out});
  }
  macs.push_back({"C", s.C});
  macs.push_back({"(M/g)", s.group_outputs()});
  for (size_t i = first; i < 3; ++i) macs.push_back({kKernelNames[i], s.axes[i].kernel});
  Cost cost;
  cost.source = "ONNX ConvTranspose, opset 1 to 22";
  cost.textbook = true;
  cost.formulas = {product(label(), "macs", macs), product(label(), "macs_nopad", kept)};
  cost.macs = cost.formulas[0].value;
  cost.macs_nopad = cost.formulas[1].value;
  if (in.size() > kB && in[kB].present) {
    cost.formulas.push_back(product(label(), "bias_additions", biases));
    cost.bias_additions = cost.formulas[2].value;
  }
  return cost;
}

std::vector<Candidate> ConvTranspose::candidates(const PlanContext& context, Operands in,
                                                 std::span<const TensorType>) const {
  const TransposeTask task{shape_of(in), epilogue_, in};
  std::vector<Candidate> list;
  for (size_t i = 0; i < std::size(kMethods); ++i) {
    const size_t before = list.size();
    kMethods[i].list(task, context, list);
    for (size_t k = before; k < list.size(); ++k) list[k].variant = static_cast<int>(i);
  }
  return list;
}

void ConvTranspose::prepare(const Candidate& candidate, Preparation& preparation) const {
  const Operands in = preparation.inputs();
  const TransposeTask task{shape_of(in), epilogue_, in};
  if (task.shape.N * task.shape.M == 0) return;
  kMethods[candidate.variant].prepare(task, candidate, preparation);
}

Candidate TransposeTask::candidate(const char* kernel, Layout x, Layout y, double cycles) const {
  Candidate c;
  c.kernel = kernel;
  c.inputs.assign(in.size(), Layout::plain);
  c.inputs[ConvTranspose::kX] = x;
  c.outputs = {y};
  c.cycles = cycles;
  return c;
}

int64_t TransposeTask::kept_products() const {
  int64_t products = shape.N * shape.C * shape.group_outputs();
  for (const TransposeAxis& axis : shape.axes) products *= axis.kept_taps();
  return products;
}

StreamStep ConvTranspose::stream(Operands in, std::span<const int> time_axes) const {
  const TransposeShape s = shape_of(in);
  const int axis = time_axes[kX], rank = static_cast<int>(in[kX].shape.size());
  if (axis == 1) return stream_obstacle("sums over time, which runs along its channels");
  if (axis >= 2) {
    if (std::string why = time_obstacle(s.axes[static_cast<size_t>(axis + 3 - rank)]); !why.empty())
      return stream_obstacle(std::move(why));
    if (!attributes_.output_shape.empty()) return stream_obstacle("output_shape fixes its time steps");
  }
  return stream_elements(in, time_axes);
}

// ---------------------------------------------------------------------------------------------------------- absorption

std::shared_ptr<const Layer> ConvTranspose::with_epilogue(Operands in, const Epilogue& epilogue) const {
  if (in[kX].dtype != DType::f32 || epilogue_.activation != Activation::none) return nullptr;
  auto layer = std::make_shared<ConvTranspose>(*this);
  layer->epilogue_ = epilogue;
  return layer;
}

std::optional<TakesChannelMap::Folded> ConvTranspose::fold(Operands in, const ChannelMap& map) const {
  if (in[kX].dtype != DType::f32 || epilogue_.activation != Activation::none) return {};
  const Tensor* w = in[kW].constant;
  const bool has_bias = in.size() > kB && in[kB].present;
  if (!w || !w->has_data() || (has_bias && (!in[kB].constant || !in[kB].constant->has_data()))) return {};
  const TransposeShape s = shape_of(in);
  if (map.scale.size() != static_cast<size_t>(s.M)) return {};
  Folded folded{std::make_shared<ConvTranspose>(*this), kW, kB, Tensor(DType::f32, w->shape()),
                Tensor(DType::f32, {s.M})};
  const std::span<const float> from = w->values<float>();
  const std::span<float> to = folded.weights.mutable_values<float>();
  const std::span<float> bias = folded.bias.mutable_values<float>();
  size_t k = 0;
  for (int64_t c = 0; c < s.C; ++c)
    for (int64_t n = 0; n < s.group_outputs(); ++n) {
      const double scale = map.scale[static_cast<size_t>(c / s.group_inputs() * s.group_outputs() + n)];
      for (const size_t end = k + static_cast<size_t>(s.taps()); k < end; ++k)
        to[k] = static_cast<float>(scale * from[k]);
    }
  for (size_t m = 0; m < map.scale.size(); ++m) {
    const double b = has_bias ? in[kB].constant->values<float>()[m] : 0.0;
    bias[m] = static_cast<float>(map.scale[m] * b + map.shift[m]);
  }
  return folded;
}

}  // namespace tally
