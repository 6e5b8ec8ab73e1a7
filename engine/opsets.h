#pragma once

namespace tally {

/// ai.onnx versions that models are taken in. An older import is taken where every operator of the model means the same
/// in version 6. Other domains are not checked by the reader; their nodes fail when their layers are made.
inline constexpr int kFirstOpset = 6, kLastOpset = 24;

}  // namespace tally
