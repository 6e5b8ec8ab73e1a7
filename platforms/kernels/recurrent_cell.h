#pragma once
// What a recurrent step does with the finished sums of its gates, on one vector of units: activations, the new c and h.
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/math.h"
#include "tally/platforms/kernels/several.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// A step is one pass over the weights, or two where the reset gate scales h: update and reset gate first, then the
/// rest.
constexpr int recurrent_passes(RecurrentCell cell) { return cell == RecurrentCell::gru_reset_first ? 2 : 1; }

/// Vectors of weights that a row of x or h has for a vector of units.
constexpr int recurrent_gates(RecurrentCell cell, int pass) {
  if (cell == RecurrentCell::lstm) return 4;
  if (cell == RecurrentCell::gru) return 3;
  if (cell == RecurrentCell::gru_reset_first) return pass == 0 ? 2 : 1;
  return 1;
}

/// Sums of a vector of units. The new gate of a GRU keeps those of x and of h apart.
constexpr int recurrent_cell_sums(RecurrentCell cell, int pass) {
  return cell == RecurrentCell::gru ? 4 : recurrent_gates(cell, pass);
}

/// The sum that a row of h adds its gate `g` to.
constexpr int recurrent_h_sum(RecurrentCell cell, int g) { return cell == RecurrentCell::gru && g == 2 ? 3 : g; }

/// The activations that ONNX has by default, fixed at compile time.
template <class A>
struct DefaultGates {
  using Vec = typename A::Vec;
  static TALLY_INLINE constexpr Vec f(Vec v) { return sigmoid_vec<A>(v); }
  static TALLY_INLINE constexpr void f2(Vec& a, Vec& b) {
    using Two = Several<A, 2>;
    const typename Two::Vec y = sigmoid_vec<Two>({{a, b}});
    a = y.at[0];
    b = y.at[1];
  }
  static TALLY_INLINE constexpr Vec g(Vec v) { return tanh_vec<A>(v); }
  static TALLY_INLINE constexpr Vec output(Vec v) { return tanh_vec<A>(v); }
};

/// Others, and bounds on what they take.
template <class A>
struct ChosenGates {
  using Vec = typename A::Vec;
  const RecurrentArgs* args;

  static __attribute__((noinline)) void apply(float* p, GateActivation activation, float clip) noexcept {
    Vec v = A::load(p);
    if (clip > 0) v = clamp_vec<A>(v, A::set(-clip), A::set(clip));
    if (activation == GateActivation::relu) v = A::max(A::zero(), v);
    if (activation == GateActivation::tanh) v = tanh_vec<A>(v);
    if (activation == GateActivation::sigmoid) v = sigmoid_vec<A>(v);
    A::store(p, v);
  }
  Vec apply(Vec v, GateActivation activation) const {
    alignas(64) float lane[A::kLanes];
    A::store(lane, v);
    apply(lane, activation, args->clip);
    return A::load(lane);
  }
  Vec f(Vec v) const { return apply(v, args->f); }
  void f2(Vec& a, Vec& b) const {
    a = f(a);
    b = f(b);
  }
  Vec g(Vec v) const { return apply(v, args->g); }
  Vec output(Vec v) const { return apply(v, args->output); }
};

/// elman: h = g(a). (Its only activation, tanh by default, stands where that of the other cells' candidate does.)
template <class Gates, class Vec>
TALLY_INLINE constexpr Vec elman_cell(const Gates& gates, Vec a) {
  return gates.g(a);
}

/// lstm, sums in the order i o f c: the new c …
template <class A, class Gates>
TALLY_INLINE constexpr typename A::Vec lstm_c(const Gates& gates, const typename A::Vec* a, typename A::Vec c) {
  using Vec = typename A::Vec;
  const Vec g = gates.g(a[3]);
  Vec i = a[0], f = a[2];
  gates.f2(i, f);
  return A::fma(f, c, A::mul(i, g));
}

/// … and the new h of it, and of the sum of o.
template <class A, class Gates>
TALLY_INLINE constexpr typename A::Vec lstm_h(const Gates& gates, typename A::Vec o, typename A::Vec c) {
  const typename A::Vec opened = gates.f(o);
  return A::mul(opened, gates.output(c));
}

/// True where the registers hold lstm_h of two vectors of units side by side (AVX-512, H = 32: 6 % faster; on the 16
/// registers of AVX2, H = 64: 4 % slower).
template <class A, class Gates>
inline constexpr bool kSideBySide = false;
template <class A>
inline constexpr bool kSideBySide<A, DefaultGates<A>> = A::kRegisters >= 32;

/// n + z·(h − n) with n = g(a).
template <class A, class Gates>
TALLY_INLINE constexpr typename A::Vec gru_output(const Gates& gates, typename A::Vec a, typename A::Vec z,
                                                  typename A::Vec h) {
  const typename A::Vec n = gates.g(a);
  return A::fma(z, A::sub(h, n), n);
}

/// gru: sums z, r, x's part of n, h's part of n.
template <class A, class Gates>
TALLY_INLINE constexpr typename A::Vec gru_cell(const Gates& gates, const typename A::Vec* a, typename A::Vec h) {
  using Vec = typename A::Vec;
  const Vec r = gates.f(a[1]), z = gates.f(a[0]);
  return gru_output<A>(gates, A::fma(r, a[3], a[2]), z, h);
}

/// Stands in for the activations where only what is between them is counted.
template <class A>
struct NoGates {
  using Vec = typename A::Vec;
  static constexpr Vec f(Vec v) { return v; }
  static constexpr void f2(Vec&, Vec&) {}
  static constexpr Vec g(Vec v) { return v; }
  static constexpr Vec output(Vec v) { return v; }
};

template <bool has_fma, RecurrentCell cell, int pass>
consteval int count_cell_fma() {
  using A = CountingArch<has_fma>;
  int count = 0;
  using Vec = typename A::Vec;
  Vec v{&count};
  const Vec a[4] = {v, v, v, v};
  const NoGates<A> gates;
  if (cell == RecurrentCell::lstm) lstm_h<A>(gates, v, lstm_c<A>(gates, a, v));
  if (cell == RecurrentCell::gru) gru_cell<A>(gates, a, v);
  if (cell == RecurrentCell::gru_reset_first && pass == 0) A::mul(v, v);
  if (cell == RecurrentCell::gru_reset_first && pass == 1) gru_output<A>(gates, v, v, v);
  return count;
}

/// FMA vectors (multiplications where the ISA has no FMA) of an activation.
template <class A>
inline int gate_fma(GateActivation activation) {
  if (activation == GateActivation::sigmoid) return kFmaPerVector<A, UnaryOp::sigmoid>;
  if (activation == GateActivation::tanh) return kFmaPerVector<A, UnaryOp::tanh>;
  return 0;
}

/// FMA vectors that a pass spends on one vector of units after its sums.
template <class A, RecurrentCell cell, int pass>
inline int cell_fma(const RecurrentArgs& args) {
  const int own = count_cell_fma<A::kHasFma, cell, pass>();
  const int f = gate_fma<A>(args.f), g = gate_fma<A>(args.g);
  if constexpr (cell == RecurrentCell::elman) return own + g;
  if constexpr (cell == RecurrentCell::lstm) return own + 3 * f + g + gate_fma<A>(args.output);
  if constexpr (cell == RecurrentCell::gru) return own + 2 * f + g;
  return own + (pass == 0 ? 2 * f : g);
}

}  // namespace tally::TALLY_ISA_NAMESPACE
