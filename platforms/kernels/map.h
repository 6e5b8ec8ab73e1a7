#pragma once
// Elementwise kernels. Every element goes through the same instructions wherever the work is cut, a partial vector at
// the end of a row included, so that bits do not depend on threads. Bytes and FMA lanes follow from the vectors each
// loop reached; a partial vector executes whole FMA vectors but loads and stores only its elements.
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/functions.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// Vectors an unrolled iteration takes: enough to hide loop control; out-of-order cores overlap the rest.
constexpr int kMapUnroll = 4;

/// Loads a vector once: without the pin a compiler short of registers reads memory again where the value is used again.
template <class Arch>
TALLY_INLINE typename Arch::Vec load_once(const float* p) {
  typename Arch::Vec v = Arch::load(p);
  Arch::pin(v);
  return v;
}
template <class Arch>
TALLY_INLINE typename Arch::Vec load_partial_once(const float* p, int n) {
  typename Arch::Vec v = Arch::load_partial(p, n);
  Arch::pin(v);
  return v;
}

/// y[i] = f(x[i]), i < n. Returns the vectors processed, a partial one included.
template <class Arch, class F>
TALLY_INLINE int64_t map_row(const float* x, float* y, int64_t n, F f) {
  constexpr int L = Arch::kLanes;
  int64_t i = 0;
  for (; i + kMapUnroll * L <= n; i += kMapUnroll * L) {
    TALLY_UNROLL for (int u = 0; u < kMapUnroll; ++u) Arch::store(y + i + u * L, f(load_once<Arch>(x + i + u * L)));
  }
  for (; i + L <= n; i += L) Arch::store(y + i, f(load_once<Arch>(x + i)));
  if (i == n) return i / L;
  const int rest = static_cast<int>(n - i);
  Arch::store_partial(y + i, f(load_partial_once<Arch>(x + i, rest)), rest);
  return i / L + 1;
}

/// y[i] = f(a[i], b[i]), i < n. Returns the vectors processed.
template <class Arch, class F>
TALLY_INLINE int64_t map_rows(const float* a, const float* b, float* y, int64_t n, F f) {
  constexpr int L = Arch::kLanes;
  int64_t i = 0;
  for (; i + kMapUnroll * L <= n; i += kMapUnroll * L) {
    TALLY_UNROLL for (int u = 0; u < kMapUnroll; ++u) {
      Arch::store(y + i + u * L, f(load_once<Arch>(a + i + u * L), load_once<Arch>(b + i + u * L)));
    }
  }
  for (; i + L <= n; i += L) Arch::store(y + i, f(load_once<Arch>(a + i), load_once<Arch>(b + i)));
  if (i == n) return i / L;
  const int rest = static_cast<int>(n - i);
  Arch::store_partial(y + i, f(load_partial_once<Arch>(a + i, rest), load_partial_once<Arch>(b + i, rest)), rest);
  return i / L + 1;
}

// --------------------------------------------------------------------------------------------------------------- unary

template <class Arch, UnaryOp op, class Policy>
void unary_op(const UnaryArgs& args, int64_t begin, int64_t end, [[maybe_unused]] Tally* tally) noexcept {
  using Vec = typename Arch::Vec;
  const int64_t first = begin * kMapBlock;
  const int64_t last = end * kMapBlock < args.n ? end * kMapBlock : args.n;
  if (first >= last) return;
  const Vec lo = Arch::set(args.lo), hi = Arch::set(args.hi);
  [[maybe_unused]] const int64_t vectors =
      map_row<Arch>(args.x + first, args.y + first, last - first,
                    [=](Vec v) TALLY_LAMBDA { return function_vec<Arch, op>(v, lo, hi); });
  if constexpr (Policy::kCounts) {
    tally->lane_fma_other += vectors * Arch::kLanes * kFmaPerFunction<Arch, op>;
    tally->bytes_loaded += (last - first) * 4;
    tally->bytes_stored += (last - first) * 4;
  }
}

/// y[i] = op(x[i]); kernel_args.h. Items: blocks of kMapBlock elements.
template <class Arch, class Policy>
void unary(const UnaryArgs& args, int64_t begin, int64_t end, Tally* tally) noexcept {
  switch (args.op) {
#define TALLY_UNARY_OP(op) \
  case UnaryOp::op:        \
    return unary_op<Arch, UnaryOp::op, Policy>(args, begin, end, tally);
#include "tally/platforms/unary_ops.inc"
#undef TALLY_UNARY_OP
  }
}

// -------------------------------------------------------------------------------------------------------------- binary

