#pragma once
// The first lanes of a vector, loaded and stored without masks. vmaskmovps is exact on CPUs, but emulators (qemu 7.2)
// read the whole vector for it, which faults at the end of a page and spoils the count of bytes; and on AMD's Zen its
// store takes some forty micro-operations (Fog, instruction tables).
#include <immintrin.h>

#include "tally/platforms/kernels/inline.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// p[0 … n − 1] and zeros, n in 0 … 4.
TALLY_INLINE __m128 load_first4(const float* p, int n) {
  if (n == 4) return _mm_loadu_ps(p);
  if (n == 0) return _mm_setzero_ps();
  if (n == 1) return _mm_load_ss(p);
  const __m128 pair = _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
  return n == 2 ? pair : _mm_movelh_ps(pair, _mm_load_ss(p + 2));
}

/// p[0 … n − 1] and zeros, n in 0 … 8.
TALLY_INLINE __m256 load_first8(const float* p, int n) {
  const __m128 low = load_first4(p, n < 4 ? n : 4);
  const __m128 high = n > 4 ? load_first4(p + 4, n - 4) : _mm_setzero_ps();
  return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
}

/// Stores the first n lanes, n in 0 … 4.
TALLY_INLINE void store_first4(float* p, __m128 v, int n) {
  if (n == 4) return _mm_storeu_ps(p, v);
  if (n & 2) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_castps_si128(v));
    v = _mm_movehl_ps(v, v);
    p += 2;
  }
  if (n & 1) _mm_store_ss(p, v);
}

/// Stores the first n lanes, n in 0 … 8.
TALLY_INLINE void store_first8(float* p, __m256 v, int n) {
  __m128 rest = _mm256_castps256_ps128(v);
  if (n > 4) {
    _mm_storeu_ps(p, rest);
    rest = _mm256_extractf128_ps(v, 1);
    p += 4;
    n -= 4;
  }
  store_first4(p, rest, n);
}

}  // namespace tally::TALLY_ISA_NAMESPACE
