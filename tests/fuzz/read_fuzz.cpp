// libFuzzer over the reader. Build and run (see also corpus.cpp):
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined … tests/fuzz/read_fuzz.cpp <engine> -o read_fuzz
//   read_fuzz -max_len=65536 CORPUS
#include <cstddef>
#include <cstdint>

#include "tally/engine/error.h"
#include "tally/engine/onnx/reader.h"
#include "tally/engine/onnx/tensor_proto.h"
#include "tally/engine/onnx/writer.h"

/// The first byte says what the rest is: a model with or without weights, or a single tensor.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  constexpr size_t kMaxBytes = size_t{64} << 20;
  try {
    if (data[0] % 3 == 2) {
      tally::read_tensor_proto(bytes, kMaxBytes);
    } else {
      tally::ReadOptions options;
      options.weights = data[0] % 3 == 0;
      options.max_bytes = kMaxBytes;
      const tally::Graph graph = tally::read_onnx(bytes, {}, options);
      tally::to_onnx(graph);
    }
  } catch (const tally::Error&) {}
  return 0;
}
