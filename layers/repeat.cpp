// Expand and Tile: X repeated along its axes.
//   Expand: Y = X broadcast with `shape`, by ONNX's multidirectional rule.
//   Tile:   Y[i_0, i_1, …] = X[i_0 mod n_0, i_1 mod n_1, …], repeats_d · n_d elements along axis d.
#include <algorithm>

#include "tally/layers/absorb.h"
#include "tally/layers/copy_layer.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

class Expand final : public CopyLayer, public MayDoNothing {
 public:
  using CopyLayer::CopyLayer;

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 2, 2);
    whole_element_bytes(in[0].dtype, label());
    const Shape wanted = in[1].constant->to_int64();
    for (int64_t extent : wanted)
      if (extent < 0) fail(label(), text("extent ", extent, " of shape"), "must be >= 0");
    const std::optional<Shape> y = broadcast(in[0].shape, wanted);
    if (!y) fail(label(), text("shape ", to_string(wanted)), text("must broadcast with ", to_string(in[0].shape)));
    element_count(*y, label());
    return {{in[0].dtype, *y}};
  }

  bool does_nothing(Operands) const override { return true; }  // where the type stays: nothing is repeated

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const int t = time_axes[0];
    if (t < 0) return stream_obstacle("takes its shape from values that change over time");
    std::vector<int64_t> shape = in[1].constant->to_int64();
    const auto rank = static_cast<int64_t>(in[0].shape.size());
    const int64_t at = t + static_cast<int64_t>(shape.size()) - rank;  // of the time axis in `shape`
    StreamStep step;
    step.time_axes = {static_cast<int>(std::max<int64_t>(t, at))};
    if (at >= 0) {
      shape[static_cast<size_t>(at)] = 1;
      step.constants.emplace_back(1, Tensor::of_int64(shape));
    }
    return step;
  }

 protected:
  std::vector<Move> moves(Operands, const Placement& x, std::span<const Placement> y) const override {
    const Shape from = placed_strides(x), to = placed_strides(y[0]);
    const size_t added = to.size() - from.size();
    Move move;
    for (size_t d = 0; d < to.size(); ++d) {
      const bool repeats = d < added || x.type.shape[d - added] == 1;
      move.loops.push_back({y[0].type.shape[d], repeats ? 0 : from[d - added], to[d]});
    }
    return {std::move(move)};
  }
};

/// Operands: X, repeats (int64, one an axis); before opset 6 X, tiles and axis, a number each.
class Tile final : public CopyLayer, public MayDoNothing {
 public:
  explicit Tile(const Node& node) : CopyLayer(node), one_axis_(node.opset < 6) {}

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, one_axis_ ? 3 : 2, one_axis_ ? 3 : 2);
    whole_element_bytes(in[0].dtype, label());
    Shape y = in[0].shape;
    const std::vector<int64_t> times = repeats(in);
    for (size_t d = 0; d < y.size(); ++d) {
      const std::optional<int64_t> extent = checked_multiply(y[d], times[d]);
      if (!extent) fail(label(), text(times[d], " repeats of ", y[d]), "must fit 63 bits", ErrorCode::limit);
      y[d] = *extent;
    }
    element_count(y, label());
    return {{in[0].dtype, y}};
  }

  bool does_nothing(Operands) const override { return true; }  // where the type stays: nothing is repeated

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const int t = time_axes[0];
    if (t < 0) return stream_obstacle("takes its repeats from values that change over time");
    const int64_t times = repeats(in)[static_cast<size_t>(t)];
    if (times != 1) return stream_obstacle(text("repeats its time axis ", times, " times"));
    return stream_unchanged(t);
  }

 protected:
  std::vector<Move> moves(Operands in, const Placement& x, std::span<const Placement> y) const override {
    const Shape from = placed_strides(x), to = placed_strides(y[0]);
    const std::vector<int64_t> times = repeats(in);
    Move move;
    for (size_t d = 0; d < to.size(); ++d) {
      const int64_t n = x.type.shape[d];
      move.loops.push_back({times[d], 0, n * to[d]});
      move.loops.push_back({n, from[d], to[d]});
    }
    return {std::move(move)};
  }

 private:
  std::vector<int64_t> repeats(Operands in) const {
    const size_t rank = in[0].shape.size();
    std::vector<int64_t> given = in[1].constant->to_int64();
    if (one_axis_) {
      const std::vector<int64_t> axis = in[2].constant->to_int64();
      if (given.size() != 1 || axis.size() != 1)
        fail(label(), text(given.size(), " tiles, ", axis.size(), " axes"), "must be one of each");
      std::vector<int64_t> all(rank, 1);
      all[static_cast<size_t>(normalize_axis(axis[0], static_cast<int64_t>(rank), label()))] = given[0];
      given = std::move(all);
    }
    if (given.size() != rank) fail(label(), text(given.size(), " repeats"), text("must be ", rank, ", one an axis"));
    for (int64_t times : given)
      if (times < 0) fail(label(), text("repeats of ", times), "must be >= 0");
    return given;
  }

  bool one_axis_;
};

}  // namespace

std::unique_ptr<Layer> make_expand(const Node& node) { return std::make_unique<Expand>(node); }
std::unique_ptr<Layer> make_tile(const Node& node) { return std::make_unique<Tile>(node); }

}  // namespace tally
