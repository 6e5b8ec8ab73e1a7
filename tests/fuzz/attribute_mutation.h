#pragma once
#include <map>
#include <string>

#include "tally/engine/graph.h"
#include "tests/fuzz/dice.h"

namespace tally::test {

/// A tensor of few elements, mostly.
Tensor random_tensor(Dice& dice);
DType random_dtype(Dice& dice);

/// Other shape, element type or values; never more than a few thousand elements.
void mutate_tensor(Tensor& tensor, Dice& dice);

/// Adds, drops or changes an attribute; bodies are left alone.
void mutate_attributes(std::map<std::string, Attribute>& attributes, Dice& dice);

}  // namespace tally::test
