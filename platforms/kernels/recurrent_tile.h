#pragma once
// The register tile of a recurrent step: all gates of a panel of 1, 2, 4 … vectors of units, summed over [x; h] in one
// walk through the weights and finished in registers.
#include <stdint.h>

#include "tally/platforms/kernels/gemm_tile.h"
#include "tally/platforms/kernels/recurrent_cell.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// Most sums of a panel: they, a factor and, without FMA, a product fit the registers.
template <class A>
inline constexpr int kRecurrentSums = 8;

/// Most vectors of units of a panel; a power of two.
template <class A, RecurrentCell cell, int pass>
inline constexpr int kRecurrentBlocks = kRecurrentSums<A> / recurrent_cell_sums(cell, pass);

/// One step of one sequence.
struct RecurrentStep {
  const RecurrentArgs* args = nullptr;
  const float* x = nullptr;         ///< [I]
  const float* gates = nullptr;     ///< [G][H], or null
  const float* h = nullptr;         ///< [padded]
  const float* h_factor = nullptr;  ///< what the rows of h multiply: h, or r⊙h
  float* h_next = nullptr;
  float* c = nullptr;
  float* scratch = nullptr;     ///< z, then r⊙h
  float* y = nullptr;           ///< [H], or null
  const float* w = nullptr;     ///< of this pass
  const float* bias = nullptr;  ///< of this pass, or null
  bool backwards = false;
};

template <class A, RecurrentCell cell, int pass, int blocks>
struct RecurrentPanel {
  using Vec = typename A::Vec;
  using Factor = FloatFactor<A>;
  static constexpr int kLanes = A::kLanes;
  static constexpr int kGates = recurrent_gates(cell, pass);
  static constexpr int kSums = recurrent_cell_sums(cell, pass);
  static constexpr int64_t kRow = blocks * kGates * kLanes;
  /// Dependent multiply-accumulates wait for each other: 4 cycles on current cores, two a cycle. So a panel of few sums
  /// splits them over several sets; more than 4 would lose in adding them what they gain (H = 8, Zen 4).
  static constexpr int kChains = blocks * kGates;
  static constexpr int kSets = kChains >= 6 ? 1 : kChains >= 3 ? 2 : 4;
  /// Rows whose loads go before their multiply-accumulates: where order matters, as many as registers hold.
  static constexpr int kAhead = kLoadsInGroups<A> ? (kChains >= 6 ? 2 : 4) : 0;

  Vec sum[kSets][blocks][kSums];

  static TALLY_INLINE void hide(const float*& p) { asm("" : "+r"(p)); }

  /// Sums start from the products made before, or from the bias. `last`: units of the last block.
  TALLY_INLINE void start(const RecurrentStep& s, int64_t block, int last) {
    const int64_t H = s.args->H;
    TALLY_UNROLL
    for (int b = 0; b < blocks; ++b) {
      TALLY_UNROLL
      for (int k = 0; k < kSums; ++k) {
        Vec v = A::zero();
        if (s.bias && !(s.gates && k < kGates)) v = A::load(s.bias + ((block + b) * kSums + k) * kLanes);
        sum[0][b][k] = v;
      }
    }
    if (s.gates) [[unlikely]] {
      const float* gates = s.gates + (pass == 1 ? 2 * H : 0) + block * kLanes;
      TALLY_UNROLL
      for (int b = 0; b < blocks; ++b) {
        TALLY_UNROLL
        for (int k = 0; k < kGates; ++k) {
          const float* p = gates + k * H + b * kLanes;
          sum[0][b][k] = b + 1 == blocks && last < kLanes ? A::load_partial(p, last) : A::load(p);
        }
      }
    }
    TALLY_UNROLL
    for (int u = 1; u < kSets; ++u) {
      TALLY_UNROLL
      for (int b = 0; b < blocks; ++b) {
        TALLY_UNROLL
        for (int k = 0; k < kSums; ++k) sum[u][b][k] = A::zero();
      }
    }
  }

  /// One row of weights, times v[0], into set u.
  template <bool of_h>
  TALLY_INLINE void row(int u, const float* w, const float* v) {
    auto factor = Factor::load(v);
    if constexpr (kChains > 1) Factor::pin(factor);
    TALLY_UNROLL
    for (int b = 0; b < blocks; ++b) {
      TALLY_UNROLL
      for (int g = 0; g < kGates; ++g) {
        Vec& acc = sum[u][b][of_h ? recurrent_h_sum(cell, g) : g];
        acc = Factor::step(acc, factor, A::load(w + (b * kGates + g) * kLanes));
      }
    }
  }

