// ReverseSequence: Y[t, b, …] = X[len_b − 1 − t, b, …] for t < len_b, else X[t, b, …]; time and batch axes 0 and 1 or 1
// and 0.
#include <algorithm>
#include <cstring>

#include "tally/layers/host_layer.h"

namespace tally {

namespace {

constexpr int kX = 0, kLengths = 1;

/// Operands: X, sequence_lens (int64 [batch]). Constant lengths are checked at load; others are brought into [0, time].
class ReverseSequence final : public HostLayer {
 public:
  explicit ReverseSequence(const Node& node)
      : HostLayer(node), batch_axis_(node.get_int("batch_axis", 1)), time_axis_(node.get_int("time_axis", 0)) {
    const auto one_of_two = [](int64_t axis) { return axis == 0 || axis == 1; };
    if (!one_of_two(batch_axis_) || !one_of_two(time_axis_) || batch_axis_ == time_axis_)
      fail(label(), text("batch_axis=", batch_axis_, ", time_axis=", time_axis_), "must be 0 and 1, or 1 and 0");
  }

  Role role(int input, Operands) const override { return input == kX ? Role::constant : Role::free; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 2, 2);
    whole_element_bytes(in[kX].dtype, label());
    const Shape& x = in[kX].shape;
    if (x.size() < 2) fail(label(), text("input of shape ", to_string(x)), "must have rank >= 2");
    const int64_t batch = x[static_cast<size_t>(batch_axis_)], time = x[static_cast<size_t>(time_axis_)];
    if (in[kLengths].dtype != DType::i64 || in[kLengths].shape != Shape{batch})
      fail(label(),
           text("sequence_lens of type ", name_of(in[kLengths].dtype), ", shape ", to_string(in[kLengths].shape)),
           text("must be int64, ", batch));
    if (in[kLengths].constant && in[kLengths].constant->has_data())
      for (int64_t length : in[kLengths].constant->to_int64())
        if (length < 0 || length > time) fail(label(), text("length ", length), text("must be in [0, ", time, "]"));
    return {{in[kX].dtype, x}};
  }

  // Moves every element once and computes nothing.
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX ReverseSequence, opset 10 to 24: moves data only";
    return cost;
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Shape& x = p.inputs()[kX].shape;
    const int64_t batch = x[static_cast<size_t>(batch_axis_)], time = x[static_cast<size_t>(time_axis_)];
    const int64_t row =
        element_count(Shape(x.begin() + 2, x.end())) * whole_element_bytes(p.inputs()[kX].dtype, label());
    const int64_t batch_bytes = (batch_axis_ == 0 ? time : 1) * row, time_bytes = (batch_axis_ == 0 ? 1 : batch) * row;
    if (batch * time * row == 0) return;
    const auto run = [=](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      const auto* lengths = reinterpret_cast<const int64_t*>(at[1]);
      int64_t rows = 0;
      for (int64_t b = 0; b < batch; ++b) {
        const int64_t length = std::clamp<int64_t>(lengths[b], 0, time);
        for (int64_t t = 0; t < time; ++t, ++rows) {
          const int64_t from = t < length ? length - 1 - t : t;
          std::memcpy(at[2] + b * batch_bytes + t * time_bytes, at[0] + b * batch_bytes + from * time_bytes,
                      static_cast<size_t>(row));
        }
      }
      if (!tally) return;
      tally->bytes_loaded += rows * row + batch * 8;
      tally->bytes_stored += rows * row;
    };
    add_host_step(p, {p.input(kX).buffer, p.input(kLengths).buffer, p.output(0).buffer},
                  host_planned(p, {{kX, batch * time * row}, {kLengths, batch * 8}}, batch * time * row),
                  candidate.cycles, run);
  }

 private:
  int64_t batch_axis_, time_axis_;
};

}  // namespace

std::unique_ptr<Layer> make_reverse_sequence(const Node& node) { return std::make_unique<ReverseSequence>(node); }

}  // namespace tally
