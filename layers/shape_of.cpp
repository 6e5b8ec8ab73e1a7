// Shape and Size: what is known of a tensor before any value is.
#include <algorithm>

#include "tally/layers/placement.h"

namespace tally {

namespace {

/// Answers from its operand's type; such nodes are folded and never run.
class FromType : public Layer {
 public:
  using Layer::Layer;

  bool follows_from_types() const override { return true; }
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.coverage = Coverage::free;
    cost.source = "ONNX " + op() + ": known when a plan is made";
    return cost;
  }
  std::vector<Candidate> candidates(const PlanContext&, Operands, std::span<const TensorType>) const override {
    return {};
  }
  void prepare(const Candidate&, Preparation&) const override {}
};

/// Y = extents start … end of X, int64.
class ShapeLayer final : public FromType {
 public:
  explicit ShapeLayer(const Node& node)
      : FromType(node), start_(node.get_int("start", 0)), end_(node.get_int("end", INT64_MAX)) {}

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    return {{DType::i64, {static_cast<int64_t>(extents(in[0].shape).size())}}};
  }
  std::vector<Tensor> values_from_types(Operands in, std::span<const TensorType>) const override {
    return {Tensor::of_int64(extents(in[0].shape))};
  }

 private:
  Shape extents(const Shape& x) const {
    const auto rank = static_cast<int64_t>(x.size());
    const auto clamp = [&](int64_t at) { return std::clamp<int64_t>(at < 0 ? at + rank : at, 0, rank); };
    const int64_t first = clamp(start_), last = std::max(first, clamp(end_));
    return Shape(x.begin() + first, x.begin() + last);
  }

  int64_t start_, end_;
};

/// Y = number of elements of X, int64 scalar.
class SizeLayer final : public FromType {
 public:
  using FromType::FromType;
  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    return {{DType::i64, {}}};
  }
  std::vector<Tensor> values_from_types(Operands in, std::span<const TensorType>) const override {
    return {Tensor::of_int64({element_count(in[0].shape, label())}).reshaped({})};
  }
};

}  // namespace

std::unique_ptr<Layer> make_shape(const Node& node) { return std::make_unique<ShapeLayer>(node); }
std::unique_ptr<Layer> make_size(const Node& node) { return std::make_unique<SizeLayer>(node); }

}  // namespace tally
