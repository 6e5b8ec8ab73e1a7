#pragma once
// Causal self-attention one time step at a time, its keys and values kept in the context.
#include "tally/layers/attention.h"

namespace tally {

/// What Layer::stream says for an Attention. A causal one keeps keys and values of every step, with room for as many as
/// the whole sequence has; further steps overwrite the last one.
StreamStep stream_attention(const Attention& whole, Operands in, std::span<const int> time_axes);

}  // namespace tally
