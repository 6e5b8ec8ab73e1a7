#pragma once
#include "tally/engine/preparation.h"

namespace tally {

/// Appends the normalisation by plain loops in double: any real types, parameters that broadcast to the normalised
/// extents `row` (empty: one a run, as `args` says), empty rows.
void add_host_row_norm(Preparation& preparation, const RowNormArgs& args, bool has_bias, const Shape& row);

}  // namespace tally
