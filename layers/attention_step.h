#pragma once
// Causal self-attention one time step at a time, its keys and values kept in the context.
#include "tally/layers/attention.h"

namespace tally {

/// What Layer::stream says for an Attention.
StreamStep stream_attention(const Attention& whole, Operands in, std::span<const int> time_axes);

}  // namespace tally
