#pragma once
#include "tools/compare/recording.h"
#include "tools/output/markup.h"

namespace tally::tools {

/// How the latencies of a bench are distributed, with its percentiles; only these where the document has no histogram.
void write_histogram(Markup& out, const Recording& bench);

}  // namespace tally::tools
