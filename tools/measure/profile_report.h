#pragma once
#include "tally/engine/profile.h"
#include "tools/measure/measured_json.h"
#include "tools/output/document.h"
#include "tools/output/report.h"

namespace tally::tools {

/// The three columns, the gap in named terms, and where every figure comes from. `every_gap`: gap terms row by row
/// however many rows there are.
Report profile_report(const LoadedModel& loaded, const Profile& profile, const MeasurementRecord& record,
                      bool every_gap);

/// The document "tally.profile/1".
nlohmann::ordered_json profile_document(const LoadedModel& loaded, const Profile& profile,
                                        const MeasurementRecord& record);

/// Measured figures of a row. Its energy is the run's by its share of the time that all rows take (`rows_ns`), an
/// estimate: sources of energy are too slow for rows.
Figures figures_of(const ProfileRow& row, const Profile& profile, double rows_ns);

/// Measured figures of a whole run.
Figures figures_of(const Profile& profile, const MeasurementRecord& record);

/// Σ of the rows' median times, in ns.
double rows_ns(const Profile& profile);

}  // namespace tally::tools