template <class Arch, BinaryOp op>
TALLY_INLINE typename Arch::Vec binary_vec(typename Arch::Vec a, typename Arch::Vec b) {
  if constexpr (op == BinaryOp::add) return Arch::add(a, b);
  if constexpr (op == BinaryOp::sub) return Arch::sub(a, b);
  if constexpr (op == BinaryOp::mul) return Arch::mul(a, b);
  if constexpr (op == BinaryOp::div) return Arch::div(a, b);
  if constexpr (op == BinaryOp::max) return Arch::select_nan(a, a, Arch::max(a, b));
  if constexpr (op == BinaryOp::min) return Arch::select_nan(a, a, Arch::min(a, b));
  if constexpr (op == BinaryOp::prelu) return Arch::select_less(a, Arch::set(0.0f), Arch::mul(a, b), a);
}

/// One row (or block) of binary: operands that are one element for the row are loaded once, before it.
template <class Arch, BinaryOp op, bool clamp>
int64_t binary_row(const float* a, bool a_scalar, const float* b, bool b_scalar, float* y, int64_t n, float lo,
                   float hi) {
  using Vec = typename Arch::Vec;
  const Vec low = Arch::set(lo), high = Arch::set(hi);
  const auto finish = [=](Vec v) TALLY_LAMBDA {
    if constexpr (clamp) return clamp_vec<Arch>(v, low, high);
    return v;
  };
  if (a_scalar && b_scalar) {
    // One vector's worth of work, stored n times. Pinned, or a compiler would multiply one lane and spread the product.
    Vec u = Arch::broadcast(a), w = Arch::broadcast(b);
    Arch::pin(u);
    Arch::pin(w);
    const Vec v = finish(binary_vec<Arch, op>(u, w));
    constexpr int L = Arch::kLanes;
    int64_t i = 0;
    for (; i + L <= n; i += L) Arch::store(y + i, v);
    if (i < n) Arch::store_partial(y + i, v, static_cast<int>(n - i));
    return 1;
  }
  if (a_scalar) {
    const Vec s = Arch::broadcast(a);
    return map_row<Arch>(b, y, n, [=](Vec v) TALLY_LAMBDA { return finish(binary_vec<Arch, op>(s, v)); });
  }
  if (b_scalar) {
    const Vec s = Arch::broadcast(b);
    return map_row<Arch>(a, y, n, [=](Vec v) TALLY_LAMBDA { return finish(binary_vec<Arch, op>(v, s)); });
  }
  return map_rows<Arch>(a, b, y, n, [=](Vec u, Vec v) TALLY_LAMBDA { return finish(binary_vec<Arch, op>(u, v)); });
}

template <class Arch, BinaryOp op, bool clamp, class Policy>
void binary_op(const BinaryArgs& args, int64_t begin, int64_t end, [[maybe_unused]] Tally* tally) noexcept {
  const bool blocks = args.rows == 1;  // one row, cut into blocks
  for (int64_t item = begin; item < end; ++item) {
    const int64_t row = blocks ? 0 : item;
    const int64_t first = blocks ? item * kMapBlock : 0;
    const int64_t rest = args.inner - first;
    const int64_t n = blocks && rest > kMapBlock ? kMapBlock : rest;
    const float* a = args.a + (args.a_rows ? args.a_rows[row] : row * args.a_row_stride) + (args.a_scalar ? 0 : first);
    const float* b = args.b + (args.b_rows ? args.b_rows[row] : row * args.b_row_stride) + (args.b_scalar ? 0 : first);
    float* y = args.y + row * args.inner + first;
    [[maybe_unused]] const int64_t vectors =
        binary_row<Arch, op, clamp>(a, args.a_scalar, b, args.b_scalar, y, n, args.epilogue.lo, args.epilogue.hi);
    if constexpr (Policy::kCounts) {
      if ((op == BinaryOp::mul || op == BinaryOp::prelu) && !Arch::kHasFma)
        tally->lane_fma_other += vectors * Arch::kLanes;
      tally->bytes_loaded += ((args.a_scalar ? 1 : n) + (args.b_scalar ? 1 : n)) * 4;
      tally->bytes_stored += n * 4;
    }
  }
}

template <class Arch, BinaryOp op, class Policy>
void binary_clamped(const BinaryArgs& args, int64_t begin, int64_t end, Tally* tally) noexcept {
  if (args.epilogue.activation == Activation::clamp) {
    binary_op<Arch, op, true, Policy>(args, begin, end, tally);
  } else {
    binary_op<Arch, op, false, Policy>(args, begin, end, tally);
  }
}

