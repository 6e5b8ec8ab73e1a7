#pragma once
#include <filesystem>
#include <span>

#include "tally/engine/model.h"

namespace tally {

/// A model with all layers at hand: what users load.
///   auto model = tally::Model::load("lenet5.onnx", {.threads = 1});
class Model : public CompiledModel {
 public:
  /// Reads an ONNX file. Throws Error naming the node, the value found and the value required.
  static Model load(const std::filesystem::path& file, LoadOptions options = {});
  /// From bytes of an ONNX file; external data is refused.
  static Model parse(std::span<const std::byte> bytes, LoadOptions options = {});
  /// From a graph made by Builder.
  explicit Model(Graph graph, LoadOptions options = {});
};

/// Analytic costs of a model whose inputs are fully declared; never executes.
inline Estimate estimate(const CompiledModel& model) { return model.estimate(); }

}  // namespace tally
