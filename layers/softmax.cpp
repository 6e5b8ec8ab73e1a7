// Over the elements of one axis, before opset 13 over all axes from `axis` on together:
//   Softmax     y_j = e^(x_j − max x) / Σ_k e^(x_k − max x)
//   LogSoftmax  y_j = (x_j − max x) − ln Σ_k e^(x_k − max x)
//   Hardmax     y_j = 1 where x_j is the first of the largest elements, else 0
#include <algorithm>
#include <cmath>

#include "tally/layers/absorb.h"
#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_map.h"

namespace tally {

namespace {

enum class SoftmaxKind { softmax, log_softmax, hardmax };

/// One row in double; y may be x.
template <class T>
void host_row(SoftmaxKind kind, const T* x, T* y, int64_t width, int64_t stride) {
  double largest = -INFINITY, sum = 0;
  int64_t first = 0;
  for (int64_t j = 0; j < width; ++j)
    if (to_sum(x[j * stride]) > largest) largest = to_sum(x[j * stride]), first = j;
  if (kind != SoftmaxKind::hardmax)
    for (int64_t j = 0; j < width; ++j) sum += std::exp(to_sum(x[j * stride]) - largest);
  const double log_sum = std::log(sum);
  for (int64_t j = 0; j < width; ++j) {
    const double shifted = to_sum(x[j * stride]) - largest;
    y[j * stride] = from_sum<T>(kind == SoftmaxKind::softmax       ? std::exp(shifted) / sum
                                : kind == SoftmaxKind::log_softmax ? shifted - log_sum
                                                                   : j == first);
  }
}

class Softmax final : public Layer, public OffersSoftmax {
 public:
  Softmax(const Node& node, SoftmaxKind kind)
      : Layer(node), kind_(kind), coerced_(node.opset < 13), axis_(node.get_int("axis", coerced_ ? 1 : -1)) {}

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    const DType type = in[0].dtype;
    if (!is_real(type))
      fail(label(), text("input of type ", name_of(type)), "must be float16, bfloat16, float32 or float64");
    make_args(in[0].shape);
    return {{type, in[0].shape}};
  }

