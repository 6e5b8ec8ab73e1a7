#pragma once
#include <vector>

#include "tools/compare/recording.h"
#include "tools/output/markup.h"

namespace tally::tools {

/// Whether there is more than one recording of a run or an estimate.
bool comparable(const std::vector<Recording>& recordings);

/// Several recordings side by side: each as a whole, then profiles of the same model, or estimates, against the first
/// of their kind, layer by layer as `tally compare` pairs them. Nothing for a single one.
void write_comparisons(Markup& out, const std::vector<Recording>& recordings);

}  // namespace tally::tools
