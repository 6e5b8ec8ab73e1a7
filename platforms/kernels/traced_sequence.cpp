// What recurrent.h and attention.h touch.
#include <algorithm>

#include "tally/platforms/accesses.h"

namespace tally {
namespace {

constexpr int64_t kFloat = 4;

/// Where kernels keep a thread's scratch: not a buffer of any plan, but in the same caches.
const float* stack() {
  return reinterpret_cast<const float*>(
      static_cast<uintptr_t>(sizeof(uintptr_t) > 4 ? 0x7f0000000000 : int64_t{0xf0000000}));
}

/// `n` floats from p on, the last ones first where `backwards`, a page at a time.
void walk(const float* p, int64_t n, bool backwards, AccessSink& sink) {
  constexpr int64_t kPiece = 256;
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t length = std::min(kPiece, n - i), first = backwards ? n - i - length : i;
    sink.load(p + first, length * kFloat);
  }
}

struct Gates {
  int64_t products = 0, sums = 0;  ///< a pass and unit
};
Gates gates_of(RecurrentCell cell, int pass) {
  switch (cell) {
    case RecurrentCell::lstm:
      return {4, 4};
    case RecurrentCell::gru:
      return {3, 4};
    case RecurrentCell::gru_reset_first:
      return pass == 0 ? Gates{2, 2} : Gates{1, 1};
    case RecurrentCell::elman:
      break;
  }
  return {1, 1};
}

/// Step t of sequence b.
void trace_step(const RecurrentArgs& a, const Geometry& geometry, int64_t b, int64_t t, int64_t turn,
                AccessSink& sink) {
  const bool reset_first = a.cell == RecurrentCell::gru_reset_first, backwards = a.alternate && turn != 0;
  const float *h = a.h + (2 * b + turn) * a.padded, *h_next = a.h + (2 * b + (turn ^ 1)) * a.padded;
  const float *w = a.w, *scratch = a.scratch + 2 * b * a.padded;
  for (int pass = 0; pass < (reset_first ? 2 : 1); ++pass) {
    const Gates gates = gates_of(a.cell, pass);
    const int64_t widest = std::max<int64_t>(1, geometry.recurrent_sums / gates.sums), blocks = a.padded / a.lanes;
    const int64_t row = gates.products * (a.I + a.H);
    const int64_t panels = (blocks + widest - 1) / widest;
    for (int64_t i = 0; i < panels; ++i) {
      const int64_t panel = backwards ? panels - 1 - i : i, first = panel * widest * a.lanes;
      const int64_t lanes = std::min(widest * a.lanes, a.padded - first), units = std::min(lanes, a.H - first);
      if (a.bias) sink.load(a.bias + first * gates.sums, lanes * gates.sums * kFloat);
      for (int64_t k = 0; a.gates && k < gates.products && units > 0; ++k)
        sink.load(a.gates + t * a.gates_step + b * a.gates_sequence + k * a.H + first, units * kFloat);
      if (a.I > 0) sink.load(a.x + t * a.x_step + b * a.x_sequence, a.I * kFloat);
      sink.load(pass == 1 ? scratch + a.padded : h, a.H * kFloat);
      walk(w + first * row, lanes * row, backwards, sink);
      if (a.cell == RecurrentCell::lstm) {
        sink.load(a.c + b * a.padded + first, lanes * kFloat);
        sink.store(a.c + b * a.padded + first, lanes * kFloat);
      }
      if (reset_first && pass == 0) {
        sink.store(scratch + first, lanes * kFloat);
        sink.store(scratch + a.padded + first, lanes * kFloat);
      } else {
        sink.store(h_next + first, lanes * kFloat);
        if (a.y && units > 0) sink.store(a.y + t * a.y_step + b * a.y_sequence + first, units * kFloat);
      }
    }
    w += a.padded * row;
  }
}

/// `rows` rows of `width` floats, `stride` apart.
void trace_rows(const float* p, int64_t rows, int64_t stride, int64_t width, bool store, AccessSink& sink) {
  for (int64_t r = 0; r < rows; ++r) sink.touch(p + r * stride, width * kFloat, store);
}

/// One head's block of queries: turned queries, scores and sums of values lie on the stack.
void trace_block(const AttentionArgs& a, int64_t batch, int64_t head, int64_t first, int64_t lanes, AccessSink& sink) {
  const int64_t queries = std::min(a.queries - first, a.block_queries), kv = head / a.group();
  const int64_t wide = (queries + lanes - 1) / lanes * lanes;
  const float *turned = stack(), *sums = turned + a.d * wide, *scores = sums + a.e * wide;
  trace_rows(a.q + batch * a.q_batch + head * a.q_head + first * a.q_row, queries, a.q_row, a.d, false, sink);
  sink.store(turned, a.d * wide * kFloat);
  const int64_t seen = a.causal ? std::clamp<int64_t>(first + queries + a.causal_offset, 0, a.keys) : a.keys;
  for (int64_t key = 0; key < seen; key += kAttentionKeys) {
    const int64_t count = std::min<int64_t>(kAttentionKeys, seen - key);
    trace_rows(a.k + batch * a.k_batch + kv * a.k_head + key * a.k_row, count, a.k_row, a.d, false, sink);
    sink.load(turned, a.d * wide * kFloat);
    sink.store(scores, count * wide * kFloat);
    if (a.mask_kind != MaskKind::none) {
      const int64_t bytes = a.mask_kind == MaskKind::additive ? 4 : 1;
      const int64_t start = batch * a.mask_batch + head * a.mask_head + first * a.mask_row + key;
      for (int64_t i = 0; i < queries; ++i)
        sink.load(static_cast<const std::byte*>(a.mask) + (start + i * a.mask_row) * bytes, count * bytes);
    }
    trace_rows(a.v + batch * a.v_batch + kv * a.v_head + key * a.v_row, count, a.v_row, a.e, false, sink);
    sink.store(sums, a.e * wide * kFloat);
  }
  trace_rows(a.y + batch * a.y_batch + head * a.y_head + first * a.y_row, queries, a.y_row, a.e, true, sink);
}

/// Up to a.rows queries, of all heads that share keys, that pass over the keys together.
void trace_few(const AttentionArgs& a, int64_t batch, int64_t kv, int64_t first, AccessSink& sink) {
  const int64_t rows = std::min(a.rows, a.group() * a.queries - first);
  const auto head_of = [&](int64_t r) { return kv * a.group() + (first + r) / a.queries; };
  const auto query_of = [&](int64_t r) { return (first + r) % a.queries; };
  const auto keys_of = [&](int64_t r) {
    return a.causal ? std::clamp<int64_t>(query_of(r) + 1 + a.causal_offset, 0, a.keys) : a.keys;
  };
  for (int64_t r = 0; r < rows; ++r)
    sink.load(a.q + batch * a.q_batch + head_of(r) * a.q_head + query_of(r) * a.q_row, a.d * kFloat);
  for (int64_t key = 0; key < a.keys; key += kAttentionRowKeys) {
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t count = std::min<int64_t>(kAttentionRowKeys, keys_of(r) - key);
      trace_rows(a.k + batch * a.k_batch + kv * a.k_head + key * a.k_row, count, a.k_row, a.d, false, sink);
      trace_rows(a.v + batch * a.v_batch + kv * a.v_head + key * a.v_row, count, a.v_row, a.e, false, sink);
    }
  }
  for (int64_t r = 0; r < rows; ++r)
    sink.store(a.y + batch * a.y_batch + head_of(r) * a.y_head + query_of(r) * a.y_row, a.e * kFloat);
}

}  // namespace

