#pragma once
// A part of a layer's work, prepared by what prepares layers of another kind: products within an Einsum, ordinary
// convolutions within a transposed one.
#include "tally/engine/preparation.h"

namespace tally {

/// An operand of a part.
struct PartOperand {
  Operand operand;
  int input = -1;         ///< of the whole layer, where it is one of those
  BufferId scratch = -1;  ///< of the whole layer, where it lies there, plain
  // Neither: a constant of the part's own, which must outlive the preparation.
};

/// Preparation of a part: everything goes to the whole's, but operands and results are the part's. What its steps load
/// from or store to scratch of the whole counts as scratch.
class PartPreparation final : public Preparation {
 public:
  /// `scratch`: where the result lies, plain; −1: in the whole's output.
  PartPreparation(Preparation& whole, std::vector<PartOperand> operands, TensorType output, BufferId scratch);

  const KernelTable& kernels() const override { return whole_.kernels(); }
  Operands inputs() const override { return inputs_; }
  std::span<const TensorType> outputs() const override { return {&output_, 1}; }
  Placement input(int i) override;
  Placement output(int i) override;
  BufferId add_weights(AlignedBuffer bytes, std::string name) override {
    return whole_.add_weights(std::move(bytes), std::move(name));
  }
  BufferId add_scratch(int64_t bytes) override { return whole_.add_scratch(bytes); }
  BufferId add_state(size_t bytes, std::string name, AlignedBuffer initial, size_t growth) override {
    return whole_.add_state(bytes, std::move(name), std::move(initial), growth);
  }
  std::shared_ptr<const Plan> plan_body(const TypedGraph& body) override { return whole_.plan_body(body); }
  int64_t max_trips() const override { return whole_.max_trips(); }
  BufferId adopt(const BufferInfo& buffer) override { return whole_.adopt(buffer); }
  void explain(Gap gap, std::string varies) override { whole_.explain(std::move(gap), std::move(varies)); }
  void vary(std::string term) override { whole_.vary(std::move(term)); }
  void add_step(std::unique_ptr<Step> step) override;

 private:
  Preparation& whole_;
  std::vector<PartOperand> operands_;
  std::vector<Operand> inputs_;
  TensorType output_;
  BufferId scratch_;
};

}  // namespace tally
