#pragma once
// Attention for a block of queries that lie across the lanes: queries and sums of values are kept turned, one row an
// element, so that the softmax over keys needs no sum or maximum across lanes.
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/attention_tile.h"
#include "tally/platforms/kernels/math.h"
#include "tally/platforms/kernels/softmax.h"
#include "tally/platforms/kernels/transpose.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// Where running maxima start, and the least that a difference is taken to: scores of −∞ then have weight 0 and not
/// NaN.
constexpr float kLeastScore = -3.402823466e38f;

/// One head's block of up to NV vectors of queries.
template <class A, int NV, class Policy>
class AttentionBlock {
  using Vec = typename A::Vec;
  static constexpr int L = A::kLanes;
  static constexpr int64_t kLanes = int64_t{NV} * L;
  static constexpr int64_t kNearFloats = 8192;  ///< keys and values beyond this leave the nearest cache

 public:
  AttentionBlock(const AttentionArgs& args, float* scratch, int64_t batch, int64_t head, int64_t first)
      : args_(args), first_(first) {
    const int64_t kv_head = head / args.group();
    q_ = args.q + batch * args.q_batch + head * args.q_head + first * args.q_row;
    k_ = args.k + batch * args.k_batch + kv_head * args.k_head;
    v_ = args.v + batch * args.v_batch + kv_head * args.v_head;
    y_ = args.y + batch * args.y_batch + head * args.y_head + first * args.y_row;
    mask_at_ = batch * args.mask_batch + head * args.mask_head + first * args.mask_row;
    queries_ = args.queries - first < kLanes ? args.queries - first : kLanes;
    turned_q_ = scratch;
    sums_ = turned_q_ + args.d * kLanes;
    scores_ = sums_ + args.e * kLanes;
    turned_mask_ = scores_ + kAttentionKeys * kLanes;
  }

  void run(Tally* tally) {
    load_queries();
    TALLY_UNROLL for (int v = 0; v < NV; ++v) {
      A::store(maximum_ + v * L, A::set(kLeastScore));
      A::store(total_ + v * L, A::zero());
    }
    const int64_t keys = keys_ = keys_seen();
    // Rows of a head that are far apart are fetched ahead by nobody else: 1500 keys of 6 interleaved heads of 64
    // elements took 7 % longer without.
    prefetch_ = keys * (args_.d + args_.e) > kNearFloats;
    if (keys == 0) {
      for (int64_t i = 0; i < args_.e * kLanes; i += L) A::store(sums_ + i, A::zero());
    }
    for (int64_t key = 0; key < keys; key += kAttentionKeys) {
      const int count = static_cast<int>(keys - key < kAttentionKeys ? keys - key : kAttentionKeys);
      find_visible(key, count);
      score(key);
      if (args_.mask_kind != MaskKind::none || args_.softcap > 0) adjust(key, count);
      if (args_.causal) mask_diagonal(key);
      softmax();
      add_values(key);
      if constexpr (Policy::kCounts) count_tile(count, tally);
    }
    store_results();
    if constexpr (Policy::kCounts) {
      tally->bytes_loaded += 4 * queries_ * args_.d;
      tally->bytes_stored += 4 * queries_ * args_.e;
      if (!A::kHasFma) tally->lane_fma_other += kLanes * (args_.d + args_.e);
    }
  }

 private:
  /// Keys that the last query sees.
  int64_t keys_seen() const {
    if (!args_.causal) return args_.keys;
    const int64_t seen = first_ + queries_ + args_.causal_offset;
    return seen < 0 ? 0 : seen < args_.keys ? seen : args_.keys;
  }

  void find_visible(int64_t key, int count) {
    TALLY_UNROLL for (int v = 0; v < NV; ++v) {
      int64_t end = count;
      if (args_.causal) {
        end = first_ + (v + 1) * L + args_.causal_offset - key;
        end = end < 0 ? 0 : end < count ? end : count;
      }
      visible_.end[v] = static_cast<int>(end);
    }
    // Vectors see ever more keys, so that those of the last are those of the tile.
    visible_.end[NV - 1] = count;
  }

  void load_queries() {
    const float factor = args_.softcap > 0 ? args_.scale / args_.softcap : args_.scale;
    TALLY_UNROLL for (int v = 0; v < NV; ++v) {
      transpose_into_lanes<A>(q_ + v * L * args_.q_row, args_.q_row, queries_ - v * L, args_.d, factor,
                              turned_q_ + v * L, kLanes);
    }
  }

