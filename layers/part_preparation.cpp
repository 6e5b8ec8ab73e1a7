#include "tally/layers/part_preparation.h"

#include <algorithm>
#include <cstring>

namespace tally {

namespace {

Placement placed_plain(const TensorType& type, BufferId buffer) {
  return {type, Layout::plain, buffer, type.shape.size() > 1 ? type.shape[1] : 0};
}

}  // namespace

PartPreparation::PartPreparation(Preparation& whole, std::vector<PartOperand> operands, TensorType output,
                                 BufferId scratch)
    : whole_(whole), operands_(std::move(operands)), output_(std::move(output)), scratch_(scratch) {
  for (const PartOperand& part : operands_) inputs_.push_back(part.operand);
}

Placement PartPreparation::input(int i) {
  PartOperand& part = operands_[static_cast<size_t>(i)];
  if (part.input >= 0) return whole_.input(part.input);
  if (part.scratch >= 0) return placed_plain({part.operand.dtype, part.operand.shape}, part.scratch);
  const Tensor& own = *part.operand.constant;
  AlignedBuffer bytes(static_cast<int64_t>(own.bytes()));
  if (own.bytes() > 0) std::memcpy(bytes.data(), own.data(), own.bytes());
  return placed_plain({own.dtype(), own.shape()}, whole_.add_weights(std::move(bytes), part.operand.name));
}

Placement PartPreparation::output(int i) { return scratch_ < 0 ? whole_.output(i) : placed_plain(output_, scratch_); }

void PartPreparation::add_step(std::unique_ptr<Step> step) {
  const std::vector<BufferId> buffers = step->buffers();
  const auto uses = [&](BufferId id) {
    return id >= 0 && std::find(buffers.begin(), buffers.end(), id) != buffers.end();
  };
  Planned& planned = step->planned;
  if (std::any_of(operands_.begin(), operands_.end(), [&](const PartOperand& part) { return uses(part.scratch); })) {
    planned.loaded_scratch += planned.loaded_activations;
    planned.loaded_activations = 0;
  }
  if (uses(scratch_)) {
    planned.stored_scratch += planned.stored_outputs;
    planned.stored_outputs = 0;
  }
  whole_.add_step(std::move(step));
}

}  // namespace tally
