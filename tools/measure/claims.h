#pragma once
#include <string>

#include "tally/engine/context.h"

namespace tally::tools {

/// The claim of a marked section (tools/qemu/judge.py): what one run counted, and where its buffers lie, as a line of
/// JSON. `section`: how many marked sections come before it.
std::string claim_line(const Context& context, const std::string& name, const RunRecord& counted, int64_t section);

}  // namespace tally::tools
