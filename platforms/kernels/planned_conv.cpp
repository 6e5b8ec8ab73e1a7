#include "tally/platforms/kernels/planned_conv.h"

#include <algorithm>

#include "tally/platforms/kernels/planned_window.h"
#include "tally/platforms/loop_nest.h"

namespace tally {
namespace {

constexpr int64_t kFloatBytes = 4;

/// FMA lanes of an activation, for each lane it is applied to.
int64_t fma_per_lane(Activation activation, const Geometry& geometry) {
  switch (activation) {
    case Activation::tanh:
      return geometry.fma_per_vector[static_cast<size_t>(UnaryOp::tanh)];
    case Activation::sigmoid:
      return geometry.fma_per_vector[static_cast<size_t>(UnaryOp::sigmoid)];
    default:
      return 0;
  }
}

/// Registers and lanes that one or two rows of pixels take.
struct PixelLanes {
  int64_t lanes = 0, registers = 0;
};

/// Rows end with pieces of P = geometry.pixel_piece pixels, of which two rows share registers: 2·⌈ow/P⌉·P lanes. A row
/// on its own ends in a half-width register where there are quarter pieces, else in a whole one.
PixelLanes pixel_lanes(int64_t rows, int64_t ow, const Geometry& g) {
  const bool quarters = g.pixel_piece * 4 == g.lanes;
  if (rows == 1) {
    const int64_t row = round_up(ow, quarters ? g.lanes / 2 : g.lanes);
    return {row, divide_up(row, g.lanes)};
  }
  const int64_t row = round_up(ow, g.pixel_piece), rest = row % g.lanes;
  const int64_t half = 2 * rest >= g.lanes, quarter = quarters && rest % (g.lanes / 2) != 0;
  return {2 * row, 2 * (row / g.lanes) + half + quarter};
}

Planned finished(Planned p) {
  p.tally.lane_macs = p.tally.macs + p.lane_padding + p.k_padding + p.tile_padding;
  p.tally.bytes_loaded = p.loaded_activations + p.loaded_weights;
  p.tally.bytes_stored = p.stored_outputs;
  return p;
}

}  // namespace

/// A tile of c channels covers R = geometry.pixel_registers[c] registers: each of the ⌈registers/R⌉ tiles of a row pair
/// reads its taps·c weights and c biases, and its lanes of x once a tap. macs = images·M·C/g·inside rows·inside
/// columns; tile_padding: the products with padding zeros; lane_padding: lanes beyond ow.
Planned planned_pixel_conv(const PixelConvArgs& args, const Geometry& geometry) {
  Planned p;
  const int64_t slices = int64_t{args.images} * args.groups, M = args.group_channels, taps = args.taps;
  const PixelLanes pair = pixel_lanes(2, args.ow, geometry), single = pixel_lanes(1, args.ow, geometry);
  const int64_t pairs = args.oh / 2, singles = args.oh % 2, outputs = int64_t{args.oh} * args.ow;
  const int64_t lanes = pairs * pair.lanes + singles * single.lanes;
  const int64_t sizes[2] = {args.tile_channels, M % args.tile_channels};
  const int64_t counts[2] = {M / args.tile_channels, 1};
  for (int i = 0; i < 2; ++i) {
    const int64_t c = sizes[i];
    if (c == 0) continue;
    const int64_t registers = geometry.pixel_registers[c];
    const int64_t tiles =
        pairs * divide_up(pair.registers, registers) + singles * divide_up(single.registers, registers);
    p.loaded_activations += kFloatBytes * slices * counts[i] * lanes * taps;
    p.loaded_weights += kFloatBytes * slices * counts[i] * tiles * c * (taps + (args.bias ? 1 : 0));
  }
  int64_t products = outputs * taps;
  if (args.h > 0) {
    const PlannedAxis rows{args.oh, args.kh, args.sh, args.dh, args.pt, args.h};
    const PlannedAxis columns{args.ow, args.kw, 1, args.dw, args.pl, args.w_in};
    products = taps / (args.kh * args.kw) * rows.taps_inside() * columns.taps_inside();
  }
  p.tally.macs = slices * M * products;
  p.tile_padding = slices * M * (outputs * taps - products);
  p.lane_padding = slices * M * (lanes - outputs) * taps;
  p.tally.lane_fma_other = slices * M * lanes * fma_per_lane(args.epilogue.activation, geometry);
  p.stored_outputs = kFloatBytes * slices * M * outputs;
  return finished(p);
}

/// Parts: lane_padding and loaded_activations as above, with the lanes of all rows; the others as planned.
LoopNest loop_nest(const PixelConvArgs& args, const Geometry& g) {
  const int64_t slices = int64_t{args.images} * args.groups, M = args.group_channels, taps = args.taps;
  const int64_t pairs = args.oh / 2, singles = args.oh % 2, outputs = int64_t{args.oh} * args.ow;
  const int64_t lanes = pairs * pixel_lanes(2, args.ow, g).lanes + singles * pixel_lanes(1, args.ow, g).lanes;
  const int64_t tiles = divide_up(M, args.tile_channels), c = args.tile_channels;
  const Planned planned = planned_pixel_conv(args, g);
  const auto text = [](int64_t n) { return std::to_string(n); };
  LoopNest nest;
  nest.loops = {"for image, group in " + product_text({args.images, args.groups}),
                "for tile of at most " + text(c) + " channels in " + text(tiles) + ", of " + text(M),
                "for pair of rows in " + text(pairs) + (singles ? " and a single one" : "") + ", " + text(args.ow) +
                    " pixels each",
                "for tile of at most " + text(g.pixel_registers[c]) + " registers of pixels",
                "for tap in " + text(taps),
                text(c) + " channels × registers multiply-accumulates of " + text(g.lanes) + " lanes"};
  nest.parts = {{&Planned::lane_padding, "images·M·(lanes − pixels)·taps",
                 product_text({slices, M}) + "·(" + text(lanes) + " − " + text(outputs) + ")·" + text(taps),
                 slices * M * (lanes - outputs) * taps},
                {&Planned::loaded_activations, "images·tiles·lanes·taps·4 B",
                 product_text({slices, tiles, lanes, taps, 4}), slices * tiles * lanes * taps * kFloatBytes}};
  if (planned.tile_padding != 0)
    nest.parts.push_back({&Planned::tile_padding, "images·M·(pixels·taps − taps inside)",
                          product_text({slices, M}) + "·(" + product_text({outputs, taps}) + " − " +
                              text(planned.tally.macs / (slices * M)) + ")",
                          slices * M * outputs * taps - planned.tally.macs});
  const int64_t row = taps + (args.bias ? 1 : 0);
  nest.parts.push_back({&Planned::loaded_weights,
                        args.bias ? "register tiles·channels·(taps + 1)·4 B" : "register tiles·channels·taps·4 B",
                        product_text({planned.loaded_weights / (row * kFloatBytes), row, 4}),
                        planned.loaded_weights / (row * kFloatBytes) * row * kFloatBytes});
  return nest;
}

namespace {

/// Vectors of x, weights and bias that one channel vector loads for one image.
struct DepthwiseLoads {
  int64_t x = 0, w = 0, bias = 0;
};

/// 3 × 3 tiles: t = ⌈ow/columns⌉ tiles a row of s·(ow − t) + 3t − (missing columns) inputs for every kernel row, or,
/// with resident weights, for every input row of a pair; then the weights come once a run of equal tiles, of which a
/// row has one or two.
DepthwiseLoads tiled_loads(const DepthwiseArgs& a, const PlannedAxis& rows, const Geometry& g) {
  const int64_t tiles = divide_up(a.ow, g.depthwise_columns), runs = a.ow % tiles == 0 ? 1 : 2,
                pairs = divide_up(a.oh, 2);
  const int64_t right = (a.ow - 1) * a.sw - a.pl + 2 == a.w_in;
  const int64_t row = a.sw * (a.ow - tiles) + 3 * tiles - a.pl - right;
  if (!g.depthwise_resident) return {rows.taps_inside() * row, pairs * 9 * tiles, pairs * runs};
  // The input rows of a pair are a window of s + 3 taps at stride 2s; those of a last single row one of 3.
  PlannedAxis pair = rows;
  pair.outputs = a.oh / 2;
  pair.kernel = a.sh + 3;
  pair.stride = 2 * a.sh;
  PlannedAxis last = rows;
  last.outputs = a.oh % 2;
  last.pad = rows.pad - (a.oh - 1) * int64_t{a.sh};
  return {(pair.taps_inside() + last.taps_inside()) * row, pairs * 9 * runs, pairs * runs};
}

/// Single taps: four columns share their weights where all their taps are inside.
DepthwiseLoads tap_loads(const DepthwiseArgs& a, const PlannedAxis& rows, const PlannedAxis& columns) {
  const int64_t quads = columns.whole_windows() / 4, inside = columns.taps_inside();
  return {rows.taps_inside() * inside, rows.taps_inside() * (inside - 3 * quads * a.kw), a.oh * (a.ow - 3 * quads)};
}

}  // namespace

/// macs = images·C·inside rows·inside columns; no product with padding is executed. lane_padding: channels beyond the
/// real ones.
Planned planned_depthwise(const DepthwiseArgs& args, const Geometry& geometry) {
  Planned p;
  const PlannedAxis rows{args.oh, args.kh, args.sh, args.dh, args.pt, args.h};
  const PlannedAxis columns{args.ow, args.kw, args.sw, args.dw, args.pl, args.w_in};
  const int64_t products = args.images * rows.taps_inside() * columns.taps_inside();
  const int64_t outputs = int64_t{args.images} * args.oh * args.ow;
  const bool tiled = args.kh == 3 && args.kw == 3 && args.dh == 1 && args.dw == 1 && args.sh == args.sw &&
                     args.sw <= 2 && args.pl <= 1 && (args.ow - 1) * args.sw - args.pl + 2 <= args.w_in;
  const DepthwiseLoads loads = tiled ? tiled_loads(args, rows, geometry) : tap_loads(args, rows, columns);
  p.tally.macs = products * args.real_channels;
  p.lane_padding = products * (args.channels - args.real_channels);
  p.tally.lane_fma_other = outputs * args.channels * fma_per_lane(args.epilogue.activation, geometry);
  p.loaded_activations = kFloatBytes * args.images * args.channels * loads.x;
  p.loaded_weights = kFloatBytes * args.images * args.channels * (loads.w + (args.bias ? loads.bias : 0));
  p.stored_outputs = kFloatBytes * outputs * args.channels;
  return finished(p);
}

/// Parts as planned: C channels, of them `real`, in vectors.
LoopNest loop_nest(const DepthwiseArgs& args, const Geometry& g) {
  const Planned planned = planned_depthwise(args, g);
  const int64_t products = planned.tally.macs / std::max<int64_t>(args.real_channels, 1);
  const int64_t channel_bytes = kFloatBytes * args.images * args.channels;
  const auto text = [](int64_t n) { return std::to_string(n); };
  LoopNest nest;
  nest.loops = {
      "for image in " + text(args.images),
      "for pair of rows in " + text(divide_up(args.oh, 2)) + ", of " + text(args.oh),
      "for block of channels, " + text(args.channels) + " in all, " + text(args.real_channels) + " of them real",
      "for tile of at most " + text(g.depthwise_columns) + " pixels of " + text(args.ow),
      "for tap inside the image, of " + product_text({args.kh, args.kw}),
      "pixels × multiply-accumulates of " + text(g.lanes) + " channels"};
  nest.parts = {{&Planned::lane_padding, "images·taps inside·(C − real)",
                 text(products) + "·(" + text(args.channels) + " − " + text(args.real_channels) + ")",
                 products * (args.channels - args.real_channels)}};
  if (channel_bytes == 0) return nest;
  nest.parts.push_back({&Planned::loaded_activations, "images·C·pixels read·4 B",
                        product_text({args.images, args.channels, planned.loaded_activations / channel_bytes, 4}),
                        planned.loaded_activations});
  nest.parts.push_back({&Planned::loaded_weights, "images·C·weights and biases read·4 B",
                        product_text({args.images, args.channels, planned.loaded_weights / channel_bytes, 4}),
                        planned.loaded_weights});
  return nest;
}

}  // namespace tally
