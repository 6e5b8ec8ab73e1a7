// A decoder whole and token by token: the same logits, and a cache that grows by what it should.
#include <doctest/doctest.h>

#include <cmath>

#include "tally/layers/tally.h"
#include "tests/small_decoder.h"

using namespace tally;
using namespace tally::test;

namespace {

constexpr int64_t kSteps = SmallDecoder::kSteps, kWords = SmallDecoder::kWords;

std::vector<float> whole(const std::vector<int64_t>& tokens) {
  Context context{Model(SmallDecoder().graph())};
  std::copy(tokens.begin(), tokens.end(), context.input<int64_t>("tokens").begin());
  context.run();
  const std::span<const float> logits = context.output<float>(0);
  return {logits.begin(), logits.end()};
}

LoadOptions streamed() {
  LoadOptions options;
  options.stream = true;
  return options;
}

std::vector<int64_t> some_tokens() {
  std::vector<int64_t> tokens;
  for (int64_t t = 0; t < kSteps; ++t) tokens.push_back(t * 7 % kWords);
  return tokens;
}

}  // namespace

TEST_CASE("a decoder gives the same logits whole and through its cache") {
  const std::vector<int64_t> tokens = some_tokens();
  const std::vector<float> expected = whole(tokens);
  Context context{Model(SmallDecoder().graph(), streamed())};
  for (int round = 0; round < 2; ++round) {
    double worst = 0;
    for (int64_t t = 0; t < kSteps; ++t) {
      context.input<int64_t>("tokens")[0] = tokens[static_cast<size_t>(t)];
      context.step();
      const std::span<const float> logits = context.output<float>(0);
      REQUIRE(logits.size() == static_cast<size_t>(kWords));
      for (int64_t w = 0; w < kWords; ++w)
        worst =
            std::fmax(worst, std::abs(logits[static_cast<size_t>(w)] - expected[static_cast<size_t>(t * kWords + w)]));
    }
    CHECK(worst < 1e-4);
    context.reset();  // and from an empty cache again
  }
}

TEST_CASE("two decoders on one model keep caches of their own") {
  const Model model(SmallDecoder().graph(), streamed());
  Context a(model), b(model);
  const auto last = [](Context& context, const std::vector<int64_t>& tokens) {
    context.reset();
    for (const int64_t token : tokens) {
      context.input<int64_t>("tokens")[0] = token;
      context.step();
    }
    const std::span<const float> logits = context.output<float>(0);
    return std::vector<float>(logits.begin(), logits.end());
  };
  const std::vector<float> alone_a = last(a, {1, 2, 3}), alone_b = last(b, {9, 8, 3});
  CHECK(alone_a != alone_b);
  a.reset();
  b.reset();
  for (const auto& [left, right] : {std::pair{1, 9}, {2, 8}, {3, 3}}) {
    a.input<int64_t>("tokens")[0] = left;
    b.input<int64_t>("tokens")[0] = right;
    a.step();
    b.step();
  }
  CHECK(std::equal(alone_a.begin(), alone_a.end(), a.output<float>(0).begin()));
  CHECK(std::equal(alone_b.begin(), alone_b.end(), b.output<float>(0).begin()));
}

TEST_CASE("a decoder's costs: projections a token, attention full in macs, causal apart") {
  const Estimate estimate = tally::estimate(Model(SmallDecoder().graph()));
  constexpr int64_t kScores = SmallDecoder::kBlocks * 2 * SmallDecoder::kWidth * kSteps * kSteps;
  CHECK(estimate.totals.macs == kSteps * SmallDecoder::kProjections + kScores);
}
