// Concat: Y = [X_0, X_1, …] along one axis.
#include <algorithm>

#include "tally/layers/absorb.h"
#include "tally/layers/copy_steps.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

class Concat final : public Layer, public PassesTransposition {
 public:
  explicit Concat(const Node& node) : Layer(node), axis_(node.get_int("axis", 1)) {
    if (node.opset >= 4 && !node.has("axis")) fail(label(), "no axis", "must have the attribute axis");
  }

  std::vector<TensorType> infer(Operands in) const override {
    if (in.empty()) fail(label(), "0 inputs", "must be at least 1");
    require_inputs(label(), in, in.size(), in.size());
    whole_element_bytes(in[0].dtype, label());
    const auto axis = static_cast<size_t>(normalize_axis(axis_, static_cast<int64_t>(in[0].shape.size()), label()));
    Shape y = in[0].shape;
    for (size_t i = 1; i < in.size(); ++i) {
      if (in[i].dtype != in[0].dtype)
        fail(label(), text("input ", i, " of type ", name_of(in[i].dtype)),
             text("must be ", name_of(in[0].dtype), " like input 0"));
      Shape same = in[i].shape;
      if (same.size() == y.size()) {
        if (__builtin_add_overflow(y[axis], same[axis], &y[axis]))
          fail(label(), "extent", "must fit 63 bits", ErrorCode::limit);
        same[axis] = y[axis];
      }
      if (same != y)
        fail(label(), text("input ", i, " of shape ", to_string(in[i].shape)),
             text("must equal ", to_string(in[0].shape), " but for axis ", axis_));
    }
    return {{in[0].dtype, y}};
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const int64_t axis = normalize_axis(axis_, static_cast<int64_t>(in[0].shape.size()), label());
    for (size_t i = 0; i < in.size(); ++i)
      if (time_axes[i] == axis) return stream_obstacle("joins sequences end to end");
    return stream_aligned(in, time_axes, std::vector<int>(in.size(), 0));
  }

  // Moves every element once and computes nothing.
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX Concat, opset 1 to 24: moves data only";
    return cost;
  }

  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override {
    const Geometry& g = context.kernels->geometry;
    std::vector<Candidate> list;
    for (Layout layout : {Layout::plain, Layout::channels_last}) {
      if (layout == Layout::channels_last && !may_be_channels_last(in[0].dtype, in[0].shape)) continue;
      const Placement y = expected_placement(out[0], layout, g.channel_pad);
      double cycles = 0;
      for (const Operand& x : in) cycles += copy_cycles(make_args(expected_placement(x, layout, g.channel_pad), y), g);
      list.push_back(uniform_candidate("copy", in.size(), 1, layout, layout, cycles));
    }
    return list;
  }

  void prepare(const Candidate&, Preparation& p) const override {
    const Placement y = p.output(0);
    const auto axis = static_cast<size_t>(normalize_axis(axis_, static_cast<int64_t>(y.type.shape.size()), label()));
    int64_t offset = 0;
    for (size_t i = 0; i < p.inputs().size(); ++i) {
      const Placement x = p.input(static_cast<int>(i));
      add_copy_step(p, make_args(x, y), {x.buffer, 0, p.inputs()[i].constant != nullptr}, {y.buffer, offset});
      offset += x.type.shape[axis] * placed_strides(y)[axis];
    }
  }

  std::shared_ptr<const Layer> before_transposition(Operands in,
                                                    const std::vector<size_t>& permutation) const override {
    auto layer = std::make_shared<Concat>(*this);
    const int64_t axis = normalize_axis(axis_, static_cast<int64_t>(in[0].shape.size()), label());
    layer->axis_ = static_cast<int64_t>(permutation[static_cast<size_t>(axis)]);
    return layer;
  }

 private:
  CopyArgs make_args(const Placement& x, const Placement& y) const {
    const Shape from = placed_strides(x), to = placed_strides(y);
    std::vector<CopyLoop> loops;
    for (size_t d = 0; d < from.size(); ++d) loops.push_back({x.type.shape[d], from[d], to[d]});
    return copy_args(std::move(loops), whole_element_bytes(x.type.dtype, label()), label());
  }

  int64_t axis_;
};

}  // namespace

std::unique_ptr<Layer> make_concat(const Node& node) { return std::make_unique<Concat>(node); }

}  // namespace tally
