#pragma once
// Data movement. The two innermost loops form a plane; an odometer runs over the rest. Three kinds of plane: rows
// adjacent in x and y, transposes of 4-byte elements (transposed_copy.h), and everything else element by element. Every
// element is loaded once and stored once: nothing goes through the C library's memcpy, whose head and tail moves
// overlap.
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/transposed_copy.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

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

template <class Arch>
void copy_rows(char* y, const char* x, const Plane& p, int64_t element_bytes) {
  for (int64_t i = 0; i < p.outer; ++i) copy_row<Arch>(y + i * p.y_outer, x + i * p.x_outer, p.inner * element_bytes);
}

template <class Arch>
void copy_plane(char* y, const char* x, const Plane& p, int64_t element_bytes) {
  if (p.x_inner == element_bytes && p.y_inner == element_bytes) return copy_rows<Arch>(y, x, p, element_bytes);
  if (element_bytes == 4 && p.y_inner == 4 && p.x_outer == 4) return copy_transposed<Arch>(y, x, p);
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
