#include "tools/estimate/operators.h"

#include <algorithm>

#include "nlohmann/json.hpp"
#include "tally/engine/opsets.h"
#include "tools/estimate/coverage.h"
#include "tools/output/document.h"
#include "tools/output/formatted.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

/// Names of types that mostly come together.
struct TypeGroup {
  std::string_view name;
  std::set<DType> types;
};
const TypeGroup kGroups[] = {
    {"reals", {DType::f32, DType::f16, DType::bf16, DType::f64}},
    {"integers", {DType::i8, DType::u8, DType::i16, DType::u16, DType::i32, DType::u32, DType::i64, DType::u64}},
    {"signed", {DType::i8, DType::i16, DType::i32, DType::i64}},
    {"unsigned", {DType::u8, DType::u16, DType::u32, DType::u64}},
};

std::vector<std::string_view> type_names(const std::set<DType>& types) {
  std::vector<std::string_view> names;
  for (const DType type : swept_types())
    if (types.contains(type)) names.push_back(tally::name_of(type));
  return names;
}

/// "reals, int8, bool": whole groups by their names.
std::string types_text(std::set<DType> types) {
  std::vector<std::string> words;
  for (const TypeGroup& group : kGroups) {
    if (!std::includes(types.begin(), types.end(), group.types.begin(), group.types.end())) continue;
    words.emplace_back(group.name);
    for (const DType type : group.types) types.erase(type);
  }
  for (const std::string_view name : type_names(types)) words.emplace_back(name);
  return joined(words, ", ");
}

using KernelsByIsa = std::map<Isa, std::set<std::string>>;

/// Types with the same kernels, in the order of swept_types().
std::vector<std::pair<KernelsByIsa, std::set<DType>>> kernel_groups(const OperatorFacts& facts) {
  std::vector<std::pair<KernelsByIsa, std::set<DType>>> groups;
  for (const DType type : swept_types()) {
    const auto found = facts.kernels.find(type);
    if (found == facts.kernels.end()) continue;
    const auto same =
        std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == found->second; });
    (same == groups.end() ? groups.emplace_back(found->second, std::set<DType>{}) : *same).second.insert(type);
  }
  return groups;
}

/// "gemm, pixel_conv (not scalar)": every kernel that some instruction set has.
std::string kernel_words(const KernelsByIsa& kernels) {
  std::set<std::string> all;
  for (const auto& [isa, names] : kernels) all.insert(names.begin(), names.end());
  std::vector<std::string> words;
  for (const std::string& name : all) {
    std::vector<std::string_view> without;
    for (const auto& [isa, names] : kernels)
      if (!names.contains(name)) without.push_back(tally::name_of(isa));
    words.push_back(without.empty() ? name : formatted("{} (not {})", name, joined(without, ", ")));
  }
  return joined(words, ", ");
}

