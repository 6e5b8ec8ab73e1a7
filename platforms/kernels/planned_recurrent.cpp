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

/// What a call does, in the letters of the formulas: G gates, N = B·T steps, P = padded units, D = I + H.
struct Extents {
  bool lstm, gru, reset_first;
  int64_t B, T, I, H, P, G;
  int64_t sums;                        ///< a unit and step: the GRU's new gate keeps its two products apart
  int64_t biases;                      ///< sums that start from the bias
  int64_t panels;                      ///< passes over [x; h]
  int64_t last;                        ///< and over r⊙h, of a GRU that resets first
  int64_t state_read;                  ///< elements of the state a step: h once a panel, then the old c or h
  int64_t state_kept;                  ///< and written
  int64_t ends_read, ends_kept;        ///< of a sequence, before the first step and after the last
  int64_t saved;                       ///< final states that are outputs
  int64_t scratch_read, scratch_kept;  ///< elements a step

  Extents(const RecurrentArgs& a, const Geometry& geometry)
      : lstm(a.cell == RecurrentCell::lstm),
        gru(a.cell == RecurrentCell::gru),
        reset_first(a.cell == RecurrentCell::gru_reset_first),
        B(a.B),
        T(a.T),
        I(a.I),
        H(a.H),
        P(a.padded),
        G(lstm                 ? 4
          : gru || reset_first ? 3
                               : 1),
        sums(gru ? 4 : G),
        biases(a.bias ? sums - (a.gates ? G : 0) : 0) {
    const int64_t blocks = P / a.lanes;
    panels = panels_of(blocks, reset_first ? 2 : static_cast<int>(sums), geometry);
    last = reset_first ? panels_of(blocks, 1, geometry) : 0;
    state_read = panels * H + (lstm || gru ? P : reset_first ? 2 * P : 0);
    state_kept = P * (lstm ? 2 : 1);
    const int64_t initial = (a.initial_h ? 1 : 0) + (lstm && a.initial_c ? 1 : 0);
    saved = (a.y_h ? 1 : 0) + (lstm && a.y_c ? 1 : 0);
    ends_read = saved * P + (a.turn ? 1 : initial * H);
    ends_kept = a.turn ? 1 : (lstm ? 2 : 1) * P;
    // The last pass multiplies r⊙h, and takes z from scratch too.
    scratch_read = (a.gates ? G * H : 0) + (reset_first ? last * H + P : 0);
    scratch_kept = reset_first ? 2 * P : 0;
  }
};

}  // namespace

/// macs = N·G·H·D, lane_padding = N·G·(P − H)·D; weights N·G·P·D and P for every sum that starts from the bias; x and h
/// once a panel. State: h, P vectors a step stored and, of a GRU, loaded; c both.
Planned planned_recurrent(const RecurrentArgs& a, const Geometry& geometry) {
  const Extents e(a, geometry);
  const int64_t steps = e.B * e.T, depth = e.I + e.H;
  Planned p;
  p.tally.macs = steps * e.G * e.H * depth;
  p.lane_padding = steps * e.G * (e.P - e.H) * depth;
  p.tally.lane_macs = p.tally.macs + p.lane_padding;
  p.tally.lane_fma_other = steps * e.P * fma_per_unit(a, geometry);
  p.loaded_weights = kFloatBytes * steps * e.P * (e.G * depth + e.biases);
  p.loaded_activations = kFloatBytes * steps * (e.panels + e.last) * e.I;
  p.loaded_scratch = kFloatBytes * steps * e.scratch_read;
  p.loaded_state = kFloatBytes * e.B * (e.T * e.state_read + e.ends_read);
  p.stored_state = kFloatBytes * e.B * (e.T * e.state_kept + e.ends_kept);
  p.stored_scratch = kFloatBytes * steps * e.scratch_kept;
  p.stored_outputs = kFloatBytes * e.B * (e.T * (a.y ? e.H : 0) + e.saved * e.H);
  p.tally.bytes_loaded = p.loaded_activations + p.loaded_weights + p.loaded_state + p.loaded_scratch;
  p.tally.bytes_stored = p.stored_outputs + p.stored_state + p.stored_scratch;
  return p;
}

