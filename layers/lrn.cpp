// LRN: Y[n, c] = X[n, c] / (bias + alpha / size · Σ X[n, k]²)^beta over the `size` channels k from c − ⌊(size − 1)/2⌋
// on that exist. ONNX LRN, opset 1 to 24. The kernel serves float32 with beta = 3/4; all else plain loops in double.
#include <algorithm>
#include <cmath>

#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/planned_reduce.h"

namespace tally {

namespace {

struct LrnTask {
  int64_t images = 0, channels = 0, pixels = 0, size = 1;
  double alpha = 0, beta = 0, bias = 1;

  int64_t first(int64_t c) const { return std::max<int64_t>(0, c - (size - 1) / 2); }
  int64_t last(int64_t c) const { return std::min(channels - 1, c + size / 2); }
  /// Channels read for all of one pixel: windows, and the element itself.
  int64_t reads() const {
    int64_t sum = channels;
    for (int64_t c = 0; c < channels; ++c) sum += last(c) - first(c) + 1;
    return sum;
  }

  /// Returns the elements read.
  template <class T>
  int64_t run(const T* x, T* y) const {
    int64_t read = 0;
    for (int64_t n = 0; n < images; ++n)
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t i = 0; i < pixels; ++i) {
          const T* pixel = x + n * channels * pixels + i;
          double squares = 0;
          for (int64_t k = first(c); k <= last(c); ++k, ++read) {
            const double v = to_sum(pixel[k * pixels]);
            squares += v * v;
          }
          const double scale = std::pow(bias + alpha / static_cast<double>(size) * squares, beta);
          y[(n * channels + c) * pixels + i] = from_sum<T>(to_sum(pixel[c * pixels]) / scale);
          ++read;
        }
    return read;
  }
};

class Lrn final : public Layer {
 public:
  explicit Lrn(const Node& node)
      : Layer(node),
        size_(node.get_int("size", 0)),
        alpha_(node.get_float("alpha", 1e-4f)),
        beta_(node.get_float("beta", 0.75f)),
        bias_(node.get_float("bias", 1)) {
    if (size_ < 1) fail(label(), text("size=", size_), "must be at least 1");
  }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    if (!is_real(in[0].dtype))
      fail(label(), text("input of type ", name_of(in[0].dtype)), "must be float16, bfloat16, float32 or float64");
    if (in[0].shape.size() < 2) fail(label(), text("input of rank ", in[0].shape.size()), "must be at least 2");
    return {{in[0].dtype, in[0].shape}};
  }

  // Squares and their sum, 2·size with the scaling by alpha/size, one addition of bias, one division; one power.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    const int64_t n = element_count(in[0].shape, label());
    Cost cost;
    cost.source = "ONNX LRN: 2·size + 2 operations and one power an element";
    const int64_t window = std::min<int64_t>(size_, int64_t{1} << 60);
    cost.formulas = {product(label(), "elementwise", {{"elements", n}, {"(2·size+2)", 2 * window + 2}}),
                     product(label(), "special", {{"elements", n}})};
    cost.elementwise = cost.formulas[0].value;
    cost.special = cost.formulas[1].value;
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    return stream_through(in, time_axes, 1, [](int axis) { return axis == 1 ? -1 : axis; });
  }

  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType>) const override {
    if (!serves(in)) return {uniform_candidate("host", 1, 1, Layout::plain, Layout::plain, cycles(in))};
    const Geometry& g = context.kernels->geometry;
    return {uniform_candidate("lrn", 1, 1, Layout::plain, Layout::plain,
                              planned_cycles(g, planned_lrn(make_args(in[0].shape), g), kStepCycles))};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operand& x = p.inputs()[0];
    if (element_count(x.shape) == 0) return;
    if (serves(p.inputs())) return prepare_kernel(candidate, p);
    const LrnTask task = make_task(x.shape);
    with_number_type(x.dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if constexpr (!std::is_integral_v<T>) {
        const auto run = [task](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
          const int64_t read = task.run(reinterpret_cast<const T*>(at[0]), reinterpret_cast<T*>(at[1]));
          if (!tally) return;
          tally->bytes_loaded += read * int64_t{sizeof(T)};
          tally->bytes_stored += task.images * task.channels * task.pixels * int64_t{sizeof(T)};
        };
        const int64_t read = task.images * task.pixels * task.reads() * int64_t{sizeof(T)};
        add_host_step(
            p, {p.input(0).buffer, p.output(0).buffer},
            host_planned(x.constant ? 0 : read, x.constant ? read : 0, element_count(x.shape) * int64_t{sizeof(T)}),
            cycles(p.inputs()), run);
      }
    });
  }

 private:
  bool serves(Operands in) const { return in[0].dtype == DType::f32 && beta_ == 0.75; }

  LrnArgs make_args(const Shape& x) const {
    LrnArgs args;
    args.images = x[0];
    args.channels = x[1];
    args.pixels = element_count(Shape(x.begin() + 2, x.end()));
    args.before = std::min((size_ - 1) / 2, x[1]);
    args.after = std::min(size_ / 2, x[1]);
    args.alpha = static_cast<float>(alpha_ / static_cast<double>(size_));
    args.bias = static_cast<float>(bias_);
    return args;
  }

  void prepare_kernel(const Candidate& candidate, Preparation& p) const {
    const LrnArgs args = make_args(p.inputs()[0].shape);
    Planned planned = planned_lrn(args, p.geometry());
    if (p.inputs()[0].constant) std::swap(planned.loaded_activations, planned.loaded_weights);
    p.add_kernel<[](const KernelTable& t) { return t.lrn; }>(
        args, {{offsetof(LrnArgs, x), p.input(0).buffer, 0}, {offsetof(LrnArgs, y), p.output(0).buffer, 0}}, planned,
        candidate.cycles);
  }

  LrnTask make_task(const Shape& x) const {
    // A window wider than twice the channels holds them all; the divisor stays the attribute.
    LrnTask task{x[0],  x[1], element_count(Shape(x.begin() + 2, x.end())), std::min(size_, 2 * x[1] + 1), 0,
                 beta_, bias_};
    task.alpha = alpha_ / static_cast<double>(size_) * static_cast<double>(task.size);
    return task;
  }
  double cycles(Operands in) const {
    const double taps = static_cast<double>(std::min(size_, in[0].shape[1])) + 10;  // ten for the power
    return kHostCyclesPerElement * taps * static_cast<double>(element_count(in[0].shape));
  }

  int64_t size_;
  double alpha_, beta_, bias_;
};

}  // namespace

std::unique_ptr<Layer> make_lrn(const Node& node) { return std::make_unique<Lrn>(node); }

}  // namespace tally
