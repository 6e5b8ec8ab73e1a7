#pragma once
#include "tally/engine/profile.h"
#include "tools/document.h"
#include "tools/report.h"

namespace tally::tools {

/// The three columns, the gap in named terms, and where every figure comes from. `every_gap`: gap terms row by row
/// however many rows there are.
Report profile_report(const LoadedModel& loaded, const Profile& profile, bool every_gap);

/// The document "tally.profile/1".
nlohmann::ordered_json profile_document(const LoadedModel& loaded, const Profile& profile);

/// {"min", "p10", "median", "p90", "p99", "mean", "stddev", "samples"}, in ns.
nlohmann::ordered_json distribution_json(const Distribution& distribution);

}  // namespace tally::tools
