#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace tally::onnx {

/// Checks an imported ai.onnx version against those that the reader takes: kLastOpset at most. Throws Error(model).
void check_import(const std::string& domain, int64_t version);

/// Checks that `op` of ai.onnx `version` means what it means in kFirstOpset. Throws Error(model) without a node.
void check_operator_version(const std::string& op, int version);

}  // namespace tally::onnx
