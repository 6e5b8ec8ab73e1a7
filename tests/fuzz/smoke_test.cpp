// Mutated models of fixed seeds, so that a failure repeats: the mutations and promises of tests/fuzz/targets, where
// coverage leads. TALLY_FUZZ_ROUNDS sets how many.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tally/engine/error.h"
#include "tally/engine/onnx/reader.h"
#include "tally/engine/onnx/writer.h"
#include "tests/fuzz/graph_mutation.h"
#include "tests/fuzz/model_check.h"
#include "tests/fuzz/seeds.h"
#include "tests/fuzz/wire_mutation.h"

using namespace tally;
using namespace tally::test;

namespace {

int rounds() {
  const char* asked = std::getenv("TALLY_FUZZ_ROUNDS");
  return asked != nullptr && *asked != '\0' ? std::atoi(asked) : 4000;
}

/// Empty, or the promise that the model breaks.
std::string broken_promise(const std::string& bytes, Reached& reached) {
  try {
    reached = check_model(std::as_bytes(std::span(bytes)));
    return {};
  } catch (const BrokenPromise& broken) {
    return broken.what;
  } catch (const std::exception& other) {
    return std::string("another exception: ") + other.what();
  }
}

/// A model of its own, so that it can be tried again with `tally run`.
std::filesystem::path kept(const std::string& bytes, int round) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("tally_broken_" + std::to_string(round) + ".onnx");
  std::ofstream(file, std::ios::binary) << bytes;
  return file;
}

}  // namespace

TEST_CASE("fuzz: seeds and their mutations keep the promises") {
  std::vector<std::string> models;
  std::vector<Graph> graphs;
  Specimens specimens;
  for (const Seed& seed : seed_models()) {
    CAPTURE(seed.name);
    Reached reached = Reached::refused;
    CHECK_MESSAGE(broken_promise(seed.bytes, reached).empty(), broken_promise(seed.bytes, reached));
    models.push_back(seed.bytes);
    try {
      graphs.push_back(read_onnx(std::as_bytes(std::span(seed.bytes))));
      specimens.learn(graphs.back());
    } catch (const Error&) {  // one of the hostile
    }
  }
  int ran = 0, refused = 0;
  for (int round = 0; round < rounds(); ++round) {
    Dice dice(static_cast<uint32_t>(round));
    Graph graph = dice.of(graphs);
    if (dice.one_in(8)) splice_graph(graph, dice.of(graphs), dice);
    mutate_graph(graph, specimens, dice);
    const std::string bytes = dice.one_in(8) ? mutate_wire(dice.of(models), dice) : to_onnx(graph);
    Reached reached = Reached::refused;
    const std::string broken = broken_promise(bytes, reached);
    if (!broken.empty()) FAIL_CHECK("round " << round << ": " << broken << "; " << kept(bytes, round).string());
    ++(reached == Reached::ran ? ran : refused);
  }
  MESSAGE(models.size() << " seeds; of their mutations " << ran << " ran, " << refused << " were refused");
  CHECK(ran > rounds() / 20);
  CHECK(refused > rounds() / 20);
}