  void store_results() {
    TALLY_UNROLL for (int v = 0; v < NV; ++v) {
      const Vec factor = A::div(A::set(1.0f), A::load(total_ + v * L));
      transpose_from_lanes<A>(sums_ + v * L, kLanes, queries_ - v * L, args_.e, factor, y_ + v * L * args_.y_row,
                              args_.y_row);
    }
  }

  /// body(key, first vector) over the keys of the tile and the vectors that see them.
  template <class Body>
  TALLY_INLINE void for_visible(Body body) {
    int j = 0;
    repeat<NV>([&](int first) TALLY_LAMBDA {
      for (; j < visible_.end[first]; ++j) body(j, first);
    });
  }

  template <int S = 0>
  TALLY_INLINE void score_runs(AttentionTile& tile, const float* keys, int begin) {
    if constexpr (S < NV) {
      const int end = visible_.end[S];
      tile.in = turned_q_ + S * L;
      tiles_of_rows(end - begin, AttentionTiles<A, NV - S>::kRows, [&](int64_t row, int64_t rows) TALLY_LAMBDA {
        if (prefetch_) prefetch_rows(values_ + (begin + row) * args_.v_row, args_.v_row, rows, args_.e);
        tile.rows = keys + (begin + row) * args_.k_row;
        tile.out = scores_ + (begin + row) * kLanes + S * L;
        kAttentionTiles<A, NV - S>.score[rows - 1](tile);
      });
      score_runs<S + 1>(tile, keys, end > begin ? end : begin);
    }
  }

