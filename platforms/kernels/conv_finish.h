#pragma once
// How a convolution's accumulators end: activation in registers, and stores of whole or partial vectors.
#include "tally/platforms/kernels/math.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// activation(p[i]) in place for `vectors` vectors of A. A loop through the stack: tanh unrolled for every accumulator
/// would cost more code than it saves time.
template <class A>
inline void activate_vectors(float* p, int vectors, Activation activation) {
  for (const float* const end = p + vectors * A::kLanes; p != end; p += A::kLanes) {
    A::store(p, activation == Activation::tanh ? tanh_vec<A>(A::load(p)) : sigmoid_vec<A>(A::load(p)));
  }
}

/// FMA lanes of an activation for one vector of A.
template <class A>
inline int64_t activation_fma_lanes(Activation activation) {
  switch (activation) {
    case Activation::tanh:
      return int64_t{kFmaPerVector<A, UnaryOp::tanh>} * A::kLanes;
    case Activation::sigmoid:
      return int64_t{kFmaPerVector<A, UnaryOp::sigmoid>} * A::kLanes;
    default:
      return 0;
  }
}

/// v[i] = activation(v[i]) for `count` accumulators in registers.
template <class A, int count>
TALLY_INLINE void activate(typename A::Vec (&v)[count], const Epilogue& epilogue) {
  if (epilogue.activation == Activation::none) return;
  if (epilogue.activation == Activation::clamp) {
    // Relu has one bound. On Zen 4 minimum and maximum share the FMA's pipes: a second bound would cost LeNet's first
    // convolution 4 %.
    if (epilogue.hi < __builtin_inff()) {
      const auto hi = A::set(epilogue.hi);
      TALLY_UNROLL
      for (int i = 0; i < count; ++i) v[i] = A::min(hi, v[i]);
    }
    if (epilogue.lo > -__builtin_inff()) {
      const auto lo = A::set(epilogue.lo);
      TALLY_UNROLL
      for (int i = 0; i < count; ++i) v[i] = A::max(lo, v[i]);
    }
    return;
  }
  alignas(64) float buffer[count * A::kLanes];
  TALLY_UNROLL
  for (int i = 0; i < count; ++i) A::store(buffer + i * A::kLanes, v[i]);
  activate_vectors<A>(buffer, count, epilogue.activation);
  TALLY_UNROLL
  for (int i = 0; i < count; ++i) v[i] = A::load(buffer + i * A::kLanes);
}

}  // namespace tally::TALLY_ISA_NAMESPACE
