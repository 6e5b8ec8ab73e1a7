#pragma once
// Attention for a few queries, decoding one token above all: elements lie across the lanes, keys and values are read as
// they lie, once for all queries of an item while a tile is in the nearest cache.
#include "tally/platforms/kernel_args.h"
#include "tally/platforms/kernels/attention_block.h"
#include "tally/platforms/kernels/math.h"
#include "tally/platforms/kernels/softmax.h"
#include "tally/platforms/kernels/transpose.h"
#include "tally/platforms/tally.h"

namespace tally::TALLY_ISA_NAMESPACE {

/// Sums over the lanes of a[0], a[1] … a[L − 1], in that order.
template <class A>
TALLY_INLINE typename A::Vec sums_over_lanes(typename A::Vec* a) {
  TALLY_UNROLL for (int n = A::kLanes; n > 1; n /= 2) {
    TALLY_UNROLL for (int i = 0; i < n / 2; ++i) {
      a[i] = A::add(A::even(a[2 * i], a[2 * i + 1]), A::odd(a[2 * i], a[2 * i + 1]));
    }
  }
  return a[0];
}

template <class A, class Policy>
class AttentionRows {
  using Vec = typename A::Vec;
  static constexpr int L = A::kLanes;
  /// Keys multiplied at once: enough sums to keep the units busy.
  static constexpr int kKeys = L < 8 ? 8 : L;

 public:
  AttentionRows(const AttentionArgs& args, float* scratch, int64_t batch, int64_t kv_head, int64_t first, Tally* tally)
      : args_(args), batch_(batch), kv_head_(kv_head), first_(first), tally_(tally) {
    d_padded_ = (args.d + L - 1) / L * L;
    e_padded_ = (args.e + L - 1) / L * L;
    const int64_t rows = args.group() * args.queries - first;
    rows_ = rows < args.rows ? rows : args.rows;
    k_ = args.k + batch * args.k_batch + kv_head * args.k_head;
    v_ = args.v + batch * args.v_batch + kv_head * args.v_head;
    q_ = scratch;
    sums_ = q_ + rows_ * d_padded_;
  }

  void run() {
    int64_t most = 0;
    for (int64_t r = 0; r < rows_; ++r) {
      start(r);
      if (keys_of(r) > most) most = keys_of(r);
    }
    for (int64_t key = 0; key < most; key += kAttentionRowKeys) {
      for (int64_t r = 0; r < rows_; ++r) {
        const int64_t left = keys_of(r) - key;
        if (left > 0) tile(r, key, static_cast<int>(left < kAttentionRowKeys ? left : kAttentionRowKeys));
      }
    }
    for (int64_t r = 0; r < rows_; ++r) finish(r);
  }

 private:
  int64_t head_of(int64_t r) const { return kv_head_ * args_.group() + (first_ + r) / args_.queries; }
  int64_t query_of(int64_t r) const { return (first_ + r) % args_.queries; }
  int64_t keys_of(int64_t r) const {
    if (!args_.causal) return args_.keys;
    const int64_t seen = query_of(r) + 1 + args_.causal_offset;
    return seen < 0 ? 0 : seen < args_.keys ? seen : args_.keys;
  }

  void start(int64_t r) {
    const float* q = args_.q + batch_ * args_.q_batch + head_of(r) * args_.q_head + query_of(r) * args_.q_row;
    const Vec factor = A::set(args_.softcap > 0 ? args_.scale / args_.softcap : args_.scale);
    float* to = q_ + r * d_padded_;
    for (int64_t c = 0; c < args_.d; c += L) A::store(to + c, A::mul(load_first<A>(q + c, args_.d - c), factor));
    for (int64_t c = 0; c < args_.e; c += L) A::store(sums_ + r * e_padded_ + c, A::zero());
    maximum_[r] = kLeastScore;
    A::store(total_ + r * L, A::zero());
    if constexpr (Policy::kCounts) {
      tally_->bytes_loaded += 4 * args_.d;
      if (!A::kHasFma) tally_->lane_fma_other += d_padded_;
    }
  }

