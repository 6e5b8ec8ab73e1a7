#pragma once
// How long a model would take on a machine that is not here: from its estimate and a machine file.
#include <string>
#include <vector>

#include "tally/engine/fused_rows.h"
#include "tools/machine/machine_file.h"
#include "tools/output/document.h"
#include "tools/output/report.h"

namespace tally::tools {

struct PredictedRow {
  FusedRow row;
  double theoretical_ns = 0;  ///< MACs ÷ peak
  double compute_ns = 0;      ///< MACs and other operations at the peak
  double weights_ns = 0;      ///< through the level that holds what an inference walks through
  double activations_ns = 0;  ///< through the level that holds what the layer walks through
  Bound weights_level = Bound::dram, activations_level = Bound::dram;
  Bound bound = Bound::compute;  ///< the longest of the three
  double ns = 0;                 ///< max(compute, weights + activations) + a call, or by the file's fit
};

struct Prediction {
  MachineFile machine;
  std::string isa;  ///< the file's fastest for fp32
  int threads = 1;
  bool fitted = false;  ///< ns come from the user's own profiles
  double macs_per_ns = 0;
  int64_t working_set = 0;  ///< bytes that an inference walks through: weights once, and activations at their peak
  std::vector<PredictedRow> rows;
  double ns = 0, theoretical_ns = 0;  ///< sums
};

/// Throws Error(model) where the file has no peak for fp32. `peak_activation_bytes`: of the estimate.
Prediction predict(const std::vector<FusedRow>& rows, int64_t peak_activation_bytes, const MachineFile& machine,
                   int threads);

/// Parts and notes for an estimate's report; "prediction" for its document.
void add_prediction(Report& report, const Prediction& prediction);
void add_prediction(nlohmann::ordered_json& document, const Prediction& prediction);

}  // namespace tally::tools
