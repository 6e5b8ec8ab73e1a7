#pragma once
#include <string>

#include "tally/engine/plan.h"
#include "tools/document.h"
#include "tools/screen.h"

namespace tally::tools {

/// The row of an estimate that `layer` names: by name, by position from 0, or by a prefix that only one name has. Throws
/// Error(usage) naming what is near.
size_t find_layer(const Estimate& estimate, const std::string& layer);

/// One layer's formulas with their numbers, its sizes, and what the plan makes of it, term by term.
std::string explanation_text(const LoadedModel& loaded, const Plan& plan, size_t layer, int width,
                             const Emphasis& emphasis);
nlohmann::ordered_json explanation_document(const LoadedModel& loaded, const Plan& plan, size_t layer);

}  // namespace tally::tools
