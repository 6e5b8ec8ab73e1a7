#pragma once
#include "tally/engine/layer.h"

namespace tally {

/// True where operand `input` is given; negative ones never are.
inline bool has_operand(Operands in, int input) {
  return input >= 0 && static_cast<size_t>(input) < in.size() && in[static_cast<size_t>(input)].present;
}

}  // namespace tally