  void finish(int64_t r) {
    const float total = reduce_lanes<A>(A::load(total_ + r * L), [](float a, float b) TALLY_LAMBDA { return a + b; });
    const Vec factor = A::div(A::set(1.0f), A::set(total));
    float* y = args_.y + batch_ * args_.y_batch + head_of(r) * args_.y_head + query_of(r) * args_.y_row;
    const float* from = sums_ + r * e_padded_;
    for (int64_t c = 0; c < args_.e; c += L) store_first<A>(y + c, A::mul(A::load(from + c), factor), args_.e - c);
    if constexpr (Policy::kCounts) {
      tally_->bytes_stored += 4 * args_.e;
      if (!A::kHasFma) tally_->lane_fma_other += e_padded_;
    }
  }

  /// Keys [key, key + count) for one query.
  void tile(int64_t r, int64_t key, int count) {
    score(q_ + r * d_padded_, k_ + key * args_.k_row, count);
    adjust(r, key, count);
    const Vec rescale = softmax(r, count);
    add_values(sums_ + r * e_padded_, v_ + key * args_.v_row, count, rescale);
    if constexpr (Policy::kCounts) count_tile(count);
  }

  void score(const float* q, const float* keys, int count) {
    for (int j = 0; j < count; j += kKeys) {
      const float* row[kKeys];
      TALLY_UNROLL for (int u = 0; u < kKeys; ++u) {
        row[u] = keys + (j + u < count ? j + u : count - 1) * args_.k_row;
      }
      Vec sum[kKeys];
      TALLY_UNROLL for (int u = 0; u < kKeys; ++u) sum[u] = A::zero();
      int64_t c = 0;
      for (; c + L <= args_.d; c += L) {
        Vec x = A::load(q + c);
        A::pin(x);
        TALLY_UNROLL for (int u = 0; u < kKeys; ++u) sum[u] = A::fma(A::load(row[u] + c), x, sum[u]);
      }
      if (c < args_.d) {
        const Vec x = A::load(q + c);
        const int left = static_cast<int>(args_.d - c);
        TALLY_UNROLL for (int u = 0; u < kKeys; ++u) sum[u] = A::fma(A::load_partial(row[u] + c, left), x, sum[u]);
      }
      TALLY_UNROLL for (int u = 0; u < kKeys; u += L) A::store(scores_ + j + u, sums_over_lanes<A>(sum + u));
    }
  }

  /// Softcap and mask; −∞ behind the last key up to whole vectors.
  void adjust(int64_t r, int64_t key, int count) {
    if (args_.softcap > 0) {
      const Vec cap = A::set(args_.softcap);
      for (int j = 0; j < count; j += L) A::store(scores_ + j, A::mul(tanh_vec<A>(A::load(scores_ + j)), cap));
    }
    const int64_t at = batch_ * args_.mask_batch + head_of(r) * args_.mask_head + query_of(r) * args_.mask_row + key;
    if (args_.mask_kind == MaskKind::additive) {
      const float* mask = static_cast<const float*>(args_.mask) + at;
      for (int j = 0; j < count; j += L)
        A::store(scores_ + j, A::add(A::load(scores_ + j), load_first<A>(mask + j, count - j)));
    } else if (args_.mask_kind == MaskKind::boolean) {
      const auto* mask = static_cast<const uint8_t*>(args_.mask) + at;
      for (int j = 0; j < count; ++j) scores_[j] = mask[j] != 0 ? scores_[j] : kMinusInfinity;
    }
    for (int j = count; j % L != 0; ++j) scores_[j] = kMinusInfinity;
  }

  /// Scores become weights; what the sums so far are to be multiplied by.
  Vec softmax(int64_t r, int count) {
    Vec most = A::set(maximum_[r]);
    for (int j = 0; j < count; j += L) most = A::max(most, A::load(scores_ + j));
    // A NaN may be lost among the lanes; it comes back in the exponentials.
    const float maximum = reduce_lanes<A>(most, [](float a, float b) TALLY_LAMBDA { return a > b ? a : b; });
    const Vec m = A::set(maximum);
    // Seen to be the same in every lane, it would be computed in one, and the count would no longer be what runs.
    Vec fall = A::sub(A::set(maximum_[r]), m);
    A::pin(fall);
    const Vec rescale = exp_nonpositive<A>(fall);
    maximum_[r] = maximum;
    Vec sum = A::mul(A::load(total_ + r * L), rescale);
    for (int j = 0; j < count; j += L) {
      const Vec p = exp_nonpositive<A>(A::sub(A::load(scores_ + j), m));
      A::store(scores_ + j, p);
      sum = A::add(sum, p);
    }
    A::store(total_ + r * L, sum);
    return rescale;
  }

