#include "tally/platforms/kernels/planned_recurrent.h"

#include <bit>

#include "tally/platforms/loop_nest.h"

namespace tally {
namespace {

constexpr int64_t kFloatBytes = 4;

int64_t fma_of(GateActivation activation, const Geometry& g) {
  switch (activation) {
    case GateActivation::sigmoid:
      return g.fma_per_vector[static_cast<size_t>(UnaryOp::sigmoid)];
    case GateActivation::tanh:
      return g.fma_per_vector[static_cast<size_t>(UnaryOp::tanh)];
    case GateActivation::relu:
      break;
  }
  return 0;
}

/// FMAs (without FMA: products) a unit and step beside the sums: activations, and
///   lstm              f·c + i·g, o·h(c): one FMA, or three products
///   gru               r·(…) + (…), z·(h − n) + n: two of either
///   gru_reset_first   r·h, z·(h − n) + n: one FMA, or two products
int64_t fma_per_unit(const RecurrentArgs& a, const Geometry& geometry) {
  const int64_t f = fma_of(a.f, geometry), g = fma_of(a.g, geometry), products = geometry.has_fma ? 0 : 1;
  switch (a.cell) {
    case RecurrentCell::lstm:
      return 3 * f + g + fma_of(a.output, geometry) + 1 + 2 * products;
    case RecurrentCell::gru:
      return 2 * f + g + 2;
    case RecurrentCell::gru_reset_first:
      return 2 * f + g + 1 + products;
    case RecurrentCell::elman:
      break;
  }
  return g;
}

/// Panels of a pass with `sums` sums a vector of units: as many of the widest as fit, then one for each binary digit of
/// the rest.
int64_t panels_of(int64_t blocks, int sums, const Geometry& geometry) {
  const int64_t widest = geometry.recurrent_sums / sums;
  return blocks / widest + std::popcount(static_cast<uint64_t>(blocks % widest));
}

}  // namespace

/// With P = padded, D = I + H, G gates and N = B·T steps: macs = N·G·H·D, lane_padding = N·G·(P − H)·D; weights N·G·P·D
/// and P for every sum that starts from the bias; x and h once a panel. State: h, P vectors a step stored and, of a
/// GRU, loaded; c both.
Planned planned_recurrent(const RecurrentArgs& a, const Geometry& geometry) {
  Planned p;
  const int64_t steps = a.B * a.T, P = a.padded, H = a.H, depth = a.I + a.H, blocks = P / a.lanes;
  const bool lstm = a.cell == RecurrentCell::lstm, gru = a.cell == RecurrentCell::gru;
  const bool reset_first = a.cell == RecurrentCell::gru_reset_first;
  const int64_t gates = lstm ? 4 : gru || reset_first ? 3 : 1, sums = gru ? 4 : gates;
  p.tally.macs = steps * gates * H * depth;
  p.lane_padding = steps * gates * (P - H) * depth;
  p.tally.lane_macs = p.tally.macs + p.lane_padding;
  p.tally.lane_fma_other = steps * P * fma_per_unit(a, geometry);

  const int64_t panels = reset_first ? panels_of(blocks, 2, geometry) + panels_of(blocks, 1, geometry)
                                     : panels_of(blocks, static_cast<int>(sums), geometry);
  const int64_t from_bias = a.bias ? sums - (a.gates ? gates : 0) : 0;
  p.loaded_weights = kFloatBytes * steps * P * (gates * depth + from_bias);
  p.loaded_activations = kFloatBytes * steps * panels * a.I;
  p.loaded_scratch = kFloatBytes * steps * (a.gates ? gates * H : 0);
  p.loaded_state = kFloatBytes * steps * (panels * H + (lstm || gru ? P : reset_first ? 2 * P : 0));
  p.stored_state = kFloatBytes * steps * P * (lstm ? 2 : 1);
  p.stored_outputs = kFloatBytes * steps * (a.y ? H : 0);
  if (reset_first) {
    // The last pass multiplies r⊙h, and takes z from scratch too.
    const int64_t factors = panels_of(blocks, 1, geometry) * H;
    p.loaded_state -= kFloatBytes * steps * factors;
    p.loaded_scratch += kFloatBytes * steps * (factors + P);
    p.stored_scratch = kFloatBytes * steps * 2 * P;
  }

  // Before the first step and after the last.
  const int64_t states = lstm ? 2 : 1;
  const int64_t read = (a.initial_h ? 1 : 0) + (lstm && a.initial_c ? 1 : 0);
  const int64_t saved = (a.y_h ? 1 : 0) + (lstm && a.y_c ? 1 : 0);
  p.loaded_state += kFloatBytes * a.B * (saved * P + (a.turn ? 1 : read * H));
  p.stored_state += kFloatBytes * a.B * (a.turn ? 1 : states * P);
  p.stored_outputs += kFloatBytes * a.B * saved * H;

  p.tally.bytes_loaded = p.loaded_activations + p.loaded_weights + p.loaded_state + p.loaded_scratch;
  p.tally.bytes_stored = p.stored_outputs + p.stored_state + p.stored_scratch;
  return p;
}

/// Parts: lane_padding = N·G·(P − H)·(I + H), loaded_weights = N·P·(G·(I + H) + biases)·4, as planned.
LoopNest loop_nest(const RecurrentArgs& a, const Geometry&) {
  const bool lstm = a.cell == RecurrentCell::lstm, gru = a.cell == RecurrentCell::gru;
  const bool reset_first = a.cell == RecurrentCell::gru_reset_first;
  const int64_t steps = a.B * a.T, P = a.padded, depth = a.I + a.H, gates = lstm ? 4 : gru || reset_first ? 3 : 1;
  const int64_t sums = gru ? 4 : gates, from_bias = a.bias ? sums - (a.gates ? gates : 0) : 0;
  const auto text = [](int64_t n) { return std::to_string(n); };
  LoopNest nest;
  nest.loops = {
      "for sequence in " + text(a.B), "for step in " + text(a.T),
      "for panel of units, " + text(P / a.lanes) + " vectors of " + text(a.lanes) + " in all for " + text(a.H) +
          " units",
      "for element of " + std::string(a.I > 0 ? "[x; h] in " : "h in ") + text(depth),
      text(gates) + (gates == 1 ? " multiply-accumulate" : " multiply-accumulates, one a gate,") + " for each vector"};
  nest.parts = {{&Planned::lane_padding, "B·T·G·(P − H)·(I + H)",
                 product_text({a.B, a.T, gates}) + "·(" + text(P) + " − " + text(a.H) + ")·" + text(depth),
                 steps * gates * (P - a.H) * depth},
                {&Planned::loaded_weights, "B·T·P·(G·(I + H) + biases)·4 B",
                 product_text({a.B, a.T, P}) + "·(" + product_text({gates, depth}) + " + " + text(from_bias) + ")·4",
                 steps * P * (gates * depth + from_bias) * kFloatBytes}};
  return nest;
}

}  // namespace tally
