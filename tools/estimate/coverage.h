#pragma once
// Which nodes' costs are exact, approximate, free by convention or unknown, and why.
#include "tools/output/document.h"
#include "tools/output/report.h"

namespace tally::tools {

/// "exact", "approximate", "free" or "unknown".
std::string_view name_of(Coverage coverage);

/// Why a row's cost is known as it is: the reason where there is one, else where its formula comes from.
std::string why_covered(const NodeEstimate& row);

/// Nodes of one operator whose costs are known in the same way for the same reason.
struct CoverageEntry {
  Coverage coverage = Coverage::exact;
  std::string op, why;  ///< why: the reason, or where the formula comes from
  int64_t layers = 0, macs = 0;
  std::string first;  ///< the first of them
};

/// Unknown ones first, then approximate, exact, free; within each in order of appearance.
std::vector<CoverageEntry> coverage_ledger(const Estimate& estimate);

/// "14 exact, 2 free".
std::string coverage_text(const Estimate& estimate);

ReportPart coverage_part(const std::vector<CoverageEntry>& ledger);
/// Nodes by coverage, and the ledger.
nlohmann::ordered_json coverage_json(const std::vector<CoverageEntry>& ledger);

}  // namespace tally::tools
