#include "tally/platforms/kernels/planned_gemm.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "tally/platforms/loop_nest.h"
#include "tally/platforms/rounding.h"

namespace tally {
namespace {

struct Sizes {
  int64_t storage, sum, output;  ///< bytes of an element of A and W, of the bias, of C
};

Sizes sizes_of(Num num) {
  switch (num) {
    case Num::f32:
      return {4, 4, 4};
    case Num::f16:
      return {2, 4, 2};
    case Num::i8:
      break;
  }
  return {1, 4, 4};
}

/// Register tiles of at most max_rows rows that cover `pixels` pixels after `before` others, where a tile ends with its
/// block of rows_per_block pixels.
int64_t tiles_of(int64_t before, int64_t pixels, int64_t rows_per_block, int64_t max_rows) {
  const int64_t to_boundary = (rows_per_block - before % rows_per_block) % rows_per_block;
  const int64_t head = std::min(pixels, to_boundary);
  const int64_t whole = (pixels - head) / rows_per_block;
  const int64_t tail = (pixels - head) % rows_per_block;
  return divide_up(head, max_rows) + whole * divide_up(rows_per_block, max_rows) + divide_up(tail, max_rows);
}

struct Depth {
  int64_t real = 0, padded = 0;
};

Depth depth_of(const GemmArgs& args, int32_t region, int32_t block, int k_step) {
  const int32_t* at = args.first_segment + int64_t{region} * (args.k_blocks + 1) + block;
  Depth depth;
  for (int32_t s = at[0]; s < at[1]; ++s) {
    depth.real += args.segments[s].length;
    depth.padded += round_up(args.segments[s].length, k_step);
  }
  return depth;
}

/// One panel over one region of every image.
Planned planned_part(const GemmArgs& args, Num num, const Geometry& geometry, const Panel& panel, int32_t region,
                     int64_t before) {
  const Sizes size = sizes_of(num);
  const int64_t vector = panel.half ? geometry.half_lanes : geometry.lanes;
  const int64_t lanes = panel.half ? vector : panel.vectors * vector;
  const int64_t columns = args.full_stores ? lanes : panel.n;
  const int64_t image_pixels = int64_t{args.regions[region].height} * args.regions[region].width;
  const int64_t pixels = args.images * image_pixels;
  const int rows = geometry.gemm_rows[panel.half ? 1 : static_cast<size_t>(panel.vectors)];
  const int64_t tiles = args.images * tiles_of(before, image_pixels, args.rows_per_block, rows);
  const bool column_sums = num == Num::i8 && geometry.i8_column_sums;
  const int64_t c_bytes = pixels * columns * size.output;

  Planned p;
  for (int32_t block = 0; block < args.k_blocks; ++block) {
    const Depth depth = depth_of(args, region, block, geometry.k_step[static_cast<int>(num)]);
    p.tally.macs += pixels * panel.n * depth.real;
    p.lane_padding += pixels * (lanes - panel.n) * depth.real;
    p.k_padding += pixels * lanes * (depth.padded - depth.real);
    p.loaded_activations += pixels * depth.real * size.storage;
    p.loaded_weights += tiles * lanes * (depth.padded * size.storage + (column_sums ? size.sum : 0));
    const bool first = block == 0, last = block + 1 == args.k_blocks;
    if (first && args.bias) p.loaded_weights += tiles * lanes * size.sum;
    if (!first) p.loaded_partials += c_bytes;
    if (!last) p.stored_partials += c_bytes;
  }
  p.stored_outputs = c_bytes;
  if (args.residual) p.loaded_residual = c_bytes;
  constexpr UnaryOp kOps[] = {UnaryOp::copy, UnaryOp::clamp, UnaryOp::tanh, UnaryOp::sigmoid};
  const UnaryOp op = kOps[static_cast<size_t>(args.epilogue.activation)];
  p.tally.lane_fma_other = pixels * round_up(columns, vector) * geometry.fma_per_vector[static_cast<size_t>(op)];
  return p;
}

Planned finished(Planned p) {
  p.tally.lane_macs = p.tally.macs + p.lane_padding + p.k_padding;
  p.tally.bytes_loaded = p.loaded_activations + p.loaded_weights + p.loaded_partials + p.loaded_residual;
  p.tally.bytes_stored = p.stored_outputs + p.stored_partials;
  return p;
}

}  // namespace

Planned planned_gemm(const GemmArgs& args, Num num, const Geometry& geometry) {
  Planned p;
  for (int32_t i = 0; i < args.panel_count; ++i) {
    int64_t before = 0;
    for (int32_t region = 0; region < args.region_count; ++region) {
      p += planned_part(args, num, geometry, args.panels[i], region, before);
      before += int64_t{args.regions[region].height} * args.regions[region].width;
    }
  }
  return finished(p);
}

namespace {

/// Passes of register tiles that read the same packed weights: in all, over images, regions, panels and depth blocks.
struct WeightPass {
  int64_t lanes = 0, depth = 0;  ///< a tile reads lanes · depth weights
  bool biased = false;           ///< and `lanes` of the bias
  bool operator<(const WeightPass& o) const {
    return std::tie(lanes, depth, biased) < std::tie(o.lanes, o.depth, o.biased);
  }
};

std::map<WeightPass, int64_t> weight_passes(const GemmArgs& args, const Geometry& g) {
  std::map<WeightPass, int64_t> tiles;
  for (int32_t i = 0; i < args.panel_count; ++i) {
    const Panel& panel = args.panels[i];
    const int64_t lanes = panel.half ? g.half_lanes : int64_t{panel.vectors} * g.lanes;
    const int rows = g.gemm_rows[panel.half ? 1 : static_cast<size_t>(panel.vectors)];
    int64_t before = 0;
    for (int32_t region = 0; region < args.region_count; ++region) {
      const int64_t pixels = int64_t{args.regions[region].height} * args.regions[region].width;
      for (int32_t block = 0; block < args.k_blocks; ++block)
        tiles[{lanes, depth_of(args, region, block, g.k_step[0]).padded, block == 0 && args.bias}] +=
            args.images * tiles_of(before, pixels, args.rows_per_block, rows);
      before += pixels;
    }
  }
  return tiles;
}

std::string panels_text(const GemmArgs& args, const Geometry& g) {
  std::map<int64_t, int64_t> widths;
  for (int32_t i = 0; i < args.panel_count; ++i)
    ++widths[args.panels[i].half ? g.half_lanes : int64_t{args.panels[i].vectors} * g.lanes];
  std::string text;
  for (auto w = widths.rbegin(); w != widths.rend(); ++w)
    text += (text.empty() ? "" : ", ") + std::to_string(w->second) + " of " + std::to_string(w->first) + " columns";
  return text;
}

}  // namespace

/// Parts, with P = Σ pixels·depth over images, regions and depth blocks, N columns in L lanes of all panels:
/// lane_padding = P·(L − N), loaded_activations = P·panels·4, loaded_weights = Σ tiles·lanes·(depth + bias)·4, partial
/// sums = pixels·columns·(depth blocks − 1)·4.
LoopNest loop_nest(const GemmArgs& args, const Geometry& g) {
  int64_t N = 0, L = 0, P = 0, depth = 0, pixels = 0;
  for (int32_t i = 0; i < args.panel_count; ++i) {
    N += args.panels[i].n;
    L += args.panels[i].half ? g.half_lanes : int64_t{args.panels[i].vectors} * g.lanes;
  }
  for (int32_t region = 0; region < args.region_count; ++region) {
    const int64_t here = int64_t{args.regions[region].height} * args.regions[region].width;
    int64_t real = 0;
    for (int32_t block = 0; block < args.k_blocks; ++block) real += depth_of(args, region, block, g.k_step[0]).real;
    depth = std::max(depth, real);
    pixels += here;
    P += args.images * here * real;
  }
  const bool whole = P == args.images * pixels * depth;  // no taps left out at an edge
  const int vectors = args.panel_count == 0 || args.panels[0].half ? 1 : args.panels[0].vectors;
  LoopNest nest;
  nest.loops = {"for image in " + std::to_string(args.images),
                "for block of at most " + std::to_string(args.rows_per_block) + " pixels of " + std::to_string(pixels),
                "for panel in " + panels_text(args, g),
                "for tile of at most " + std::to_string(g.gemm_rows[static_cast<size_t>(vectors)]) + " pixels"};
  if (args.k_blocks > 1)
    nest.loops.insert(nest.loops.begin() + 3, "for depth block in " + std::to_string(args.k_blocks));
  nest.loops.push_back("for k in " + std::to_string(depth) + (whole ? "" : ", at edges those taps that are inside"));
  nest.loops.push_back("pixels × " + std::to_string(vectors) + " multiply-accumulates of " + std::to_string(g.lanes) +
                       " lanes");
  const std::string products = whole ? product_text({args.images, pixels, depth}) : std::to_string(P);
  const std::string symbols = whole ? "images·pixels·K" : "Σ pixels·taps inside";
  nest.parts.push_back({&Planned::lane_padding, symbols + "·(L − N)",
                        products + "·(" + std::to_string(L) + " − " + std::to_string(N) + ")", P * (L - N)});
  nest.parts.push_back({&Planned::loaded_activations, symbols + "·panels·4 B",
                        products + "·" + product_text({args.panel_count, 4}), P * args.panel_count * 4});
  std::string sum;
  int64_t loaded = 0;
  const auto passes = weight_passes(args, g);
  for (const auto& [pass, tiles] : passes) {
    const int64_t rows = pass.depth + (pass.biased ? 1 : 0);
    loaded += 4 * tiles * pass.lanes * rows;
    sum += (sum.empty() ? "" : " + ") + product_text({tiles, pass.lanes, rows});
  }
  nest.parts.push_back({&Planned::loaded_weights, args.bias ? "Σ tiles·lanes·(K + 1)·4 B" : "Σ tiles·lanes·K·4 B",
                        passes.size() == 1 ? sum + "·4" : "(" + sum + ")·4", loaded});
  if (args.k_blocks > 1) {
    const int64_t columns = args.full_stores ? L : N;
    for (const auto part : {&Planned::loaded_partials, &Planned::stored_partials})
      nest.parts.push_back(
          {part, "images·pixels·columns·(depth blocks − 1)·4 B",
           product_text({args.images, pixels, columns}) + "·(" + std::to_string(args.k_blocks) + " − 1)·4",
           args.images * pixels * columns * (args.k_blocks - 1) * 4});
  }
  return nest;
}

Planned planned_dot(const DotArgs& args, Num num, const Geometry& geometry) {
  const Sizes size = sizes_of(num);
  Planned p;
  p.tally.macs = args.n;
  p.lane_padding = round_up(args.n, int64_t{geometry.lanes} * geometry.dot_step[static_cast<int>(num)]) - args.n;
  p.loaded_activations = 2 * args.n * size.storage;
  p.stored_outputs = size.sum;
  return finished(p);
}

}  // namespace tally
