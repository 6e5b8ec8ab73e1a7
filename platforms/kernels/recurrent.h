#pragma once
// RNN, LSTM and GRU over time: walks the panels of every step (recurrent_tile.h), forwards and, where it pays,
// backwards in turn.
#include "tally/platforms/kernels/recurrent_tile.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// The widest panel that fits `left` vectors of units: as log2 of its vectors.
template <class A, RecurrentCell cell, int pass>
TALLY_INLINE int panel_log2(int64_t left) {
  int n = 0;
  while (2 << n <= kRecurrentBlocks<A, cell, pass> && 2 << n <= left) ++n;
  return n;
}

/// The panel that ends at `end`, in the order that panels from 0 on have.
template <class A, RecurrentCell cell, int pass>
TALLY_INLINE int panel_log2_before(int64_t end, int64_t blocks) {
  constexpr int kMost = kRecurrentBlocks<A, cell, pass>;
  const int64_t rest = blocks % kMost;
  if (end <= blocks - rest) return panel_log2<A, cell, pass>(kMost);
  // Panels of the rest are the binary digits of its length, large ones first.
  const int64_t taken = blocks - end;
  int n = 0;
  for (int64_t skipped = 0; skipped < taken || !(rest >> n & 1); ++n) skipped += rest & int64_t{1} << n;
  return n;
}

/// What one panel of one step adds.
template <class A, RecurrentCell cell, int pass>
inline void count_panel(const RecurrentStep& s, int64_t block, int blocks, Tally& tally) {
  constexpr int kLanes = A::kLanes, kGates = recurrent_gates(cell, pass), kSums = recurrent_cell_sums(cell, pass);
  const RecurrentArgs& a = *s.args;
  const int64_t lanes = int64_t{blocks} * kLanes, first = block * kLanes;
  const int64_t units = a.H - first < lanes ? a.H - first : lanes, depth = a.I + a.H;
  tally.macs += units * kGates * depth;
  tally.lane_macs += lanes * kGates * depth;
  tally.lane_fma_other += lanes * cell_fma<A, cell, pass>(a);
  int64_t loaded = lanes * kGates * depth + depth;
  int64_t stored = 0;
  if (s.gates) loaded += units * kGates;
  if (s.bias) loaded += lanes * (s.gates ? kSums - kGates : kSums);
  if constexpr (cell == RecurrentCell::lstm) loaded += lanes, stored += lanes;
  if constexpr (cell == RecurrentCell::gru) loaded += lanes;
  if constexpr (cell == RecurrentCell::gru_reset_first) loaded += lanes * (pass + 1);
  if constexpr (cell == RecurrentCell::gru_reset_first && pass == 0) {
    stored += 2 * lanes;
  } else {
    stored += lanes + (s.y ? units : 0);
  }
  tally.bytes_loaded += 4 * loaded;
  tally.bytes_stored += 4 * stored;
}

template <class A, RecurrentCell cell, int pass, class Policy>
TALLY_INLINE void recurrent_pass(const RecurrentStep& s, bool default_gates, [[maybe_unused]] Tally* tally) {
  const int64_t blocks = s.args->padded / A::kLanes;
  if (!s.backwards) {
    for (int64_t block = 0; block < blocks;) {
      const int n = panel_log2<A, cell, pass>(blocks - block);
      kRecurrentPanels<A, cell, pass>.at[n](s, block, default_gates);
      if constexpr (Policy::kCounts) count_panel<A, cell, pass>(s, block, 1 << n, *tally);
      block += 1 << n;
    }
  } else {
    for (int64_t end = blocks; end > 0;) {
      const int n = panel_log2_before<A, cell, pass>(end, blocks);
      end -= 1 << n;
      kRecurrentPanels<A, cell, pass>.at[n](s, end, default_gates);
      if constexpr (Policy::kCounts) count_panel<A, cell, pass>(s, end, 1 << n, *tally);
    }
  }
}

/// to[0 … padded) = from[0 … n) and zeros; from may be null.
template <class A>
inline void load_state(const float* from, float* to, int64_t n, int64_t padded) {
  for (int64_t i = 0; i < padded; i += A::kLanes) {
    const int64_t left = n - i;
    A::store(to + i, !from               ? A::zero()
                     : left >= A::kLanes ? A::load(from + i)
                                         : A::load_partial(from + i, static_cast<int>(left)));
  }
}

/// to[0 … n) = from[0 … n), read in whole vectors.
template <class A>
inline void save_state(const float* from, float* to, int64_t n) {
  int64_t i = 0;
  for (; i + A::kLanes <= n; i += A::kLanes) A::store(to + i, A::load(from + i));
  if (i < n) A::store_partial(to + i, A::load(from + i), static_cast<int>(n - i));
}

