#pragma once
#include <vector>

#include "tally/layers/operator_facts.h"
#include "tools/output/report.h"

namespace tally::tools {

/// The operators as a table and those out of scope, of no machine in particular: what docs/operators.md holds.
Report operators_report(const std::vector<OperatorFacts>& operators);
nlohmann::ordered_json operators_document(const std::vector<OperatorFacts>& operators, std::span<const Isa> isas);

}  // namespace tally::tools
