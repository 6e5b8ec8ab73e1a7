// Trilu: Y[…, i, j] = X[…, i, j] where j − i ≤ k (lower) or ≥ k (upper), else 0.
#include <algorithm>
#include <cstring>

#include "tally/layers/host_layer.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

class Trilu final : public HostLayer {
 public:
  static constexpr int kX = 0, kK = 1;

  explicit Trilu(const Node& node) : HostLayer(node), upper_(node.get_int("upper", 1) != 0) {}

  bool needs_value(int input) const override { return input == kK; }
  Role role(int input, Operands) const override { return input == kX ? Role::constant : Role::free; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 2);
    whole_element_bytes(in[kX].dtype, label());
    if (in[kX].shape.size() < 2) fail(label(), text("input of shape ", to_string(in[kX].shape)), "must have rank >= 2");
    k(in);
    return {{in[kX].dtype, in[kX].shape}};
  }

  // Moves what it keeps and computes nothing.
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX Trilu, opset 14 to 24: moves data only";
    return cost;
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const int t = time_axes[kX];
    if (t < 0 || t + 2 >= static_cast<int>(in[kX].shape.size()))
      return stream_obstacle("keeps a triangle of its time axis");
    return stream_unchanged(t);
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Operands in = p.inputs();
    const Shape& x = in[kX].shape;
    const int64_t columns = x.back(), rows = x[x.size() - 2], matrices = element_count(Shape(x.begin(), x.end() - 2));
    const int64_t element = whole_element_bytes(in[kX].dtype, label());
    int64_t kept = 0;
    for (int64_t i = 0; i < rows && matrices > 0; ++i) {
      const auto [first, last] = kept_columns(i, k(in), columns, upper_);
      kept += last - first;
    }
    const auto run = [=, k = k(in), upper = upper_](const std::vector<std::byte*>& at, int64_t, int64_t,
                                                    Tally* tally) noexcept {
      int64_t row = 0, loaded = 0;
      for (int64_t m = 0; m < matrices; ++m)
        for (int64_t i = 0; i < rows; ++i, ++row) {
          const auto [first, last] = kept_columns(i, k, columns, upper);
          const std::byte* from = at[0] + row * columns * element;
          std::byte* to = at[1] + row * columns * element;
          std::memset(to, 0, static_cast<size_t>(first * element));
          std::memcpy(to + first * element, from + first * element, static_cast<size_t>((last - first) * element));
          std::memset(to + last * element, 0, static_cast<size_t>((columns - last) * element));
          loaded += last - first;
        }
      if (!tally) return;
      tally->bytes_loaded += loaded * element;
      tally->bytes_stored += row * columns * element;
    };
    if (matrices * rows * columns == 0) return;
    add_host_step(p, {p.input(kX).buffer, p.output(0).buffer},
                  host_planned(p, {{kX, matrices * kept * element}}, matrices * rows * columns * element),
                  candidate.cycles, run);
  }

 private:
  /// Columns [first, last) of row i that stay.
  static std::pair<int64_t, int64_t> kept_columns(int64_t i, int64_t k, int64_t columns, bool upper) {
    const int64_t diagonal = i + k;
    if (upper) return {std::clamp<int64_t>(diagonal, 0, columns), columns};
    return {0, std::clamp<int64_t>(diagonal + 1, 0, columns)};
  }

  int64_t k(Operands in) const {
    if (in.size() <= kK || !in[kK].present) return 0;
    const std::vector<int64_t> given = in[kK].constant->to_int64();
    if (given.size() != 1) fail(label(), text("k of shape ", to_string(in[kK].shape)), "must be a scalar");
    constexpr int64_t kFar = int64_t{1} << 60;  // beyond any diagonal
    return std::clamp(given[0], -kFar, kFar);
  }

  bool upper_;
};

}  // namespace

std::unique_ptr<Layer> make_trilu(const Node& node) { return std::make_unique<Trilu>(node); }

}  // namespace tally
