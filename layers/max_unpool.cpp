// MaxUnpool: Y = 0, but Y[I[i]] = X[i]: what MaxPool took goes back to where it lay. ONNX MaxUnpool, opset 9 to 24.
// I counts within the extents that kernel, strides and pads make of X's,
//   (in − 1)·stride + kernel − pads,
// and a larger output_shape goes on with zeros behind them along every axis (as the standard's own cases have it).
#include <algorithm>

#include "tally/layers/formula.h"
#include "tally/layers/host_layer.h"
#include "tally/layers/host_number.h"
#include "tally/layers/pool_shape.h"

namespace tally {

namespace {

/// Where element i of the tensor that I counts in lies in Y.
struct Unpooled {
  Shape inner, strides;  ///< extents that I counts in; strides of Y
  int64_t elements = 0;  ///< of `inner`

  int64_t offset(int64_t i) const {
    int64_t at = 0;
    for (size_t d = inner.size(); d-- > 0;) {
      at += i % inner[d] * strides[d];
      i /= inner[d];
    }
    return at;
  }
};

class MaxUnpool final : public HostLayer {
 public:
  static constexpr int kX = 0, kI = 1, kOutputShape = 2;

  explicit MaxUnpool(const Node& node) : HostLayer(node), window_(read_pool_window(node, false).attributes) {}

  bool needs_value(int input) const override { return input == kOutputShape; }
  Role role(int input, Operands) const override { return input == kOutputShape ? Role::free : Role::activation; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 2, 3);
    if (!with_number_type(in[kX].dtype, [](auto) {}))
      fail(label(), text("X of type ", name_of(in[kX].dtype)), "must be a number");
    if (in[kI].dtype != DType::i64) fail(label(), text("I of type ", name_of(in[kI].dtype)), "must be int64");
    if (in[kI].shape != in[kX].shape)
      fail(label(), text("I of shape ", to_string(in[kI].shape)), text("must be ", to_string(in[kX].shape), " like X"));
    return {{in[kX].dtype, output_shape(in, inner_shape(in))}};
  }

  // Moves X to its places; the rest of Y is zeros.
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.textbook = true;
    cost.source = "ONNX MaxUnpool, opset 9 to 24: moves data only";
    return cost;
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operands in = p.inputs();
    const Shape shape = p.outputs()[0].shape;
    const int64_t n = element_count(in[kX].shape), outputs = element_count(shape);
    if (outputs == 0) return;
    const Shape inner = inner_shape(in);
    const Unpooled unpooled{inner, row_major_strides(shape), element_count(inner)};
    const int64_t bytes = whole_element_bytes(in[kX].dtype, label());
    with_element_bytes(bytes, [&](auto element) {
      using E = decltype(element);
      const auto run = [unpooled, n, outputs](const std::vector<std::byte*>& at, int64_t, int64_t,
                                              Tally* tally) noexcept {
        const auto* x = reinterpret_cast<const E*>(at[0]);
        const auto* indices = reinterpret_cast<const int64_t*>(at[1]);
        auto* y = reinterpret_cast<E*>(at[2]);
        int64_t zeros = 0, i = 0, placed = 0;
        for (; zeros < outputs; ++zeros) y[zeros] = E{};
        for (; i < n; ++i) {
          // A run cannot fail: what points outside is left out.
          if (indices[i] < 0 || indices[i] >= unpooled.elements) continue;
          y[unpooled.offset(indices[i])] = x[i];
          ++placed;
        }
        if (!tally) return;
        tally->bytes_loaded += i * 8 + placed * int64_t{sizeof(E)};
        tally->bytes_stored += (zeros + placed) * int64_t{sizeof(E)};
      };
      int64_t placed = n;
      if (const Tensor* indices = in[kI].constant)
        placed = std::count_if(indices->values<int64_t>().begin(), indices->values<int64_t>().end(),
                               [&](int64_t i) { return i >= 0 && i < unpooled.elements; });
      else
        p.vary("indices_outside");
      Planned planned = host_planned(p, {{kX, placed * bytes}, {kI, n * 8}}, outputs * bytes);
      planned.stored_partials = placed * bytes;
      planned.tally.bytes_stored += planned.stored_partials;
      add_host_step(p, {p.input(kX).buffer, p.input(kI).buffer, p.output(0).buffer}, planned, candidate.cycles, run);
    });
  }

 private:
  /// Extents that I counts in.
  Shape inner_shape(Operands in) const {
    const Shape& x = in[kX].shape;
    if (x.size() < 3) fail(label(), text("X of shape ", to_string(x)), "must have rank >= 3");
    const size_t rank = x.size() - 2;
    check_count(label(), "kernel_shape", window_.kernel, rank);
    check_count(label(), "strides", window_.strides, rank);
    check_count(label(), "pads", window_.pads, 2 * rank);
    Shape inner = {x[0], x[1]};
    for (size_t d = 0; d < rank; ++d) {
      const int64_t stride = window_.strides.empty() ? 1 : window_.strides[d];
      const int64_t pads = window_.pads.empty() ? 0 : window_.pads[d] + window_.pads[d + rank];
      const std::optional<int64_t> reach = checked_multiply(std::max<int64_t>(x[d + 2] - 1, 0), stride);
      if (!reach || *reach > kMaxStep)
        fail(label(), text("stride ", stride, " of ", x[d + 2], " elements"), text("must reach at most ", kMaxStep),
             ErrorCode::limit);
      inner.push_back(x[d + 2] == 0 ? 0 : *reach + window_.kernel[d] - pads);
      if (inner.back() < 0)
        fail(label(), text("pads of ", pads, " on spatial axis ", d),
             text("must be at most ", *reach + window_.kernel[d]));
    }
    element_count(inner, label());
    return inner;
  }

  Shape output_shape(Operands in, const Shape& inner) const {
    if (in.size() <= kOutputShape || !in[kOutputShape].present) return inner;
    const Operand& operand = in[kOutputShape];
    if (!operand.constant || !operand.constant->has_data())
      fail(label(), "output_shape", "must be constant or bound before planning");
    if (operand.dtype != DType::i64 || operand.shape != Shape{static_cast<int64_t>(inner.size())})
      fail(label(), text("output_shape of type ", name_of(operand.dtype), " and shape ", to_string(operand.shape)),
           text("must be int64 of shape ", inner.size()));
    const Shape y = operand.constant->to_int64();
    for (size_t d = 0; d < y.size(); ++d)
      if (y[d] < inner[d] || (d < 2 && y[d] != inner[d]))
        fail(label(), text("output_shape[", d, "]=", y[d]), text(d < 2 ? "must be " : "must be at least ", inner[d]));
    return y;
  }

  WindowAttributes window_;
};

}  // namespace

std::unique_ptr<Layer> make_max_unpool(const Node& node) { return std::make_unique<MaxUnpool>(node); }

}  // namespace tally
