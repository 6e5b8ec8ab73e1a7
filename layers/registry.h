#pragma once
#include <span>
#include <string_view>

#include "tally/engine/layer.h"
#include "tally/engine/opsets.h"

namespace tally {

/// The newest opset of ai.onnx that models may import: what Builder writes.
inline constexpr int kNewestOpset = kLastOpset;

/// All layers and rewrite rules, of layers/list.inc: what the engine is handed to load a model.
/// Its make() throws Error(model): `Conv 'c3': opset 99 must be 1 to 24`, or `Foo 'x': operator Foo of
/// domain 'com.example' at opset 3 is not known; must be a supported operator`, or `SequenceAt 's': an operator of
/// ai.onnx; must be for inference on tensors (out of scope: sequences)`.
const Registry& registry();

/// An operator of ai.onnx, and the opsets of the models that may use it.
struct SupportedOperator {
  std::string_view op;
  int first_opset, last_opset;
};
/// Those of layers/list.inc, in its order.
std::span<const SupportedOperator> supported_operators();

/// An operator of ai.onnx that does more than inference on tensors, and with what: "sequences", "training".
struct ExcludedOperator {
  std::string_view op, reason;
};
/// Those of layers/out_of_scope.inc, in its order.
std::span<const ExcludedOperator> excluded_operators();

/// Why an operator is out of scope, whole domains for training among them; empty: it is not.
std::string_view out_of_scope(std::string_view domain, std::string_view op);

}  // namespace tally
