// Split: [Y_0, Y_1, …] = X cut along one axis.
#include <algorithm>

#include "tally/layers/absorb.h"
#include "tally/layers/copy_layer.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

/// Operands: X and, from opset 13, the optional extents of the parts; before that an attribute. Without extents as many
/// equal parts as outputs (from opset 18 num_outputs, of which the last may be shorter).
class Split final : public CopyLayer, public MayDoNothing {
 public:
  explicit Split(const Node& node)
      : CopyLayer(node),
        axis_(node.get_int("axis", 0)),
        parts_(node.get_int("num_outputs", static_cast<int64_t>(node.outputs.size()))),
        last_may_be_shorter_(node.opset >= 18),
        extents_(node.opset < 13 ? node.get_ints("split") : std::vector<int64_t>{}) {
    constexpr int64_t kMaxParts = 1 << 16;
    if (parts_ < 1 || parts_ > kMaxParts) fail(label(), text("num_outputs=", parts_), text("must be 1 to ", kMaxParts));
  }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 2);
    whole_element_bytes(in[0].dtype, label());
    std::vector<TensorType> types;
    for (int64_t extent : extents(in)) {
      types.push_back({in[0].dtype, in[0].shape});
      types.back().shape[axis(in[0].shape)] = extent;
    }
    return types;
  }

  bool does_nothing(Operands in) const override { return extents(in).size() == 1; }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const int t = time_axes[0];
    if (t < 0) return stream_obstacle("cuts by values that change over time");
    if (static_cast<size_t>(t) == axis(in[0].shape))
      return stream_obstacle(text("cuts its time axis in ", extents(in).size(), " parts"));
    return {"", nullptr, std::vector<int>(extents(in).size(), t), {}, {}};
  }

 protected:
  bool moves_channels_last() const override { return true; }

  std::vector<Move> moves(Operands in, const Placement& x, std::span<const Placement> y) const override {
    const Shape from = placed_strides(x);
    const size_t cut = axis(in[0].shape);
    const std::vector<int64_t> all = extents(in);
    std::vector<Move> list;
    int64_t offset = 0;
    for (size_t k = 0; k < y.size(); ++k) {
      Move move{0, static_cast<int>(k), {}, offset * from[cut], 0};
      offset += all[k];
      if (y[k].type.dtype == DType::undefined) continue;
      const Shape to = placed_strides(y[k]);
      for (size_t d = 0; d < from.size(); ++d) move.loops.push_back({y[k].type.shape[d], from[d], to[d]});
      list.push_back(std::move(move));
    }
    return list;
  }

 private:
  size_t axis(const Shape& x) const {
    return static_cast<size_t>(normalize_axis(axis_, static_cast<int64_t>(x.size()), label()));
  }

  std::vector<int64_t> extents(Operands in) const {
    const int64_t n = in[0].shape[axis(in[0].shape)];
    std::vector<int64_t> given = in.size() > 1 && in[1].present ? in[1].constant->to_int64() : extents_;
    if (given.empty()) {
      if (!last_may_be_shorter_ && n % parts_ != 0)
        fail(label(), text("axis ", axis_, " of extent ", n), text("must be a multiple of its ", parts_, " parts"));
      const int64_t each = n / parts_ + (n % parts_ != 0);
      for (int64_t k = 0; k < parts_; ++k) given.push_back(std::clamp<int64_t>(n - k * each, 0, each));
      return given;
    }
    int64_t sum = 0;
    for (int64_t extent : given)
      if (extent < 0 || __builtin_add_overflow(sum, extent, &sum))
        fail(label(), text("part of ", extent), "must be >= 0");
    if (sum != n)
      fail(label(), text("parts of ", sum, " in all"), text("must have the extent ", n, " of axis ", axis_));
    return given;
  }

  int64_t axis_, parts_;
  bool last_may_be_shorter_;
  std::vector<int64_t> extents_;
};

}  // namespace

std::unique_ptr<Layer> make_split(const Node& node) { return std::make_unique<Split>(node); }

}  // namespace tally
