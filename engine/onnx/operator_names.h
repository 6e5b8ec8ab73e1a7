#pragma once
#include <cstddef>
#include <filesystem>
#include <set>
#include <string>

namespace tally {

struct OperatorName {
  std::string domain;  ///< "" for ai.onnx
  std::string op;
  /// "Conv", "com.example.Foo".
  std::string text() const { return domain.empty() ? op : domain + "." + op; }
  auto operator<=>(const OperatorName&) const = default;
};

/// The operators that an ONNX model names, in bodies and in the model's own functions too (whose own names are left
/// out), whatever else is wrong with it or not supported. Throws Error(model) where the bytes are no model,
/// Error(limit) where the file has more than max_bytes or nests graphs too deep.
std::set<OperatorName> operator_names(const std::filesystem::path& file, size_t max_bytes);

}  // namespace tally
