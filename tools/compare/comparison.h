#pragma once
#include <optional>
#include <string>
#include <vector>

#include "tools/compare/alignment.h"
#include "tools/output/document.h"
#include "tools/output/report.h"

namespace tally::tools {

/// One quantity of two sides. Integers stay integers; a time has an interval where its document tells one.
struct ComparedFigure {
  std::string key;  ///< "ns", "lane_macs", "params"
  Cell a, b;
  /// Of times: whether the intervals lie apart, so that the difference is more than noise; nothing where there are
  /// none.
  std::optional<bool> apart;

  std::optional<double> value_a() const;
  std::optional<double> value_b() const;
  /// b ÷ a; nothing where one is missing or a is not positive.
  std::optional<double> ratio() const;
  /// b − a, as an integer where both are.
  Cell difference() const;
};

struct ComparedLayer {
  LayerPair pair;
  std::string name_a, name_b, op;
  std::vector<ComparedFigure> figures;
};

/// Two documents of one kind side by side.
struct Comparison {
  Recording a, b;
  std::vector<ComparedLayer> layers;
  std::vector<ComparedFigure> totals;
  std::vector<std::string> warnings;  ///< what makes the two hard to compare: other machines, other inputs
};

/// Throws Error(model) where the two are not of one kind, or of one that has nothing to compare.
Comparison compare(Recording a, Recording b);

const ComparedFigure* figure_of(const std::vector<ComparedFigure>& figures, std::string_view key);

/// What b costs more than a beyond `percent`, in words, one a line: of times those whose intervals are not known to
/// overlap; of estimates params, macs, bytes_compulsory and peak_activation_bytes. `layers`: of each layer's time, or
/// MACs, as well as of the whole.
std::vector<std::string> excesses(const Comparison& comparison, double percent, bool layers);

Report comparison_report(const Comparison& comparison);

/// The document "tally.compare/1".
nlohmann::ordered_json comparison_document(const Comparison& comparison, const std::vector<std::string>& excesses);

}  // namespace tally::tools
