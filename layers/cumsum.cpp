// CumSum: y_j = Σ x_k over k ≤ j along one axis (k < j with `exclusive`; from the end with `reverse`). ONNX CumSum,
// opset 11 to 24. Reals are summed in double, integers wrap.
#include <algorithm>

#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

/// Neighbouring columns that are summed together, row by row as they lie.
constexpr int64_t kColumns = 64;

/// Running sums of `width` adjacent elements, from the last on where `step` is −1.
template <class T>
void sum_row(const T* x, T* y, int64_t width, int64_t step, bool exclusive) {
  SumOf<T> sum = 0;
  for (int64_t j = 0; j < width; ++j) {
    const SumOf<T> before = sum;
    sum += to_sum(x[j * step]);
    y[j * step] = from_sum<T>(exclusive ? before : sum);
  }
}

/// Running sums of n neighbouring columns of `width` elements, `stride` apart (from the last on where it is negative).
template <class T>
void sum_columns(const T* x, T* y, int64_t width, int64_t stride, int64_t n, bool exclusive) {
  SumOf<T> sum[kColumns] = {};
  for (int64_t j = 0; j < width; ++j)
    for (int64_t c = 0; c < n; ++c) {
      const SumOf<T> before = sum[c];
      sum[c] += to_sum(x[j * stride + c]);
      y[j * stride + c] = from_sum<T>(exclusive ? before : sum[c]);
    }
}

class CumSum final : public Layer {
 public:
  static constexpr int kX = 0, kAxis = 1;

  explicit CumSum(const Node& node)
      : Layer(node), exclusive_(node.get_int("exclusive", 0) != 0), reverse_(node.get_int("reverse", 0) != 0) {}

  bool needs_value(int input) const override { return input == kAxis; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 2, 2);
    if (!with_number_type(in[kX].dtype, [](auto) {}))
      fail(label(), text("x of type ", name_of(in[kX].dtype)), "must be a number");
    axis(in);
    return {{in[kX].dtype, in[kX].shape}};
  }

  // The first sum of a row is its first element, or nothing where it is exclusive.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    const int64_t w = in[kX].shape[axis(in)], n = element_count(in[kX].shape, label());
    const int64_t additions = std::max<int64_t>(0, w - (exclusive_ ? 2 : 1));
    Cost cost;
    cost.source = "ONNX CumSum: one addition an element but each row's first";
    cost.formulas = {product(label(), "elementwise", {{"rows", w == 0 ? 0 : n / w}, {"additions a row", additions}})};
    cost.elementwise = cost.formulas[0].value;
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const auto own = static_cast<int>(axis(in));
    return stream_through(in, time_axes, 1, [&](int time) { return time == own ? -1 : time; });
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType>) const override {
    return {uniform_candidate("host", 2, 1, Layout::plain, Layout::plain,
                              kHostCyclesPerElement * static_cast<double>(element_count(in[kX].shape)))};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operand& x = p.inputs()[kX];
    const int64_t n = element_count(x.shape);
    if (n == 0) return;
    const size_t d = axis(p.inputs());
    const int64_t width = x.shape[d], inner = row_major_strides(x.shape)[d], outer = n / width / inner;
    with_number_type(x.dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const auto run = [=, exclusive = exclusive_, reverse = reverse_](const std::vector<std::byte*>& at, int64_t,
                                                                       int64_t, Tally* tally) noexcept {
        int64_t done = 0;
        const int64_t begin = reverse ? (width - 1) * inner : 0, stride = reverse ? -inner : inner;
        for (int64_t o = 0; o < outer; ++o)
          for (int64_t c = 0; c < inner; c += kColumns) {
            const int64_t columns = std::min(kColumns, inner - c), first = o * width * inner + begin + c;
            const T* from = reinterpret_cast<const T*>(at[0]) + first;
            T* to = reinterpret_cast<T*>(at[1]) + first;
            if (inner == 1)
              sum_row(from, to, width, stride, exclusive);
            else
              sum_columns(from, to, width, stride, columns, exclusive);
            done += width * columns;
          }
        if (!tally) return;
        tally->bytes_loaded += done * int64_t{sizeof(T)};
        tally->bytes_stored += done * int64_t{sizeof(T)};
      };
      const int64_t bytes = n * int64_t{sizeof(T)};
      add_host_step(p, {p.input(kX).buffer, p.output(0).buffer},
                    host_planned(x.constant ? 0 : bytes, x.constant ? bytes : 0, bytes), candidate.cycles, run);
    });
  }

 private:
  size_t axis(Operands in) const {
    const Operand& operand = in[kAxis];
    if (!operand.constant || !operand.constant->has_data())
      fail(label(), "axis", "must be constant or bound before planning");
    if (element_count(operand.shape) != 1)
      fail(label(), text("axis of shape ", to_string(operand.shape)), "must have one element");
    return static_cast<size_t>(
        normalize_axis(operand.constant->to_int64()[0], static_cast<int64_t>(in[kX].shape.size()), label()));
  }

  bool exclusive_, reverse_;
};

}  // namespace

std::unique_ptr<Layer> make_cumsum(const Node& node) { return std::make_unique<CumSum>(node); }

}  // namespace tally
