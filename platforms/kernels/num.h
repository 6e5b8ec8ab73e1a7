#pragma once
// The number-format axis of the multiply-accumulate kernels. NumFormat<Arch, Num> gives, for one format on one vector
// width:
//   Storage, Sum, Output   element types of A and W, of bias and partial sums, of C
//   Acc, Weights, Factor   registers: sums, one vector of packed weights, one element of A in every lane
//   kFloatSums             sums are floats: a residual and an activation may follow
//   kStep                  depth elements that one step takes (weights are packed [k / kStep][lane][kStep])
//   load_weights, factor, factor_tail, step
//                          acc += factor · weights; the tail takes 1 … kStep − 1 elements and reads no more
//   Blocks                 blocks of several depth steps where the ISA multiplies by element (else kSteps = 0):
//                          load_block (kSteps steps of a row of A), load_four (four vectors of weights),
//                          multiply_add<step, vector>(acc, block, four), all in the order they are written in
//   load_sum, store_sum, load_output, store_output, *_partial
// fp16 and int8 come from Arch::Fp16 and Arch::Int8, which hold what the ISA's intrinsics do best.
#include <stdint.h>

#include "tally/platforms/kernel_table.h"
#include "tally/platforms/kernels/inline.h"

namespace tally::TALLY_ISA_NAMESPACE {

template <class A, Num num>
struct NumFormat;

struct NoBlocks {
  static constexpr int kSteps = 0;
};
template <class A, Num num>
struct BlocksOf {
  using type = NoBlocks;
};
template <class A, Num num>
requires(A::template Blocks<num>::kSteps > 0) struct BlocksOf<A, num> {
  using type = typename A::template Blocks<num>;
};

/// One float of A for a multiply-accumulate: in every lane, or, where the ISA multiplies by one lane of a register
/// (Arch::Element), in one.
template <class A>
struct FloatFactor {
  using Factor = typename A::Vec;
  static TALLY_INLINE Factor load(const float* p) { return A::broadcast(p); }
  static TALLY_INLINE typename A::Vec step(typename A::Vec acc, Factor f, typename A::Vec w) {
    return A::fma(f, w, acc);
  }
  static TALLY_INLINE void pin(Factor& f) { A::pin(f); }
};
template <class A>
requires requires { typename A::Element; }
struct FloatFactor<A> {
  using Factor = typename A::Element;
  static TALLY_INLINE Factor load(const float* p) { return A::load_element(p); }
  static TALLY_INLINE typename A::Vec step(typename A::Vec acc, Factor f, typename A::Vec w) {
    return A::fma_element(w, f, acc);
  }
  static TALLY_INLINE void pin(Factor& f) { A::pin_element(f); }
};

/// fp32 everywhere.
template <class A>
struct NumFormat<A, Num::f32> {
  using Storage = float;
  using Sum = float;
  using Output = float;
  using Acc = typename A::Vec;
  using Weights = typename A::Vec;
  using Factor = typename FloatFactor<A>::Factor;
  using Blocks = typename BlocksOf<A, Num::f32>::type;
  using FloatArch = A;
  static constexpr int kLanes = A::kLanes;
  static constexpr int kStep = 1;
  static constexpr bool kColumnSums = false;
  static constexpr bool kFloatSums = true;
  static TALLY_INLINE Acc zero() { return A::zero(); }
  static TALLY_INLINE Acc add(Acc a, Acc b) { return A::add(a, b); }
  static TALLY_INLINE Acc set(float x) { return A::set(x); }
  static TALLY_INLINE Acc min(Acc a, Acc b) { return A::min(a, b); }
  static TALLY_INLINE Acc max(Acc a, Acc b) { return A::max(a, b); }
  static TALLY_INLINE Weights load_weights(const float* p) { return A::load(p); }
  static TALLY_INLINE Factor factor(const float* p) { return FloatFactor<A>::load(p); }
  static TALLY_INLINE Acc step(Acc acc, Factor f, Weights w) { return FloatFactor<A>::step(acc, f, w); }
  static TALLY_INLINE void pin_weights(Weights& w) { A::pin(w); }
  static TALLY_INLINE void pin_factor(Factor& f) { FloatFactor<A>::pin(f); }
  static TALLY_INLINE Acc load_sum(const float* p) { return A::load(p); }
  static TALLY_INLINE void store_sum(float* p, Acc v) { A::store(p, v); }
  static TALLY_INLINE Acc load_output(const float* p) { return A::load(p); }
  static TALLY_INLINE Acc load_output_partial(const float* p, int n) { return A::load_partial(p, n); }
  static TALLY_INLINE void store_output(float* p, Acc v) { A::store(p, v); }
  static TALLY_INLINE void store_output_partial(float* p, Acc v, int n) { A::store_partial(p, v, n); }
};

/// fp16 in memory, fp32 in registers.
template <class A>
struct NumFormat<A, Num::f16> {
  using Storage = uint16_t;
  using Sum = float;
  using Output = uint16_t;
  using Acc = typename A::Vec;
  using Weights = typename A::Vec;
  using Factor = typename A::Vec;
  using FloatArch = A;
  using Blocks = typename BlocksOf<A, Num::f16>::type;
  using Fp16 = typename A::Fp16;
  static constexpr int kLanes = A::kLanes;
  static constexpr int kStep = 1;
  static constexpr bool kColumnSums = false;
  static constexpr bool kFloatSums = true;
  static TALLY_INLINE Acc zero() { return A::zero(); }
  static TALLY_INLINE Acc add(Acc a, Acc b) { return A::add(a, b); }
  static TALLY_INLINE Acc set(float x) { return A::set(x); }
  static TALLY_INLINE Acc min(Acc a, Acc b) { return A::min(a, b); }
  static TALLY_INLINE Acc max(Acc a, Acc b) { return A::max(a, b); }
  static TALLY_INLINE Weights load_weights(const uint16_t* p) { return Fp16::load(p); }
  static TALLY_INLINE Factor factor(const uint16_t* p) { return Fp16::broadcast(p); }
  static TALLY_INLINE Acc step(Acc acc, Factor f, Weights w) { return A::fma(f, w, acc); }
  static TALLY_INLINE void pin_weights(Weights& w) { A::pin(w); }
  static TALLY_INLINE void pin_factor(Factor& f) { A::pin(f); }
  static TALLY_INLINE Acc load_sum(const float* p) { return A::load(p); }
  static TALLY_INLINE void store_sum(float* p, Acc v) { A::store(p, v); }
  static TALLY_INLINE Acc load_output(const uint16_t* p) { return Fp16::load(p); }
  static TALLY_INLINE Acc load_output_partial(const uint16_t* p, int n) { return Fp16::load_partial(p, n); }
  static TALLY_INLINE void store_output(uint16_t* p, Acc v) { Fp16::store(p, v); }
  static TALLY_INLINE void store_output_partial(uint16_t* p, Acc v, int n) { Fp16::store_partial(p, v, n); }
};

/// int8 · int8 → int32, exact: no product and no pair of products saturates, −128 included.
template <class A>
struct NumFormat<A, Num::i8> {
  using FloatArch = A;
  using Int8 = typename A::Int8;
  using Storage = int8_t;
  using Sum = int32_t;
  using Output = int32_t;
  using Acc = typename Int8::Acc;
  using Weights = typename Int8::Weights;
  using Factor = typename Int8::Factor;
  using Blocks = typename BlocksOf<A, Num::i8>::type;
  static constexpr int kLanes = A::kLanes;
  static constexpr int kStep = Int8::kStep;
  /// Weights come with correction rows (GemmArgs::column_sums) that every sum starts from.
  static constexpr bool kColumnSums = Int8::kColumnSums;
  static constexpr bool kFloatSums = false;
  static TALLY_INLINE Acc zero() { return Int8::zero(); }
  static TALLY_INLINE Acc add(Acc a, Acc b) { return Int8::add(a, b); }
  static TALLY_INLINE Weights load_weights(const int8_t* p) { return Int8::load_weights(p); }
  static TALLY_INLINE Factor factor(const int8_t* p) { return Int8::factor(p); }
  static TALLY_INLINE Factor factor_tail(const int8_t* p, int n) { return Int8::factor_tail(p, n); }
  static TALLY_INLINE Acc step(Acc acc, Factor f, Weights w) { return Int8::step(acc, f, w); }
  static TALLY_INLINE void pin_weights(Weights& w) { Int8::pin(w); }
  static TALLY_INLINE void pin_factor(Factor& f) { Int8::pin(f); }
  static TALLY_INLINE Acc load_sum(const int32_t* p) { return Int8::load(p); }
  static TALLY_INLINE void store_sum(int32_t* p, Acc v) { Int8::store(p, v); }
  static TALLY_INLINE Acc load_output(const int32_t* p) { return Int8::load(p); }
  static TALLY_INLINE Acc load_output_partial(const int32_t* p, int n) { return Int8::load_partial(p, n); }
  static TALLY_INLINE void store_output(int32_t* p, Acc v) { Int8::store(p, v); }
  static TALLY_INLINE void store_output_partial(int32_t* p, Acc v, int n) { Int8::store_partial(p, v, n); }
};

}  // namespace tally::TALLY_ISA_NAMESPACE
