#pragma once
// Depth blocks of the matrix kernel on AArch64 (Blocks in num.h): a register of A holds the elements of four depth
// steps, and multiplications by element take them one by one; weights come four registers a load.
#include <arm_neon.h>
#include <stdint.h>

#include "tally/platforms/kernel_table.h"
#include "tally/platforms/kernels/inline.h"
#include "tally/platforms/kernels/neon_formats.h"

namespace tally::TALLY_ISA_NAMESPACE {

template <Num num>
struct NeonBlocks;  // undefined for formats without depth blocks

/// Keeps what was loaded before this from being loaded later.
template <class... T>
TALLY_INLINE void loaded(const T&... v) {
  (..., [&]() TALLY_LAMBDA { asm volatile("" : : "w"(v)); }());
}

template <>
struct NeonBlocks<Num::f32> {
  static constexpr int kSteps = 4;
  using Block = float32x4_t;
  struct Four {
    float32x4_t val[4];
  };
  static TALLY_INLINE Block load_block(const float* a) {
    const Block block = vld1q_f32(a);
    loaded(block);
    return block;
  }
  /// By one instruction.
  static TALLY_INLINE Four load_four(const float* w) {
    const float32x4x4_t four = vld1q_f32_x4(w);
    loaded(four.val[0]);
    return {{four.val[0], four.val[1], four.val[2], four.val[3]}};
  }
  template <int step, int vector>
  static TALLY_INLINE float32x4_t multiply_add(float32x4_t acc, Block a, const Four& w) {
    asm volatile("fmla %0.4s, %1.4s, %2.s[%3]" : "+w"(acc) : "w"(w.val[vector]), "w"(a), "i"(step));
    return acc;
  }
};

#ifdef __ARM_FEATURE_FP16_FML

struct Fp16Fml : Fp16Neon {
  static TALLY_INLINE float32x4_t multiply_add(float32x4_t acc, const uint16_t* a, const uint16_t* b) {
    const auto low = [](const uint16_t* p) { return vreinterpretq_f16_u16(vcombine_u16(vld1_u16(p), vdup_n_u16(0))); };
    return vfmlalq_low_f16(acc, low(a), low(b));
  }
};

/// FMLAL multiplies halves and adds to floats. A product of two halves has 22 bits and is exact in a float, and the
/// sum is rounded once: the same bits as converting both and a float's FMA, without the conversions. (By element it
/// takes registers 0 to 15 alone, which is what "x" says.)
template <>
struct NeonBlocks<Num::f16> {
  static constexpr int kSteps = 4;
  using Block = uint16x4_t;
  struct Four {
    uint16x8_t val[2];
  };
  static TALLY_INLINE Block load_block(const uint16_t* a) {
    const Block block = vld1_u16(a);
    loaded(block);
    return block;
  }
  static TALLY_INLINE Four load_four(const uint16_t* w) {
    const Four four{{vld1q_u16(w), vld1q_u16(w + 8)}};
    loaded(four.val[0], four.val[1]);
    return four;
  }
  template <int step, int vector>
  static TALLY_INLINE float32x4_t multiply_add(float32x4_t acc, Block a, const Four& w) {
    if constexpr (vector % 2 == 0) {
      asm volatile("fmlal %0.4s, %1.4h, %2.h[%3]" : "+w"(acc) : "w"(w.val[vector / 2]), "x"(a), "i"(step));
    } else {
      asm volatile("fmlal2 %0.4s, %1.4h, %2.h[%3]" : "+w"(acc) : "w"(w.val[vector / 2]), "x"(a), "i"(step));
    }
    return acc;
  }
};

#else

template <>
struct NeonBlocks<Num::f16> : NeonBlocks<Num::f32> {
  static TALLY_INLINE Block load_block(const uint16_t* a) {
    const Block block = Fp16Neon::load(a);
    loaded(block);
    return block;
  }
  static TALLY_INLINE Four load_four(const uint16_t* w) {
    const Four four{{Fp16Neon::load(w), Fp16Neon::load(w + 4), Fp16Neon::load(w + 8), Fp16Neon::load(w + 12)}};
    loaded(four.val[0], four.val[1], four.val[2], four.val[3]);
    return four;
  }
};

#endif

#if defined(__ARM_FEATURE_DOTPROD) && !defined(__ARM_FEATURE_MATMUL_INT8)

template <>
struct NeonBlocks<Num::i8> {
  static constexpr int kSteps = 4;
  using Block = int8x16_t;
  struct Four {
    int8x16_t val[4];
  };
  static TALLY_INLINE Block load_block(const int8_t* a) {
    const Block block = vld1q_s8(a);
    loaded(block);
    return block;
  }
  static TALLY_INLINE Four load_four(const int8_t* w) {
    const int8x16x4_t four = vld1q_s8_x4(w);
    loaded(four.val[0]);
    return {{four.val[0], four.val[1], four.val[2], four.val[3]}};
  }
  template <int step, int vector>
  static TALLY_INLINE int32x4_t multiply_add(int32x4_t acc, Block a, const Four& w) {
    asm volatile("sdot %0.4s, %1.16b, %2.4b[%3]" : "+w"(acc) : "w"(w.val[vector]), "w"(a), "i"(step));
    return acc;
  }
};

#endif

}  // namespace tally::TALLY_ISA_NAMESPACE
