#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tally/platforms/kernels/planned_attention.h"
#include "tests/platforms/kernel_check.h"
#include "tests/platforms/nest_check.h"
#include "tests/reference/attention_reference.h"

using namespace tally;
using namespace tally::test;

namespace {

struct Problem {
  int64_t batch = 1, q_heads = 2, kv_heads = 2, queries = 5, keys = 7, d = 8, e = 8;
  bool causal = false;
  int64_t causal_offset = 0;
  MaskKind mask = MaskKind::none;
  bool mask_per_head = false, mask_per_row = true;
  float softcap = 0, scale = 0.5f;
  bool interleaved = true;
};

/// The operands of a problem in guarded memory.
struct Operands {
  Floats q, k, v, mask, y;
  reference::GuardedBuffer<uint8_t> seen;
  AttentionArgs args;

  explicit Operands(const Problem& p)
      : q(static_cast<size_t>(p.batch * p.q_heads * p.queries * p.d)),
        k(static_cast<size_t>(p.batch * p.kv_heads * p.keys * p.d)),
        v(static_cast<size_t>(p.batch * p.kv_heads * p.keys * p.e)),
        mask(static_cast<size_t>(p.batch * p.q_heads * p.queries * p.keys)),
        y(static_cast<size_t>(p.batch * p.q_heads * p.queries * p.e)),
        seen(mask.size()) {
    fill_random(q.span(), 1);
    fill_random(k.span(), 2);
    fill_random(v.span(), 3);
    fill_random(mask.span(), 4);
    for (float& x : q.span()) x *= 4;
    for (size_t i = 0; i < mask.size(); i += 5) mask[i] = -std::numeric_limits<float>::infinity();
    for (size_t i = 0; i < mask.size(); ++i) seen[i] = i % 3 != 1;
    args.batch = p.batch;
    args.q_heads = p.q_heads;
    args.kv_heads = p.kv_heads;
    args.queries = p.queries;
    args.keys = p.keys;
    args.d = p.d;
    args.e = p.e;
    args.q = q.data();
    args.k = k.data();
    args.v = v.data();
    args.y = y.data();
    const auto lay = [&](int64_t heads, int64_t rows, int64_t width, int64_t& batch, int64_t& head, int64_t& row) {
      batch = heads * rows * width;
      head = p.interleaved ? width : rows * width;
      row = p.interleaved ? heads * width : width;
    };
    lay(p.q_heads, p.queries, p.d, args.q_batch, args.q_head, args.q_row);
    lay(p.kv_heads, p.keys, p.d, args.k_batch, args.k_head, args.k_row);
    lay(p.kv_heads, p.keys, p.e, args.v_batch, args.v_head, args.v_row);
    lay(p.q_heads, p.queries, p.e, args.y_batch, args.y_head, args.y_row);
    args.mask_kind = p.mask;
    if (p.mask == MaskKind::additive) args.mask = mask.data();
    if (p.mask == MaskKind::boolean) args.mask = seen.data();
    args.mask_row = p.mask_per_row ? p.keys : 0;
    args.mask_head = p.mask_per_head ? p.queries * p.keys : 0;
    args.mask_batch = p.mask_per_head ? p.q_heads * p.queries * p.keys : 0;
    args.scale = p.scale;
    args.softcap = p.softcap;
    args.causal = p.causal;
    args.causal_offset = p.causal_offset;
  }
};

/// Scores err by d rounded products of size |q·k| (here at most 4·d, scaled) and what e^ makes of that; weights by 4
/// ULP of the exponential and one of each rescaling; the sum over keys and the division by n + 2 half units.
double tolerance(const AttentionArgs& args) {
  const auto d = static_cast<double>(args.d), tiles = static_cast<double>(args.keys) / kAttentionKeys + 1;
  const double score = (d + 2) * 0x1p-24 * 4 * d * std::fabs(static_cast<double>(args.scale)) + 8 * 0x1p-24;
  return 2 * score + (10 * tiles + static_cast<double>(args.keys) + 4) * 0x1p-24;
}

void check_values(const Operands& o) {
  const std::vector<double> truth = reference::attention(o.args);
  const double bound = tolerance(o.args);
  int wrong = 0;
  for (size_t i = 0; i < truth.size(); ++i) {
    const double found = o.y[i];
    if (std::isnan(truth[i])) {
      wrong += !std::isnan(found);
    } else {
      wrong += !(std::fabs(found - truth[i]) <= bound);  // |v| <= 1
    }
  }
  CHECK(wrong == 0);
}

void check(const Problem& p, const KernelTable& counted, const KernelTable& uncounted) {
  CAPTURE(p.queries);
  CAPTURE(p.keys);
  CAPTURE(p.d);
  CAPTURE(p.e);
  CAPTURE(p.causal);
  CAPTURE(p.causal_offset);
  CAPTURE(static_cast<int>(p.mask));
  Operands o(p);
  REQUIRE(plan_attention(o.args, counted.geometry));
  check_kernel(
      o.y, o.args.items(), [&](int64_t b, int64_t e, Tally* t) { counted.attention(o.args, b, e, t); },
      [&](int64_t b, int64_t e, Tally* t) { uncounted.attention(o.args, b, e, t); },
      planned_attention(o.args, counted.geometry), operands(o.q, o.k, o.v, o.mask, o.seen));
  check_nest(loop_nest(o.args, counted.geometry), planned_attention(o.args, counted.geometry));
  check_values(o);
}

}  // namespace

