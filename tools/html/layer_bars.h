#pragma once
#include "tools/compare/recording.h"
#include "tools/output/markup.h"

namespace tally::tools {

/// A bar a quantity (ideal MACs, executed lanes, bytes, time), each stacked of its layers' shares: where they differ, a
/// layer costs more, or less, than its arithmetic.
void write_share_bars(Markup& out, const Recording& recording);

/// A row a layer: its quantities side by side, each on a scale of its own. Of a profile: ideal and executed MACs, the
/// latter split into used products and padding lanes; ideal and moved bytes; time, split at what its roof allows. Of an
/// estimate: parameters, MACs, bytes. Layers beyond the first forty by weight are in the table only, which follows.
void write_layer_bars(Markup& out, const Recording& recording);

/// The layers in figures.
void write_layer_table(Markup& out, const Recording& recording);

}  // namespace tally::tools
