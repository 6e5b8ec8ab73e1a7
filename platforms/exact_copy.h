#pragma once
// Moving bytes of counted buffers outside kernels. The C library's memcpy and memset move heads and tails twice, where
// vectors overlap: an emulator then sees more bytes than there are.
#include <cstddef>
#include <cstdint>

namespace tally {

/// y[0, n) = x[0, n), every byte loaded once and stored once. No overlap.
inline void copy_once(std::byte* y, const std::byte* x, int64_t n) {
  int64_t i = 0;
  for (; i + 32 <= n; i += 32) {
    __builtin_memcpy(y + i, x + i, 32);
    asm volatile("" ::: "memory");  // or the loop becomes a call to memcpy
  }
  for (; i + 4 <= n; i += 4) {
    __builtin_memcpy(y + i, x + i, 4);
    asm volatile("" ::: "memory");
  }
  for (; i < n; ++i) {
    y[i] = x[i];
    asm volatile("" ::: "memory");
  }
}

/// y[0, n) = 0, every float stored once.
inline void zero_once(float* y, int64_t n) {
  constexpr float kZeros[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    __builtin_memcpy(y + i, kZeros, 32);
    asm volatile("" ::: "memory");
  }
  for (; i < n; ++i) {
    y[i] = 0;
    asm volatile("" ::: "memory");
  }
}

}  // namespace tally
