// ArgMax, ArgMin: the index along one axis of the largest or smallest element, of several the first, or the last with
// select_last_index. NaN counts as neither. ONNX ArgMax and ArgMin, opset 1 to 24.
#include <algorithm>

#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"
#include "tally/layers/reduce.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

template <class T>
auto comparable(T v) {
  if constexpr (std::is_integral_v<T>)
    return v;
  else
    return to_sum(v);
}

/// Neighbouring columns that are searched together, row by row as they lie.
constexpr int64_t kColumns = 64;

template <bool largest, bool last, class Value>
bool is_better(Value value, Value best) {
  return (largest ? value > best : value < best) || (last && value == best);
}

/// The index of the extreme of `width` adjacent elements.
template <bool largest, bool last, class T>
int64_t find_extreme(const T* x, int64_t width) {
  auto best = comparable(x[0]);
  int64_t at = 0;
  for (int64_t j = 1; j < width; ++j) {
    const auto value = comparable(x[j]);
    if (!is_better<largest, last>(value, best)) continue;
    best = value;
    at = j;
  }
  return at;
}

/// The index among `width` elements, `stride` apart, of the extreme of each of n neighbouring columns.
template <bool largest, bool last, class T>
void find_extremes(const T* x, int64_t width, int64_t stride, int64_t n, int64_t* y) {
  if (stride == 1) {
    y[0] = find_extreme<largest, last>(x, width);
    return;
  }
  using Value = decltype(comparable(T{}));
  Value best[kColumns];
  int64_t at[kColumns] = {};
  for (int64_t c = 0; c < n; ++c) best[c] = comparable(x[c]);
  for (int64_t j = 1; j < width; ++j)
    for (int64_t c = 0; c < n; ++c) {
      const Value value = comparable(x[j * stride + c]);
      const bool better = is_better<largest, last>(value, best[c]);
      best[c] = better ? value : best[c];
      at[c] = better ? j : at[c];
    }
  for (int64_t c = 0; c < n; ++c) y[c] = at[c];
}

template <class T>
auto extremes_of(bool largest, bool last) {
  if (largest) return last ? find_extremes<true, true, T> : find_extremes<true, false, T>;
  return last ? find_extremes<false, true, T> : find_extremes<false, false, T>;
}

class ArgExtreme final : public Layer {
 public:
  explicit ArgExtreme(const Node& node)
      : Layer(node),
        largest_(node.op == "ArgMax"),
        last_(node.get_int("select_last_index", 0) != 0),
        keep_dims_(node.get_int("keepdims", 1) != 0),
        axis_(node.get_int("axis", 0)) {}

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    if (!with_number_type(in[0].dtype, [](auto) {}))
      fail(label(), text("input of type ", name_of(in[0].dtype)), "must be a number");
    const std::vector<bool> reduced = reduced_axes(in);
    const ReduceLoops loops = reduce_loops(in[0].shape, reduced);
    if (loops.count == 0 && loops.outputs > 0)
      fail(label(), text("input of shape ", to_string(in[0].shape)), "must not be empty along the axis");
    return {{DType::i64, reduced_shape(in[0].shape, reduced, keep_dims_)}};
  }

  // n − 1 comparisons for each index among n elements.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    const ReduceLoops loops = reduce_loops(in[0].shape, reduced_axes(in));
    Cost cost;
    cost.source = "ONNX " + op() + ": n − 1 comparisons a result";
    cost.formulas = {product(label(), "comparisons",
                             {{"outputs", loops.outputs}, {"(n−1)", loops.count == 0 ? 0 : loops.count - 1}})};
    cost.comparisons = cost.formulas[0].value;
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const auto own = static_cast<int>(axis(in));
    return stream_through(in, time_axes, 1, [&](int time) {
      if (time == own) return -1;
      return keep_dims_ || time < own ? time : time - 1;
    });
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType>) const override {
    return {uniform_candidate("host", 1, 1, Layout::plain, Layout::plain,
                              kHostCyclesPerElement * static_cast<double>(element_count(in[0].shape)))};
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operand& x = p.inputs()[0];
    const int64_t n = element_count(x.shape);
    if (n == 0) return;
    const auto d = static_cast<size_t>(axis(p.inputs()));
    const int64_t width = x.shape[d], inner = row_major_strides(x.shape)[d], outer = n / width / inner;
    const int64_t rows = outer * inner;
    with_number_type(x.dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const auto run = [=, find = extremes_of<T>(largest_, last_)](const std::vector<std::byte*>& at, int64_t, int64_t,
                                                                   Tally* tally) noexcept {
        int64_t read = 0;
        for (int64_t o = 0; o < outer; ++o)
          for (int64_t c = 0; c < inner; c += kColumns) {
            const int64_t columns = std::min(kColumns, inner - c);
            find(reinterpret_cast<const T*>(at[0]) + o * width * inner + c, width, inner, columns,
                 reinterpret_cast<int64_t*>(at[1]) + o * inner + c);
            read += width * columns;
          }
        if (!tally) return;
        tally->bytes_loaded += read * int64_t{sizeof(T)};
        tally->bytes_stored += rows * int64_t{sizeof(int64_t)};
      };
      const int64_t bytes = n * int64_t{sizeof(T)};
      add_host_step(p, {p.input(0).buffer, p.output(0).buffer},
                    host_planned(x.constant ? 0 : bytes, x.constant ? bytes : 0, rows * int64_t{sizeof(int64_t)}),
                    candidate.cycles, run);
    });
  }

 private:
  int64_t axis(Operands in) const { return normalize_axis(axis_, static_cast<int64_t>(in[0].shape.size()), label()); }
  std::vector<bool> reduced_axes(Operands in) const {
    std::vector<bool> reduced(in[0].shape.size(), false);
    reduced[static_cast<size_t>(axis(in))] = true;
    return reduced;
  }

  bool largest_, last_, keep_dims_;
  int64_t axis_;
};

}  // namespace

std::unique_ptr<Layer> make_arg_extreme(const Node& node) { return std::make_unique<ArgExtreme>(node); }

}  // namespace tally
