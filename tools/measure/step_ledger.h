#pragma once
#include "tally/engine/profile.h"
#include "tools/measure/measurement.h"
#include "tools/output/document.h"
#include "tools/output/report.h"

namespace tally::tools {

/// What each time step of a streamed model cost, and the same sequence in one run where that is possible.
struct StepLedger {
  std::shared_ptr<const Plan> plan;  ///< of one step
  std::vector<StepFigures> steps;
  int64_t kept_bytes = 0;    ///< state of constant size
  int64_t growth_bytes = 0;  ///< what a step adds to caches
  Tally whole;               ///< executed by one run over the whole sequence
  Distribution whole_ns;
  MeasurementRecord record;  ///< of the steps

  /// Bytes of state after step k.
  int64_t state_bytes(size_t k) const { return kept_bytes + growth_bytes * static_cast<int64_t>(k + 1); }
};

/// `step`: the model loaded with `stream`; `whole`: without. Throws Error(usage) where hardware counters are demanded:
/// they are not read step by step.
StepLedger make_ledger(const LoadedModel& step, const LoadedModel& whole, const InputOptions& inputs,
                       const ProfileOptions& options, const MeasuringOptions& measuring);

Report ledger_report(const LoadedModel& loaded, const StepLedger& ledger);

/// The document "tally.ledger/1".
nlohmann::ordered_json ledger_document(const LoadedModel& loaded, const StepLedger& ledger);

}  // namespace tally::tools
