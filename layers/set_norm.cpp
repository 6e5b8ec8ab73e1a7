// Normalisations by plain loops over sets along any axes, in double:
//   MeanVarianceNormalization  Y = (X − mean) / (√(mean of squares − mean²) + 1e-9) over `axes` (ONNX opset 9 to 24)
//   LpNormalization            Y = X / (Σ |X|^p)^(1/p) over `axis`, p 1 or 2; 0 where the norm is 0 (opset 1 to 24)
#include <cmath>

#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/reduce.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

/// y = (x − shift) · factor, by set.
struct SetMap {
  double shift = 0, factor = 1;
};

enum class SetNorm { mean_variance, l1, l2 };

class SetSums {
 public:
  explicit SetSums(SetNorm kind) : kind_(kind) {}
  void take(double x) {
    sum_ += kind_ == SetNorm::l1 ? std::abs(x) : x;
    squares_ += x * x;
  }
  SetMap map(int64_t count) const {
    if (kind_ == SetNorm::mean_variance) {
      const double mean = sum_ / static_cast<double>(count);
      const double variance = squares_ / static_cast<double>(count) - mean * mean;
      return {mean, 1 / (std::sqrt(variance > 0 ? variance : 0) + 1e-9)};
    }
    const double norm = kind_ == SetNorm::l1 ? sum_ : std::sqrt(squares_);
    return {0, norm == 0 ? 0 : 1 / norm};
  }

 private:
  SetNorm kind_;
  double sum_ = 0, squares_ = 0;
};

template <class F>
void walk(std::span<const ReduceLoop> loops, int64_t offset, const F& f) {
  if (loops.empty()) return f(offset);
  for (int64_t i = 0; i < loops.front().size; ++i) walk(loops.subspan(1), offset + i * loops.front().stride, f);
}

class SetNormalization final : public Layer {
 public:
  SetNormalization(const Node& node, SetNorm kind, std::vector<int64_t> axes)
      : Layer(node), kind_(kind), axes_(std::move(axes)) {}

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    if (!is_real(in[0].dtype))
      fail(label(), text("input of type ", name_of(in[0].dtype)), "must be float16, bfloat16, float32 or float64");
    normalised(in);
    return {{in[0].dtype, in[0].shape}};
  }

  // A set of w elements. MeanVarianceNormalization, by its body: mean w, its square (special), squares w (special),
  // their mean w, difference 1, root (special), deviations w, epsilon 1, quotients w. LpNormalization: magnitudes or
  // squares w, their sum w, root (special, of squares), quotients w.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    const ReduceLoops loops = reduce_loops(in[0].shape, normalised(in));
    const int64_t sets = loops.outputs, w = loops.count;
    Cost cost;
    cost.source = "ONNX " + op() + ": the operations of its definition over a set of w elements";
    if (kind_ == SetNorm::mean_variance) {
      cost.formulas = {product(label(), "elementwise", {{"sets", sets}, {"(4w+2)", 4 * w + 2}}),
                       product(label(), "special", {{"sets", sets}, {"(w+2)", w + 2}})};
    } else {
      cost.formulas = {product(label(), "elementwise", {{"sets", sets}, {"3w", 3 * w}}),
                       product(label(), "special", {{"sets", sets}, {"roots", kind_ == SetNorm::l2 ? 1 : 0}})};
    }
    cost.elementwise = cost.formulas[0].value;
    cost.special = cost.formulas[1].value;
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const std::vector<bool> mixed = normalised(in);
    return stream_through(in, time_axes, 1, [&](int axis) { return mixed[static_cast<size_t>(axis)] ? -1 : axis; });
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType>) const override {
    return {uniform_candidate("host", 1, 1, Layout::plain, Layout::plain,
                              2 * kHostCyclesPerElement * static_cast<double>(element_count(in[0].shape)))};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operand& x = p.inputs()[0];
    const int64_t n = element_count(x.shape);
    if (n == 0) return;
    const ReduceLoops loops = reduce_loops(x.shape, normalised(p.inputs()));
    with_number_type(x.dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if constexpr (!std::is_integral_v<T>) {
        const auto run = [loops, kind = kind_](const std::vector<std::byte*>& at, int64_t, int64_t,
                                               Tally* tally) noexcept {
          const T* in = reinterpret_cast<const T*>(at[0]);
          T* out = reinterpret_cast<T*>(at[1]);
          int64_t done = 0;
          walk(loops.kept, 0, [&](int64_t set) {
            SetSums sums(kind);
            walk(loops.reduced, set, [&](int64_t i) { sums.take(to_sum(in[i])); });
            const SetMap map = sums.map(loops.count);
            walk(loops.reduced, set, [&](int64_t i) {
              out[i] = from_sum<T>((to_sum(in[i]) - map.shift) * map.factor);
              ++done;
            });
          });
          if (!tally) return;
          tally->bytes_loaded += 2 * done * int64_t{sizeof(T)};
          tally->bytes_stored += done * int64_t{sizeof(T)};
        };
        const int64_t bytes = n * int64_t{sizeof(T)};
        add_host_step(p, {p.input(0).buffer, p.output(0).buffer},
                      host_planned(x.constant ? 0 : 2 * bytes, x.constant ? 2 * bytes : 0, bytes), candidate.cycles,
                      run);
      }
    });
  }

 private:
  std::vector<bool> normalised(Operands in) const {
    std::vector<bool> axes(in[0].shape.size(), false);
    for (int64_t axis : axes_)
      axes[static_cast<size_t>(normalize_axis(axis, static_cast<int64_t>(axes.size()), label()))] = true;
    return axes;
  }

  SetNorm kind_;
  std::vector<int64_t> axes_;
};

}  // namespace

std::unique_ptr<Layer> make_mean_variance_normalization(const Node& node) {
  return std::make_unique<SetNormalization>(node, SetNorm::mean_variance, node.get_ints("axes", {0, 2, 3}));
}

std::unique_ptr<Layer> make_lp_normalization(const Node& node) {
  const int64_t p = node.get_int("p", 2);
  if (p != 1 && p != 2) fail(node.label(), text("p=", p), "must be 1 or 2");
  return std::make_unique<SetNormalization>(node, p == 1 ? SetNorm::l1 : SetNorm::l2,
                                            std::vector<int64_t>{node.get_int("axis", -1)});
}

}  // namespace tally
