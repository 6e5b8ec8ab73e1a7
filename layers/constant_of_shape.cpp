// ConstantOfShape: a tensor of the shape that input 0 spells, every element `value`.
#include <cstring>

#include "tally/layers/copy_steps.h"
#include "tally/layers/placement.h"

namespace tally {

namespace {

class ConstantOfShape final : public Layer {
 public:
  explicit ConstantOfShape(const Node& node) : Layer(node), value_(Tensor::scalar(0)) {
    if (const Tensor* value = node.get_tensor("value")) {
      if (value->elements() != 1 || !value->has_data())
        fail(label(), text("value of shape ", to_string(value->shape())), "must have one element");
      value_ = *value;
    }
    whole_element_bytes(value_.dtype(), label());
  }

  bool needs_value(int) const override { return true; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    if (in[0].dtype != DType::i64 || in[0].shape.size() != 1)
      fail(label(), text("shape input of type ", name_of(in[0].dtype), ", rank ", in[0].shape.size()),
           "must be int64, rank 1");
    const std::vector<int64_t> shape = in[0].constant->to_int64();
    for (int64_t extent : shape)
      if (extent < 0) fail(label(), text("extent ", extent), "must be >= 0");
    element_count(shape, label());
    return {{value_.dtype(), shape}};
  }

  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.source = "ONNX ConstantOfShape, opset 9 to 24: writes data only";
    return cost;
  }

  std::vector<Candidate> candidates(const PlanContext& context, Operands,
                                    std::span<const TensorType> out) const override {
    return {uniform_candidate("copy", 1, 1, Layout::plain, Layout::plain,
                              copy_cycles(make_args(out[0]), context.kernels->geometry))};
  }

  void prepare(const Candidate&, Preparation& p) const override {
    const Placement y = p.output(0);
    AlignedBuffer value(static_cast<int64_t>(value_.bytes()));
    std::memcpy(value.data(), value_.data(), value_.bytes());
    add_copy_step(p, make_args(y.type), {p.add_weights(std::move(value), label() + " value"), 0, true}, {y.buffer});
  }

 private:
  CopyArgs make_args(const TensorType& y) const {
    return copy_args({{element_count(y.shape), 0, 1}}, whole_element_bytes(y.dtype, label()), label());
  }

  Tensor value_;
};

}  // namespace

std::unique_ptr<Layer> make_constant_of_shape(const Node& node) { return std::make_unique<ConstantOfShape>(node); }

}  // namespace tally
