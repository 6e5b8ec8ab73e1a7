#pragma once
#include "tally/engine/plan.h"

namespace tally {

/// What a plan row moves in any case: its data inputs and outputs once each, tensors between absorbed nodes left out.
struct MovedBytes {
  int64_t read = 0, written = 0;
  int64_t padding_macs = 0;  ///< products that fall on padding, which ideal.macs counts
  int64_t masked_macs = 0;   ///< products that a causal mask makes void, which ideal.macs counts
};

/// executed − ideal of a row by cause, from its planned tally. The terms of each sum exactly:
///   macs          lane_padding + k_padding + tile_padding − padding_taps_skipped − causal_skipped − steps_skipped
///                 − gates_skipped − host_products
///   bytes_loaded  rereads of activations and weights + partial sums + state + scratch − what fusion saves
///   bytes_stored  layout padding + partial sums + state + scratch − what fusion saves
Gap explain_gap(const PlanRow& row, const MovedBytes& moved);

/// How each term of a row's gap follows from its planned tally and its ideal cost: `value` is the term, `quantity`
/// "loaded weight_rereads" and the like, or the bare name of a term of macs. Terms that are a part of the planned tally
/// by themselves (lane_padding, state …) are left out.
std::vector<Formula> gap_formulas(const PlanRow& row);

}  // namespace tally
