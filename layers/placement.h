#pragma once
// Where the elements of a placed tensor lie: the strides that map kernels and copies walk along.
#include "tally/engine/preparation.h"

namespace tally {

/// Cycles that a step takes beside its work, for choosing only.
inline constexpr double kStepCycles = 60;

/// Element strides of the dimensions of `shape`, in ONNX's order, for a tensor in `layout`. `channel_stride`: channels
/// that a pixel holds in channels_last.
Shape placed_strides(const Shape& shape, Layout layout, int64_t channel_stride);
inline Shape placed_strides(const Placement& p) { return placed_strides(p.type.shape, p.layout, p.channel_stride); }

/// The placement that an operand would get: what candidates plan with. Constants lie plain.
Placement expected_placement(const Operand& operand, Layout layout, int64_t channel_pad);

/// Weights of the plan made of these floats.
BufferId add_float_weights(Preparation& preparation, std::span<const float> values, std::string name);

/// A candidate with every input in layout `in` and every output in layout `out`.
Candidate uniform_candidate(const char* kernel, size_t inputs, size_t outputs, Layout in, Layout out, double cycles);

/// What every layer asks of an operand that it cannot do without. Throws Error(model).
void require_inputs(const std::string& who, Operands in, size_t least, size_t most);

}  // namespace tally