  /// kAhead rows in walking order, into all sets by turns: first all loads, then all multiply-accumulates (order.h).
  /// w and v: the lowest of the rows.
  template <bool of_h, int step>
  TALLY_INLINE void rows_ahead(const float* w, const float* v) {
    Vec weights[kAhead][kChains];
    const Vec factors = kAhead == kLanes ? A::load(v) : A::load_partial(v, kAhead);
    A::keep_order(factors);
    TALLY_UNROLL
    for (int row = 0; row < kAhead; ++row) {
      TALLY_UNROLL
      for (int i = 0; i < kChains; ++i) {
        weights[row][i] = A::load(w + row * kRow + i * kLanes);
        A::keep_order(weights[row][i]);
      }
    }
    repeat<kAhead>([&](auto u) TALLY_LAMBDA {
      constexpr int row = step > 0 ? u : kAhead - 1 - u;
      TALLY_UNROLL
      for (int i = 0; i < kChains; ++i) {
        Vec& acc = sum[u % kSets][i / kGates][of_h ? recurrent_h_sum(cell, i % kGates) : i % kGates];
        acc = A::template fma_lane<row>(acc, weights[row][i], factors);
      }
    });
  }

  /// `rows` rows from w and v on, in steps of `step` (1 or −1) rows.
  template <bool of_h, int step>
  TALLY_INLINE void walk(const float* w, const float* v, int64_t rows) {
    constexpr int64_t w_step = step * kRow;
    if constexpr (kAhead > 0) {
      constexpr int kLowest = step > 0 ? 0 : 1 - kAhead;
      for (; rows >= kAhead; rows -= kAhead) {
        rows_ahead<of_h, step>(w + kLowest * kRow, v + kLowest);
        w += kAhead * w_step;
        v += kAhead * step;
        hide(w);
        hide(v);
      }
    }
    for (; rows >= kSets; rows -= kSets) {
      repeat<kSets>([&](int u) TALLY_LAMBDA {
        row<of_h>(u, w, v);
        w += w_step;
        v += step;
        hide(w);
        hide(v);
      });
    }
    for (; kSets > 1 && rows > 0; --rows) {
      row<of_h>(0, w, v);
      w += w_step;
      v += step;
    }
  }

  TALLY_INLINE void accumulate(const RecurrentStep& s, int64_t block) {
    const int64_t I = s.args->I, H = s.args->H;
    const float* w = s.w + block * kGates * kLanes * (I + H);
    if (s.backwards) {
      walk<true, -1>(w + (I + H - 1) * kRow, s.h_factor + (H - 1), H);
      walk<false, -1>(w + (I - 1) * kRow, s.x + (I - 1), I);
    } else {
      walk<false, 1>(w, s.x, I);
      walk<true, 1>(w + I * kRow, s.h_factor, H);
    }
    join<kSets / 2>();
  }

  /// Adds the upper half of the sets to the lower one until one is left.
  template <int half>
  TALLY_INLINE void join() {
    if constexpr (half > 0) {
      TALLY_UNROLL
      for (int u = 0; u < half; ++u) {
        TALLY_UNROLL
        for (int b = 0; b < blocks; ++b) {
          TALLY_UNROLL
          for (int k = 0; k < kSums; ++k) sum[u][b][k] = A::add(sum[u][b][k], sum[u + half][b][k]);
        }
      }
      join<half / 2>();
    }
  }

  static TALLY_INLINE void store_result(const RecurrentStep& s, int64_t unit, Vec v, bool partial, int last) {
    A::store(s.h_next + unit, v);
    if (!s.y) return;
    if (partial) {
      A::store_partial(s.y + unit, v, last);
    } else {
      A::store(s.y + unit, v);
    }
  }

