#pragma once
#include "tally/engine/plan.h"

namespace tally {

/// Marks the steps that plan.threads threads run together: those that gain more than a barrier costs, and none where all
/// of them save less than it takes to wake the threads.
void share_work(Plan& plan);

}  // namespace tally
