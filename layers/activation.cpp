#include "tally/layers/activation.h"

#include <cmath>
#include <limits>

#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/operand.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_map.h"

namespace tally {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// The one element of a constant operand; `absent` where it is not given, nothing where it is known at run time only.
std::optional<float> limit(Operands in, int i, float absent) {
  if (!has_operand(in, i)) return absent;
  const Tensor* value = in[static_cast<size_t>(i)].constant;
  if (value == nullptr || !value->has_data()) return {};
  return value->values<float>()[0];
}

template <class T>
constexpr bool kIsFloat = !std::is_integral_v<T>;

/// What functions of T are evaluated in.
template <class T>
using Wide = std::conditional_t<std::is_integral_v<T>, T, double>;

template <class T>
Wide<T> widen(T x) {
  if constexpr (std::is_integral_v<T>)
    return x;
  else
    return static_cast<double>(to_sum(x));
}

template <class T>
T narrow(Wide<T> x) {
  if constexpr (std::is_integral_v<T>)
    return x;
  else
    return from_sum<T>(x);
}

template <class T>
struct Limits {
  Wide<T> lo, hi;
};

/// Limits that hold when neither is given.
template <class T>
Limits<T> no_limits() {
  if constexpr (std::is_integral_v<T>)
    return {std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max()};
  else
    return {-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
}

template <class T>
Wide<T> apply(UnaryFunction function, Wide<T> x, const Limits<T>& limits) {
  switch (function) {
    case UnaryFunction::relu:
    case UnaryFunction::clip: {
      const Wide<T> above = x < limits.lo ? limits.lo : x;
      return above > limits.hi ? limits.hi : above;
    }
    case UnaryFunction::tanh:
      return static_cast<Wide<T>>(std::tanh(static_cast<double>(x)));
    case UnaryFunction::sigmoid:
      return static_cast<Wide<T>>(1.0 / (1.0 + std::exp(-static_cast<double>(x))));
    case UnaryFunction::exp:
      return static_cast<Wide<T>>(std::exp(static_cast<double>(x)));
  }
  return x;
}

}  // namespace

Unary::Unary(const Node& node, UnaryFunction function)
    : Layer(node),
      function_(function),
      limits_from_inputs_(function == UnaryFunction::clip && node.opset >= 11),
      min_(node.get_float("min", std::numeric_limits<float>::lowest())),
      max_(node.get_float("max", std::numeric_limits<float>::max())) {}

std::vector<TensorType> Unary::infer(Operands in) const {
  require_inputs(label(), in, 1, limits_from_inputs_ ? 3 : 1);
  const DType type = in[kX].dtype;
  const bool integers =
      (function_ == UnaryFunction::clip || function_ == UnaryFunction::relu) && with_number_type(type, [](auto) {});
  if (!is_real(type) && !integers)
    fail(label(), text("X of type ", name_of(type)),
         integers ? "must be a number" : "must be float16, bfloat16, float32 or float64");
  for (int i : {kMin, kMax}) {
    if (!has_operand(in, i)) continue;
    const Operand& operand = in[static_cast<size_t>(i)];
    const char* name = i == kMin ? "min" : "max";
    if (operand.dtype != type)
      fail(label(), text(name, " of type ", name_of(operand.dtype)), text("must be ", name_of(type), " like X"));
    if (element_count(operand.shape) != 1)
      fail(label(), text(name, " of shape ", to_string(operand.shape)), "must have one element");
  }
  return {{type, in[kX].shape}};
}

// Relu compares once an element, Clip twice; tanh, sigmoid and exp are one special function an element.
Cost Unary::cost(Operands in, std::span<const TensorType>) const {
  const int64_t n = element_count(in[kX].shape, label());
  Cost cost;
  cost.source = "ONNX " + op() + ": one function an element";
  if (function_ == UnaryFunction::relu || function_ == UnaryFunction::clip) {
    const int64_t compares = function_ == UnaryFunction::relu ? 1 : 2;
    cost.formulas = {product(label(), "comparisons", {{"elements", n}, {"comparisons an element", compares}}),
                     product(label(), "elementwise", {{"elements", n}, {"operations an element", compares}})};
    cost.comparisons = cost.formulas[0].value;
    cost.elementwise = cost.formulas[1].value;
  } else {
    cost.formulas = {product(label(), "special", {{"elements", n}})};
    cost.special = cost.formulas[0].value;
  }
  return cost;
}

std::optional<UnaryArgs> Unary::kernel_args(Operands in, int64_t n) const {
  if (in[kX].dtype != DType::f32) return {};
  UnaryArgs args;
  args.n = n;
  switch (function_) {
    case UnaryFunction::tanh:
      args.op = UnaryOp::tanh;
      return args;
    case UnaryFunction::sigmoid:
      args.op = UnaryOp::sigmoid;
      return args;
    case UnaryFunction::exp:
      args.op = UnaryOp::exp;
      return args;
    case UnaryFunction::relu:
      args.op = UnaryOp::clamp;
      args.lo = 0;
      args.hi = kInfinity;
      return args;
    case UnaryFunction::clip:
      break;
  }
  const std::optional<float> lo = limits_from_inputs_ ? limit(in, kMin, -kInfinity) : min_;
  const std::optional<float> hi = limits_from_inputs_ ? limit(in, kMax, kInfinity) : max_;
  if (!lo || !hi) return {};
  args.op = UnaryOp::clamp;
  args.lo = *lo > *hi ? *hi : *lo;
  args.hi = *hi;
  return args;
}

StreamStep Unary::stream(Operands in, std::span<const int> time_axes) const { return stream_elements(in, time_axes); }

std::optional<Epilogue> Unary::epilogue(Operands in) const {
  const std::optional<UnaryArgs> args = kernel_args(in, 0);
  if (!args) return {};
  switch (args->op) {
    case UnaryOp::clamp:
      return Epilogue{Activation::clamp, args->lo, args->hi};
    case UnaryOp::tanh:
      return Epilogue{Activation::tanh, 0, 0};
    case UnaryOp::sigmoid:
      return Epilogue{Activation::sigmoid, 0, 0};
    default:
      return {};
  }
}

std::vector<Candidate> Unary::candidates(const PlanContext& context, Operands in,
                                         std::span<const TensorType> out) const {
  const Geometry& g = context.kernels->geometry;
  std::vector<Candidate> list;
  for (Layout layout : {Layout::plain, Layout::channels_last}) {
    if (layout == Layout::channels_last && !may_be_channels_last(in[kX].dtype, in[kX].shape)) continue;
    const int64_t n = placed_elements(expected_placement(out[0], layout, g.channel_pad));
    const std::optional<UnaryArgs> args = kernel_args(in, n);
    if (!args && layout != Layout::plain) continue;
    const double cycles =
        args ? planned_cycles(g, planned_unary(*args, g), kStepCycles) : kHostCyclesPerElement * static_cast<double>(n);
    Candidate c = uniform_candidate(args ? "map" : "host", in.size(), 1, Layout::plain, layout, cycles);
    c.inputs[kX] = layout;
    list.push_back(c);
  }
  return list;
}

void Unary::prepare(const Candidate& candidate, Preparation& p) const {
  const Placement x = p.input(kX), y = p.output(0);
  const std::optional<UnaryArgs> args = kernel_args(p.inputs(), placed_elements(y));
  if (!args) return prepare_host(p);
  Planned planned = planned_unary(*args, p.geometry());
  if (p.inputs()[kX].constant) std::swap(planned.loaded_activations, planned.loaded_weights);
  p.add_kernel<[](const KernelTable& t) { return t.unary; }>(
      *args, {{offsetof(UnaryArgs, x), x.buffer}, {offsetof(UnaryArgs, y), y.buffer}}, planned, candidate.cycles);
}

void Unary::prepare_host(Preparation& p) const {
  const Operands in = p.inputs();
  const int64_t n = element_count(in[kX].shape);
  const bool has_min = has_operand(in, kMin), has_max = has_operand(in, kMax);
  with_number_type(in[kX].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    Limits<T> fixed = no_limits<T>();
    if (function_ == UnaryFunction::relu) fixed.lo = 0;
    if constexpr (kIsFloat<T>)
      if (function_ == UnaryFunction::clip && !limits_from_inputs_) fixed = {min_, max_};
    const auto run = [=, function = function_](const std::vector<std::byte*>& operands, int64_t, int64_t,
                                               Tally* tally) noexcept {
      const T* x = reinterpret_cast<const T*>(operands[0]);
      T* y = reinterpret_cast<T*>(operands[3]);
      Limits<T> limits = fixed;
      if (has_min) limits.lo = widen(*reinterpret_cast<const T*>(operands[1]));
      if (has_max) limits.hi = widen(*reinterpret_cast<const T*>(operands[2]));
      int64_t i = 0;
      for (; i < n; ++i) y[i] = narrow<T>(apply<T>(function, widen(x[i]), limits));
      if (!tally) return;
      tally->bytes_loaded += (i + has_min + has_max) * int64_t{sizeof(T)};
      tally->bytes_stored += i * int64_t{sizeof(T)};
    };
    const auto bytes = int64_t{sizeof(T)};
    const Planned planned = in[kX].constant ? host_planned((has_min + has_max) * bytes, n * bytes, n * bytes)
                                            : host_planned((n + has_min + has_max) * bytes, 0, n * bytes);
    add_host_step(p,
                  {p.input(kX).buffer, has_min ? p.input(kMin).buffer : -1, has_max ? p.input(kMax).buffer : -1,
                   p.output(0).buffer},
                  planned, kHostCyclesPerElement * static_cast<double>(n), run);
  });
}

std::shared_ptr<const Layer> Unary::before_transposition(Operands, const std::vector<size_t>&) const {
  return std::make_shared<Unary>(*this);
}

std::unique_ptr<Layer> make_relu(const Node& node) { return std::make_unique<Unary>(node, UnaryFunction::relu); }
std::unique_ptr<Layer> make_clip(const Node& node) { return std::make_unique<Unary>(node, UnaryFunction::clip); }
std::unique_ptr<Layer> make_tanh(const Node& node) { return std::make_unique<Unary>(node, UnaryFunction::tanh); }
std::unique_ptr<Layer> make_sigmoid(const Node& node) { return std::make_unique<Unary>(node, UnaryFunction::sigmoid); }
std::unique_ptr<Layer> make_exp(const Node& node) { return std::make_unique<Unary>(node, UnaryFunction::exp); }

}  // namespace tally