  /// n vectors of units from `unit` on, whose sums are `a`: the c of all, then their h. One after the other, h of the
  /// first would keep a core's waiting instructions from c of the second (a tenth of a step at H = 16 to 64, AVX2).
  template <int n, class Gates>
  static TALLY_INLINE void finish_lstm(const RecurrentStep& s, const Gates& gates, const Vec (*a)[kSums], int64_t unit,
                                       int last) {
    using All = Several<A, n>;
    typename All::Vec c, o, h;
    TALLY_UNROLL
    for (int b = 0; b < n; ++b) {
      float* const at = s.c + unit + b * kLanes;
      c.at[b] = lstm_c<A>(gates, a[b], A::load(at));
      o.at[b] = a[b][1];
      A::store(at, c.at[b]);
    }
    if constexpr (kSideBySide<A, Gates>) {
      h = lstm_h<All>(DefaultGates<All>(), o, c);
    } else {
      TALLY_UNROLL
      for (int b = 0; b < n; ++b) h.at[b] = lstm_h<A>(gates, o.at[b], c.at[b]);
    }
    TALLY_UNROLL
    for (int b = 0; b < n; ++b) store_result(s, unit + b * kLanes, h.at[b], b + 1 == n && last < kLanes, last);
  }

  /// One vector of units, whose sums are `a`.
  template <class Gates>
  static TALLY_INLINE void finish(const RecurrentStep& s, const Gates& gates, const Vec (&a)[kSums], int64_t unit,
                                  bool partial, int last) {
    if constexpr (cell == RecurrentCell::elman) store_result(s, unit, elman_cell(gates, a[0]), partial, last);
    if constexpr (cell == RecurrentCell::lstm) finish_lstm<1>(s, gates, &a, unit, partial ? last : kLanes);
    if constexpr (cell == RecurrentCell::gru) {
      store_result(s, unit, gru_cell<A>(gates, a, A::load(s.h + unit)), partial, last);
    }
    if constexpr (cell == RecurrentCell::gru_reset_first && pass == 0) {
      A::store(s.scratch + s.args->padded + unit, A::mul(gates.f(a[1]), A::load(s.h + unit)));
      A::store(s.scratch + unit, gates.f(a[0]));
    }
    if constexpr (cell == RecurrentCell::gru_reset_first && pass == 1) {
      const Vec h = gru_output<A>(gates, a[0], A::load(s.scratch + unit), A::load(s.h + unit));
      store_result(s, unit, h, partial, last);
    }
  }

  /// The same by way of the stack: any activation.
  static __attribute__((noinline)) void finish_chosen(const RecurrentStep& s, const float* sums, int64_t unit,
                                                      int last) {
    const ChosenGates<A> gates{s.args};
    for (int b = 0; b < blocks; ++b, unit += kLanes) {
      Vec a[kSums];
      for (int k = 0; k < kSums; ++k) a[k] = A::load(sums + (b * kSums + k) * kLanes);
      finish(s, gates, a, unit, b + 1 == blocks && last < kLanes, last);
    }
  }

  static __attribute__((noinline)) void run(const RecurrentStep& s, int64_t block, bool default_gates) noexcept {
    const int64_t unit = block * kLanes, left = s.args->H - unit - (blocks - 1) * kLanes;
    const int last = left < kLanes ? static_cast<int>(left) : kLanes;
    RecurrentPanel panel;
    panel.start(s, block, last);
    panel.accumulate(s, block);
    if (!default_gates) [[unlikely]] {
      alignas(64) float sums[blocks * kSums * kLanes];
      TALLY_UNROLL
      for (int b = 0; b < blocks; ++b) {
        TALLY_UNROLL
        for (int k = 0; k < kSums; ++k) A::store(sums + (b * kSums + k) * kLanes, panel.sum[0][b][k]);
      }
      finish_chosen(s, sums, unit, last);
      return;
    }
    if constexpr (cell == RecurrentCell::lstm)
      return finish_lstm<blocks>(s, DefaultGates<A>(), panel.sum[0], unit, last);
    TALLY_UNROLL
    for (int b = 0; b < blocks; ++b) {
      finish(s, DefaultGates<A>(), panel.sum[0][b], unit + b * kLanes, b + 1 == blocks && last < kLanes, last);
    }
  }
};

/// Panels of 2^n vectors of units, n = 0, 1 …
template <class A, RecurrentCell cell, int pass>
struct RecurrentPanels {
  using Run = void (*)(const RecurrentStep&, int64_t block, bool default_gates) noexcept;
  Run at[5] = {};

  template <int blocks, int n>
  constexpr void add() {
    at[n] = &RecurrentPanel<A, cell, pass, blocks>::run;
    if constexpr (2 * blocks <= kRecurrentBlocks<A, cell, pass>) add<2 * blocks, n + 1>();
  }
  constexpr RecurrentPanels() { add<1, 0>(); }
};

template <class A, RecurrentCell cell, int pass>
inline constexpr RecurrentPanels<A, cell, pass> kRecurrentPanels{};

}  // namespace tally::TALLY_ISA_NAMESPACE
