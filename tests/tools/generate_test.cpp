// tally generate, and the ledger of a decoder, on a model of our own.
#include <doctest/doctest.h>

#include <algorithm>

#include "tally/layers/tally.h"
#include "tests/small_decoder.h"
#include "tests/tools/program.h"

using namespace tally;
using namespace tally::test;

namespace {

struct DecoderFile {
  TemporaryFolder folder;
  std::string file = (folder.path / "decoder.onnx").string();
  DecoderFile() { write_onnx(SmallDecoder().graph(), file); }

  nlohmann::json generated(const std::string& options) const { return document_of("generate " + file + " " + options); }
};

/// What a greedy decoder draws, from whole runs over all tokens so far.
std::vector<int64_t> greedy_by_whole_runs(std::vector<int64_t> tokens, int steps) {
  Context context{Model(SmallDecoder().graph())};
  const size_t prompt = tokens.size();
  for (int i = 0; i < steps; ++i) {
    const std::span<int64_t> input = context.input<int64_t>("tokens");
    std::fill(input.begin(), input.end(), 0);
    std::copy(tokens.begin(), tokens.end(), input.begin());
    context.run();
    const auto row = context.output<float>(0).subspan((tokens.size() - 1) * SmallDecoder::kWords, SmallDecoder::kWords);
    tokens.push_back(std::max_element(row.begin(), row.end()) - row.begin());
  }
  return {tokens.begin() + static_cast<std::ptrdiff_t>(prompt), tokens.end()};
}

}  // namespace

TEST_CASE("generate draws what whole runs would") {
  const DecoderFile decoder;
  const nlohmann::json greedy = decoder.generated("--tokens 3,1 --steps 12");
  CHECK(greedy["schema"] == "tally.generate/1");
  CHECK(greedy["prompt"] == nlohmann::json({3, 1}));
  const auto tokens = greedy["tokens"].get<std::vector<int64_t>>();
  CHECK(tokens == greedy_by_whole_runs({3, 1}, 12));
  CHECK(std::any_of(tokens.begin(), tokens.end(), [&](int64_t t) { return t != tokens[0]; }));
  // One candidate leaves nothing to draw, however hot.
  CHECK(decoder.generated("--tokens 3,1 --steps 12 --temperature 5 --top-k 1 --seed 4")["tokens"] == greedy["tokens"]);
}

TEST_CASE("draws follow the seed") {
  const DecoderFile decoder;
  const auto drawn = [&](const std::string& seed) {
    return decoder.generated("--tokens 3 --steps 16 --temperature 2 --seed " + seed)["tokens"];
  };
  CHECK(drawn("1") == drawn("1"));
  CHECK(drawn("1") != drawn("2"));
}

TEST_CASE("generate refuses what the cache cannot hold, words that are none, and models that are no decoders") {
  const DecoderFile decoder;
  const std::string start = "generate " + decoder.file + " --tokens ";
  CHECK(run_tally(start + "1 --steps 24").code == 0);
  CHECK(run_tally(start + "1 --steps 25").code == 3);
  CHECK(run_tally(start + "32 --steps 1").code == 3);
  CHECK(run_tally(start + "x --steps 1").code == 2);
  CHECK(run_tally("generate " + kLenet + " --tokens 1 --steps 1").code == 3);
}

TEST_CASE("the ledger shows the cache grow and attention with it") {
  const DecoderFile decoder;
  const nlohmann::json ledger = document_of("profile " + decoder.file + " --seed 1 --per-step --repeats 2");
  CHECK(ledger["schema"] == "tally.ledger/1");
  CHECK(ledger["growth_bytes"] == SmallDecoder::kGrowth);
  const nlohmann::json& steps = ledger["steps"];
  REQUIRE(steps.size() == static_cast<size_t>(SmallDecoder::kSteps));
  for (size_t t = 0; t < steps.size(); ++t) {
    const int64_t seen = static_cast<int64_t>(t) + 1;
    const int64_t attention = SmallDecoder::kBlocks * 2 * SmallDecoder::kWidth * seen;
    CHECK(steps[t]["executed"]["macs"] == SmallDecoder::kProjections + attention);
  }
}
