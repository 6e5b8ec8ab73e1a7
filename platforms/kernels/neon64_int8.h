#pragma once
// int8 with AArch64's dot products and matrix multiplications.
#include <arm_neon.h>
#include <stdint.h>

#include "tally/platforms/kernels/neon_formats.h"

namespace tally::TALLY_ISA_NAMESPACE {

#ifdef __ARM_FEATURE_DOTPROD

/// Eight bytes, of which the first n are p's, the rest zeros.
TALLY_INLINE int8x8_t load_first_bytes(const int8_t* p, int n) {
  int8_t lane[8] = {};
  copy_elements(lane, p, n);
  return vld1_s8(lane);
}

/// Four depth elements a step: SDOT adds four products to each 32-bit sum, wrapping nowhere before the sum does.
struct Int8Dot : Int8Neon {
  using Weights = int8x16_t;
  using Factor = int8x16_t;
  static constexpr int kStep = 4;
  static TALLY_INLINE Weights load_weights(const int8_t* p) { return vld1q_s8(p); }
  static TALLY_INLINE Factor factor(const int8_t* p) {
    int32_t four;
    __builtin_memcpy(&four, p, sizeof(four));
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
  }
  static TALLY_INLINE Factor factor_tail(const int8_t* p, int n) {
    return vreinterpretq_s8_s32(vdupq_lane_s32(vreinterpret_s32_s8(load_first_bytes(p, n)), 0));
  }
  static TALLY_INLINE Acc step(Acc acc, Factor f, Weights w) { return vdotq_s32(acc, f, w); }
  static TALLY_INLINE void pin(int8x16_t& v) { asm("" : "+w"(v)); }
};

#ifdef __ARM_FEATURE_MATMUL_INT8

/// Eight depth elements a step, rows of A in pairs (gemm_pairs.h): SMMLA multiplies two rows by two columns, and a row
/// left over takes SDOT, whose sums are then added two by two. No lane is lost to either.
struct Int8Matrix : Int8Dot {
  static constexpr int kStep = 8;
  static constexpr bool kRowPairs = true;
  using Row = int8x8_t;  ///< a step of one row
  static TALLY_INLINE Row load_row(const int8_t* p) { return vld1_s8(p); }
  static TALLY_INLINE Row load_row_tail(const int8_t* p, int n) { return load_first_bytes(p, n); }
  static TALLY_INLINE Factor factor(const int8_t* p) { return pair_of(load_row(p), load_row(p)); }
  static TALLY_INLINE Factor pair_of(Row row, Row next) { return vcombine_s8(row, next); }
  /// {r0·c0, r0·c1, r1·c0, r1·c1}
  static TALLY_INLINE Acc step(Acc acc, Factor rows, Weights columns) { return vmmlaq_s32(acc, rows, columns); }
  /// The same of one row in both halves: {r·c0 in two parts, r·c1 in two parts}.
  static TALLY_INLINE Acc step_one(Acc acc, Factor row, Weights columns) { return vdotq_s32(acc, row, columns); }

  /// From sums of a vector of columns for two rows to those of its first and second two columns, and back.
  static TALLY_INLINE void turn(Acc& row, Acc& next) {
    const int64x2_t a = vreinterpretq_s64_s32(row), b = vreinterpretq_s64_s32(next);
    row = vreinterpretq_s32_s64(vzip1q_s64(a, b));
    next = vreinterpretq_s32_s64(vzip2q_s64(a, b));
  }
  static TALLY_INLINE void open(Acc sum, Acc& low, Acc& high) {
    low = vzip1q_s32(sum, zero());
    high = vzip2q_s32(sum, zero());
  }
  static TALLY_INLINE Acc close(Acc low, Acc high) { return vpaddq_s32(low, high); }
};

#endif
#endif

}  // namespace tally::TALLY_ISA_NAMESPACE
