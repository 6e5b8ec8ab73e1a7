#pragma once
// --as NAME: the number that another tool would print for a model, and the terms by which it differs from ours.
#include "tools/estimate/counting_rules.h"
#include "tools/output/document.h"
#include "tools/output/report.h"

namespace tally::tools {

/// fvcore, thop, flopco, ptflops, torchinfo, onnx-tool.
std::span<const CountingTool> counting_tools();

struct ToolCount {
  const CountingTool* tool = nullptr;
  int64_t macs = 0;                  ///< ours
  std::vector<TermSums::Sum> terms;  ///< printed = macs + their sum, exactly
  int64_t printed = 0;
};

/// Throws Error(usage) naming the tools where `name` is none, Error(limit) where its number exceeds 63 bits.
ToolCount count_as(const std::string& name, const Estimate& estimate, const Graph& graph);

/// The same of several; "all" stands for every tool.
std::vector<ToolCount> counts_as(const std::vector<std::string>& names, const Estimate& estimate, const Graph& graph);

/// Their numbers side by side.
ReportPart counting_summary_part(const std::vector<ToolCount>& counts);
/// From our MACs to the tool's number, a term a line.
ReportPart counting_part(const ToolCount& count);
nlohmann::ordered_json counting_json(const ToolCount& count);

}  // namespace tally::tools
