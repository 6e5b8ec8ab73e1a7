// ConvInteger: Y = Σ (X − x_zero) · (W − w_zero[m]) in int32 (ONNX ConvInteger, opset 10), and QLinearConv: of the same
// sum and a bias Y = saturate(round((B[m] + Σ) · x_scale · w_scale[m] / y_scale) + y_zero) (ONNX QLinearConv, opset
// 10). int8 and uint8; plain loops.
#include "tally/layers/formula.h"
#include "tally/layers/host_step.h"
#include "tally/layers/integer_conv.h"
#include "tally/layers/placement.h"
#include "tally/layers/requantise.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

/// Operands by place in the node's inputs; -1: the operator has none.
struct ConvInputs {
  int x, w, x_zero, w_zero;
  int x_scale = -1, w_scale = -1, y_scale = -1, y_zero = -1, bias = -1;
};

constexpr ConvInputs kConvInteger{0, 1, 2, 3};
constexpr ConvInputs kQLinearConv{0, 3, 2, 5, 1, 4, 6, 7, 8};

/// Where the operands of a step lie in its list.
enum StepOperand { kX, kW, kXZero, kWZero, kXScale, kWScale, kYScale, kYZero, kBias, kY };

class IntegerConv final : public Layer {
 public:
  IntegerConv(const Node& node, const ConvInputs& inputs)
      : Layer(node), i_(inputs), window_(read_window(node)), group_(node.get_int("group", 1)) {}

  std::vector<TensorType> infer(Operands in) const override {
    const bool requantises = i_.y_scale >= 0;
    require_inputs(label(), in, requantises ? 8 : 2, requantises ? 9 : 4);
    require_8_bits(label(), in[at(i_.x)], "x");
    require_8_bits(label(), in[at(i_.w)], "w");
    const IntegerConvShape s = shape_of(in);
    check_parameter(in, i_.x_zero, "x_zero_point", in[at(i_.x)].dtype, 1);
    check_parameter(in, i_.w_zero, "w_zero_point", in[at(i_.w)].dtype, s.M);
    if (!requantises) return {{DType::i32, s.output()}};
    require_8_bits(label(), in[at(i_.y_zero)], "y_zero_point");
    check_parameter(in, i_.y_zero, "y_zero_point", in[at(i_.y_zero)].dtype, 1);
    check_scale(in, i_.x_scale, "x_scale", 1);
    check_scale(in, i_.w_scale, "w_scale", s.M);
    check_scale(in, i_.y_scale, "y_scale", 1);
    if (has(in, i_.bias) && (in[at(i_.bias)].dtype != DType::i32 || in[at(i_.bias)].shape != Shape{s.M}))
      fail(label(), text("B of type ", name_of(in[at(i_.bias)].dtype), " and shape ", to_string(in[at(i_.bias)].shape)),
           text("must be int32 of shape ", s.M));
    return {{in[at(i_.y_zero)].dtype, s.output()}};
  }

  Role role(int input, Operands) const override {
    if (input == i_.x) return Role::activation;
    return input == i_.w || input == i_.bias ? Role::weight : Role::free;
  }
  int64_t bytes_used(int input, Operands, std::span<const TensorType>) const override {
    return input == i_.x || input == i_.w || input == i_.bias ? -1 : 0;
  }

