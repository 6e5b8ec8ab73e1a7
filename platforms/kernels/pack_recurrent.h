#pragma once
// Packing of the weights of recurrent cells: all gates of a panel of units side by side, so that a step reads them in
// exactly the order they lie in.
#include <cstdint>

#include "tally/platforms/kernel_table.h"

namespace tally {

/// Lanes of the vectors that a step of H units runs on: half-width ones where they leave at least a quarter fewer idle.
int32_t recurrent_lanes(int64_t H, const Geometry& geometry);

/// Raw operands of one direction, gates in ONNX's order: w [G·H, I], r [G·H, H], wb and rb [G·H] (null: zero). w may be
/// null where I = 0.
struct RecurrentWeights {
  const float* w = nullptr;
  const float* r = nullptr;
  const float* wb = nullptr;
  const float* rb = nullptr;
};

/// Floats of the packed weights and of the packed bias; of `args` cell, I, H, padded and lanes are used.
int64_t recurrent_weight_elements(const RecurrentArgs& args);
int64_t recurrent_bias_elements(const RecurrentArgs& args);

/// packed[pass][panel][row][vector of units][gate][lane], rows those of x and then those of h, zero beyond unit H; a
/// panel is the widest that fits of 1, 2, 4 … geometry.recurrent_sums / sums vectors.
void pack_recurrent(const RecurrentArgs& args, const RecurrentWeights& raw, const Geometry& geometry, float* packed);

/// packed[pass][vector of units][sum][lane]: wb + rb, but for the new gate of `gru`, whose sums of x and of h start
/// from wb and rb.
void pack_recurrent_bias(const RecurrentArgs& args, const RecurrentWeights& raw, float* packed);

}  // namespace tally
