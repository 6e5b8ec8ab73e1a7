#include "tools/estimate/counting_tools.h"

#include <algorithm>
#include <cstdlib>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

constexpr CountingTool kTools[] = {
    {"fvcore", "fvcore 0.1.5", "fvcore/nn/flop_count.py, fvcore/nn/jit_handles.py", "flops (MACs)", count_as_fvcore},
    {"thop", "thop 0.1.1", "thop/profile.py, thop/vision/basic_hooks.py, thop/vision/calc_func.py, thop/rnn_hooks.py",
     "MACs", count_as_thop},
    {"flopco", "FlopCo (flopco-pytorch) 0.1.2", "flopco/compute_layer_flops.py, flopco/flopco.py", "total_macs",
     count_as_flopco},
    {"ptflops", "ptflops 0.7 (pytorch backend)", "ptflops/pytorch_ops.py, ptflops/pytorch_engine.py", "MACs",
     count_as_ptflops},
    {"torchinfo", "torchinfo 1.8.0", "torchinfo/layer_info.py, torchinfo/model_statistics.py", "total mult-adds",
     count_as_torchinfo},
    {"onnx-tool", "onnx-tool 0.9", "onnx_tool/node.py", "MACs (instructions)", count_as_onnx_tool},
};

void add_checked(int64_t& sum, int64_t value) {
  if (__builtin_add_overflow(sum, value, &sum)) fail("--as", "a tool's number", "must fit 63 bits", ErrorCode::limit);
}

}  // namespace

void TermSums::add(const CountingTerm& term, int64_t difference) {
  if (difference == 0) return;
  auto it = std::find_if(sums_.begin(), sums_.end(), [&](const Sum& sum) { return sum.term == &term; });
  if (it == sums_.end()) it = sums_.insert(it, Sum{&term, 0, 0, 0, ""});
  add_checked(it->value, difference);
  ++it->layers;
  if (std::abs(difference) <= std::abs(it->most)) return;
  it->most = difference;
  it->most_in = node_->row->name;
}

std::span<const CountingTool> counting_tools() { return kTools; }

ToolCount count_as(const std::string& name, const Estimate& estimate, const Graph& graph) {
  const auto tool =
      std::find_if(std::begin(kTools), std::end(kTools), [&](const CountingTool& t) { return name == t.name; });
  if (tool == std::end(kTools)) {
    std::string names;
    for (const CountingTool& known : kTools) names += std::string(known.name) + ", ";
    fail("--as", "'" + name + "'", "must be one of " + names + "all", ErrorCode::usage);
  }
  TermSums terms;
  for (const CountedNode& node : counted_nodes(estimate, graph)) {
    terms.visit(node);
    tool->rule(node, terms);
  }
  ToolCount count{tool, estimate.totals.macs, terms.sums(), estimate.totals.macs};
  for (const TermSums::Sum& sum : count.terms) add_checked(count.printed, sum.value);
  return count;
}

std::vector<ToolCount> counts_as(const std::vector<std::string>& names, const Estimate& estimate, const Graph& graph) {
  std::vector<ToolCount> counts;
  const auto add = [&](const std::string& name) {
    const auto there = [&](const ToolCount& count) { return name == count.tool->name; };
    if (std::none_of(counts.begin(), counts.end(), there)) counts.push_back(count_as(name, estimate, graph));
  };
  for (const std::string& name : names) {
    if (name != "all") add(name);
    for (const CountingTool& tool : kTools)
      if (name == "all") add(tool.name);
  }
  return counts;
}

ReportPart counting_summary_part(const std::vector<ToolCount>& counts) {
  Table table;
  table.columns = {{"tool", "tool"},
                   {.key = "printed", .title = "prints", .unit = Unit::figure},
                   {.key = "share", .title = "of our MACs", .unit = Unit::share},
                   {"largest_term", "largest term"},
                   {"quantity", "what it calls it", Unit::text, "", 12}};
  for (const ToolCount& count : counts) {
    const auto largest = std::max_element(count.terms.begin(), count.terms.end(), [](const auto& a, const auto& b) {
      return std::abs(a.value) < std::abs(b.value);
    });
    const Cell share =
        count.macs > 0 ? Cell(static_cast<double>(count.printed) / static_cast<double>(count.macs)) : Cell();
    table.rows.push_back({std::string(count.tool->version), count.printed, share,
                          std::string(largest == count.terms.end() ? "" : largest->term->key),
                          std::string(count.tool->quantity)});
  }
  return {"Other tools", std::move(table)};
}

ReportPart counting_part(const ToolCount& count) {
  Table table;
  table.columns = {{"term", "term"},
                   {.key = "value", .title = "value", .unit = Unit::figure, .never_csv = true},
                   csv_column("value"),
                   {"kind", "kind"},
                   {"layers", "layers", Unit::count, "", 0, 2},
                   {"most_in", "most in", Unit::path, "", 10, 1},
                   {"meaning", "meaning", Unit::text, "", 24}};
  table.columns.back().wraps = true;
  const std::string none;
  const auto line = [&](const char* term, std::string shown, int64_t value, const char* kind, Cell layers,
                        std::string most_in, std::string meaning) {
    table.rows.push_back({std::string(term), std::move(shown), value, std::string(kind), std::move(layers),
                          std::move(most_in), std::move(meaning)});
  };
  line("macs", with_thousands(count.macs), count.macs, "", none, none, "ours");
  for (const TermSums::Sum& sum : count.terms)
    line(sum.term->key, with_sign(sum.value), sum.value, sum.term->error ? "error" : "convention", sum.layers,
         sum.most_in, sum.term->meaning);
  line("printed", with_thousands(count.printed), count.printed, "", none, none,
       formatted("what {} prints", count.tool->name));
  return {formatted("As {} counts: {}", count.tool->version, count.tool->quantity), std::move(table)};
}

nlohmann::ordered_json counting_json(const ToolCount& count) {
  nlohmann::ordered_json json{{"tool", count.tool->name},
                              {"version", count.tool->version},
                              {"source", count.tool->source},
                              {"quantity", count.tool->quantity},
                              {"macs", count.macs}};
  json["terms"] = nlohmann::ordered_json::array();
  for (const TermSums::Sum& sum : count.terms)
    json["terms"].push_back({{"term", sum.term->key},
                             {"value", sum.value},
                             {"error", sum.term->error},
                             {"layers", sum.layers},
                             {"most_in", sum.most_in},
                             {"meaning", sum.term->meaning}});
  json["printed"] = count.printed;
  return json;
}

}  // namespace tally::tools
