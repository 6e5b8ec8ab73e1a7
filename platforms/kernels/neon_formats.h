#pragma once
// Tails, fp16 and int8 in 128-bit NEON registers of AArch64.
#include <arm_neon.h>
#include <stdint.h>

#include "tally/platforms/kernels/small_formats.h"

namespace tally::TALLY_ISA_NAMESPACE {

TALLY_INLINE float32x4_t load_partial_4(const float* p, int n) {
  const float32x4_t zero = vdupq_n_f32(0.0f);
  if (n == 1) return vld1q_lane_f32(p, zero, 0);
  const float32x4_t two = vcombine_f32(vld1_f32(p), vget_low_f32(zero));
  return n == 2 ? two : vld1q_lane_f32(p + 2, two, 2);
}
TALLY_INLINE void store_partial_4(float* p, float32x4_t v, int n) {
  if (n == 1) {
    vst1q_lane_f32(p, v, 0);
    return;
  }
  vst1_f32(p, vget_low_f32(v));
  if (n == 3) vst1q_lane_f32(p + 2, v, 2);
}

struct Fp16Neon {
  static TALLY_INLINE float32x4_t load(const uint16_t* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
  static TALLY_INLINE float32x4_t broadcast(const uint16_t* p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_dup_u16(p)));
  }
  static TALLY_INLINE void store(uint16_t* p, float32x4_t v) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v))); }
  static TALLY_INLINE float32x4_t load_partial(const uint16_t* p, int n) {
    uint16_t lane[4] = {};
    copy_elements(lane, p, n);
    return load(lane);
  }
  static TALLY_INLINE void store_partial(uint16_t* p, float32x4_t v, int n) {
    uint16_t lane[4];
    store(lane, v);
    copy_elements(p, lane, n);
  }
};

/// Two depth elements a step: smull's products fit 16 bits (128·128 = 2^14), sadalp adds each pair to a 32-bit sum.
struct Int8Neon {
  using Acc = int32x4_t;
  using Weights = int8x8_t;
  using Factor = int8x8_t;
  static constexpr int kStep = 2;
  static constexpr bool kColumnSums = false;
  static TALLY_INLINE Acc zero() { return vdupq_n_s32(0); }
  static TALLY_INLINE Acc add(Acc a, Acc b) { return vaddq_s32(a, b); }
  static TALLY_INLINE Acc load(const int32_t* p) { return vld1q_s32(p); }
  static TALLY_INLINE void store(int32_t* p, Acc v) { vst1q_s32(p, v); }
  static TALLY_INLINE Acc load_partial(const int32_t* p, int n) {
    return vreinterpretq_s32_f32(load_partial_4(reinterpret_cast<const float*>(p), n));
  }
  static TALLY_INLINE void store_partial(int32_t* p, Acc v, int n) {
    store_partial_4(reinterpret_cast<float*>(p), vreinterpretq_f32_s32(v), n);
  }
  static TALLY_INLINE Weights load_weights(const int8_t* p) { return vld1_s8(p); }
  static TALLY_INLINE Factor factor(const int8_t* p) { return vreinterpret_s8_s16(vdup_n_s16(load_pair(p))); }
  static TALLY_INLINE Factor factor_tail(const int8_t* p, int) {
    return vreinterpret_s8_s16(vdup_n_s16(static_cast<uint8_t>(*p)));
  }
  static TALLY_INLINE Acc step(Acc acc, Factor f, Weights w) { return vpadalq_s16(acc, vmull_s8(f, w)); }
  static TALLY_INLINE void pin(int8x8_t& v) { asm("" : "+w"(v)); }
};

}  // namespace tally::TALLY_ISA_NAMESPACE
