#pragma once
#include <cstdint>
#include <random>
#include <span>

namespace tally::tools {

/// How the next token is drawn from logits.
struct SamplingOptions {
  double temperature = 0;  ///< 0: greedy, the largest logit (the first of equal ones)
  int64_t top_k = 0;       ///< only the so many largest logits; 0: all
  uint64_t seed = 0;
};

/// Draws tokens: p(i) ∝ exp((logit_i − max) ÷ temperature) among the top_k largest. The same seed gives the same tokens
/// on every machine (up to the rounding of exp).
class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options) : options_(options), generator_(options.seed) {}

  /// Index of the token. Logits that are not finite are never drawn; -1 where none is finite.
  int64_t draw(std::span<const float> logits);

 private:
  SamplingOptions options_;
  std::mt19937_64 generator_;
};

}  // namespace tally::tools
