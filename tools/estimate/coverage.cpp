#include "tools/estimate/coverage.h"

#include <algorithm>
#include <map>

#include "nlohmann/json.hpp"
#include "tools/output/formatted.h"

namespace tally::tools {

namespace {

constexpr Coverage kOrder[] = {Coverage::unknown, Coverage::approximate, Coverage::exact, Coverage::free};

int64_t layers_of(const std::vector<CoverageEntry>& ledger, Coverage coverage) {
  int64_t layers = 0;
  for (const CoverageEntry& entry : ledger) layers += entry.coverage == coverage ? entry.layers : 0;
  return layers;
}

}  // namespace

std::string_view name_of(Coverage coverage) {
  switch (coverage) {
    case Coverage::exact:
      return "exact";
    case Coverage::approximate:
      return "approximate";
    case Coverage::free:
      return "free";
    case Coverage::unknown:
      break;
  }
  return "unknown";
}

std::string why_covered(const NodeEstimate& row) {
  if (!row.cost.reason.empty()) return row.cost.reason;
  return row.cost.view ? "a view: moves no data" : row.cost.source;
}

std::vector<CoverageEntry> coverage_ledger(const Estimate& estimate) {
  std::vector<CoverageEntry> ledger;
  for (const Coverage coverage : kOrder) {
    std::map<std::pair<std::string, std::string>, size_t> places;
    for (const NodeEstimate& row : estimate.layers) {
      if (row.cost.coverage != coverage) continue;
      const auto [it, is_new] = places.try_emplace({row.op, why_covered(row)}, ledger.size());
      if (is_new) ledger.push_back({coverage, row.op, it->first.second, 0, 0, row.name});
      ++ledger[it->second].layers;
      ledger[it->second].macs += row.cost.macs;
    }
  }
  return ledger;
}

std::string coverage_text(const Estimate& estimate) {
  const std::vector<CoverageEntry> ledger = coverage_ledger(estimate);
  std::string text;
  for (const Coverage coverage : {Coverage::exact, Coverage::approximate, Coverage::free, Coverage::unknown})
    if (const int64_t layers = layers_of(ledger, coverage); layers > 0)
      text += formatted("{}{} {}", text.empty() ? "" : ", ", layers, name_of(coverage));
  return text;
}

ReportPart coverage_part(const std::vector<CoverageEntry>& ledger) {
  Table table;
  table.columns = {{"coverage", "coverage"},
                   {"op", "operator"},
                   {"layers", "layers", Unit::count},
                   {"macs", "MACs", Unit::count},
                   {"first", "first", Unit::path, "", 12, 1},
                   {"why", "why", Unit::text, "", 24}};
  table.columns.back().wraps = true;
  for (const CoverageEntry& entry : ledger)
    table.rows.push_back({std::string(name_of(entry.coverage)), entry.op, entry.layers,
                          entry.coverage == Coverage::unknown ? Cell() : Cell(entry.macs), entry.first, entry.why});
  return {"Coverage", std::move(table)};
}

nlohmann::ordered_json coverage_json(const std::vector<CoverageEntry>& ledger) {
  nlohmann::ordered_json json;
  for (const Coverage coverage : {Coverage::exact, Coverage::approximate, Coverage::free, Coverage::unknown})
    json[std::string(name_of(coverage))] = layers_of(ledger, coverage);
  json["ledger"] = nlohmann::ordered_json::array();
  for (const CoverageEntry& entry : ledger)
    json["ledger"].push_back({{"coverage", name_of(entry.coverage)},
                              {"op", entry.op},
                              {"layers", entry.layers},
                              {"first", entry.first},
                              {"why", entry.why}});
  return json;
}

}  // namespace tally::tools