  // A row of w elements: w − 1 comparisons, w subtractions, w exponentials, w − 1 additions, w divisions. LogSoftmax
  // takes a logarithm of the sum and subtracts it instead of dividing; Hardmax only compares.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    const SoftmaxArgs args = make_args(in[0].shape);
    const int64_t rows = args.width == 0 ? 0 : args.rows, w = args.width;
    Cost cost;
    if (kind_ == SoftmaxKind::hardmax) {
      cost.source = "ONNX Hardmax: the maximum";
      cost.formulas = {product(label(), "comparisons", {{"rows", rows}, {"(w−1)", std::max<int64_t>(w - 1, 0)}})};
      cost.comparisons = cost.formulas[0].value;
      return cost;
    }
    const bool log = kind_ == SoftmaxKind::log_softmax;
    cost.source = log ? "ONNX LogSoftmax: maximum, exponentials of differences, sum, its logarithm, differences"
                      : "ONNX Softmax: maximum, exponentials of differences, sum, quotients";
    cost.formulas = {product(label(), "comparisons", {{"rows", rows}, {"(w−1)", std::max<int64_t>(w - 1, 0)}}),
                     product(label(), "elementwise", {{"rows", rows}, {"(3w−1)", std::max<int64_t>(3 * w - 1, 0)}}),
                     product(label(), "special", {{"rows", rows}, {log ? "(w+1)" : "w", w + log}})};
    cost.comparisons = cost.formulas[0].value;
    cost.elementwise = cost.formulas[1].value;
    cost.special = cost.formulas[2].value;
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const auto rank = static_cast<int64_t>(in[0].shape.size());
    const int64_t axis = coerced_ && axis_ == rank ? rank : normalize_axis(axis_, rank, label());
    const bool sums_over_time = coerced_ ? time_axes[0] >= axis : time_axes[0] == axis;
    if (sums_over_time) return stream_obstacle("sums over time");
    return stream_unchanged(time_axes[0]);
  }

  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType>) const override {
    const Geometry& g = context.kernels->geometry;
    const bool kernel = kernel_serves(in);
    const double cycles = kernel ? planned_cycles(g, planned_softmax(make_args(in[0].shape), g), kStepCycles)
                                 : 3 * kHostCyclesPerElement * static_cast<double>(element_count(in[0].shape));
    return {uniform_candidate(kernel ? "softmax" : "host", 1, 1, Layout::plain, Layout::plain, cycles)};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Placement x = p.input(0), y = p.output(0);
    const SoftmaxArgs args = make_args(y.type.shape);
    if (!kernel_serves(p.inputs())) return prepare_host(args, p);
    Planned planned = planned_softmax(args, p.geometry());
    if (p.inputs()[0].constant) std::swap(planned.loaded_activations, planned.loaded_weights);
    p.add_kernel<[](const KernelTable& t) { return t.softmax; }>(
        args, {{offsetof(SoftmaxArgs, x), x.buffer}, {offsetof(SoftmaxArgs, y), y.buffer}}, planned, candidate.cycles);
  }

  bool along_last_axis(Operands in) const override {
    return kind_ == SoftmaxKind::softmax && !in[0].shape.empty() &&
           make_args(in[0].shape).width == in[0].shape.back() && make_args(in[0].shape).inner == 1;
  }

 private:
  bool kernel_serves(Operands in) const { return in[0].dtype == DType::f32 && kind_ != SoftmaxKind::hardmax; }

  SoftmaxArgs make_args(const Shape& shape) const {
    SoftmaxArgs args;
    args.log = kind_ == SoftmaxKind::log_softmax;
    const auto rank = static_cast<int64_t>(shape.size());
    if (rank == 0 && !coerced_) fail(label(), "input of rank 0", "must have rank >= 1");
    if (coerced_ && axis_ == rank) {  // nothing behind the axis: rows of one element
      args.rows = element_count(shape, label());
      args.width = 1;
      return args;
    }
    const auto axis = static_cast<std::ptrdiff_t>(normalize_axis(axis_, rank, label()));
    const int64_t outer = element_count(Shape(shape.begin(), shape.begin() + axis), label());
    const int64_t behind = element_count(Shape(shape.begin() + axis + 1, shape.end()), label());
    args.inner = coerced_ ? 1 : behind;
    args.width = shape[static_cast<size_t>(axis)] * (coerced_ ? behind : 1);
    args.rows = outer * args.inner;
    if (element_count(shape, label()) == 0) {
      args.rows = args.width = 0;
      args.inner = 1;
    }
    return args;
  }

  void prepare_host(const SoftmaxArgs& args, Preparation& p) const {
    with_number_type(p.inputs()[0].dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if constexpr (!std::is_integral_v<T>) {
        const int64_t readings = kind_ == SoftmaxKind::hardmax ? 2 : 3;
        const auto run = [args, readings, kind = kind_](const std::vector<std::byte*>& at, int64_t, int64_t,
                                                        Tally* tally) noexcept {
          int64_t done = 0;
          for (int64_t row = 0; row < args.rows; ++row) {
            const int64_t first = row / args.inner * args.width * args.inner + row % args.inner;
            host_row(kind, reinterpret_cast<const T*>(at[0]) + first, reinterpret_cast<T*>(at[1]) + first, args.width,
                     args.inner);
            done += args.width;
          }
          if (!tally) return;
          tally->bytes_loaded += readings * done * int64_t{sizeof(T)};
          tally->bytes_stored += done * int64_t{sizeof(T)};
        };
        const int64_t n = args.rows * args.width, bytes = n * int64_t{sizeof(T)};
        const bool constant = p.inputs()[0].constant != nullptr;
        add_host_step(p, {p.input(0).buffer, p.output(0).buffer},
                      host_planned(constant ? 0 : readings * bytes, constant ? readings * bytes : 0, bytes),
                      3 * kHostCyclesPerElement * static_cast<double>(n), run);
      }
    });
  }

  SoftmaxKind kind_;
  bool coerced_;
  int64_t axis_;
};

}  // namespace

std::unique_ptr<Layer> make_softmax(const Node& node) { return std::make_unique<Softmax>(node, SoftmaxKind::softmax); }
std::unique_ptr<Layer> make_log_softmax(const Node& node) {
  return std::make_unique<Softmax>(node, SoftmaxKind::log_softmax);
}
std::unique_ptr<Layer> make_hardmax(const Node& node) { return std::make_unique<Softmax>(node, SoftmaxKind::hardmax); }

}  // namespace tally
