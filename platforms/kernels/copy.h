#pragma once
// Data movement. The two innermost loops form a plane; an odometer runs over the rest. Three kinds of plane: rows
// adjacent in x and y, transposes of 4-byte elements in register blocks, and everything else element by element. Every
// element is loaded once and stored once: nothing goes through the C library's memcpy, whose head and tail moves
// overlap.
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/tally.h"

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

/// Copies n adjacent bytes.
template <class Arch>
TALLY_INLINE void copy_row(char* y, const char* x, int64_t n) {
  constexpr int kWide = Arch::kLanes >= 4 ? 4 * Arch::kLanes : 16;
  int64_t i = 0;
  for (; i + kWide <= n; i += kWide) {
    move_bytes<kWide>(y + i, x + i);
    asm volatile("" ::: "memory");  // or the loop becomes a call to memcpy
  }
  const int64_t rest = n - i;
  const auto move_bit = [&]<int N>() TALLY_LAMBDA {
    if (rest & N) {
      move_bytes<N>(y + i, x + i);
      i += N;
    }
  };
  if constexpr (kWide > 32) move_bit.template operator()<32>();
  if constexpr (kWide > 16) move_bit.template operator()<16>();
  move_bit.template operator()<8>();
  move_bit.template operator()<4>();
  move_bit.template operator()<2>();
  move_bit.template operator()<1>();
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

template <class Arch>
void copy_rows(char* y, const char* x, const Plane& p, int64_t element_bytes) {
  for (int64_t i = 0; i < p.outer; ++i) copy_row<Arch>(y + i * p.y_outer, x + i * p.x_outer, p.inner * element_bytes);
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

TALLY_INLINE void load_quads(Quad& v, const char* x, int64_t) { __builtin_memcpy(&v, x, 16); }
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

/// A plane of 4-byte elements with y_inner = x_outer = 4 bytes. Blocks run along y's rows, so that lines of y are
/// filled one after the other while the lines of x that the next block row needs stay in cache.
template <class Row>
void copy_transposed(char* y, const char* x, const Plane& p) {
  constexpr int64_t W = sizeof(Row) / 4;
  const int64_t outer = p.outer / W * W, inner = p.inner / W * W;
  for (int64_t i = 0; i < outer; i += W) {
    for (int64_t j = 0; j < inner; j += W) {
      transpose_block<Row>(y + i * p.y_outer + j * 4, p.y_outer, x + i * 4 + j * p.x_inner, p.x_inner);
    }
  }
  Plane right = p;  // columns of y beyond the blocks
  right.outer = outer;
  right.inner = p.inner - inner;
  copy_strided<4>(y + inner * 4, x + inner * p.x_inner, right);
  Plane bottom = p;  // rows of y beyond the blocks
  bottom.outer = p.outer - outer;
  copy_strided<4>(y + outer * p.y_outer, x + outer * 4, bottom);
}

template <class Arch>
void copy_plane(char* y, const char* x, const Plane& p, int64_t element_bytes) {
  if (p.x_inner == element_bytes && p.y_inner == element_bytes) return copy_rows<Arch>(y, x, p, element_bytes);
  if (element_bytes == 4 && p.y_inner == 4 && p.x_outer == 4) {
    if constexpr (Arch::kLanes >= 8) return copy_transposed<TwoQuads>(y, x, p);
    if constexpr (Arch::kLanes == 4) return copy_transposed<Quad>(y, x, p);
  }
  switch (element_bytes) {
    case 1:
      return copy_strided<1>(y, x, p);
    case 2:
      return copy_strided<2>(y, x, p);
    case 4:
      return copy_strided<4>(y, x, p);
    case 8:
      return copy_strided<8>(y, x, p);
    default:
      return copy_strided<16>(y, x, p);
  }
}

/// The dimensions of a copy that are longer than 1; strides in bytes.
struct CopyLoops {
  int rank = 0;
  int64_t size[kCopyRank], x_stride[kCopyRank], y_stride[kCopyRank];

  void add(int64_t n, int64_t xs, int64_t ys) {
    size[rank] = n;
    x_stride[rank] = xs;
    y_stride[rank] = ys;
    ++rank;
  }
  void remove(int d) {
    for (--rank; d < rank; ++d) {
      size[d] = size[d + 1];
      x_stride[d] = x_stride[d + 1];
      y_stride[d] = y_stride[d + 1];
    }
  }
  /// Innermost loop whose strides are xs and ys (−1: any); −1 if none.
  int find(int64_t xs, int64_t ys) const {
    for (int d = rank - 1; d >= 0; --d) {
      if ((xs == -1 || x_stride[d] == xs) && (ys == -1 || y_stride[d] == ys)) return d;
    }
    return -1;
  }
};

/// Takes the plane's two loops out of `loops`: inside, the loop adjacent in x and y, else the one adjacent in y (with
/// the one adjacent in x around it: a transpose), else the last.
inline Plane take_plane(CopyLoops& loops, int64_t element_bytes) {
  Plane p;
  p.x_inner = p.y_inner = element_bytes;
  if (loops.rank == 0) return p;
  int inner = loops.find(element_bytes, element_bytes);
  const bool adjacent = inner >= 0;
  if (inner < 0) inner = loops.find(-1, element_bytes);
  if (inner < 0) inner = loops.rank - 1;
  p.inner = loops.size[inner];
  p.x_inner = loops.x_stride[inner];
  p.y_inner = loops.y_stride[inner];
  loops.remove(inner);
  if (loops.rank == 0) return p;
  int outer = adjacent ? -1 : loops.find(element_bytes, -1);
  if (outer < 0) outer = loops.rank - 1;
  p.outer = loops.size[outer];
  p.x_outer = loops.x_stride[outer];
  p.y_outer = loops.y_stride[outer];
  loops.remove(outer);
  return p;
}

/// y[Σ i_d·y_stride_d] = x[Σ i_d·x_stride_d]; kernel_args.h. x and y do not overlap. Items: outermost indices.
template <class Arch, class Policy>
void copy_nd(const CopyArgs& args, int64_t begin, int64_t end, [[maybe_unused]] Tally* tally) noexcept {
  const int64_t bytes = args.element_bytes;
  CopyLoops loops;
  if (end - begin > 1) loops.add(end - begin, args.x_stride[0] * bytes, args.y_stride[0] * bytes);
  for (int d = 1; d < args.rank; ++d) {
    if (args.size[d] == 0) return;
    if (args.size[d] > 1) loops.add(args.size[d], args.x_stride[d] * bytes, args.y_stride[d] * bytes);
  }
  if (begin >= end) return;
  const Plane plane = take_plane(loops, bytes);
  const char* x = static_cast<const char*>(args.x) + begin * args.x_stride[0] * bytes;
  char* y = static_cast<char*>(args.y) + begin * args.y_stride[0] * bytes;
  int64_t index[kCopyRank] = {};
  [[maybe_unused]] int64_t planes = 0;
  for (int d = 0; d >= 0;) {
    copy_plane<Arch>(y, x, plane, bytes);
    ++planes;
    for (d = loops.rank - 1; d >= 0; --d) {  // the next index, its last digit first
      x += loops.x_stride[d];
      y += loops.y_stride[d];
      if (++index[d] < loops.size[d]) break;
      x -= loops.x_stride[d] * loops.size[d];
      y -= loops.y_stride[d] * loops.size[d];
      index[d] = 0;
    }
  }
  if constexpr (Policy::kCounts) {
    const int64_t moved = planes * plane.outer * plane.inner * bytes;
    tally->bytes_loaded += moved;
    tally->bytes_stored += moved;
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