/// y[r, j] = activation(op(a[r, j], b[r, j])); kernel_args.h. Items: rows, or blocks of the only row.
template <class Arch, class Policy>
void binary(const BinaryArgs& args, int64_t begin, int64_t end, Tally* tally) noexcept {
  switch (args.op) {
    case BinaryOp::add:
      return binary_clamped<Arch, BinaryOp::add, Policy>(args, begin, end, tally);
    case BinaryOp::sub:
      return binary_clamped<Arch, BinaryOp::sub, Policy>(args, begin, end, tally);
    case BinaryOp::mul:
      return binary_clamped<Arch, BinaryOp::mul, Policy>(args, begin, end, tally);
    case BinaryOp::div:
      return binary_clamped<Arch, BinaryOp::div, Policy>(args, begin, end, tally);
    case BinaryOp::max:
      return binary_op<Arch, BinaryOp::max, false, Policy>(args, begin, end, tally);
    case BinaryOp::min:
      return binary_op<Arch, BinaryOp::min, false, Policy>(args, begin, end, tally);
    case BinaryOp::prelu:
      return binary_op<Arch, BinaryOp::prelu, false, Policy>(args, begin, end, tally);
  }
}

// ------------------------------------------------------------------------------------------------------ channel_affine

/// Rows [first, last) of `n` pixels, each its own channel: scale and shift are loaded once a row. Returns the vectors.
template <class Arch, bool clamp>
int64_t affine_planar(const ChannelAffineArgs& args, int64_t first, int64_t last) {
  using Vec = typename Arch::Vec;
  const Vec lo = Arch::set(args.epilogue.lo), hi = Arch::set(args.epilogue.hi);
  const int64_t n = args.inner;
  int64_t vectors = 0;
  for (int64_t row = first; row < last; ++row) {
    const int64_t c = row % args.channels;
    const Vec scale = Arch::broadcast(args.scale + c), shift = Arch::broadcast(args.shift + c);
    vectors += map_row<Arch>(args.x + row * n, args.y + row * n, n, [=](Vec v) TALLY_LAMBDA {
      v = Arch::fma(v, scale, shift);
      if constexpr (clamp) v = clamp_vec<Arch>(v, lo, hi);
      return v;
    });
  }
  return vectors;
}

/// Rows [first, last) of `channels` elements, at most kAffineRows: a vector of scales and shifts stays in registers
/// down the block, so that each is loaded once a block.
template <class Arch, bool clamp>
int64_t affine_channels_last(const ChannelAffineArgs& args, int64_t first, int64_t last) {
  using Vec = typename Arch::Vec;
  constexpr int L = Arch::kLanes;
  const Vec lo = Arch::set(args.epilogue.lo), hi = Arch::set(args.epilogue.hi);
  const int64_t C = args.channels;
  const auto affine = [=](Vec v, Vec scale, Vec shift) TALLY_LAMBDA {
    v = Arch::fma(v, scale, shift);
    if constexpr (clamp) v = clamp_vec<Arch>(v, lo, hi);
    return v;
  };
  const float* x = args.x + first * C;
  float* y = args.y + first * C;
  const int64_t rows = last - first;
  int64_t c = 0;
  for (; c + L <= C; c += L) {
    const Vec scale = load_once<Arch>(args.scale + c), shift = load_once<Arch>(args.shift + c);
    for (int64_t r = 0; r < rows; ++r) Arch::store(y + r * C + c, affine(load_once<Arch>(x + r * C + c), scale, shift));
  }
  if (c == C) return c / L * rows;
  const int rest = static_cast<int>(C - c);
  const Vec scale = load_partial_once<Arch>(args.scale + c, rest),
            shift = load_partial_once<Arch>(args.shift + c, rest);
  for (int64_t r = 0; r < rows; ++r) {
    Arch::store_partial(y + r * C + c, affine(load_partial_once<Arch>(x + r * C + c, rest), scale, shift), rest);
  }
  return (c / L + 1) * rows;
}

/// y = activation(x · scale[c] + shift[c]): BatchNormalization that no convolution could absorb; kernel_args.h.
/// One FMA an element. Items: blocks of kAffineRows rows.
template <class Arch, class Policy>
void channel_affine(const ChannelAffineArgs& args, int64_t begin, int64_t end, [[maybe_unused]] Tally* tally) noexcept {
  const bool clamp = args.epilogue.activation == Activation::clamp;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t first = item * kAffineRows;
    const int64_t last = first + kAffineRows < args.rows ? first + kAffineRows : args.rows;
    [[maybe_unused]] int64_t vectors = 0;
    if (args.channels_last) {
      vectors = clamp ? affine_channels_last<Arch, true>(args, first, last)
                      : affine_channels_last<Arch, false>(args, first, last);
    } else {
      vectors = clamp ? affine_planar<Arch, true>(args, first, last) : affine_planar<Arch, false>(args, first, last);
    }
    if constexpr (Policy::kCounts) {
      const int64_t rows = last - first;
      const int64_t elements = rows * (args.channels_last ? args.channels : args.inner);
      const int64_t parameters = 2 * (args.channels_last ? args.channels : rows);
      tally->lane_fma_other += vectors * Arch::kLanes;
      tally->bytes_loaded += (elements + parameters) * 4;
      tally->bytes_stored += elements * 4;
    }
  }
}

}  // namespace tally::TALLY_ISA_NAMESPACE
