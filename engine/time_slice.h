#pragma once
#include <memory>

#include "tally/engine/layer.h"

namespace tally {

/// The layer that gives a streamed graph this step's slice of a constant: y = table[…, position, …] along `axis`, with
/// extent 1. Positions beyond the table read its last slice.
std::unique_ptr<Layer> make_time_slice(const std::string& table, int axis);

}  // namespace tally
