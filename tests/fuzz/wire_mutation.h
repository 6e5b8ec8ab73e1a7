#pragma once
#include <string>
#include <string_view>

#include "tests/fuzz/dice.h"

namespace tally::test {

/// Changes a ModelProto field by field: fields are dropped, doubled, copied to where others of their kind stand,
/// numbers and strings changed, wire types confused, tensors moved to other files. Bytes that are no protobuf stay as
/// they are, as the content of the field in which they were found.
std::string mutate_wire(std::string_view model, Dice& dice);

}  // namespace tally::test
