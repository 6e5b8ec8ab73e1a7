#pragma once
// Corrects a machine file from profiles: ns = a · MACs + b · bytes + c a layer, by least squares of relative errors, no
// coefficient negative; overall, and for each operator with layers enough.
#include <string>
#include <vector>

#include "tally/engine/fused_rows.h"
#include "tools/machine/machine_file.h"

namespace tally::tools {

/// A layer of a profile.
struct FitRow {
  FusedRow row;
  double ns = 0;
};

/// Layers of one model, from one profile or several.
struct FitModel {
  std::string name, isa;
  int threads = 1;
  std::vector<FitRow> rows;
};

/// The layers of a document "tally.profile/1" that ran something and that ONNX nodes stand behind. Bytes are those of a
/// layer with its absorbed tensors left out, as estimates have them. Throws Error(model) naming `who`.
FitModel fit_rows(const nlohmann::ordered_json& document, const std::string& who);

/// argmin over non-negative a, b, c of Σ ((a·MACs + b·bytes + c − ns) ÷ ns)², over rows of positive ns. Exact: of the
/// eight sets of coefficients that may be positive, the one whose solution is allowed and least (Lawson and Hanson
/// 1974, ch. 23).
Correction least_squares(const std::vector<FitRow>& rows);

/// The corrections of all kinds; an operator needs `least_rows` layers for one of its own. Throws Error(model) where
/// there is no row, or profiles differ in instruction set or threads.
Fit fit_models(const std::vector<FitModel>& models, int least_rows = 5);

/// How well what some models say predicts another: each model left out in turn, or, with one model alone, each fifth of
/// its layers.
struct HeldOut {
  struct Total {
    std::string name;  ///< of the model, or of the part
    double measured_ns = 0, predicted_ns = 0, uncorrected_ns = 0;
  };
  bool by_model = true;
  std::vector<Total> totals;
  double layer_error = 0, uncorrected_layer_error = 0;  ///< medians of |predicted ÷ measured − 1| over layers
  double total_error = 0, uncorrected_total_error = 0;  ///< means of the same over totals
};
HeldOut held_out(const std::vector<FitModel>& models, const MachineFile& machine, int least_rows = 5);

nlohmann::ordered_json to_json(const HeldOut& held_out);

}  // namespace tally::tools
