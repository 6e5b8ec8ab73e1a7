// Layers that change what a tensor is called, not its bytes: Identity, Dropout (inference), Flatten, Reshape, Squeeze,
// Unsqueeze. They cost nothing and never run.
#include <algorithm>
#include <set>

#include "tally/layers/dropout_mask.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

class View : public Layer {
 public:
  using Layer::Layer;
  int view_of() const override { return 0; }
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.view = true;
    cost.coverage = Coverage::free;
    cost.source = "ONNX " + op() + ": a view moves no data";
    return cost;
  }
  std::vector<Candidate> candidates(const PlanContext&, Operands, std::span<const TensorType>) const override {
    return {};
  }
  void prepare(const Candidate&, Preparation&) const override {}

 protected:
  /// A view of in[0] with other extents.
  std::vector<TensorType> viewed(Operands in, Shape shape) const { return {{in[0].dtype, std::move(shape)}}; }
  void require_at_most(Operands in, size_t inputs) const { require_inputs(label(), in, 1, inputs); }
};

class IdentityLayer final : public View {
 public:
  using View::View;
  bool view_keeps_layout() const override { return true; }
  bool keeps_identity() const override { return true; }
  std::vector<TensorType> infer(Operands in) const override {
    require_at_most(in, 1);
    return viewed(in, in[0].shape);
  }
  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    return stream_elements(in, time_axes);
  }
};

/// Dropout at inference: its data unchanged. Where the mask is wanted too, dropout_mask.cpp serves.
class DropoutLayer final : public View {
 public:
  explicit DropoutLayer(const Node& node) : View(node) {
    if (node.get_int("is_test", 1) == 0 && node.opset < 7)
      fail(label(), "is_test=0", "must be 1 (out of scope: training)");
  }
  bool view_keeps_layout() const override { return true; }
  bool needs_value(int input) const override { return input == 2; }
  std::vector<TensorType> infer(Operands in) const override {
    require_at_most(in, 3);
    check_dropout(label(), in);
    return viewed(in, in[0].shape);
  }
  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    return stream_elements(in, time_axes);
  }
};

/// The axis of `y` that holds the same elements as axis `axis` of `x`, another shape of the same tensor; or
/// kNoTimeAxis.
int same_axis(const Shape& x, int axis, const Shape& y) {
  const auto at = x.begin() + axis;
  const int64_t before = element_count(Shape(x.begin(), at)), behind = element_count(Shape(at + 1, x.end()));
  int64_t outer = 1;
  for (size_t d = 0; d < y.size(); outer *= y[d++])
    if (outer == before && y[d] == *at &&
        element_count(Shape(y.begin() + static_cast<std::ptrdiff_t>(d) + 1, y.end())) == behind)
      return static_cast<int>(d);
  return kNoTimeAxis;
}

StreamStep same_axis_or_obstacle(const Shape& x, int axis, const Shape& y) {
  const int found = element_count(x) == 0 ? kNoTimeAxis : same_axis(x, axis, y);
  if (found == kNoTimeAxis)
    return stream_obstacle(text("joins or splits time: ", to_string(x), " becomes ", to_string(y)));
  return stream_unchanged(found);
}

class FlattenLayer final : public View {
 public:
  explicit FlattenLayer(const Node& node) : View(node), axis_(node.get_int("axis", 1)) {}
  std::vector<TensorType> infer(Operands in) const override {
    require_at_most(in, 1);
    const Shape& x = in[0].shape;
    const auto rank = static_cast<int64_t>(x.size());
    const int64_t axis = axis_ < 0 ? axis_ + rank : axis_;
    if (axis < 0 || axis > rank) fail(label(), text("axis=", axis_), text("must be ", -rank, " to ", rank));
    const Shape head(x.begin(), x.begin() + axis), tail(x.begin() + axis, x.end());
    return viewed(in, {element_count(head), element_count(tail)});
  }
  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    // One step of extent 1 flattens alike; which of two unit axes is time does not matter then.
    return same_axis_or_obstacle(in[0].shape, time_axes[0], infer(in)[0].shape);
  }

 private:
  int64_t axis_;
};

