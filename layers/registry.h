#pragma once
#include "tally/engine/layer.h"
#include "tally/engine/onnx/reader.h"

namespace tally {

/// The newest opset of ai.onnx that models may import: what Builder writes.
inline constexpr int kNewestOpset = kLastOpset;

/// All layers and rewrite rules, of layers/list.inc: what the engine is handed to load a model.
/// Its make() throws Error(model): `Conv 'c3': opset 99 must be 1 to 24`, or `Foo 'x': operator Foo of
/// domain 'com.example' at opset 3 is not known; must be a supported operator`.
const Registry& registry();

}  // namespace tally
