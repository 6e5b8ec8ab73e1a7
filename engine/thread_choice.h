#pragma once
#include "tally/engine/plan.h"

namespace tally {

/// Marks the steps that run on the plan's threads: those whose work saves more than a barrier, in plans whose steps
/// together save more than waking the threads.
void choose_threads(Plan& plan);

}  // namespace tally