  static void prefetch_rows(const float* row, int64_t stride, int64_t rows, int64_t width) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < width; c += 16) __builtin_prefetch(row + r * stride + c, 0, 2);
    }
  }

  void score(int64_t key) {
    values_ = v_ + key * args_.v_row;
    AttentionTile tile;
    tile.row_stride = args_.k_row;
    tile.lanes = kLanes;
    tile.depth = args_.d;
    score_runs(tile, k_ + key * args_.k_row, 0);
  }

  /// Softcap, then the mask, on scores that came without either.
  __attribute__((noinline)) void adjust(int64_t key, int count) {
    const bool masked = args_.mask_kind != MaskKind::none;
    if (masked) turn_mask(key, count);
    const Vec cap = A::set(args_.softcap);
    for_visible([&](int j, int first) TALLY_LAMBDA {
      for (int v = first; v < NV; ++v) {
        float* at = scores_ + j * kLanes + v * L;
        Vec x = A::load(at);
        if (args_.softcap > 0) x = A::mul(tanh_vec<A>(x), cap);
        if (masked) x = A::add(x, A::load(turned_mask_ + j * kLanes + v * L));
        A::store(at, x);
      }
    });
  }

  void turn_mask(int64_t key, int count) {
    if (args_.mask_kind == MaskKind::additive) {
      const float* mask = static_cast<const float*>(args_.mask) + mask_at_ + key;
      TALLY_UNROLL for (int v = 0; v < NV; ++v) {
        transpose_mask(mask + v * L * args_.mask_row, queries_ - v * L, count, turned_mask_ + v * L);
      }
      return;
    }
    const auto* mask = static_cast<const uint8_t*>(args_.mask) + mask_at_ + key;
    for (int64_t i = 0; i < kLanes; ++i) {
      for (int j = 0; j < count; ++j) {
        const bool seen = i >= queries_ || mask[i * args_.mask_row + j] != 0;
        turned_mask_[j * kLanes + i] = seen ? 0.0f : kMinusInfinity;
      }
    }
  }

  /// Without the multiplication by 1 of transpose_into_lanes, which would be one more to count.
  void transpose_mask(const float* from, int64_t rows, int count, float* to) {
    for (int c = 0; c < count; c += L) {
      Vec block[L];
      TALLY_UNROLL for (int r = 0; r < L; ++r) {
        block[r] = r < rows ? load_first<A>(from + r * args_.mask_row + c, count - c) : A::zero();
      }
      transpose_block<A>(block);
      TALLY_UNROLL for (int i = 0; i < L; ++i) {
        if (c + i < count) A::store(to + (c + i) * kLanes, block[i]);
      }
    }
  }

  /// Of the vectors that see a key only the first may hold queries that do not.
  __attribute__((noinline)) void mask_diagonal(int64_t key) {
    for_visible([&](int j, int first) TALLY_LAMBDA {
      const int64_t hidden = key + j - args_.causal_offset - first_ - first * L;  // lanes before this see it not
      if (hidden > 0) {
        float* at = scores_ + j * kLanes + first * L;
        A::store(at, A::select_less(A::load(kLaneIndex), A::set(static_cast<float>(hidden)), A::set(kMinusInfinity),
                                    A::load(at)));
      }
    });
  }

  /// Scores become weights e^(score − maximum); sums so far are to be multiplied by rescale_.
  void softmax() {
    Vec m[NV], sum[NV];
    TALLY_UNROLL for (int v = 0; v < NV; ++v) m[v] = A::load(maximum_ + v * L);
    for_visible([&](int j, int first) TALLY_LAMBDA {
      TALLY_UNROLL for (int v = first; v < NV; ++v) m[v] = A::max(m[v], A::load(scores_ + j * kLanes + v * L));
    });
    TALLY_UNROLL for (int v = 0; v < NV; ++v) {
      const Vec rescale = exp_nonpositive<A>(A::sub(A::load(maximum_ + v * L), m[v]));
      A::store(rescale_ + v * L, rescale);
      A::store(maximum_ + v * L, m[v]);
      sum[v] = A::mul(A::load(total_ + v * L), rescale);
    }
    for_visible([&](int j, int first) TALLY_LAMBDA {
      float* at = scores_ + j * kLanes;
      TALLY_UNROLL for (int v = first; v < NV; ++v) {
        const Vec p = exp_nonpositive<A>(A::sub(A::load(at + v * L), m[v]));
        A::store(at + v * L, p);
        sum[v] = A::add(sum[v], p);
      }
    });
    TALLY_UNROLL for (int v = 0; v < NV; ++v) A::store(total_ + v * L, sum[v]);
  }

  void add_values(int64_t key) {
    AttentionTile tile;
    tile.in = scores_;
    tile.row_stride = args_.v_row;
    tile.lanes = kLanes;
    tile.visible = visible_.end;
    tile.rescale = key == 0 ? nullptr : rescale_;
    const float* values = v_ + key * args_.v_row;
    const int64_t left = keys_ - key - kAttentionKeys, next = left < kAttentionKeys ? left : kAttentionKeys;
    tiles_of_rows(args_.e, AttentionTiles<A, NV>::kRows, [&](int64_t element, int64_t elements) TALLY_LAMBDA {
      if (prefetch_ && element < next) {
        const int64_t rows = next - element < elements ? next - element : elements;
        prefetch_rows(k_ + (key + kAttentionKeys + element) * args_.k_row, args_.k_row, rows, args_.d);
      }
      tile.rows = values + element;
      tile.out = sums_ + element * kLanes;
      kAttentionTiles<A, NV>.context[elements - 1](tile);
    });
    started_ = key > 0;
  }

  void count_tile(int count, Tally* tally) {
    int64_t vectors = 0, useful = 0, begin = 0;
    for (int s = 0; s < NV; ++s) {
      if (visible_.end[s] > begin) {
        vectors += (visible_.end[s] - begin) * (NV - s);
        begin = visible_.end[s];
      }
    }
    const int64_t depth = args_.d + args_.e;
    for (int64_t i = 0; i < queries_; ++i) useful += keys_of_query(i, count);
    tally->macs += useful * depth;
    tally->lane_macs += vectors * L * depth;
    int64_t other = (vectors + NV) * kExpNonpositiveFma<A>;
    if (args_.softcap > 0) other += vectors * (kFmaPerVector<A, UnaryOp::tanh> + !A::kHasFma);
    if (!A::kHasFma) other += NV + (started_ ? NV * args_.e : 0);
    tally->lane_fma_other += other * L;
    tally->bytes_loaded += 4 * count * depth;
    if (args_.mask_kind == MaskKind::additive) tally->bytes_loaded += 4 * queries_ * count;
    if (args_.mask_kind == MaskKind::boolean) tally->bytes_loaded += queries_ * count;
    tile_begin_ += count;
  }

  /// Of the tile's keys those that query i of the block sees.
  int64_t keys_of_query(int64_t i, int count) const {
    if (!args_.causal) return count;
    const int64_t end = first_ + i + 1 + args_.causal_offset - tile_begin_;
    return end < 0 ? 0 : end < count ? end : count;
  }

  const AttentionArgs& args_;
  int64_t first_, queries_ = 0, mask_at_ = 0, tile_begin_ = 0;
  int64_t keys_ = 0;
  bool prefetch_ = false;
  const float *q_ = nullptr, *k_ = nullptr, *v_ = nullptr, *values_ = nullptr;
  float* y_ = nullptr;
  float *turned_q_ = nullptr, *sums_ = nullptr, *scores_ = nullptr, *turned_mask_ = nullptr;
  bool started_ = false;
  VisibleKeys<NV> visible_;
  alignas(64) float maximum_[kLanes], total_[kLanes], rescale_[kLanes];
};

}  // namespace tally::TALLY_ISA_NAMESPACE
