#pragma once
#include <filesystem>
#include <string>

#include "tally/engine/graph.h"

namespace tally {

/// The graph as an ONNX ModelProto: initialisers as raw_data, opsets and IR version as the graph says (IR version 0:
/// the one that its ai.onnx opset needs; at least 4, from which on initialisers need not be inputs). read_onnx() of the
/// result gives an equal graph. Throws Error(model) where a tensor has no data, Error(limit) above protobuf's 2 GiB.
std::string to_onnx(const Graph& graph);

/// Writes to_onnx(graph) to a file. Throws Error(model) naming it where that fails.
void write_onnx(const Graph& graph, const std::filesystem::path& file);

}  // namespace tally
