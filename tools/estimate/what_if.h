#pragma once
// --what-if dtype=int8,prune=0.5,rank=0.25: what smaller variants of a model would cost, from its formulas alone.
#include "tools/output/document.h"
#include "tools/output/report.h"

namespace tally::tools {

struct WhatIf {
  int64_t width = 0;  ///< bytes of an element that is floating now; 0: as it is
  double prune = 0;   ///< share of channels, features and units taken out
  double rank = 0;  ///< of the factors of linear and convolutional weights, as a share of the full one; 0: not factored
  std::string name;  ///< as given
};

/// "dtype=int8,prune=0.5,rank=0.25": each change alone and, where there are several, all together. Throws Error(usage).
std::vector<WhatIf> parse_what_if(const std::string& text);

struct VariantCost {
  std::string name;
  int64_t params = 0, macs = 0, model_bytes = 0, bytes_compulsory = 0;
};

/// The model as it is, then each variant.
///   dtype: every floating-point tensor at this width; same MACs.
///   prune p: structured. A layer with weights gives C − ⌊p·C⌋ channels instead of C, and so do those behind it that
///     have none; graph inputs keep theirs, and so do layers whose result reaches a graph output without another layer
///     with weights on the way. MACs of Conv, Linear and recurrent layers follow both their sides, other tensors are
///     scaled as wholes.
///   rank r: a Linear [K, N] becomes [K, R] and [R, N], R = max(1, ⌊r·min(K, N)⌋); a Conv of one group [M, C, k…] one
///     of R channels with its window and a pointwise one, R = max(1, ⌊r·min(C·Πk, M)⌋); where that has fewer weights.
///     What lies between is written and read.
std::vector<VariantCost> variant_costs(const Estimate& estimate, const Graph& graph, const std::vector<WhatIf>& list);

ReportPart what_if_part(const std::vector<VariantCost>& costs);
nlohmann::ordered_json what_if_json(const std::vector<VariantCost>& costs);

}  // namespace tally::tools
