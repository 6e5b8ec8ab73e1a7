#pragma once
#include <optional>
#include <vector>

#include "tools/compare/recorded_limits.h"
#include "tools/output/markup.h"

namespace tally::tools {

/// FLOP/s that roofs allow at an intensity in FLOP/B: the least of 2 · MAC/s of the fastest compute roof and intensity
/// · B/s of the fastest memory roof. Nothing where there is neither. (Williams, Waterman, Patterson: Roofline, CACM
/// 52:4, 2009; with bytes as issued, its cache-aware form: Ilic, Pratas, Sousa, IEEE CAL 13:1, 2014.)
std::optional<double> attainable(const std::vector<RecordedRoof>& roofs, double intensity);

/// The roofline of a profile (layers as measured) or an estimate (layers where the roofs would have them), doubly
/// logarithmic: FLOP/B against GFLOP/s. `source`: whose roofs they are; where there are none, why.
void write_roofline(Markup& out, const Recording& recording, const std::vector<RecordedRoof>& roofs,
                    const std::string& source);

}  // namespace tally::tools
