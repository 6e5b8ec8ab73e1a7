#pragma once
#include "tools/compare/recording.h"
#include "tools/output/markup.h"

namespace tally::tools {

/// Why executed differs from ideal: the named terms of lanes, loaded and stored bytes, summed over the layers, to the
/// left of the middle where they save; then every term of every layer in figures. Nothing where there is no gap.
void write_gap_chart(Markup& out, const Recording& profile);

}  // namespace tally::tools
