#pragma once
#include <utility>

#include "tally/engine/preparation.h"

namespace tally {

/// Cycles that a plain host loop is taken to need an element it touches: an order of magnitude, for choosing only.
inline constexpr double kHostCyclesPerElement = 8;

/// Planned tally of a host path that reads activations, reads weights and writes results, in bytes.
inline Planned host_planned(int64_t activation_bytes, int64_t weight_bytes, int64_t stored_bytes) {
  Planned p;
  p.loaded_activations = activation_bytes;
  p.loaded_weights = weight_bytes;
  p.stored_outputs = stored_bytes;
  p.tally.bytes_loaded = activation_bytes + weight_bytes;
  p.tally.bytes_stored = stored_bytes;
  return p;
}

/// Appends `function`, void(const std::vector<std::byte*>& operands, int64_t begin, int64_t end, Tally*) noexcept, for
/// element types and attributes that no kernel serves. Operands in the order of `ids` (negative: null). `items`:
/// independent pieces of work, of which [begin, end) are the function's.
template <class F>
void add_host_step(Preparation& preparation, std::vector<BufferId> ids, const Planned& planned, double cycles,
                   F function, int64_t items = 1) {
  auto step = std::make_unique<HostStep<F>>(std::move(function), std::move(ids));
  step->planned = planned;
  step->cycles = cycles;
  step->items = items;
  preparation.add_step(std::move(step));
}

}  // namespace tally
