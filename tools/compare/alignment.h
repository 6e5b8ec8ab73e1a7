#pragma once
#include <string_view>
#include <vector>

#include "tools/compare/recording.h"

namespace tally::tools {

enum class Match {
  name,    ///< they share an ONNX node
  order,   ///< renamed: the same operator at the same place
  only_a,  ///< without a counterpart
  only_b,
};
std::string_view name_of(Match match);

/// Layers that stand for the same work: several of one side where the other absorbed what this one ran apart.
struct LayerPair {
  std::vector<size_t> a, b;  ///< positions
  Match match = Match::name;
};

/// Which layers of `a` are which of `b`; every layer is in exactly one pair, and pairs follow a's order, layers of b
/// alone their predecessors in b. Two rows belong together that share an ONNX node; where a name occurs more than once
/// in a model, its k-th occurrence here is the k-th there. What is left pairs, in order, by operator and output shape
/// between the same neighbours, then by operator between the same neighbours, then by operator and shape anywhere.
std::vector<LayerPair> align(const std::vector<RecordedLayer>& a, const std::vector<RecordedLayer>& b);

}  // namespace tally::tools