void trace(const RecurrentArgs& a, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink) {
  for (int64_t b = begin; b < end; ++b) {
    // A streamed sequence goes on where the last run left it, a whole one begins anew.
    const int64_t start = a.turn ? sink.position : 0;
    if (!a.turn) sink.store(a.h + 2 * b * a.padded, a.padded * kFloat);
    for (int64_t t = 0; t < a.T; ++t) trace_step(a, geometry, b, t, (start + t) % 2, sink);
    if (a.y_h) sink.store(a.y_h + b * a.state_sequence, a.H * kFloat);
    if (a.y_c) sink.store(a.y_c + b * a.state_sequence, a.H * kFloat);
  }
}

void trace(const AttentionArgs& a, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink) {
  for (int64_t item = begin; item < end; ++item) {
    if (a.block_queries > 0) {
      const int64_t blocks = (a.queries + a.block_queries - 1) / a.block_queries;
      trace_block(a, item / blocks / a.q_heads, item / blocks % a.q_heads, item % blocks * a.block_queries,
                  geometry.lanes, sink);
    } else {
      const int64_t parts = (a.group() * a.queries + a.rows - 1) / a.rows;
      trace_few(a, item / parts / a.kv_heads, item / parts % a.kv_heads, item % parts * a.rows, sink);
    }
  }
}

}  // namespace tally