class ReshapeLayer final : public View {
 public:
  explicit ReshapeLayer(const Node& node) : View(node), allow_zero_(node.get_int("allowzero", 0) != 0) {
    if (node.has("shape")) attribute_ = node.get_ints("shape");
  }
  bool needs_value(int input) const override { return input == 1; }
  std::vector<TensorType> infer(Operands in) const override {
    require_at_most(in, 2);
    const std::vector<int64_t> wanted = wanted_extents(in);
    const int64_t elements = element_count(in[0].shape, label());
    Shape shape;
    int64_t known = 1;
    int unknown = -1;
    for (size_t i = 0; i < wanted.size(); ++i) {
      int64_t extent = wanted[i];
      if (extent == 0 && !allow_zero_) {
        if (i >= in[0].shape.size())
          fail(label(), text("shape has 0 in dimension ", i), text("must be below rank ", in[0].shape.size()));
        extent = in[0].shape[i];
      }
      if (extent < -1) fail(label(), text("shape has ", extent), "must be -1 or more");
      if (extent == -1) {
        if (unknown >= 0) fail(label(), "shape has -1 twice", "must have at most one");
        unknown = static_cast<int>(i);
        extent = 1;
      }
      const std::optional<int64_t> product = checked_multiply(known, extent);
      if (!product) fail(label(), "shape", "must fit 63 bits", ErrorCode::limit);
      known = *product;
      shape.push_back(extent);
    }
    if (unknown >= 0) {
      if (known == 0 || elements % known != 0)
        fail(label(), text("shape for ", elements, " elements"),
             text("must have a product that divides them, not ", known));
      shape[static_cast<size_t>(unknown)] = elements / known;
    } else if (known != elements) {
      fail(label(), text("shape ", to_string(shape)),
           text("must have ", elements, " elements like ", to_string(in[0].shape)));
    }
    return viewed(in, std::move(shape));
  }
  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    Shape y = infer(in)[0].shape;
    StreamStep step = same_axis_or_obstacle(in[0].shape, time_axes[0], y);
    if (!step.obstacle.empty()) return step;
    y[static_cast<size_t>(step.time_axes[0])] = 1;
    if (in.size() > 1 && in[1].present) {
      step.constants.emplace_back(1, Tensor::of_int64(y));
      return step;
    }
    auto layer = std::make_shared<ReshapeLayer>(*this);
    layer->attribute_ = y;
    step.layer = std::move(layer);
    return step;
  }

 private:
  std::vector<int64_t> wanted_extents(Operands in) const {
    if (in.size() > 1 && in[1].present) return in[1].constant->to_int64();
    if (!attribute_) fail(label(), "no shape", "must have a shape input or attribute");
    return *attribute_;
  }

  bool allow_zero_;
  std::optional<std::vector<int64_t>> attribute_;
};

/// Axes from input 1 (opset 13) or the attribute; nothing where neither is given.
std::optional<std::vector<int64_t>> axes_of(Operands in, const std::optional<std::vector<int64_t>>& attribute) {
  if (in.size() > 1 && in[1].present) return in[1].constant->to_int64();
  return attribute;
}

std::optional<std::vector<int64_t>> axes_attribute(const Node& node) {
  if (!node.has("axes")) return std::nullopt;
  return node.get_ints("axes");
}

