// libFuzzer over the reader: raw bytes and, half of the time, fields of the format. scripts/fuzz builds and runs it.
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tally/engine/error.h"
#include "tally/engine/onnx/reader.h"
#include "tally/engine/onnx/tensor_proto.h"
#include "tally/engine/onnx/writer.h"
#include "tests/engine/temporary_folder.h"
#include "tests/fuzz/wire_mutation.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

using namespace tally;

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", what.c_str());
  std::abort();
}

/// Where external data lies: w.bin of 256 bytes.
const std::filesystem::path& data_folder() {
  static const test::TemporaryFolder folder;
  static const bool written = [] {
    std::ofstream(folder.path / "w.bin", std::ios::binary) << std::string(256, 'w');
    return true;
  }();
  require(written, "a data folder");
  return folder.path;
}

/// What has been read is written, and then read to be the same.
void check_round_trip(const Graph& graph, const ReadOptions& options) {
  const std::string written = to_onnx(graph);
  ReadOptions wide = options;
  wide.max_bytes = size_t{1} << 30;  // raw data takes more room than what it was decoded from
  const Graph again = read_onnx(std::as_bytes(std::span(written)), {}, wide);
  require(to_onnx(again) == written, "a graph is another one once written and read");
}

}  // namespace

/// The first byte says what the rest is: a model with or without weights, or a single tensor.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const auto bytes = std::as_bytes(std::span(data + 1, size - 1));
  ReadOptions options;
  options.weights = data[0] % 3 == 0;
  options.max_bytes = size_t{64} << 20;
  std::optional<Graph> graph;
  try {
    if (data[0] % 3 == 2)
      read_tensor_proto(bytes, options.max_bytes);
    else
      graph = read_onnx(bytes, data_folder(), options);
  } catch (const Error& error) {
    require(!error.node.empty() && !error.found.empty() && !error.required.empty(),
            std::string("incomplete error: ") + error.what());
    require(error.code == ErrorCode::model || error.code == ErrorCode::limit,
            std::string("error of a wrong kind: ") + error.what());
  }
  if (graph && options.weights) check_round_trip(*graph, options);
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  test::Dice dice(seed);
  if (size < 2 || dice.one_in(2)) return LLVMFuzzerMutate(data, size, max_size);
  const std::string bytes = test::mutate_wire({reinterpret_cast<const char*>(data + 1), size - 1}, dice);
  if (bytes.size() + 1 > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data + 1, bytes.data(), bytes.size());
  return bytes.size() + 1;
}