inline bool has_default_gates(const RecurrentArgs& a) {
  if (a.clip > 0 || a.g != GateActivation::tanh) return false;
  if (a.cell == RecurrentCell::elman) return true;
  if (a.f != GateActivation::sigmoid) return false;
  return a.cell != RecurrentCell::lstm || a.output == GateActivation::tanh;
}

/// All steps of one sequence.
template <class A, RecurrentCell cell, class Policy>
void recurrent_sequence(const RecurrentArgs& a, int64_t b, [[maybe_unused]] Tally* tally) {
  constexpr int kLanes = A::kLanes;
  const int64_t padded = a.padded;
  const bool default_gates = has_default_gates(a);
  float* const h = a.h + b * 2 * padded;
  const float* const bias = a.bias;
  int32_t turn = 0;
  RecurrentStep s;
  s.args = &a;
  if constexpr (cell == RecurrentCell::lstm) s.c = a.c + b * padded;
  if constexpr (cell == RecurrentCell::gru_reset_first) s.scratch = a.scratch + b * 2 * padded;
  if (a.turn) {
    turn = a.turn[b];
  } else {
    load_state<A>(a.initial_h ? a.initial_h + b * a.initial_sequence : nullptr, h, a.H, padded);
    if (s.c) load_state<A>(a.initial_c ? a.initial_c + b * a.initial_sequence : nullptr, s.c, a.H, padded);
  }
  for (int64_t t = 0; t < a.T; ++t, turn ^= 1) {
    s.x = a.x + t * a.x_step + b * a.x_sequence;
    s.gates = a.gates ? a.gates + t * a.gates_step + b * a.gates_sequence : nullptr;
    s.y = a.y ? a.y + t * a.y_step + b * a.y_sequence : nullptr;
    s.h = s.h_factor = h + turn * padded;
    s.h_next = h + (turn ^ 1) * padded;
    s.backwards = a.alternate && turn != 0;
    s.w = a.w;
    s.bias = bias;
    recurrent_pass<A, cell, 0, Policy>(s, default_gates, tally);
    if constexpr (recurrent_passes(cell) == 2) {
      s.w += padded * recurrent_gates(cell, 0) * (a.I + a.H);
      if (bias) s.bias += padded * recurrent_cell_sums(cell, 0);
      s.h_factor = s.scratch + padded;
      recurrent_pass<A, cell, 1, Policy>(s, default_gates, tally);
    }
  }
  if (a.turn) a.turn[b] = turn;
  if (a.y_h) save_state<A>(h + turn * padded, a.y_h + b * a.state_sequence, a.H);
  if (a.y_c && s.c) save_state<A>(s.c, a.y_c + b * a.state_sequence, a.H);
  if constexpr (Policy::kCounts) {
    const int64_t states = s.c ? 2 : 1, whole = (a.H + kLanes - 1) / kLanes * kLanes;
    const int64_t read = (a.initial_h ? 1 : 0) + (s.c && a.initial_c ? 1 : 0);
    const int64_t saved = (a.y_h ? 1 : 0) + (s.c && a.y_c ? 1 : 0);
    tally->bytes_loaded += 4 * (saved * whole + (a.turn ? 1 : read * a.H));
    tally->bytes_stored += 4 * (saved * a.H + (a.turn ? 1 : states * padded));
  }
}

template <class A, class Policy>
void recurrent_on(const RecurrentArgs& args, int64_t begin, int64_t end, Tally* tally) noexcept {
  for (int64_t b = begin; b < end; ++b) {
    switch (args.cell) {
      case RecurrentCell::elman:
        recurrent_sequence<A, RecurrentCell::elman, Policy>(args, b, tally);
        break;
      case RecurrentCell::lstm:
        recurrent_sequence<A, RecurrentCell::lstm, Policy>(args, b, tally);
        break;
      case RecurrentCell::gru:
        recurrent_sequence<A, RecurrentCell::gru, Policy>(args, b, tally);
        break;
      case RecurrentCell::gru_reset_first:
        recurrent_sequence<A, RecurrentCell::gru_reset_first, Policy>(args, b, tally);
        break;
    }
  }
}

/// Items [begin, end) of `args`; see RecurrentArgs. Few units go through half-width registers where the ISA has them:
/// two gates of eight units in one register of 16 lanes would be no faster (both sum in 18 cycles on Zen 4), and their
/// activations would all be computed twice.
template <class Arch, class Policy>
void recurrent(const RecurrentArgs& args, int64_t begin, int64_t end, Tally* tally) noexcept {
  if constexpr (requires { typename Arch::Half; }) {
    if (args.lanes == Arch::Half::kLanes) return recurrent_on<typename Arch::Half, Policy>(args, begin, end, tally);
  }
  recurrent_on<Arch, Policy>(args, begin, end, tally);
}

}  // namespace tally::TALLY_ISA_NAMESPACE