  // As Conv; the zero points belong to the products. A requantised result costs what QuantizeLinear does.
  Cost cost(Operands in, std::span<const TensorType> out) const override {
    Cost cost = integer_conv_cost(shape_of(in), label());
    cost.source = "ONNX " + op() + ", opset 10";
    const int64_t n = element_count(out[0].shape, label());
    if (i_.y_scale < 0) return cost;
    if (has(in, i_.bias)) {
      cost.formulas.push_back(product(label(), "bias_additions", {{"outputs", n}}));
      cost.bias_additions = n;
    }
    add_requantisation(cost, n, label());
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const int axis = time_axes[at(i_.x)];
    if (axis == kNoTimeAxis || axis == 0) return stream_elements(in, time_axes);
    if (axis == 1) return stream_obstacle("sums over time, which runs along its channels");
    const IntegerConvShape s = shape_of(in);
    if (std::string why = time_obstacle(s.axes[3 - s.rank + at(axis) - 2]); !why.empty())
      return stream_obstacle(std::move(why));
    return stream_elements(in, time_axes);
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType> out) const override {
    constexpr double kCyclesPerMac = 1;
    const IntegerConvShape s = shape_of(in);
    const double depth = static_cast<double>(s.group_inputs()) * static_cast<double>(s.taps());
    return {uniform_candidate("host", in.size(), 1, Layout::plain, Layout::plain,
                              kCyclesPerMac * static_cast<double>(element_count(out[0].shape)) * depth)};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operands in = p.inputs();
    const IntegerConvShape s = shape_of(in);
    if (element_count(p.outputs()[0].shape) == 0) return;
    with_8_bits(in[at(i_.x)].dtype, [&](auto x) {
      with_8_bits(in[at(i_.w)].dtype, [&](auto w) {
        using X = typename decltype(x)::type;
        using W = typename decltype(w)::type;
        if (i_.y_scale < 0) return add_map_steps<X, W, int32_t>(p, s, candidate.cycles);
        with_8_bits(in[at(i_.y_zero)].dtype,
                    [&](auto y) { add_map_steps<X, W, typename decltype(y)::type>(p, s, candidate.cycles); });
      });
    });
  }

 private:
  static size_t at(int input) { return static_cast<size_t>(input); }
  static bool has(Operands in, int input) { return input >= 0 && at(input) < in.size() && in[at(input)].present; }
  static bool varies(Operands in, int input) { return has(in, input) && element_count(in[at(input)].shape) > 1; }

  IntegerConvShape shape_of(Operands in) const {
    return integer_conv_shape(window_, group_, in[at(i_.x)].shape, in[at(i_.w)].shape, label());
  }

  void check_parameter(Operands in, int input, const char* name, DType type, int64_t channels) const {
    if (!has(in, input)) return;
    const Operand& parameter = in[at(input)];
    if (parameter.dtype != type)
      fail(label(), text(name, " of type ", name_of(parameter.dtype)), text("must be ", name_of(type)));
    if (element_count(parameter.shape) != 1 && parameter.shape != Shape{channels})
      fail(label(), text(name, " of shape ", to_string(parameter.shape)),
           channels == 1 ? "must have one element" : text("must have one element or ", channels));
  }
  void check_scale(Operands in, int input, const char* name, int64_t channels) const {
    const DType type = in[at(input)].dtype;
    if (type != DType::f32) fail(label(), text(name, " of type ", name_of(type)), "must be float32");
    check_parameter(in, input, name, type, channels);
  }

  /// Bytes of the parameters and the bias that a map reads, of constants or of activations.
  int64_t map_bytes(Operands in, bool constants) const {
    int64_t bytes = 0;
    for (int input : {i_.x_zero, i_.w_zero, i_.x_scale, i_.w_scale, i_.y_scale, i_.y_zero, i_.bias})
      if (has(in, input) && (in[at(input)].constant != nullptr) == constants)
        bytes += bytes_around(in[at(input)].dtype);
    return bytes;
  }

  template <class X, class W, class Y>
  void add_map_steps(Preparation& p, const IntegerConvShape& s, double cycles) const;

  ConvInputs i_;
  WindowAttributes window_;
  int64_t group_;
};

/// The parameters of one map.
template <class Y>
struct MapFinish {
  int32_t bias = 0;
  double factor = 1;
  Y zero = 0;

  Y operator()(uint32_t sum) const {
    const auto biased = static_cast<int32_t>(sum + static_cast<uint32_t>(bias));
    if constexpr (std::is_same_v<Y, int32_t>)
      return biased;
    else
      return requantised<Y>(biased, factor, zero);
  }
};

