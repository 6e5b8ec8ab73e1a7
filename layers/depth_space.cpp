// DepthToSpace and SpaceToDepth: blocks of channels become blocks of b × b pixels, and back. X is [N, C, H, W].
//   DepthToSpace, DCR: Y[n, c, h·b + i, w·b + j] = X[n, (i·b + j)·C/b² + c, h, w]; CRD: channel c·b² + i·b + j.
//   SpaceToDepth: Y[n, (i·b + j)·C + c, h, w] = X[n, c, h·b + i, w·b + j].
#include "tally/layers/copy_layer.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

class BlockMove : public CopyLayer {
 public:
  explicit BlockMove(const Node& node) : CopyLayer(node), b_(node.get_int("blocksize", 0)) {
    constexpr int64_t kMost = 1 << 20;  // its square stays small
    if (b_ < 1 || b_ > kMost) fail(label(), text("blocksize=", b_), text("must be 1 to ", kMost));
  }

  StreamStep stream(Operands, std::span<const int> time_axes) const override {
    if (time_axes[0] != 0) return stream_obstacle("mixes pixels and channels with time steps");
    return stream_unchanged(0);
  }

 protected:
  const Shape& image(Operands in) const {
    require_inputs(label(), in, 1, 1);
    whole_element_bytes(in[0].dtype, label());
    if (in[0].shape.size() != 4) fail(label(), text("input of shape ", to_string(in[0].shape)), "must have rank 4");
    return in[0].shape;
  }
  bool moves_channels_last() const override { return true; }

  int64_t b_;
};

class DepthToSpace final : public BlockMove {
 public:
  explicit DepthToSpace(const Node& node) : BlockMove(node) {
    const std::string mode = node.get_string("mode", "DCR");
    if (mode != "DCR" && mode != "CRD") fail(label(), "mode='" + mode + "'", "must be DCR or CRD");
    columns_first_ = mode == "CRD";
  }

  std::vector<TensorType> infer(Operands in) const override {
    const Shape& x = image(in);
    if (x[1] % (b_ * b_) != 0) fail(label(), text("C=", x[1]), text("must be a multiple of ", b_ * b_));
    const Shape y{x[0], x[1] / (b_ * b_), x[2] * b_, x[3] * b_};
    element_count(y, label());
    return {{in[0].dtype, y}};
  }

 protected:
  std::vector<Move> moves(Operands, const Placement& x, std::span<const Placement> y) const override {
    const Shape from = placed_strides(x), to = placed_strides(y[0]), &s = x.type.shape;
    const int64_t C = s[1] / (b_ * b_);
    const int64_t c = columns_first_ ? b_ * b_ : 1, block = columns_first_ ? 1 : C;
    return {{0,
             0,
             {{s[0], from[0], to[0]},
              {C, c * from[1], to[1]},
              {s[2], from[2], b_ * to[2]},
              {b_, b_ * block * from[1], to[2]},
              {s[3], from[3], b_ * to[3]},
              {b_, block * from[1], to[3]}},
             0,
             0}};
  }

 private:
  bool columns_first_ = false;
};

class SpaceToDepth final : public BlockMove {
 public:
  using BlockMove::BlockMove;

  std::vector<TensorType> infer(Operands in) const override {
    const Shape& x = image(in);
    for (size_t d : {2, 3})
      if (x[d] % b_ != 0) fail(label(), text("extent ", x[d], " of axis ", d), text("must be a multiple of ", b_));
    const Shape y{x[0], checked_multiply(x[1], b_ * b_).value_or(-1), x[2] / b_, x[3] / b_};
    element_count(y, label());
    return {{in[0].dtype, y}};
  }

 protected:
  std::vector<Move> moves(Operands, const Placement& x, std::span<const Placement> y) const override {
    const Shape from = placed_strides(x), to = placed_strides(y[0]), &s = x.type.shape;
    return {{0,
             0,
             {{s[0], from[0], to[0]},
              {s[1], from[1], to[1]},
              {s[2] / b_, b_ * from[2], to[2]},
              {b_, from[2], b_ * s[1] * to[1]},
              {s[3] / b_, b_ * from[3], to[3]},
              {b_, from[3], s[1] * to[1]}},
             0,
             0}};
  }
};

}  // namespace

std::unique_ptr<Layer> make_depth_to_space(const Node& node) { return std::make_unique<DepthToSpace>(node); }
std::unique_ptr<Layer> make_space_to_depth(const Node& node) { return std::make_unique<SpaceToDepth>(node); }

}  // namespace tally
