#pragma once
#include "tally/engine/layer.h"

namespace tally {

/// Opsets of ai.onnx that models may import.
inline constexpr int kOldestOpset = 1, kNewestOpset = 24;

/// All layers and rewrite rules, of layers/list.inc: what the engine is handed to load a model.
/// Its make() throws Error(model): `Conv 'c3': opset 99 must be 1 to 24`, or `Foo 'x': operator Foo of
/// domain 'com.example' at opset 3 is unknown; required: a supported operator`.
const Registry& registry();

}  // namespace tally