/// Every part, as planned.
LoopNest loop_nest(const RecurrentArgs& a, const Geometry& geometry) {
  const Extents e(a, geometry);
  const int64_t steps = e.B * e.T, depth = e.I + e.H;
  const auto text = [](int64_t n) { return std::to_string(n); };
  LoopNest nest;
  nest.loops = {
      "for sequence in " + text(e.B), "for step in " + text(e.T),
      "for panel of units, " + text(e.P / a.lanes) + " vectors of " + text(a.lanes) + " in all for " + text(e.H) +
          " units",
      "for element of " + std::string(e.I > 0 ? "[x; h] in " : "h in ") + text(depth),
      text(e.G) + (e.G == 1 ? " multiply-accumulate" : " multiply-accumulates, one a gate,") + " for each vector"};
  nest.parts = {{&Planned::lane_padding, "B·T·G·(P − H)·(I + H)",
                 product_text({e.B, e.T, e.G}) + "·(" + text(e.P) + " − " + text(e.H) + ")·" + text(depth),
                 steps * e.G * (e.P - e.H) * depth},
                {&Planned::loaded_activations, "B·T·panels·I·4 B", product_text({e.B, e.T, e.panels + e.last, e.I, 4}),
                 steps * (e.panels + e.last) * e.I * kFloatBytes},
                {&Planned::loaded_weights, "B·T·P·(G·(I + H) + biases)·4 B",
                 product_text({e.B, e.T, e.P}) + "·(" + product_text({e.G, depth}) + " + " + text(e.biases) + ")·4",
                 steps * e.P * (e.G * depth + e.biases) * kFloatBytes}};

  // Per step, then what comes before the first and after the last.
  const auto state = [&](int64_t Planned::*part, const std::string& symbols, const std::string& numbers, int64_t step,
                         int64_t ends) {
    nest.parts.push_back({part, "B·(T·" + symbols + " + ends)·4 B",
                          text(e.B) + "·(" + text(e.T) + "·" + numbers + " + " + text(ends) + ")·4",
                          e.B * (e.T * step + ends) * kFloatBytes});
  };
  const std::string factors = product_text({e.panels, e.H});
  if (e.reset_first) {
    state(&Planned::loaded_state, "(panels·H + 2·P)", "(" + factors + " + 2·" + text(e.P) + ")", e.state_read,
          e.ends_read);
  } else if (e.lstm || e.gru) {
    state(&Planned::loaded_state, "(panels·H + P)", "(" + factors + " + " + text(e.P) + ")", e.state_read, e.ends_read);
  } else {
    state(&Planned::loaded_state, "panels·H", factors, e.state_read, e.ends_read);
  }
  state(&Planned::stored_state, e.lstm ? "2·P" : "P", (e.lstm ? "2·" : "") + text(e.P), e.state_kept, e.ends_kept);

  if (e.scratch_read != 0) {
    const std::string gates = a.gates ? product_text({e.G, e.H}) : "";
    const std::string reset = e.reset_first ? product_text({e.last, e.H}) + " + " + text(e.P) : "";
    const char* symbols = !a.gates ? "panels·H + P" : e.reset_first ? "G·H + panels·H + P" : "G·H";
    nest.parts.push_back(
        {&Planned::loaded_scratch, "B·T·(" + std::string(symbols) + ")·4 B",
         product_text({e.B, e.T}) + "·(" + gates + (gates.empty() || reset.empty() ? "" : " + ") + reset + ")·4",
         steps * e.scratch_read * kFloatBytes});
  }
  if (e.scratch_kept != 0)
    nest.parts.push_back({&Planned::stored_scratch, "B·T·2·P·4 B", product_text({e.B, e.T, 2, e.P, 4}),
                          steps * e.scratch_kept * kFloatBytes});
  return nest;
}

}  // namespace tally
