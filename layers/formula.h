#pragma once
// Cost formulas that are products of extents: symbols, numbers and value from one list.
#include <initializer_list>
#include <span>
#include <string>

#include "tally/engine/cost.h"

namespace tally {

struct Factor {
  const char* symbol;
  int64_t value;
};

/// `quantity = N·M·K = 1·6·25 = 150`. Throws Error(limit) naming `who` where the product exceeds 63 bits.
Formula product(const std::string& who, std::string quantity, std::initializer_list<Factor> factors);
Formula product(const std::string& who, std::string quantity, std::span<const Factor> factors);

}  // namespace tally
