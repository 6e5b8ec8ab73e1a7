#pragma once
#include <string>

#include "tally/platforms/kernel_table.h"

namespace tally::tools {

/// How a kernel works on an instruction set: what lies across lanes, its register tile, the order of its loops. Empty
/// for a kernel without a note.
std::string kernel_note(const std::string& kernel, const Geometry& geometry);

}  // namespace tally::tools
