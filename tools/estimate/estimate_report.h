#pragma once
#include "tools/output/document.h"
#include "tools/output/report.h"

namespace tally::tools {

/// A row a node, and the totals with what each counts.
Report estimate_report(const LoadedModel& loaded, const Estimate& estimate);
/// The document "tally.estimate/1".
nlohmann::ordered_json estimate_document(const LoadedModel& loaded, const Estimate& estimate);

}  // namespace tally::tools
