#include "tally/engine/thread_choice.h"

namespace tally {

namespace {

/// Work that threads must save before they are worth waking (17–39 µs on the machines measured) and, once awake, before
/// a step is worth a barrier.
constexpr double kCyclesToWake = 150e3;
constexpr double kCyclesToShare = 8e3;

}  // namespace

void choose_threads(Plan& plan) {
  if (plan.threads < 2) return;
  const double share = 1.0 - 1.0 / plan.threads;
  double saved = 0;
  for (PlannedStep& planned : plan.steps) {
    const double gain = planned.step->items > 1 ? planned.step->cycles * share : 0;
    planned.parallel = gain > kCyclesToShare;
    if (planned.parallel) saved += gain;
  }
  plan.parallel = saved > kCyclesToWake;
  for (PlannedStep& planned : plan.steps) {
    planned.parallel = planned.parallel && plan.parallel;
    if (planned.parallel) plan.rows[static_cast<size_t>(planned.row)].threads = plan.threads;
  }
}

}  // namespace tally
