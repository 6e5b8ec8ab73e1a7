#include "tally/platforms/kernels/planned_attention.h"

#include <algorithm>

#include "tally/platforms/loop_nest.h"
#include "tally/platforms/rounding.h"

namespace tally {
namespace {

constexpr int64_t kFloatBytes = 4;

/// Keys before `end` that there are.
int64_t keys_before(const AttentionArgs& args, int64_t end) {
  return args.causal ? std::clamp<int64_t>(end + args.causal_offset, 0, args.keys) : args.keys;
}

/// Pairs of a head's query and key that the mask of `causal` leaves. Queries from −offset to M − offset − 1 see 1, 2 …
/// M keys.
int64_t pairs_seen(const AttentionArgs& args) {
  const int64_t N = args.queries, M = args.keys;
  if (!args.causal) return N * M;
  const int64_t first = std::clamp<int64_t>(-args.causal_offset, 0, N);
  const int64_t all = std::clamp<int64_t>(M - args.causal_offset - 1, first, N);  // from here on a query sees all
  const int64_t fewest = first + 1 + args.causal_offset, most = all + args.causal_offset;
  return (fewest + most) * (all - first) / 2 + (N - all) * M;
}

int64_t mask_bytes(const AttentionArgs& args) {
  return args.mask_kind == MaskKind::additive ? kFloatBytes : args.mask_kind == MaskKind::boolean ? 1 : 0;
}

/// FMA vectors beside the products: of `tiles` tiles that rescale `totals` vectors each, and of `scores` vectors of
/// scores.
int64_t softmax_vectors(const AttentionArgs& args, const Geometry& g, int64_t scores, int64_t totals) {
  int64_t vectors = (scores + totals) * g.exp_nonpositive_fma;
  if (args.softcap > 0) vectors += scores * (g.fma_per_vector[static_cast<size_t>(UnaryOp::tanh)] + !g.has_fma);
  if (!g.has_fma) vectors += totals;
  return vectors;
}

/// Queries across the lanes. A vector of queries multiplies the keys that its last lane sees; a tile of keys rescales
/// the sums of all vectors, the first one does not.
void add_blocks(const AttentionArgs& args, const Geometry& g, Planned& p, AttentionLoads& loads) {
  const int64_t L = g.lanes, depth = args.d + args.e;
  for (int64_t first = 0; first < args.queries; first += args.block_queries) {
    const int64_t queries = std::min(args.block_queries, args.queries - first);
    const int64_t vectors = divide_up(queries, L), keys = keys_before(args, first + queries);
    const int64_t tiles = divide_up(keys, kAttentionKeys);
    int64_t scores = 0;
    for (int64_t v = 1; v <= vectors; ++v) scores += std::min(keys, keys_before(args, first + v * L));
    p.tally.lane_macs += scores * L * depth;
    p.lane_padding += keys * (vectors * L - queries) * depth;
    p.tally.lane_fma_other += L * softmax_vectors(args, g, scores, vectors * tiles);
    if (!g.has_fma) p.tally.lane_fma_other += L * vectors * (depth + std::max<int64_t>(tiles - 1, 0) * args.e);
    loads.q += kFloatBytes * queries * args.d;
    loads.k += kFloatBytes * keys * args.d;
    loads.v += kFloatBytes * keys * args.e;
    loads.mask += mask_bytes(args) * queries * keys;
  }
}

/// Elements across the lanes, one query after another.
void add_rows(const AttentionArgs& args, const Geometry& g, Planned& p, AttentionLoads& loads) {
  const int64_t L = g.lanes, at_once = std::max<int64_t>(L, 8);
  const int64_t d_padded = round_up(args.d, L), e_padded = round_up(args.e, L);
  for (int64_t i = 0; i < args.queries; ++i) {
    const int64_t keys = keys_before(args, i + 1), tiles = divide_up(keys, kAttentionRowKeys);
    const int64_t multiplied = round_up(keys, at_once);
    p.tally.lane_macs += multiplied * d_padded + keys * e_padded;
    p.tally.lane_fma_other += L * softmax_vectors(args, g, divide_up(keys, L), tiles);
    if (!g.has_fma) p.tally.lane_fma_other += d_padded + e_padded + tiles * e_padded;
    loads.q += kFloatBytes * args.d;
    loads.k += kFloatBytes * multiplied * args.d;
    loads.v += kFloatBytes * keys * args.e;
    loads.mask += mask_bytes(args) * keys;
  }
}

/// True where few queries run faster as blocks, most of whose lanes are padding, than row by row: lanes of a head, with
/// what either way takes beside them. Measured on Zen 4 with 16 and 8 lanes, 2 to 8 queries, 2 to 256 keys, d 8 to 128:
/// a row has 60 to 80 ns of its own (as long as 280 vectors of a block) and takes 15/8 the time a lane; a block brings
/// its queries and sums in and out, 5 vectors an element.
bool blocks_pay(AttentionArgs args, const Geometry& g) {
  Planned rows, block;
  AttentionLoads loads;
  args.block_queries = g.lanes;
  add_rows(args, g, rows, loads);
  add_blocks(args, g, block, loads);
  const auto lanes = [](const Planned& p) {
    return static_cast<double>(p.tally.lane_macs) + static_cast<double>(p.tally.lane_fma_other);
  };
  const double L = g.lanes, moved = 5 * static_cast<double>(args.d + args.e) * L;
  return lanes(block) + moved < lanes(rows) * 15 / 8 + static_cast<double>(args.queries) * 280 * L;
}

}  // namespace

bool plan_attention(AttentionArgs& args, const Geometry& g) {
  const int64_t L = g.lanes, vectors = divide_up(args.queries, L);
  args.block_queries = 0;
  // A row's vectors hold elements, all of them real where d and e are multiples of a vector; a block's hold queries.
  // A single query, whose keys may grow in number from step to step, is always a row.
  if (args.queries > 1 && (args.queries > L / 2 || blocks_pay(args, g))) {
    const int64_t masked = args.mask_kind == MaskKind::none ? 1 : 2;
    const int64_t widest = std::min<int64_t>(
        g.gemm_vectors, kAttentionScratch / L / std::max<int64_t>(args.d + args.e + masked * kAttentionKeys, 1));
    if (widest > 0) {
      args.block_queries = L * divide_up(vectors, divide_up(vectors, widest));
      return true;
    }
  }
  const int64_t row = round_up(args.d, L) + round_up(args.e, L);
  args.rows = std::clamp<int64_t>(kAttentionScratch / std::max<int64_t>(row, 1), 0, kAttentionRows);
  args.rows = std::min(args.rows, std::max<int64_t>(args.group() * args.queries, 1));
  return args.rows > 0;
}

int64_t causal_products(const AttentionArgs& args) {
  return args.batch * args.q_heads * (args.queries * args.keys - pairs_seen(args)) * (args.d + args.e);
}

Planned planned_attention(const AttentionArgs& args, const Geometry& g, AttentionLoads* loads) {
  Planned p;
  AttentionLoads head;
  if (args.block_queries > 0) {
    add_blocks(args, g, p, head);
  } else {
    add_rows(args, g, p, head);
  }
  const int64_t heads = args.batch * args.q_heads;
  if (loads) *loads = {heads * head.q, heads * head.k, heads * head.v, heads * head.mask};
  p.tally.macs = pairs_seen(args) * (args.d + args.e);
  // Of a block, lanes of queries that there are, on keys that they do not see, are a tile's; the others padding.
  int64_t& rest = args.block_queries > 0 ? p.tile_padding : p.lane_padding;
  rest = p.tally.lane_macs - p.tally.macs - p.lane_padding;
  p.loaded_activations = head.q + head.k + head.v + head.mask;
  p.stored_outputs = kFloatBytes * args.queries * args.e;
  p.tally.bytes_loaded = p.loaded_activations;
  p.tally.bytes_stored = p.stored_outputs;
  return p * heads;
}

LoopNest loop_nest(const AttentionArgs& a, const Geometry& g) {
  const auto text = [](int64_t n) { return std::to_string(n); };
  const std::string keys = text(a.keys) + (a.causal ? " keys, as far as they are seen" : " keys");
  LoopNest nest;
  nest.loops = {"for batch, head in " + product_text({a.batch, a.q_heads})};
  if (a.block_queries > 0) {
    nest.loops.push_back("for block of at most " + text(a.block_queries) + " queries of " + text(a.queries) + ", " +
                         text(g.lanes) + " of them a vector");
    nest.loops.push_back("for tile of at most " + text(kAttentionKeys) + " of " + keys);
  } else {
    nest.loops.push_back("for query in " + text(a.queries) + ", up to " + text(a.rows) + " together");
    nest.loops.push_back("for tile of at most " + text(kAttentionRowKeys) + " of " + keys);
  }
  nest.loops.push_back("scores over d = " + text(a.d) + ", maximum, exponentials, then e = " + text(a.e) +
                       " sums of values");

  const int64_t heads = a.batch * a.q_heads, depth = a.d + a.e, L = g.lanes, pairs = pairs_seen(a);
  const Planned planned = planned_attention(a, g);
  if (a.block_queries > 0) {
    // Blocks are whole vectors of queries, but for the last one, which sees the most keys.
    const int64_t lanes = round_up(a.queries, L), seen = keys_before(a, a.queries);
    nest.parts.push_back(
        {&Planned::lane_padding, "heads·keys·(lanes − queries)·(d + e)",
         product_text({heads, seen}) + "·(" + text(lanes) + " − " + text(a.queries) + ")·" + text(depth),
         heads * seen * (lanes - a.queries) * depth});
    const int64_t vectors = heads * depth == 0 ? 0 : planned.tally.lane_macs / (heads * L * depth);
    nest.parts.push_back({&Planned::tile_padding,
                          "heads·(keys of all vectors·lanes − pairs seen)·(d + e) − lane_padding",
                          text(heads) + "·(" + product_text({vectors, L}) + " − " + text(pairs) + ")·" + text(depth) +
                              " − " + text(planned.lane_padding),
                          heads * (vectors * L - pairs) * depth - planned.lane_padding});
    return nest;
  }
  int64_t scored = 0, weighted = 0;
  for (int64_t i = 1; i <= a.queries; ++i) {
    scored += round_up(keys_before(a, i), std::max<int64_t>(L, 8));
    weighted += keys_before(a, i);
  }
  const int64_t d_lanes = round_up(a.d, L), e_lanes = round_up(a.e, L);
  nest.parts.push_back({&Planned::lane_padding, "heads·(keys scored·d lanes + keys weighted·e lanes − pairs·(d + e))",
                        text(heads) + "·(" + product_text({scored, d_lanes}) + " + " +
                            product_text({weighted, e_lanes}) + " − " + product_text({pairs, depth}) + ")",
                        heads * (scored * d_lanes + weighted * e_lanes - pairs * depth)});
  return nest;
}

}  // namespace tally