TEST_CASE("attention: queries, keys and elements around a vector and a tile") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    const int64_t L = counted.geometry.lanes, block = L * counted.geometry.gemm_vectors;
    for (const int64_t queries :
         {int64_t{1}, int64_t{2}, L / 2 + 1, L, L + 1, block - 1, block, block + 1, 2 * block + 3})
      for (const int64_t keys : {int64_t{1}, int64_t{13}, int64_t{kAttentionKeys}, int64_t{2 * kAttentionKeys + 5}})
        check({.queries = queries, .keys = keys, .d = 5, .e = 11}, counted, uncounted);
    for (const int64_t d : {int64_t{1}, L - 1, L, 2 * L + 1, int64_t{64}}) {
      check({.queries = block + 1, .keys = 67, .d = std::max<int64_t>(d, 1), .e = 16}, counted, uncounted);
      check({.queries = block + 1, .keys = 67, .d = 16, .e = std::max<int64_t>(d, 1)}, counted, uncounted);
      check({.queries = 1, .keys = 2 * kAttentionRowKeys + 3, .d = std::max<int64_t>(d, 1), .e = 15 * L}, counted,
            uncounted);
    }
  });
}

TEST_CASE("attention: heads that share keys, apart and interleaved") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const int64_t queries : {1, 3, 21})
      for (const bool interleaved : {true, false})
        for (const int64_t kv_heads : {1, 2, 6})
          check({.batch = 2,
                 .q_heads = 6,
                 .kv_heads = kv_heads,
                 .queries = queries,
                 .keys = 20,
                 .interleaved = interleaved},
                counted, uncounted);
  });
}

TEST_CASE("attention: causal with any offset, masks and softcap") {
  on_every_isa([](const KernelTable& counted, const KernelTable& uncounted) {
    for (const int64_t queries : {1, 3, 29, 90}) {
      for (const int64_t offset : {-100, -17, -2, 0, 1, 17, 200})
        check({.queries = queries, .keys = 70, .causal = true, .causal_offset = offset}, counted, uncounted);
      for (const MaskKind mask : {MaskKind::additive, MaskKind::boolean})
        for (const bool per_head : {true, false})
          for (const bool per_row : {true, false})
            for (const bool causal : {true, false})
              check({.queries = queries,
                     .keys = 70,
                     .causal = causal,
                     .causal_offset = 3,
                     .mask = mask,
                     .mask_per_head = per_head,
                     .mask_per_row = per_row || per_head},
                    counted, uncounted);
      check({.queries = queries, .keys = 70, .softcap = 2.5f}, counted, uncounted);
      check({.queries = queries, .keys = 70, .causal = true, .mask = MaskKind::additive, .softcap = 0.5f}, counted,
            uncounted);
      check({.queries = queries, .keys = 70, .scale = -0.25f}, counted, uncounted);
    }
  });
}

