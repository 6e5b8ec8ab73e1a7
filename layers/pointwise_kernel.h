#pragma once
// Which pointwise operators the float32 kernels serve.
#include <optional>

#include "tally/layers/pointwise.h"

namespace tally {

/// The kernel of a unary row, for `n` elements; nothing where there is none.
std::optional<UnaryArgs> unary_kernel(const PointwiseRow& row, const PointwiseParameters& parameters, int64_t n);

/// The kernel of x^exponent: 2, 3, ½, −½, −1 and 1. Of −0 and −∞ the roots give −0 and NaN, where a power would not.
std::optional<UnaryArgs> power_kernel(double exponent, int64_t n);

/// The kernel of a row of two or more operands; of Mean, what comes before its division.
std::optional<BinaryOp> pair_kernel(const PointwiseRow& row);

/// False for functions that have no value at 0, which the padding channels of channels_last hold: what follows may
/// multiply those by zero.
bool finite_at_zero(UnaryOp op);

/// Appends y = op(x) over all elements that the placements hold.
void add_unary_step(Preparation& preparation, const UnaryArgs& args, int input, double cycles);

}  // namespace tally
