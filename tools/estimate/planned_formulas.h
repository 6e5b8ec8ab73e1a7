#pragma once
// Where the counts of a plan's row come from: the loops of its steps, and a formula with its numbers for each part of
// the planned tally and each term of the gap.
#include <vector>

#include "tally/engine/plan.h"

namespace tally::tools {

/// Loops of the row's steps, with what their kernels know of their parts.
std::vector<LoopNest> nests_of(const Plan& plan, const PlanRow& row);

/// Parts of the planned tally, step by step, then the terms of the gap that follow from them. Every term that is not 0
/// has a formula: where a step tells none of a part, its planned figure stands for it, and what no part tells (what
/// moves around the bodies of a Loop) is what the other terms leave.
std::vector<Formula> planned_formulas(const Plan& plan, const PlanRow& row);

}  // namespace tally::tools