TEST_CASE("attention: rows without any key, huge scores, NaN of one query stays its own") {
  on_every_isa([](const KernelTable& counted, const KernelTable&) {
    for (const int64_t queries : {int64_t{2}, int64_t{40}}) {
      Operands o({.q_heads = 1, .kv_heads = 1, .queries = queries, .keys = 130, .mask = MaskKind::additive});
      REQUIRE(plan_attention(o.args, counted.geometry));
      const auto row = [&](int64_t i) { return o.mask.span().subspan(static_cast<size_t>(i) * 130, 130); };
      for (float& m : row(0)) m = -std::numeric_limits<float>::infinity();
      for (float& m : row(1)) m = std::numeric_limits<float>::lowest();  // the sums' rounding leaves all scores equal
      Tally tally;
      counted.attention(o.args, 0, o.args.items(), &tally);
      CHECK(std::isnan(o.y[0]));
      double mean = 0;
      for (int64_t j = 0; j < 130; ++j) mean += o.v[static_cast<size_t>(j * 8)] / 130;
      CHECK(o.y[8] == doctest::Approx(mean).epsilon(1e-4));
      if (queries > 2) CHECK_FALSE(std::isnan(o.y[16]));
      o.args.mask_kind = MaskKind::none;
      o.q[0] = std::nanf("");
      counted.attention(o.args, 0, o.args.items(), &tally);
      CHECK(std::isnan(o.y[0]));
      CHECK_FALSE(std::isnan(o.y[8]));
    }
  });
}

TEST_CASE("attention: fewer keys than planned for, the rest never read") {
  on_every_isa([](const KernelTable& counted, const KernelTable&) {
    Operands o({.queries = 1, .keys = 300, .d = 16, .e = 24});
    REQUIRE(plan_attention(o.args, counted.geometry));
    for (const int64_t keys : {int64_t{1}, int64_t{128}, int64_t{129}}) {
      o.args.keys = keys;
      for (size_t i = static_cast<size_t>(keys) * 32; i < o.k.size(); ++i) o.k[i] = std::nanf("");
      Tally tally;
      fill_random(o.k.span().first(static_cast<size_t>(keys) * 32), 2);
      counted.attention(o.args, 0, o.args.items(), &tally);
      CHECK(tally == planned_attention(o.args, counted.geometry).tally);
      check_values(o);
    }
  });
}

TEST_CASE("planned attention, worked by hand") {
  Geometry g;
  g.lanes = 8;
  g.gemm_vectors = 3;
  g.exp_nonpositive_fma = 9;
  AttentionArgs args;
  args.q_heads = 4;
  args.kv_heads = 2;
  args.queries = 20;
  args.keys = 100;
  args.d = 16;
  args.e = 8;
  REQUIRE(plan_attention(args, g));
  CHECK(args.block_queries == 24);  // three vectors, four lanes of them padding
  Planned p = planned_attention(args, g);
  CHECK(p.tally.macs == 4 * 20 * 100 * 24);
  CHECK(p.lane_padding == 4 * 4 * 100 * 24);
  CHECK(p.tally.lane_fma_other == 4 * 8 * 9 * (3 * 100 + 2 * 3));
  CHECK(p.loaded_activations == 4 * 4 * (20 * 16 + 100 * 24));
  CHECK(p.tally.bytes_stored == 4 * 4 * 20 * 8);
  // Causal: query i sees i + 1 keys; vectors see 8, 16 and 20 keys.
  args.causal = true;
  p = planned_attention(args, g);
  CHECK(p.tally.macs == 4 * 210 * 24);
  CHECK(p.tally.lane_macs == 4 * (8 + 16 + 20) * 8 * 24);
  CHECK(p.parts_add_up());
  CHECK(causal_products(args) == 4 * (20 * 100 - 210) * 24);
  // One query: 104 keys of one at a time multiplied eight at once.
  args.causal = false;
  args.queries = 1;
  REQUIRE(plan_attention(args, g));
  CHECK(args.block_queries == 0);
  CHECK(args.rows == 2);
  p = planned_attention(args, g);
  CHECK(p.tally.lane_macs == 4 * (104 * 16 + 100 * 8));
  CHECK(p.tally.macs == 4 * 100 * 24);
}
