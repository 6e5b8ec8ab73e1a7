#pragma once
// Planes of 4-byte elements that change rows for columns, in register blocks. Every element is loaded once and stored
// once, edges included.
#include <stdint.h>

#include "tally/platforms/kernels/pairs.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// Moves one unit of N bytes, aligned or not.
template <int N>
TALLY_INLINE void move_bytes(char* y, const char* x) {
  struct Unit {
    char bytes[N];
  } unit;
  __builtin_memcpy(&unit, x, N);
  __builtin_memcpy(y, &unit, N);
}

/// y[i·y_outer + j·y_inner] = x[i·x_outer + j·x_inner], i < outer, j < inner; strides in bytes.
struct Plane {
  int64_t outer = 1, inner = 1;
  int64_t x_outer = 0, x_inner = 0, y_outer = 0, y_inner = 0;
};

template <int N>
void copy_strided(char* y, const char* x, const Plane& p) {
  for (int64_t i = 0; i < p.outer; ++i) {
    for (int64_t j = 0; j < p.inner; ++j) {
      move_bytes<N>(y + i * p.y_outer + j * p.y_inner, x + i * p.x_outer + j * p.x_inner);
    }
  }
}

typedef uint32_t Quad __attribute__((vector_size(16)));
typedef uint32_t TwoQuads __attribute__((vector_size(32)));

/// Interleaves the first (low) or second halves of each quad of a and b.
TALLY_INLINE void interleave(const Quad& a, const Quad& b, Quad& low, Quad& high) {
  low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
}
TALLY_INLINE void interleave(const TwoQuads& a, const TwoQuads& b, TwoQuads& low, TwoQuads& high) {
  low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
  high = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
}

/// Keeps a loaded value in its register: gcc 12 would read it from memory again for each of its two uses.
TALLY_INLINE void keep(Quad& v) {
#if defined(__x86_64__)
  asm("" : "+x"(v));
#elif defined(__aarch64__) || defined(__ARM_NEON)
  asm("" : "+w"(v));
#else
  (void)v;
#endif
}

TALLY_INLINE void load_quads(Quad& v, const char* x, int64_t) {
  __builtin_memcpy(&v, x, 16);
  keep(v);
}
TALLY_INLINE void load_quads(TwoQuads& v, const char* x, int64_t four_rows) {
  Quad first, second;
  __builtin_memcpy(&first, x, 16);
  __builtin_memcpy(&second, x + four_rows, 16);
  v = __builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7);
}

/// Transposes a block of W × W 4-byte elements: row i of x becomes column i of y; strides between rows in bytes. A
/// vector is gathered from quads of rows i, i + 4 …, so that transposing 4 × 4 inside each quad finishes the block.
template <class Row>
TALLY_INLINE void transpose_block(char* y, int64_t y_row, const char* x, int64_t x_row) {
  constexpr int W = sizeof(Row) / 4;
  TALLY_UNROLL for (int q = 0; q < W / 4; ++q) {
    Row a[4], b[4];
    TALLY_UNROLL for (int i = 0; i < 4; ++i) load_quads(a[i], x + i * x_row + 16 * q, 4 * x_row);
    interleave(a[0], a[2], b[0], b[1]);
    interleave(a[1], a[3], b[2], b[3]);
    interleave(b[0], b[2], a[0], a[1]);
    interleave(b[1], b[3], a[2], a[3]);
    TALLY_UNROLL for (int i = 0; i < 4; ++i) __builtin_memcpy(y + (4 * q + i) * y_row, &a[i], sizeof(Row));
  }
}

/// The first N elements of a quad, and no byte beyond.
template <int N>
TALLY_INLINE Quad load_first(const char* x) {
  typedef uint64_t Halves __attribute__((vector_size(16)));
  Halves v = {0, 0};
  if constexpr (N == 4) __builtin_memcpy(&v, x, 16);
  if constexpr (N == 2 || N == 3) {
    uint64_t low;
    __builtin_memcpy(&low, x, 8);
    v[0] = low;
  }
  if constexpr (N == 1 || N == 3) {
    uint32_t last;
    __builtin_memcpy(&last, x + 4 * (N - 1), 4);
    v[N / 2] = last;
  }
  return reinterpret_cast<Quad>(v);
}
template <int N>
TALLY_INLINE void store_first(char* y, const Quad& v) {
  if constexpr (N == 4) __builtin_memcpy(y, &v, 16);
  if constexpr (N == 2 || N == 3) {
    typedef uint64_t Halves __attribute__((vector_size(16)));
    const uint64_t low = reinterpret_cast<Halves>(v)[0];
    __builtin_memcpy(y, &low, 8);
  }
  if constexpr (N == 1 || N == 3) {
    const uint32_t last = v[N - 1];
    __builtin_memcpy(y + 4 * (N - 1), &last, 4);
  }
}

/// The block that `inner` rows of x and `outer` elements of each make: `outer` rows of y of `inner` elements.
template <int outer, int inner>
TALLY_INLINE void transpose_edge(char* y, int64_t y_row, const char* x, int64_t x_row) {
  Quad a[4], b[4];
  TALLY_UNROLL for (int i = 0; i < 4; ++i) {
    a[i] = i < inner ? load_first<outer>(x + i * x_row) : Quad{};
    keep(a[i]);
  }
  interleave(a[0], a[2], b[0], b[1]);
  interleave(a[1], a[3], b[2], b[3]);
  interleave(b[0], b[2], a[0], a[1]);
  interleave(b[1], b[3], a[2], a[3]);
  TALLY_UNROLL for (int i = 0; i < outer; ++i) store_first<inner>(y + i * y_row, a[i]);
}

