#include "tools/estimate/scopes.h"

#include <algorithm>
#include <map>

#include "nlohmann/json.hpp"

namespace tally::tools {

namespace {

struct Figure {
  const char* key;
  const char* title;
  int64_t ScopeSum::*sum;
  int64_t (*of)(const NodeEstimate&);
  Unit unit;
  int priority;
};

constexpr Figure kFigures[] = {
    {"layers", "layers", &ScopeSum::layers, [](const NodeEstimate&) -> int64_t { return 1; }, Unit::count, 3},
    {"params", "params", &ScopeSum::params, [](const NodeEstimate& r) { return r.params; }, Unit::count, 0},
    {"params_shared", "shared", &ScopeSum::params_shared, [](const NodeEstimate& r) { return r.params_shared; },
     Unit::count, 4},
    {"buffers", "buffers", &ScopeSum::buffers, [](const NodeEstimate& r) { return r.buffers; }, Unit::count, 6},
    {"constants", "consts", &ScopeSum::constants, [](const NodeEstimate& r) { return r.constants; }, Unit::count, 7},
    {"macs", "MACs", &ScopeSum::macs, [](const NodeEstimate& r) { return r.cost.macs; }, Unit::count, 0},
    {"operations", "operations", &ScopeSum::operations, [](const NodeEstimate& r) { return r.operations(); },
     Unit::count, 5},
    {"bytes_read", "read", &ScopeSum::bytes_read, [](const NodeEstimate& r) { return r.bytes_read; }, Unit::bytes, 1},
    {"bytes_weights", "weights", &ScopeSum::bytes_weights, [](const NodeEstimate& r) { return r.bytes_weights; },
     Unit::bytes, 1},
    {"bytes_written", "written", &ScopeSum::bytes_written, [](const NodeEstimate& r) { return r.bytes_written; },
     Unit::bytes, 1},
};

/// "/a", "/a/b", … down to `depth` components.
std::vector<std::string> prefixes(const std::string& scope, int depth) {
  std::vector<std::string> list;
  for (size_t end = 0; end < scope.size() && static_cast<int>(list.size()) < depth;) {
    end = std::min(scope.find('/', end + 1), scope.size());
    list.push_back(scope.substr(0, end));
  }
  return list;
}

void add(ScopeSum& sum, const NodeEstimate& row) {
  for (const Figure& figure : kFigures) sum.*figure.sum += figure.of(row);
  sum.peak_live_bytes = std::max(sum.peak_live_bytes, row.live_bytes);
}

/// A scope and those within it, by their places in the list of sums.
struct Tree {
  std::vector<ScopeSum> sums{ScopeSum{}};
  std::vector<std::vector<size_t>> children{{}};
  std::map<std::string, size_t> places;

  size_t place(size_t parent, const std::string& path) {
    const auto [it, is_new] = places.try_emplace(path, sums.size());
    if (is_new) {
      ScopeSum sum;
      sum.path = path;
      sum.depth = sums[parent].depth + 1;
      sums.push_back(sum);
      children.emplace_back();
      children[parent].push_back(it->second);
    }
    return it->second;
  }

  void list(size_t at, std::vector<ScopeSum>& into) const {
    into.push_back(sums[at]);
    for (size_t child : children[at]) list(child, into);
  }
};

}  // namespace

std::string ScopeSum::name() const {
  const size_t slash = path.rfind('/');
  const std::string last = path.substr(slash + 1);
  if (slash == std::string::npos || slash == 0) return last;
  const size_t before = path.rfind('/', slash - 1);
  const std::string parent = path.substr(before + 1, slash - before - 1) + ".";
  const bool repeats = last.size() > parent.size() && last.starts_with(parent);
  // "layer1.0" says more than "0".
  return repeats && (last[parent.size()] < '0' || last[parent.size()] > '9') ? last.substr(parent.size()) : last;
}

std::vector<ScopeSum> scope_sums(const Estimate& estimate, int depth) {
  Tree tree;
  for (const NodeEstimate& row : estimate.layers) {
    size_t at = 0;
    add(tree.sums[0], row);
    for (const std::string& path : prefixes(row.scope, depth)) {
      at = tree.place(at, path);
      add(tree.sums[at], row);
    }
  }
  std::vector<ScopeSum> sums;
  tree.list(0, sums);
  return sums;
}

ReportPart scope_part(const std::vector<ScopeSum>& sums) {
  Table table;
  table.columns = {{"scope", "scope", Unit::text, "", 16}};
  table.columns[0].never_csv = true;
  table.columns.push_back(csv_column("path"));
  table.columns.push_back({.key = "depth", .title = "depth", .unit = Unit::count, .only_csv = true});
  for (const Figure& figure : kFigures) {
    table.columns.push_back({.key = figure.key,
                             .title = figure.title,
                             .unit = figure.unit,
                             .group = figure.unit == Unit::bytes ? "bytes" : "",
                             .priority = figure.priority,
                             .hide_zeros = true});
    if (figure.sum == &ScopeSum::macs)
      table.columns.push_back({.key = "macs_share", .title = "share", .unit = Unit::share, .priority = 2});
  }
  table.columns.push_back({.key = "peak_live_bytes", .title = "live", .unit = Unit::bytes, .priority = 8});
  const ScopeSum& whole = sums.front();
  const auto cells = [&](const ScopeSum& sum, std::string title) {
    std::vector<Cell> row{std::move(title), sum.path, int64_t{sum.depth}};
    for (const Figure& figure : kFigures) {
      row.emplace_back(sum.*figure.sum);
      if (figure.sum == &ScopeSum::macs)
        row.emplace_back(whole.macs > 0 ? static_cast<double>(sum.macs) / static_cast<double>(whole.macs) : 0.0);
    }
    row.emplace_back(sum.peak_live_bytes);
    return row;
  };
  for (size_t i = 1; i < sums.size(); ++i)
    table.rows.push_back(cells(sums[i], std::string(2 * static_cast<size_t>(sums[i].depth - 1), ' ') + sums[i].name()));
  table.totals = cells(whole, "model");
  return {"By scope", std::move(table)};
}

nlohmann::ordered_json scope_json(const std::vector<ScopeSum>& sums) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ScopeSum& sum : sums) {
    nlohmann::ordered_json item{{"scope", sum.path}, {"depth", sum.depth}};
    for (const Figure& figure : kFigures) item[figure.key] = sum.*figure.sum;
    item["peak_live_bytes"] = sum.peak_live_bytes;
    list.push_back(std::move(item));
  }
  return list;
}

}  // namespace tally::tools