template <class T>
T value_at(const std::byte* values, int64_t i) {
  return values == nullptr ? T{0} : reinterpret_cast<const T*>(values)[i];
}

template <class X, class W, class Y>
void IntegerConv::add_map_steps(Preparation& p, const IntegerConvShape& s, double cycles) const {
  const Operands in = p.inputs();
  const bool w_zeros = varies(in, i_.w_zero), w_scales = varies(in, i_.w_scale);
  const int64_t parameters = map_bytes(in, false) + map_bytes(in, true);
  const auto run = [=](const std::vector<std::byte*>& at, int64_t begin, int64_t end, Tally* tally) noexcept {
    uint32_t sums[kConvRun];
    for (int64_t map = begin; map < end; ++map) {
      const int64_t n = map / s.M, m = map % s.M;
      const X* x = reinterpret_cast<const X*>(at[kX]) + s.channel_offset(n, m / s.group_outputs() * s.group_inputs());
      const W* w = reinterpret_cast<const W*>(at[kW]) + m * s.group_inputs() * s.taps();
      Y* y = reinterpret_cast<Y*>(at[kY]) + map * s.out_pixels();
      const int32_t x_zero = value_at<X>(at[kXZero], 0), w_zero = value_at<W>(at[kWZero], w_zeros ? m : 0);
      MapFinish<Y> finish;
      if constexpr (!std::is_same_v<Y, int32_t>)
        finish = {value_at<int32_t>(at[kBias], m),
                  static_cast<double>(value_at<float>(at[kXScale], 0)) *
                      value_at<float>(at[kWScale], w_scales ? m : 0) / value_at<float>(at[kYScale], 0),
                  value_at<Y>(at[kYZero], 0)};
      ConvWork work;
      for (int64_t row = 0; row < s.axes[0].out * s.axes[1].out; ++row)
        for (int64_t first = 0; first < s.axes[2].out; first += kConvRun) {
          const int64_t count = std::min(kConvRun, s.axes[2].out - first);
          const ConvWork done =
              sum_run(s, x, x_zero, w, w_zero, row / s.axes[1].out, row % s.axes[1].out, first, count, sums);
          for (int64_t i = 0; i < count; ++i) y[row * s.axes[2].out + first + i] = finish(sums[i]);
          work.macs += done.macs;
          work.weights += done.weights;
        }
      if (!tally) continue;
      tally->macs += work.macs;
      tally->bytes_loaded += work.macs + work.weights + parameters;
      tally->bytes_stored += s.out_pixels() * int64_t{sizeof(Y)};
    }
  };
  const ConvWork work = planned_work(s);
  const int64_t maps = s.N * s.M;
  int64_t loads[2] = {maps * map_bytes(in, false), maps * map_bytes(in, true)};  // of activations, of constants
  loads[in[at(i_.x)].constant != nullptr] += work.macs;
  loads[in[at(i_.w)].constant != nullptr] += work.weights;
  Planned planned = host_planned(loads[0], loads[1], maps * s.out_pixels() * int64_t{sizeof(Y)});
  planned.tally.macs = work.macs;
  std::vector<BufferId> ids;
  for (int input : {i_.x, i_.w, i_.x_zero, i_.w_zero, i_.x_scale, i_.w_scale, i_.y_scale, i_.y_zero, i_.bias})
    ids.push_back(has(in, input) ? p.input(input).buffer : -1);
  ids.push_back(p.output(0).buffer);
  add_host_step(p, std::move(ids), planned, cycles, run, maps);
}

}  // namespace

std::unique_ptr<Layer> make_conv_integer(const Node& node) { return std::make_unique<IntegerConv>(node, kConvInteger); }
std::unique_ptr<Layer> make_qlinear_conv(const Node& node) { return std::make_unique<IntegerConv>(node, kQLinearConv); }

}  // namespace tally
