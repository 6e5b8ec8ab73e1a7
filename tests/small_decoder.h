#pragma once
// A decoder of our own, small enough to run everywhere: 2 blocks, d = 16, 4 heads over 2 key and value heads, 24 tokens
// of 32 words.
#include "tally/layers/builder.h"

namespace tally::test {

struct SmallDecoder {
  static constexpr int64_t kSteps = 24, kWords = 32, kWidth = 16, kHeads = 4, kKvHeads = 2, kBlocks = 2;
  /// Bytes that one token adds to the caches: key and value of every block.
  static constexpr int64_t kGrowth = kBlocks * 2 * kKvHeads * (kWidth / kHeads) * 4;
  /// MACs of one token without attention: q, k, v, o, two of the feed-forward part a block, and the words.
  static constexpr int64_t kProjections =
      kBlocks * (2 * kWidth * kWidth + 2 * kWidth * kKvHeads * (kWidth / kHeads) + 2 * kWidth * 2 * kWidth) +
      kWidth * kWords;

  Graph graph() {
    const auto ids = b.named(b.input({1, kSteps}, DType::i64), "tokens");
    auto x = b.embedding(weights({kWords, kWidth}, 2.0f), ids);
    for (int64_t block = 0; block < kBlocks; ++block) {
      const auto h = b.rms_norm(x, ones());
      const int64_t kv = kKvHeads * (kWidth / kHeads);
      const auto q = product(h, kWidth, kWidth), k = product(h, kWidth, kv), v = product(h, kWidth, kv);
      Builder::AttentionOptions options;
      options.q_heads = kHeads;
      options.kv_heads = kKvHeads;
      options.causal = true;
      x = b.add(x, product(b.attention(q, k, v, options), kWidth, kWidth));
      const auto wide = b.swish(product(b.layer_norm(x, ones(), ones()), kWidth, 2 * kWidth));
      x = b.add(x, product(wide, 2 * kWidth, kWidth));
    }
    b.output(b.named(product(b.rms_norm(x, ones()), kWidth, kWords), "logits"));
    return b.graph();
  }

 private:
  Builder::Value weights(const Shape& shape, float size) {
    std::vector<float> values;
    for (int64_t i = 0; i < element_count(shape); ++i) {
      seed = seed * 1664525u + 1013904223u;
      values.push_back((static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f) * size);
    }
    return b.constant(shape, values);
  }
  Builder::Value product(Builder::Value x, int64_t in, int64_t out) { return b.matmul(x, weights({in, out}, 0.5f)); }
  Builder::Value ones() { return b.constant({kWidth}, std::vector<float>(kWidth, 1.0f)); }

  Builder b;
  uint32_t seed = 11;
};

}  // namespace tally::test
