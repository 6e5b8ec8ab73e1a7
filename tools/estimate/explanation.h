#pragma once
#include <string>

#include "tally/engine/plan.h"
#include "tools/output/document.h"
#include "tools/output/report.h"
#include "tools/output/screen.h"

namespace tally::tools {

/// The row of an estimate that `layer` names: by name, by position from 0, or by a beginning, a component ("conv1" of
/// /conv1/Conv) or another part that only one name has. Throws Error(usage) naming what is near.
size_t find_layer(const Estimate& estimate, const std::string& layer);

/// One layer's formulas with their numbers, its sizes, and what the plan makes of it, term by term.
std::string explanation_text(const LoadedModel& loaded, const Plan& plan, size_t layer, int width,
                             const Emphasis& emphasis);
/// The same as tables, for CSV: formulas, figures, and the plan's sums term by term.
Report explanation_report(const LoadedModel& loaded, const Plan& plan, size_t layer);
nlohmann::ordered_json explanation_document(const LoadedModel& loaded, const Plan& plan, size_t layer);

}  // namespace tally::tools
