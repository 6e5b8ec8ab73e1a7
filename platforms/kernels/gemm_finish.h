#pragma once
// What follows the sums of a tile that takes the way through the stack: residual, activation, conversion, exact stores.
#include <stdint.h>

#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/gemm_tile.h"
#include "tally/platforms/kernels/math.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// Sums of the largest tile: most rows or the widest one-row panel, whichever holds more.
inline constexpr int kGemmScratch = 32 * 16;

/// Bytes from an element of C to that of the residual.
TALLY_INLINE intptr_t residual_bytes(const GemmArgs& args) {
  if (!args.residual) return 0;
  return static_cast<intptr_t>(reinterpret_cast<uintptr_t>(args.residual) - reinterpret_cast<uintptr_t>(args.c));
}

/// scratch[0 … width) = the first `n` elements of a row of C, zero beyond.
template <class F>
TALLY_INLINE void load_row(typename F::Sum* scratch, const typename F::Output* c, int64_t n, int64_t width) {
  for (int64_t j = 0; j < width; j += F::kLanes) {
    const int64_t left = n - j;
    typename F::Acc x = F::zero();
    if (left >= F::kLanes) {
      x = F::load_output(c + j);
    } else if (left > 0) {
      x = F::load_output_partial(c + j, static_cast<int>(left));
    }
    F::store_sum(scratch + j, x);
  }
}

/// What a row gets before it is stored: C = activation(sum + residual).
struct GemmFinish {
  Activation activation = Activation::none;
  bool residual = false;
  float lo = 0, hi = 0;

  /// Only the last depth block completes the sums.
  TALLY_INLINE void set(const GemmArgs& args, bool last) {
    activation = last ? args.epilogue.activation : Activation::none;
    residual = last && args.residual;
    lo = args.epilogue.lo;
    hi = args.epilogue.hi;
  }
  /// The activation is too long to be unrolled over the registers of a tile.
  TALLY_INLINE bool needs_pass() const { return activation == Activation::tanh || activation == Activation::sigmoid; }

  /// n elements of one row: from `scratch` to c.
  template <class F>
  void row(const typename F::Sum* scratch, typename F::Output* c, int64_t n, intptr_t residual_offset) const {
    for (int64_t j = 0; j < n; j += F::kLanes) {
      const int lanes = n - j < F::kLanes ? static_cast<int>(n - j) : F::kLanes;
      typename F::Acc x = F::load_sum(scratch + j);
      if constexpr (F::kFloatSums) {
        if (residual) {
          const auto* r = reinterpret_cast<const typename F::Output*>(reinterpret_cast<uintptr_t>(c + j) +
                                                                      static_cast<uintptr_t>(residual_offset));
          x = F::add(x, lanes == F::kLanes ? F::load_output(r) : F::load_output_partial(r, lanes));
        }
        x = activate<F>(x);
      }
      if (lanes == F::kLanes) {
        F::store_output(c + j, x);
      } else {
        F::store_output_partial(c + j, x, lanes);
      }
    }
  }

  /// FMA lanes that row() spends on n elements.
  template <class A>
  TALLY_INLINE int64_t fma_lanes(int64_t n) const {
    int64_t per_vector = 0;
    if (activation == Activation::tanh) per_vector = kFmaPerVector<A, UnaryOp::tanh>;
    if (activation == Activation::sigmoid) per_vector = kFmaPerVector<A, UnaryOp::sigmoid>;
    return (n + A::kLanes - 1) / A::kLanes * A::kLanes * per_vector;
  }

 private:
  template <class F>
  TALLY_INLINE typename F::Acc activate(typename F::Acc x) const {
    using A = typename F::FloatArch;
    switch (activation) {
      case Activation::clamp:
        return clamp_vec<A>(x, F::set(lo), F::set(hi));
      case Activation::tanh:
        return tanh_vec<A>(x);
      case Activation::sigmoid:
        return sigmoid_vec<A>(x);
      case Activation::none:
        break;
    }
    return x;
  }
};

}  // namespace tally::TALLY_ISA_NAMESPACE
