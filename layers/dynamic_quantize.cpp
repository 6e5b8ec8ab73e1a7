// DynamicQuantizeLinear: to uint8 by the data's own range, widened to hold 0: scale = (max − min) / 255, zero point =
// round(saturate(−min / scale)), y = saturate(round(x / scale) + zero point). All of one value 0: scale 1. ONNX
// DynamicQuantizeLinear, opset 11 to 24.
#include <algorithm>

#include "tally/layers/formula.h"
#include "tally/layers/host_layer.h"
#include "tally/layers/quantize.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

struct Range {
  float scale;
  uint8_t zero;
};

Range range_of(const float* x, int64_t n) {
  float low = 0, high = 0;
  for (int64_t i = 0; i < n; ++i) {
    low = std::min(low, x[i]);
    high = std::max(high, x[i]);
  }
  const float scale = high == low ? 1.0f : (high - low) / 255.0f;
  return {scale, from_real<uint8_t>(-low / scale)};
}

class DynamicQuantizeLinear final : public HostLayer {
 public:
  static constexpr int kY = 0, kScale = 1, kZero = 2;
  using HostLayer::HostLayer;

  Role role(int, Operands) const override { return Role::constant; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    if (in[0].dtype != DType::f32) fail(label(), text("x of type ", name_of(in[0].dtype)), "must be float32");
    return {{DType::u8, in[0].shape}, {DType::f32, {}}, {DType::u8, {}}};
  }

  // The standard's own function body: ReduceMin and ReduceMax, Min, Max, Sub, Div for the scale, Div, Sub, Clip, Round
  // for the zero point, QuantizeLinear.
  Cost cost(Operands in, std::span<const TensorType>) const override {
    const int64_t n = element_count(in[0].shape, label());
    Cost cost;
    cost.source = "ONNX DynamicQuantizeLinear, opset 11: its function body";
    const int64_t whole = product(label(), "elementwise", {{"elements", n}, {"operations an element", 7}}).value;
    cost.comparisons = n == 0 ? kOnceComparisons : 2 * (n - 1) + kOnceComparisons + 2 * n;
    cost.elementwise = whole + kOnceElementwise;
    cost.formulas = {
        {"comparisons", "2·(elements − 1) + 4 + 2·elements", text("2·(", n, " − 1) + 4 + 2·", n), cost.comparisons},
        {"elementwise", "7·elements + 7", text("7·", n, " + 7"), cost.elementwise}};
    return cost;
  }

  StreamStep stream(Operands, std::span<const int> time_axes) const override {
    if (time_axes[0] == kNoTimeAxis) return {{}, nullptr, {kNoTimeAxis, kNoTimeAxis, kNoTimeAxis}, {}, {}};
    return stream_obstacle("takes its range from all time steps");
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const int64_t n = element_count(p.inputs()[0].shape);
    const auto buffer = [&](int output) {
      return static_cast<size_t>(output) < p.outputs().size() ? p.output(output).buffer : -1;
    };
    const std::vector<BufferId> ids = {p.input(0).buffer, buffer(kY), buffer(kScale), buffer(kZero)};
    const auto run = [n](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      const float* x = reinterpret_cast<const float*>(at[0]);
      const Range range = range_of(x, n);
      int64_t read = n, stored = 0;
      if (at[1 + kY]) {
        quantise_row(x, range.scale, range.zero, reinterpret_cast<uint8_t*>(at[1 + kY]), n);
        read += n;
        stored += n;
      }
      if (at[1 + kScale]) *reinterpret_cast<float*>(at[1 + kScale]) = range.scale, stored += 4;
      if (at[1 + kZero]) *reinterpret_cast<uint8_t*>(at[1 + kZero]) = range.zero, stored += 1;
      if (!tally) return;
      tally->bytes_loaded += read * 4;
      tally->bytes_stored += stored;
    };
    const int64_t read = ids[1 + kY] < 0 ? n : 2 * n;
    const int64_t stored = (ids[1 + kY] < 0 ? 0 : n) + (ids[1 + kScale] < 0 ? 0 : 4) + (ids[1 + kZero] < 0 ? 0 : 1);
    add_host_step(p, ids, host_planned(p, {{0, read * 4}}, stored), candidate.cycles, run);
  }

 private:
  // Of the two numbers: Min and Max of the range, Clip of the zero point; all of them, and Sub twice, Div twice, Round.
  static constexpr int64_t kOnceComparisons = 4, kOnceElementwise = 7;
};

}  // namespace

std::unique_ptr<Layer> make_dynamic_quantize_linear(const Node& node) {
  return std::make_unique<DynamicQuantizeLinear>(node);
}

}  // namespace tally