class SqueezeLayer final : public View {
 public:
  explicit SqueezeLayer(const Node& node) : View(node), attribute_(axes_attribute(node)) {}
  bool needs_value(int input) const override { return input == 1; }
  std::vector<TensorType> infer(Operands in) const override {
    const Shape& x = in[0].shape;
    const std::set<int64_t> gone = squeezed(in);
    Shape shape;
    for (size_t d = 0; d < x.size(); ++d)
      if (!gone.contains(static_cast<int64_t>(d))) shape.push_back(x[d]);
    return viewed(in, std::move(shape));
  }
  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const std::set<int64_t> gone = squeezed(in);
    const int axis = time_axes[0];
    if (gone.contains(axis)) return stream_obstacle("squeezes the time axis away");
    StreamStep step = stream_unchanged(axis - static_cast<int>(std::distance(gone.begin(), gone.lower_bound(axis))));
    if (axes_of(in, attribute_)) return step;
    // Without axes a step would lose its time axis, of extent 1.
    auto layer = std::make_shared<SqueezeLayer>(*this);
    layer->attribute_.emplace(gone.begin(), gone.end());
    step.layer = std::move(layer);
    return step;
  }

 private:
  /// The axes that go.
  std::set<int64_t> squeezed(Operands in) const {
    require_at_most(in, 2);
    const Shape& x = in[0].shape;
    std::set<int64_t> gone;
    if (const auto axes = axes_of(in, attribute_)) {
      for (int64_t axis : *axes) {
        const int64_t d = normalize_axis(axis, static_cast<int64_t>(x.size()), label());
        if (x[static_cast<size_t>(d)] != 1)
          fail(label(), text("extent ", x[static_cast<size_t>(d)], " on axis ", axis), "must be 1");
        gone.insert(d);
      }
    } else {
      for (size_t d = 0; d < x.size(); ++d)
        if (x[d] == 1) gone.insert(static_cast<int64_t>(d));
    }
    return gone;
  }

  std::optional<std::vector<int64_t>> attribute_;
};

class UnsqueezeLayer final : public View {
 public:
  explicit UnsqueezeLayer(const Node& node) : View(node), attribute_(axes_attribute(node)) {}
  bool needs_value(int input) const override { return input == 1; }
  std::vector<TensorType> infer(Operands in) const override {
    const std::set<int64_t> added = new_axes(in);
    const auto rank = static_cast<int64_t>(in[0].shape.size() + added.size());
    Shape shape;
    size_t next = 0;
    for (int64_t d = 0; d < rank; ++d) shape.push_back(added.contains(d) ? 1 : in[0].shape[next++]);
    return viewed(in, std::move(shape));
  }
  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    int axis = time_axes[0];
    for (int64_t added : new_axes(in)) axis += added <= axis ? 1 : 0;
    return stream_unchanged(axis);
  }

 private:
  std::set<int64_t> new_axes(Operands in) const {
    require_at_most(in, 2);
    const std::optional<std::vector<int64_t>> given = axes_of(in, attribute_);
    if (!given) fail(label(), "no axes", "must have an axes input or attribute");
    const std::vector<int64_t>& axes = *given;
    const auto rank = static_cast<int64_t>(in[0].shape.size() + axes.size());
    std::set<int64_t> added;
    for (int64_t axis : axes)
      if (!added.insert(normalize_axis(axis, rank, label())).second)
        fail(label(), text("axis ", axis, " twice"), "must be distinct");
    return added;
  }

  std::optional<std::vector<int64_t>> attribute_;
};

}  // namespace

std::unique_ptr<Layer> make_identity(const Node& node) { return std::make_unique<IdentityLayer>(node); }
std::unique_ptr<Layer> make_dropout(const Node& node) {
  if (node.outputs.size() > 1 && !node.outputs[1].empty()) return make_dropout_mask(node);
  return std::make_unique<DropoutLayer>(node);
}
std::unique_ptr<Layer> make_flatten(const Node& node) { return std::make_unique<FlattenLayer>(node); }
std::unique_ptr<Layer> make_reshape(const Node& node) { return std::make_unique<ReshapeLayer>(node); }
std::unique_ptr<Layer> make_squeeze(const Node& node) { return std::make_unique<SqueezeLayer>(node); }
std::unique_ptr<Layer> make_unsqueeze(const Node& node) { return std::make_unique<UnsqueezeLayer>(node); }

}  // namespace tally
