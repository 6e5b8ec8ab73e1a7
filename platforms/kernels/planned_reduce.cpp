#include "tally/platforms/kernels/planned_reduce.h"

#include <algorithm>

namespace tally {

namespace {

constexpr int64_t kFloatBytes = 4;

int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

Planned finished(Planned p) {
  p.tally.bytes_loaded = p.loaded_activations + p.loaded_weights;
  p.tally.bytes_stored = p.stored_outputs;
  return p;
}

}  // namespace

/// Only squares are multiplied: outer·⌈width/L⌉·L lanes, or outer·width·⌈inner/L⌉·L across rows. Every element in once,
/// every result out once.
Planned planned_reduce(const ReduceArgs& args, const Geometry& geometry) {
  Planned p;
  const int64_t L = geometry.lanes;
  if (args.op == ReduceOp::sum_squares)
    p.tally.lane_fma_other =
        args.outer * (args.inner == 1 ? round_up(args.width, L) : args.width * round_up(args.inner, L));
  p.loaded_activations = kFloatBytes * args.outer * args.width * args.inner;
  p.stored_outputs = kFloatBytes * args.outer * args.inner;
  return finished(p);
}

/// Lanes a row: ⌈w/L⌉·L for the squares, L to mend the variance where centred, and for the affine map ⌈w/L⌉·L, or
/// w/inner·⌈inner/L⌉·L by runs. Without FMA also the product with d: one a vector, or one a run. A row is read three
/// times (twice where not centred), its parameters once.
Planned planned_row_norm(const RowNormArgs& args, const RowNormOperands& operands, const Geometry& geometry) {
  Planned p;
  const int64_t L = geometry.lanes, w = args.width;
  const int64_t runs = args.inner == 1 ? w : w / args.inner;
  const int64_t affine = args.inner == 1 ? round_up(w, L) : runs * round_up(args.inner, L);
  int64_t lanes = round_up(w, L) + (args.centred ? L : 0) + affine;
  if (!geometry.has_fma) lanes += args.inner == 1 ? affine : runs * L;
  p.tally.lane_fma_other = args.rows * lanes;
  p.loaded_activations = kFloatBytes * args.rows * (args.centred ? 3 : 2) * w;
  p.loaded_weights = kFloatBytes * args.rows * runs * (operands.scale + operands.bias);
  p.stored_outputs = kFloatBytes * args.rows * (w + operands.mean + operands.inverse);
  return finished(p);
}

/// With C channels and a window of w = before + 1 + after, a column of channels has Σ_c min(w, c + 1 + after, C − c +
/// before, C) taps: each is read and squared; one lane an element scales the sum, without FMA two more finish it.
Planned planned_lrn(const LrnArgs& args, const Geometry& geometry) {
  Planned p;
  const int64_t L = geometry.lanes, C = args.channels;
  int64_t taps = 0;
  for (int64_t c = 0; c < C; ++c)
    taps += std::min({args.before + 1 + args.after, c + 1 + args.after, C - c + args.before, C});
  p.tally.lane_fma_other = args.images * round_up(args.pixels, L) * (taps + C * (geometry.has_fma ? 1 : 3));
  p.loaded_activations = kFloatBytes * args.images * args.pixels * taps;
  p.stored_outputs = kFloatBytes * args.images * args.pixels * C;
  return finished(p);
}

}  // namespace tally
