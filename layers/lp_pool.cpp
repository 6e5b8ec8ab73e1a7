// LpPool, GlobalLpPool: Y[n, c, o] = (Σ_k |X[n, c, o·s − p + k·d]|^p)^(1/p), taps outside the image left out. ONNX
// LpPool and GlobalLpPool, opset 1 to 24. Sums in double.
#include <cmath>

#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/pool_shape.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

/// ‖x‖_p of what it takes.
class Norm {
 public:
  explicit Norm(double p) : p_(p) {}
  void take(double x) { sum_ += p_ == 1 ? std::abs(x) : p_ == 2 ? x * x : std::pow(std::abs(x), p_); }
  double result() const { return p_ == 1 ? sum_ : p_ == 2 ? std::sqrt(sum_) : std::pow(sum_, 1 / p_); }

 private:
  double p_, sum_ = 0;
};

class LpPool final : public Layer {
 public:
  explicit LpPool(const Node& node) : Layer(node), window_(read_pool_window(node, node.op == "GlobalLpPool")) {
    p_ = node.opset == 1 ? static_cast<double>(node.get_float("p", 2)) : static_cast<double>(node.get_int("p", 2));
    if (!(p_ > 0)) fail(label(), text("p=", p_), "must be > 0");
  }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    if (!is_real(in[0].dtype))
      fail(label(), text("X of type ", name_of(in[0].dtype)), "must be float16, bfloat16, float32 or float64");
    return {{in[0].dtype, shape_of(in).y()}};
  }

  // As AveragePool one operation a tap, those on padding included, and a root an output; where p is neither 1 nor 2,
  // a power a tap besides.
  Cost cost(Operands in, std::span<const TensorType> out) const override {
    const PoolShape s = shape_of(in);
    const Factor outputs{"outputs", element_count(out[0].shape, label())};
    const bool powers = p_ != 1 && p_ != 2;
    const Factor functions = powers ? Factor{"(Πk+1)", s.window() + 1} : Factor{"roots", p_ == 2 ? 1 : 0};
    Cost cost;
    cost.textbook = true;
    cost.source = "ONNX " + op() + ": one reduction over the window an output";
    cost.formulas = {product(label(), "elementwise", {outputs, {window_.global ? "ΠI" : "Πk", s.window()}}),
                     product(label(), "special", {outputs, functions})};
    cost.elementwise = cost.formulas[0].value;
    cost.special = cost.formulas[1].value;
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    if (std::string why = time_obstacle(window_, in[0].shape, time_axes[0], label()); !why.empty())
      return stream_obstacle(std::move(why));
    return stream_elements(in, time_axes);
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType> out) const override {
    const double taps = static_cast<double>(shape_of(in).window()) * static_cast<double>(element_count(out[0].shape));
    return {uniform_candidate("host", 1, 1, Layout::plain, Layout::plain, kHostCyclesPerElement * taps)};
  }

  void prepare(const Candidate& candidate, Preparation& preparation) const override {
    const Operand& x = preparation.inputs()[0];
    const PoolShape s = shape_of(preparation.inputs());
    const int64_t maps = s.N * s.C, outputs = s.outputs(), inputs = s.inputs();
    if (maps * outputs == 0) return;
    with_number_type(x.dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if constexpr (!std::is_integral_v<T>) {
        const auto run = [axes = s.axes, p = p_, inputs, outputs](const std::vector<std::byte*>& at, int64_t begin,
                                                                  int64_t end, Tally* tally) noexcept {
          int64_t taps = 0;
          for (int64_t map = begin; map < end; ++map)
            taps += pool_map(axes, p, outputs, reinterpret_cast<const T*>(at[0]) + map * inputs,
                             reinterpret_cast<T*>(at[1]) + map * outputs);
          if (!tally) return;
          tally->bytes_loaded += taps * int64_t{sizeof(T)};
          tally->bytes_stored += (end - begin) * outputs * int64_t{sizeof(T)};
        };
        const int64_t read = maps * s.inside_taps() * int64_t{sizeof(T)}, stored = maps * outputs * int64_t{sizeof(T)};
        add_host_step(preparation, {preparation.input(0).buffer, preparation.output(0).buffer},
                      host_planned(x.constant ? 0 : read, x.constant ? read : 0, stored), candidate.cycles, run, maps);
      }
    });
  }

 private:
  PoolShape shape_of(Operands in) const { return window_.resolve(in[0].shape, label()); }

  /// One channel of one image; returns the taps inside.
  template <class T>
  static int64_t pool_map(const std::vector<WindowAxis>& axes, double p, int64_t outputs, const T* x, T* y) {
    int64_t at[kMaxPoolAxes] = {}, taps = 0;
    for (int64_t o = 0; o < outputs; ++o, next_output(axes, at)) {
      Norm norm(p);
      const auto take = [&](int64_t element) {
        norm.take(to_sum(x[element]));
        ++taps;
      };
      for_inside_taps(axes, at, take);
      y[o] = from_sum<T>(norm.result());
    }
    return taps;
  }

  PoolWindow window_;
  double p_ = 2;
};

}  // namespace

std::unique_ptr<Layer> make_lp_pool(const Node& node) { return std::make_unique<LpPool>(node); }

}  // namespace tally
