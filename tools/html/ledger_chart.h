#pragma once
#include "tools/compare/recording.h"
#include "tools/output/markup.h"

namespace tally::tools {

/// A ledger of time steps: time, executed MACs, bytes moved and state of every step, and the sequence at once beside
/// the sum of its steps.
void write_ledger(Markup& out, const Recording& ledger);

}  // namespace tally::tools