/// Quads along y's rows, for the last `outer` rows; or along its columns, for the last `inner` columns.
template <int outer>
void copy_last_rows(char* y, const char* x, const Plane& p) {
  for (int64_t j = 0; j + 4 <= p.inner; j += 4)
    transpose_edge<outer, 4>(y + j * 4, p.y_outer, x + j * p.x_inner, p.x_inner);
}
template <int inner>
void copy_last_columns(char* y, const char* x, const Plane& p) {
  for (int64_t i = 0; i + 4 <= p.outer; i += 4)
    transpose_edge<4, inner>(y + i * p.y_outer, p.y_outer, x + i * 4, p.x_inner);
}

template <class Row>
void copy_in_blocks(char* y, const char* x, const Plane& p);

/// The part of a plane from row `outer` and column `inner` on.
inline Plane rest_of(const Plane& p, int64_t outer, int64_t inner) {
  Plane rest = p;
  rest.outer = p.outer - outer;
  rest.inner = p.inner - inner;
  return rest;
}

/// What whole blocks leave over: columns beyond `inner` of the rows before `outer`, and the rows from there on.
template <class Row>
void copy_edges(char* y, const char* x, const Plane& p, int64_t outer, int64_t inner) {
  Plane right = rest_of(p, 0, inner), bottom = rest_of(p, outer, 0);
  right.outer = outer;
  char* const y_right = y + inner * 4;
  const char* const x_right = x + inner * p.x_inner;
  char* const y_bottom = y + outer * p.y_outer;
  const char* const x_bottom = x + outer * 4;
  if constexpr (sizeof(Row) > sizeof(Quad)) {
    if (right.inner > 0) copy_in_blocks<Quad>(y_right, x_right, right);
    if (bottom.outer > 0) copy_in_blocks<Quad>(y_bottom, x_bottom, bottom);
  } else {
    if (right.inner == 1) copy_last_columns<1>(y_right, x_right, right);
    if (right.inner == 2) copy_last_columns<2>(y_right, x_right, right);
    if (right.inner == 3) copy_last_columns<3>(y_right, x_right, right);
    if (bottom.outer == 1) copy_last_rows<1>(y_bottom, x_bottom, bottom);
    if (bottom.outer == 2) copy_last_rows<2>(y_bottom, x_bottom, bottom);
    if (bottom.outer == 3) copy_last_rows<3>(y_bottom, x_bottom, bottom);
    const int64_t j = bottom.inner / 4 * 4;
    copy_strided<4>(y_bottom + j * 4, x_bottom + j * p.x_inner, rest_of(bottom, 0, j));
  }
}

/// A plane with y_inner = x_outer = 4 bytes. Blocks run along y's rows, so that lines of y are filled one after the
/// other while the lines of x that the next block row needs stay in cache.
template <class Row>
void copy_in_blocks(char* y, const char* x, const Plane& p) {
  constexpr int64_t W = sizeof(Row) / 4;
  const int64_t outer = p.outer / W * W, inner = p.inner / W * W;
  for (int64_t i = 0; i < outer; i += W) {
    for (int64_t j = 0; j < inner; j += W) {
      transpose_block<Row>(y + i * p.y_outer + j * 4, p.y_outer, x + i * 4 + j * p.x_inner, p.x_inner);
    }
  }
  copy_edges<Row>(y, x, p, outer, inner);
}

/// Two rows of x by turns: a row of y without gaps.
template <class Arch>
void interleave_rows(char* y, const char* x, const Plane& p) {
  constexpr int L = Arch::kLanes;
  const auto *a = reinterpret_cast<const float*>(x), *b = reinterpret_cast<const float*>(x + p.x_inner);
  auto* out = reinterpret_cast<float*>(y);
  int64_t i = 0;
  for (; i + L <= p.outer; i += L) store_pairs<Arch, false>(out + 2 * i, {Arch::load(a + i), Arch::load(b + i)}, L);
  if (i == p.outer) return;
  const int rest = static_cast<int>(p.outer - i);
  store_pairs<Arch, true>(out + 2 * i, {Arch::load_partial(a + i, rest), Arch::load_partial(b + i, rest)}, rest);
}

/// A row of x without gaps taken apart into two rows of y.
template <class Arch>
void separate_rows(char* y, const char* x, const Plane& p) {
  constexpr int L = Arch::kLanes;
  const auto* in = reinterpret_cast<const float*>(x);
  auto *a = reinterpret_cast<float*>(y), *b = reinterpret_cast<float*>(y + p.y_outer);
  int64_t j = 0;
  for (; j + L <= p.inner; j += L) {
    const auto pairs = load_pairs<Arch, false>(in + 2 * j, L);
    Arch::store(a + j, pairs.one);
    Arch::store(b + j, pairs.two);
  }
  if (j == p.inner) return;
  const int rest = static_cast<int>(p.inner - j);
  const auto pairs = load_pairs<Arch, true>(in + 2 * j, rest);
  Arch::store_partial(a + j, pairs.one, rest);
  Arch::store_partial(b + j, pairs.two, rest);
}

/// A plane with y_inner = x_outer = 4 bytes.
template <class Arch>
void copy_transposed(char* y, const char* x, const Plane& p) {
  if constexpr (Arch::kLanes == 1) {
    copy_strided<4>(y, x, p);
  } else if (p.inner == 2 && p.y_outer == 8) {
    interleave_rows<Arch>(y, x, p);
  } else if (p.outer == 2 && p.x_inner == 8) {
    separate_rows<Arch>(y, x, p);
  } else if constexpr (Arch::kLanes >= 8) {
    copy_in_blocks<TwoQuads>(y, x, p);
  } else {
    copy_in_blocks<Quad>(y, x, p);
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