std::string kernels_text(const OperatorFacts& facts) {
  if (facts.runs == Runs::at_load) return "at load";
  if (facts.runs == Runs::never) return "view";
  const auto groups = kernel_groups(facts);
  if (groups.empty()) return "";
  if (groups.size() == 1) return kernel_words(groups[0].first);
  // What most types have comes last, without their names.
  const auto most = std::max_element(groups.begin(), groups.end(),
                                     [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  std::string text;
  for (auto group = groups.begin(); group != groups.end(); ++group)
    if (group != most) text += types_text(group->second) + ": " + kernel_words(group->first) + "; ";
  return text + "else " + kernel_words(most->first);
}

std::string coverage_text(const OperatorFacts& facts) {
  std::vector<std::string_view> words;
  for (const auto& [coverage, reasons] : facts.coverage) words.push_back(name_of(coverage));
  return joined(words, ", ");
}

std::set<DType> types_of(const OperatorFacts& facts) {
  std::set<DType> types;
  for (const auto& [type, kernels] : facts.kernels) types.insert(type);
  return types;
}

Table operator_table(const std::vector<OperatorFacts>& operators) {
  Table table;
  table.columns = {{"operator", "operator"},
                   {.key = "opsets", .title = "opsets", .never_csv = true},
                   csv_column("first_opset"),
                   csv_column("last_opset"),
                   csv_column("types"),
                   {.key = "types_text", .title = "types", .shrink_to = 16, .never_csv = true, .wraps = true},
                   {.key = "kernels", .title = "kernels", .shrink_to = 20, .wraps = true},
                   {"coverage", "cost"}};
  for (const OperatorFacts& facts : operators) {
    const std::set<DType> types = types_of(facts);
    table.rows.push_back({std::string(facts.row.op), formatted("{}–{}", facts.row.first_opset, facts.row.last_opset),
                          int64_t{facts.row.first_opset}, int64_t{facts.row.last_opset}, joined(type_names(types), " "),
                          types_text(types), kernels_text(facts), coverage_text(facts)});
  }
  return table;
}

Table approximation_table(const std::vector<OperatorFacts>& operators) {
  Table table;
  table.columns = {{"operator", "operator"}, {.key = "reason", .title = "why", .shrink_to = 40, .wraps = true}};
  for (const OperatorFacts& facts : operators) {
    const auto found = facts.coverage.find(Coverage::approximate);
    if (found != facts.coverage.end()) table.rows.push_back({std::string(facts.row.op), joined(found->second, "; ")});
  }
  return table;
}

Table excluded_table() {
  std::map<std::string_view, std::vector<std::string_view>> by_reason;
  for (const ExcludedOperator& row : excluded_operators()) by_reason[row.reason].push_back(row.op);
  Table table;
  table.columns = {{"reason", "reason"}, {.key = "operators", .title = "operators", .shrink_to = 40, .wraps = true}};
  for (const auto& [reason, names] : by_reason) table.rows.push_back({std::string(reason), joined(names, ", ")});
  return table;
}

ordered_json operator_json(const OperatorFacts& facts) {
  ordered_json item{{"operator", facts.row.op},
                    {"first_opset", facts.row.first_opset},
                    {"last_opset", facts.row.last_opset},
                    {"types", type_names(types_of(facts))},
                    {"runs", facts.runs == Runs::steps     ? "steps"
                             : facts.runs == Runs::at_load ? "at load"
                                                           : "view"}};
  ordered_json kernels = ordered_json::array();
  if (facts.runs == Runs::steps)
    for (const auto& [by_isa, types] : kernel_groups(facts)) {
      ordered_json isas = ordered_json::object();
      for (const auto& [isa, names] : by_isa) isas[std::string(tally::name_of(isa))] = names;
      kernels.push_back({{"types", type_names(types)}, {"isas", std::move(isas)}});
    }
  item["kernels"] = std::move(kernels);
  item["coverage"] = ordered_json::array();
  item["reasons"] = ordered_json::array();
  for (const auto& [coverage, reasons] : facts.coverage) {
    item["coverage"].push_back(name_of(coverage));
    for (const std::string& reason : reasons) item["reasons"].push_back(reason);
  }
  return item;
}

}  // namespace

Report operators_report(const std::vector<OperatorFacts>& operators) {
  Report report;
  report.title = formatted("{} operators of ONNX, opsets {} to {}", operators.size(), kFirstOpset, kLastOpset);
  report.parts = {{"", operator_table(operators)}};
  if (Table table = approximation_table(operators); !table.rows.empty())
    report.parts.push_back({"Costs that are approximate", std::move(table)});
  report.parts.push_back({"Out of scope, refused by name", excluded_table()});
  report.notes = {
      "- opsets: those that a model may import; an older one where its operators mean the same in opset 6. Constant "
      "is an initialiser once a model is read.",
      "- types: of the operator's data; indices, axes and the like have types of their own. reals: float32, float16, "
      "bfloat16, float64; integers: signed and unsigned, of 8 to 64 bits.",
      "- kernels: what may run it, every instruction set having it where none is named. host: plain loops, right and "
      "slow; view: bytes stay where they are; at load: computed when a plan is made.",
      "- cost: exact by its definition, approximate by a convention, or free."};
  return report;
}

ordered_json operators_document(const std::vector<OperatorFacts>& operators, std::span<const Isa> isas) {
  ordered_json document = new_document("ops", nullptr, std::nullopt);
  document["isas"] = ordered_json::array();
  for (const Isa isa : isas) document["isas"].push_back(tally::name_of(isa));
  document["operators"] = ordered_json::array();
  for (const OperatorFacts& facts : operators) document["operators"].push_back(operator_json(facts));
  document["out_of_scope"] = ordered_json::array();
  for (const ExcludedOperator& row : excluded_operators())
    document["out_of_scope"].push_back({{"operator", row.op}, {"reason", row.reason}});
  return document;
}

}  // namespace tally::tools
