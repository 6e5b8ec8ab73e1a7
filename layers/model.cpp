#include "tally/layers/model.h"

#include "tally/engine/onnx/reader.h"
#include "tally/layers/registry.h"

namespace tally {

namespace {

ReadOptions reading(const LoadOptions& options) {
  ReadOptions read;
  read.weights = options.weights;
  read.max_bytes = options.max_memory;
  return read;
}

}  // namespace

Model Model::load(const std::filesystem::path& file, LoadOptions options) {
  Graph graph = read_onnx(file, reading(options));
  return Model(std::move(graph), std::move(options));
}

Model Model::parse(std::span<const std::byte> bytes, LoadOptions options) {
  Graph graph = read_onnx(bytes, {}, reading(options));
  return Model(std::move(graph), std::move(options));
}

Model::Model(Graph graph, LoadOptions options) : CompiledModel(std::move(graph), registry(), std::move(options)) {}

}  // namespace tally
