#pragma once
#include <memory>
#include <string>

#include "tally/engine/layer.h"

namespace tally {

/// Throws Error(model) naming `who` where Dropout is to train: training_mode true, unless its ratio is 0.
void check_dropout(const std::string& who, Operands in);

/// The layer of a Dropout whose mask is wanted too.
std::unique_ptr<Layer> make_dropout_mask(const Node& node);

}  // namespace tally
