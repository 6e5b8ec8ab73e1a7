#include "tally/platforms/kernels/planned_map.h"

#include "tally/platforms/rounding.h"

namespace tally {
namespace {

constexpr int64_t kFloatBytes = 4;

Planned finished(Planned p) {
  p.tally.bytes_loaded =
      p.loaded_activations + p.loaded_weights + p.loaded_partials + p.loaded_residual + p.loaded_scratch;
  p.tally.bytes_stored = p.stored_outputs + p.stored_partials + p.stored_scratch;
  return p;
}

}  // namespace

/// Lanes: ⌈n/L⌉·L·F(op); a block holds whole vectors, so that only the last vector of all is partial.
Planned planned_unary(const UnaryArgs& args, const Geometry& geometry) {
  Planned p;
  p.tally.lane_fma_other = round_up(args.n, geometry.lanes) * geometry.fma_per_vector[static_cast<size_t>(args.op)];
  p.loaded_activations = kFloatBytes * args.n;
  p.stored_outputs = kFloatBytes * args.n;
  return finished(p);
}

/// Without FMA a product (of mul and prelu) is rows·⌈inner/L⌉·L multiply lanes, or one vector a row where both operands
/// are one element. An operand that is one element a row is read once an item.
Planned planned_binary(const BinaryArgs& args, const Geometry& geometry) {
  Planned p;
  const int64_t elements = args.rows * args.inner;
  const int64_t items = args.items();
  if ((args.op == BinaryOp::mul || args.op == BinaryOp::prelu) && !geometry.has_fma) {
    p.tally.lane_fma_other =
        args.a_scalar && args.b_scalar ? items * geometry.lanes : args.rows * round_up(args.inner, geometry.lanes);
  }
  p.loaded_activations = kFloatBytes * ((args.a_scalar ? items : elements) + (args.b_scalar ? items : elements));
  p.stored_outputs = kFloatBytes * elements;
  return finished(p);
}

/// Planar: rows·⌈inner/L⌉·L lanes, scale and shift once a row. channels_last: rows·⌈channels/L⌉·L lanes, scale and
/// shift once a block of kAffineRows rows.
Planned planned_channel_affine(const ChannelAffineArgs& args, const Geometry& geometry) {
  Planned p;
  const int64_t row = args.channels_last ? args.channels : args.inner;
  p.tally.lane_fma_other = args.rows * round_up(row, geometry.lanes);
  p.loaded_activations = kFloatBytes * args.rows * row;
  p.loaded_weights = kFloatBytes * 2 * (args.channels_last ? args.items() * args.channels : args.rows);
  p.stored_outputs = kFloatBytes * args.rows * row;
  return finished(p);
}

/// Lanes: F(exp) a vector of the exponential pass: rows·⌈width/L⌉·L, or with inner > 1 (rows/inner)·width·⌈inner/L⌉·L.
/// The input is read for the maximum and for the exponentials, which wait in the output for their sum; with inner = 1
/// those of the last width mod L elements wait in a register. The logarithm reads the input a third time instead, and
/// takes F(log) a vector of sums.
Planned planned_softmax(const SoftmaxArgs& args, const Geometry& geometry) {
  Planned p;
  const int64_t L = geometry.lanes;
  const int64_t lanes = args.inner == 1 ? args.rows * round_up(args.width, L)
                                        : args.rows / args.inner * args.width * round_up(args.inner, L);
  p.tally.lane_fma_other = lanes * geometry.fma_per_vector[static_cast<size_t>(UnaryOp::exp)];
  if (args.log) {
    const int64_t sums = args.inner == 1 ? args.rows * L : args.rows / args.inner * round_up(args.inner, L);
    p.tally.lane_fma_other += sums * geometry.fma_per_vector[static_cast<size_t>(UnaryOp::log)];
    p.loaded_activations = 3 * kFloatBytes * args.rows * args.width;
    p.stored_outputs = kFloatBytes * args.rows * args.width;
    return finished(p);
  }
  const int64_t waiting = kFloatBytes * args.rows * (args.inner == 1 ? args.width - args.width % L : args.width);
  p.loaded_activations = 2 * kFloatBytes * args.rows * args.width;
  p.loaded_partials = waiting;
  p.stored_partials = waiting;
  p.stored_outputs = kFloatBytes * args.rows * args.width;
  return finished(p);
}

/// Without FMA four products a pair, ⌈rotated/2 / L⌉·L pairs a row. A row reads one of each table.
Planned planned_rotary(const RotaryArgs& args, bool ids, const Geometry& geometry) {
  Planned p;
  const int64_t rows = args.size[0] * args.size[1] * args.size[2];
  if (!geometry.has_fma) p.tally.lane_fma_other = 4 * rows * round_up(args.rotated / 2, geometry.lanes);
  const int64_t table = args.wide ? args.rotated : args.rotated / 2;
  p.loaded_activations = kFloatBytes * rows * args.width;
  p.loaded_weights = rows * (kFloatBytes * 2 * table + (ids ? int64_t{sizeof *args.ids} : 0));
  p.stored_outputs = kFloatBytes * rows * args.width;
  return finished(p);
}

/// Every element once in, once out.
Planned planned_copy(const CopyArgs& args) {
  Planned p;
  int64_t elements = 1;
  for (int d = 0; d < args.rank; ++d) elements *= args.size[d];
  p.loaded_activations = elements * args.element_bytes;
  p.stored_outputs = elements * args.element_bytes;
  return finished(p);
}

}  // namespace tally
