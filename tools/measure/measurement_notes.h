#pragma once
#include <string>
#include <vector>

#include "tools/measure/measured_json.h"

namespace tally::tools {

/// Lines beneath a table of measured figures: repeatability (first what made the machine unfit, if anything), cycles
/// and other counters, energy; what could not be had with its reason. `whole`: the times that `run`, the figures of
/// one run, come from.
std::vector<std::string> measurement_notes(const MeasurementRecord& record, const Distribution& whole,
                                           const Figures& run);

}  // namespace tally::tools
