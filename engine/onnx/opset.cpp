#include "tally/engine/onnx/opset.h"

#include <algorithm>
#include <iterator>

#include "tally/engine/error.h"
#include "tally/engine/onnx/reader.h"

namespace tally::onnx {
namespace {

struct Change {
  const char* op;
  int version;
};

/// The last change of each operator up to version 6, where it is not its first (ONNX, docs/Changelog.md).
constexpr Change kChanges[] = {
    {"Abs", 6},
    {"Add", 6},
    {"BatchNormalization", 6},
    {"Cast", 6},
    {"Ceil", 6},
    {"Clip", 6},
    {"Concat", 4},
    {"Div", 6},
    {"Dropout", 6},
    {"Elu", 6},
    {"Exp", 6},
    {"Floor", 6},
    {"GRU", 3},
    {"Gemm", 6},
    {"GlobalLpPool", 2},
    {"HardSigmoid", 6},
    {"InstanceNormalization", 6},
    {"LeakyRelu", 6},
    {"Log", 6},
    {"LpPool", 2},
    {"Max", 6},
    {"Mean", 6},
    {"Min", 6},
    {"Mul", 6},
    {"Neg", 6},
    {"PRelu", 6},
    {"Pad", 2},
    {"Reciprocal", 6},
    {"Relu", 6},
    {"Reshape", 5},
    {"Selu", 6},
    {"Sigmoid", 6},
    {"Split", 2},
    {"Sqrt", 6},
    {"Sub", 6},
    {"Sum", 6},
    {"Tanh", 6},
    {"Tile", 6},
};

}  // namespace

void check_import(const std::string& domain, int64_t version) {
  const bool fits = domain.empty() ? version >= 1 && version <= kLastOpset : version >= 1 && version <= INT32_MAX;
  if (fits) return;
  if (domain.empty()) fail("model", text("ai.onnx opset ", version), text("must be 1 to ", kLastOpset));
  fail("model", text("opset ", version, " of ", domain), "must be at least 1");
}

void check_operator_version(const std::string& op, int version) {
  if (version >= kFirstOpset) return;
  if (version < 1) fail("", "an operator of ai.onnx", "must have its opset imported");
  const auto* change =
      std::find_if(std::begin(kChanges), std::end(kChanges), [&](const Change& c) { return op == c.op; });
  if (change != std::end(kChanges) && change->version > version)
    fail("", text("ai.onnx opset ", version),
         text("must be ", change->version, " to ", kLastOpset, ": before, ", op, " meant something else"));
}

}  // namespace tally::onnx
