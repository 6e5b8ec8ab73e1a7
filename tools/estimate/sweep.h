#pragma once
// --sweep NAME=1,8,64: one model estimated at several extents.
#include "tools/output/document.h"
#include "tools/output/report.h"

namespace tally::tools {

/// One swept extent and the values that it takes.
struct SweepAxis {
  std::string name;  ///< as given: a symbolic dimension, "batch", or INPUT.AXIS
  std::vector<int64_t> values;
};

struct SweepPoint {
  std::vector<int64_t> values;  ///< one an axis
  EstimateTotals totals;
};

/// Figures that a sweep shows, and that --plot may draw.
std::vector<std::string> sweep_figures();

/// "batch=1,8,64". Throws Error(usage) naming --sweep.
std::vector<SweepAxis> parse_sweep(const std::vector<std::string>& items);

/// Estimates of `graph` for every combination of values. An axis is a symbolic dimension of an input; where no input
/// has one of this name, "batch" is the leading extent of every input, and INPUT.AXIS one extent of one input. Throws
/// Error(usage) where it is none of these, and what typing throws where the graph does not fit the extents, naming the
/// point.
std::vector<SweepPoint> run_sweep(const Graph& graph, const LoadOptions& options, const std::vector<SweepAxis>& axes);

/// The points as a table and, where `plot` names a figure, as bars.
std::vector<ReportPart> sweep_parts(const std::vector<SweepAxis>& axes, const std::vector<SweepPoint>& points,
                                    const std::string& plot);
nlohmann::ordered_json sweep_json(const std::vector<SweepAxis>& axes, const std::vector<SweepPoint>& points);

}  // namespace tally::tools
