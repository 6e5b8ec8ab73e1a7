#pragma once
#include <cstddef>
#include <filesystem>
#include <set>
#include <span>
#include <string>

#include "tally/engine/graph.h"
#include "tally/engine/opsets.h"

namespace tally {

struct ReadOptions {
  /// False: tensors of more than kSmallTensor elements keep type and shape only, as do those whose values are left out
  /// of the file, and no external file is opened. What the model file says of them is checked all the same.
  bool weights = true;
  static constexpr int64_t kSmallTensor = 4096;
  /// Bound of what reading may allocate: the file's bytes, tensors and the graph itself.
  size_t max_bytes = size_t{2} << 30;
  /// Where not null: the places of external data, as the model names them below its folder, are added.
  std::set<std::string>* external_files = nullptr;
};

/// The graph of an ONNX model: nodes in topological order, Constant nodes and sparse tensors as initialisers, calls of
/// the model's own functions replaced by their bodies, inputs without those that are initialised. The bytes are not
/// trusted: whatever they hold, the call ends with a graph or with Error(model) or Error(limit) naming node, value
/// found and value required, in time and memory linear in their length (inlined functions and sparse tensors: in
/// max_bytes). External data must lie in the model's folder. Thread-safe.
Graph read_onnx(const std::filesystem::path& file, const ReadOptions& options = {});

/// The same from memory; `folder` is where external data lies, empty to refuse it.
Graph read_onnx(std::span<const std::byte> bytes, const std::filesystem::path& folder = {},
                const ReadOptions& options = {});

}  // namespace tally
