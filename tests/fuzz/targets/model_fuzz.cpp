// libFuzzer over whole models: ONNX files are decoded, their graphs changed, and written back, so that most of what is
// tried gets past the reader. See model_check.h for what must hold. scripts/fuzz builds and runs it.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tally/engine/error.h"
#include "tally/engine/onnx/reader.h"
#include "tally/engine/onnx/writer.h"
#include "tests/fuzz/graph_mutation.h"
#include "tests/fuzz/model_check.h"
#include "tests/fuzz/wire_mutation.h"

namespace {

using namespace tally;
using namespace tally::test;

Specimens& specimens() {
  static Specimens all;
  return all;
}

/// The graph of an input, remembered for its nodes; nothing where it cannot be read.
std::optional<Graph> read_graph(const uint8_t* data, size_t size) {
  try {
    ReadOptions options;
    options.max_bytes = size_t{16} << 20;
    Graph graph = read_onnx(std::as_bytes(std::span(data, size)), {}, options);
    specimens().learn(graph);
    return graph;
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// Writes `bytes` over `data`; 0 where they do not fit.
size_t put(const std::string& bytes, uint8_t* data, size_t max_size) {
  if (bytes.size() > max_size) return 0;
  std::memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}

size_t mutated_wire(uint8_t* data, size_t size, size_t max_size, Dice& dice) {
  const size_t written = put(mutate_wire({reinterpret_cast<const char*>(data), size}, dice), data, max_size);
  return written > 0 ? written : size;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    check_model(std::as_bytes(std::span(data, size)));
  } catch (const BrokenPromise& broken) {
    std::fprintf(stderr, "broken promise: %s\n", broken.what.c_str());
    std::abort();
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Dice dice(seed);
  if (dice.one_in(8)) return mutated_wire(data, size, max_size, dice);
  std::optional<Graph> graph = read_graph(data, size);
  if (!graph) return mutated_wire(data, size, max_size, dice);
  mutate_graph(*graph, specimens(), dice);
  try {
    if (const size_t written = put(to_onnx(*graph), data, max_size)) return written;
  } catch (const Error&) {  // a tensor without data
  }
  return mutated_wire(data, size, max_size, dice);
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* data1, size_t size1, const uint8_t* data2, size_t size2,
                                            uint8_t* out, size_t max_size, unsigned seed) {
  Dice dice(seed);
  std::optional<Graph> graph = read_graph(data1, size1), other = read_graph(data2, size2);
  if (!graph || !other) return 0;
  splice_graph(*graph, *other, dice);
  if (dice.one_in(2)) mutate_graph(*graph, specimens(), dice);
  try {
    return put(to_onnx(*graph), out, max_size);
  } catch (const Error&) {
    return 0;
  }
}