  void add_values(float* sums, const float* values, int count, Vec rescale) {
    int64_t c = 0;
    for (; c + 8 * L <= args_.e; c += 8 * L) add_columns<8>(sums + c, values + c, count, rescale);
    for (; c + 4 * L <= args_.e; c += 4 * L) add_columns<4>(sums + c, values + c, count, rescale);
    for (; c + 2 * L <= args_.e; c += 2 * L) add_columns<2>(sums + c, values + c, count, rescale);
    for (; c + L <= args_.e; c += L) add_columns<1>(sums + c, values + c, count, rescale);
    if (c < args_.e) add_tail(sums + c, values + c, count, rescale, static_cast<int>(args_.e - c));
  }

  /// sums[·] = sums[·] · rescale + Σ_j weight_j · values[j][·] over V vectors.
  template <int V>
  void add_columns(float* sums, const float* values, int count, Vec rescale) {
    constexpr int kSets = gemm_sets(V);
    Vec sum[kSets][V];
    TALLY_UNROLL for (int v = 0; v < V; ++v) {
      sum[0][v] = A::mul(A::load(sums + v * L), rescale);
      TALLY_UNROLL for (int u = 1; u < kSets; ++u) sum[u][v] = A::zero();
    }
    int j = 0;
    for (; j + kSets <= count; j += kSets) {
      TALLY_UNROLL for (int u = 0; u < kSets; ++u) {
        Vec p = A::broadcast(scores_ + j + u);
        A::pin(p);
        TALLY_UNROLL for (int v = 0; v < V; ++v) sum[u][v] = A::fma(A::load(values + v * L), p, sum[u][v]);
        values += args_.v_row;
      }
    }
    for (; j < count; ++j) {
      Vec p = A::broadcast(scores_ + j);
      A::pin(p);
      TALLY_UNROLL for (int v = 0; v < V; ++v) sum[0][v] = A::fma(A::load(values + v * L), p, sum[0][v]);
      values += args_.v_row;
    }
    TALLY_UNROLL for (int v = 0; v < V; ++v) {
      TALLY_UNROLL for (int u = 1; u < kSets; ++u) sum[0][v] = A::add(sum[0][v], sum[u][v]);
      A::store(sums + v * L, sum[0][v]);
    }
  }

  void add_tail(float* sums, const float* values, int count, Vec rescale, int left) {
    Vec sum = A::mul(A::load(sums), rescale);
    for (int j = 0; j < count; ++j) {
      Vec p = A::broadcast(scores_ + j);
      A::pin(p);
      sum = A::fma(A::load_partial(values, left), p, sum);
      values += args_.v_row;
    }
    A::store(sums, sum);
  }

  void count_tile(int count) {
    const int64_t keys = (count + kKeys - 1) / kKeys * kKeys, vectors = (count + L - 1) / L;
    tally_->macs += count * (args_.d + args_.e);
    tally_->lane_macs += keys * d_padded_ + count * e_padded_;
    int64_t other = (vectors + 1) * kExpNonpositiveFma<A>;
    if (args_.softcap > 0) other += vectors * (kFmaPerVector<A, UnaryOp::tanh> + !A::kHasFma);
    if (!A::kHasFma) other += 1 + e_padded_ / L;
    tally_->lane_fma_other += other * L;
    tally_->bytes_loaded += 4 * (keys * args_.d + count * args_.e);
    if (args_.mask_kind == MaskKind::additive) tally_->bytes_loaded += 4 * count;
    if (args_.mask_kind == MaskKind::boolean) tally_->bytes_loaded += count;
  }

  const AttentionArgs& args_;
  int64_t batch_, kv_head_, first_, rows_ = 0, d_padded_ = 0, e_padded_ = 0;
  Tally* tally_;
  const float *k_ = nullptr, *v_ = nullptr;
  float *q_ = nullptr, *sums_ = nullptr;
  float maximum_[kAttentionRows];
  alignas(64) float total_[kAttentionRows * L], scores_[kAttentionRowKeys];
};

}  // namespace tally::TALLY_ISA_NAMESPACE
