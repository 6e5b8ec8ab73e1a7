#pragma once
#include "tally/engine/layer.h"

namespace tally {

/// A layer whose result is known when a plan is made, by values_from_types(), since its shape depends on its operands'
/// values: Range, NonZero, Unique. It is folded, costs nothing and never runs; an operand that is neither constant nor
/// bound before planning is an error at load.
class ValueLayer : public Layer {
 public:
  using Layer::Layer;
  bool needs_value(int) const override { return true; }
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

}  // namespace tally
