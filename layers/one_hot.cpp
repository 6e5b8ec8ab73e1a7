// OneHot: Y[…, j, …] = on where j is the index there (negative ones count from the end), else off.
#include <cmath>

#include "tally/layers/host_layer.h"
#include "tally/layers/host_number.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

class OneHot final : public HostLayer {
 public:
  static constexpr int kIndices = 0, kDepth = 1, kValues = 2;

  explicit OneHot(const Node& node) : HostLayer(node), axis_(node.get_int("axis", -1)) {}

  bool needs_value(int input) const override { return input == kDepth; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 3, 3);
    whole_element_bytes(in[kValues].dtype, label());
    if (!with_number_type(in[kIndices].dtype, [](auto) {}))
      fail(label(), text("indices of type ", name_of(in[kIndices].dtype)), "must be numbers of 8 bits or more");
    if (in[kValues].shape != Shape{2})
      fail(label(), text("values of shape ", to_string(in[kValues].shape)), "must be off and on: 2");
    Shape y = in[kIndices].shape;
    y.insert(y.begin() + axis(in), depth(in));
    element_count(y, label());
    return {{in[kValues].dtype, y}};
  }

  // Writes every element once and computes nothing.
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX OneHot, opset 9 to 24: writes data only";
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const int t = time_axes[kIndices];
    if (t < 0) return stream_obstacle("takes its values from what changes over time");
    return stream_unchanged(t < axis(in) ? t : t + 1);
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operands in = p.inputs();
    const Shape& indices = in[kIndices].shape;
    const int64_t outer = element_count(Shape(indices.begin(), indices.begin() + axis(in)));
    const int64_t inner = element_count(Shape(indices.begin() + axis(in), indices.end())), depth = this->depth(in);
    if (outer * inner * depth == 0) return;
    with_number_type(in[kIndices].dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      with_element_bytes(whole_element_bytes(in[kValues].dtype, label()), [&](auto element) {
        using E = decltype(element);
        const auto run = [=](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
          const T* x = reinterpret_cast<const T*>(at[0]);
          const E off = reinterpret_cast<const E*>(at[1])[0], on = reinterpret_cast<const E*>(at[1])[1];
          E* y = reinterpret_cast<E*>(at[2]);
          int64_t i = 0;
          for (int64_t o = 0; o < outer; ++o)
            for (int64_t j = 0; j < depth; ++j)
              for (int64_t k = 0; k < inner; ++k, ++i) y[i] = is_at(x[o * inner + k], j, depth) ? on : off;
          if (!tally) return;
          tally->bytes_loaded += i * int64_t{sizeof(T)} + 2 * int64_t{sizeof(E)};
          tally->bytes_stored += i * int64_t{sizeof(E)};
        };
        const int64_t n = outer * depth * inner, bytes = int64_t{sizeof(E)};
        add_host_step(p, {p.input(kIndices).buffer, p.input(kValues).buffer, p.output(0).buffer},
                      host_planned(p, {{kIndices, n * int64_t{sizeof(T)}}, {kValues, 2 * bytes}}, n * bytes),
                      candidate.cycles, run);
      });
    });
  }

 private:
  template <class T>
  static bool is_at(T index, int64_t j, int64_t depth) {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<int64_t>(index) == j || static_cast<int64_t>(index) == j - depth;
    } else {
      const double cut = std::trunc(to_sum(index));
      return cut == static_cast<double>(j) || cut == static_cast<double>(j - depth);
    }
  }

  std::ptrdiff_t axis(Operands in) const {
    return static_cast<std::ptrdiff_t>(
        normalize_axis(axis_, static_cast<int64_t>(in[kIndices].shape.size()) + 1, label()));
  }

  int64_t depth(Operands in) const {
    const Tensor& depth = *in[kDepth].constant;
    if (depth.elements() != 1) fail(label(), text("depth of shape ", to_string(depth.shape())), "must be a scalar");
    constexpr double kMost = 0x1p40;
    const double value = std::trunc(depth.to_double()[0]);
    if (!(value >= 1 && value <= kMost)) fail(label(), text("depth ", value), "must be 1 to 2^40");
    return static_cast<int64_t>(value);
  }

  int64_t axis_;
};

}  // namespace

std::unique_ptr<Layer> make_one_hot(const Node& node) { return std::make_unique<OneHot>(node); }

}  // namespace tally
