#pragma once
// The machine files in tools/machine/shipped, which CMake puts into the program.
#include <span>
#include <string_view>

namespace tally::tools {

struct ShippedMachine {
  std::string_view name, json;
};
std::span<const ShippedMachine> shipped_machine_list();

}  // namespace tally::tools
