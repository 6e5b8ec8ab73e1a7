#include <algorithm>

#include "nlohmann/json.hpp"
#include "tools/compare/comparison.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

/// Rows of integers that differ; a table for people stops here, CSV and JSON go on.
constexpr size_t kMostDifferences = 40;

/// The quantity that a comparison is about: time where both sides have it, else MACs.
std::string lead_of(const Comparison& comparison) {
  const ComparedFigure* time = figure_of(comparison.totals, "ns");
  return time != nullptr && time->value_a() && time->value_b() ? "ns" : "macs";
}

std::string verdict(const ComparedFigure& figure) {
  const auto ratio = figure.ratio();
  if (!ratio) return "";
  if (figure.key != "ns") return *ratio > 1 ? "more" : *ratio < 1 ? "less" : "same";
  if (figure.apart && !*figure.apart) return "within noise";
  const char* word = *ratio > 1 ? "slower" : *ratio < 1 ? "faster" : "same";
  return figure.apart ? word : formatted("{}?", word);
}

Cell ratio_cell(const ComparedFigure& figure) { return figure.ratio() ? Cell(*figure.ratio()) : Cell(); }

/// Both sides' names where they differ.
std::string name_of_layer(const ComparedLayer& layer) {
  if (layer.name_a.empty()) return layer.name_b;
  if (layer.name_b.empty() || layer.name_a == layer.name_b) return layer.name_a;
  return layer.name_a + " → " + layer.name_b;
}

std::vector<Cell> lead_cells(const ComparedFigure* figure) {
  if (figure == nullptr) return {Cell(), Cell(), Cell(), Cell(), std::string()};
  return {figure->a, figure->b, figure->difference(), ratio_cell(*figure), verdict(*figure)};
}

Table layer_table(const Comparison& comparison, const std::string& lead) {
  const bool time = lead == "ns";
  const Unit unit = time ? Unit::ns : Unit::count;
  Table table;
  table.columns = {{"name", comparison.a.kind == RecordingKind::ledger ? "step" : "layer", Unit::path, "", 20},
                   {"operator", "operator", Unit::text, "", 6, 3},
                   {"match", "match", Unit::text, "", 0, 2},
                   {"a_" + lead, "A", unit, time ? "time" : "MACs"},
                   {"b_" + lead, "B", unit, time ? "time" : "MACs"},
                   {"difference", "B − A", time ? Unit::ns : Unit::change, "", 0, 1},
                   {"ratio", "B ÷ A", Unit::number},
                   {"verdict", "", Unit::text}};
  for (const ComparedLayer& layer : comparison.layers) {
    std::vector<Cell> row{name_of_layer(layer), layer.op, std::string(name_of(layer.pair.match))};
    for (Cell& cell : lead_cells(figure_of(layer.figures, lead))) row.push_back(std::move(cell));
    table.rows.push_back(std::move(row));
  }
  table.totals = {std::string("total"), std::string(), std::string()};
  for (Cell& cell : lead_cells(figure_of(comparison.totals, lead))) table.totals.push_back(std::move(cell));
  return table;
}

/// Integers in full: a comparison of counts is about the last digit too.
Table totals_table(const Comparison& comparison) {
  Table table;
  table.columns = {{"quantity", "quantity"},         {"a", "A", Unit::figure},
                   {"b", "B", Unit::figure},         {"difference", "B − A", Unit::change},
                   {"ratio", "B ÷ A", Unit::number}, {"verdict", "", Unit::text}};
  for (const ComparedFigure& figure : comparison.totals)
    table.rows.push_back({figure.key, figure.a, figure.b, figure.difference(), ratio_cell(figure), verdict(figure)});
  return table;
}

Table difference_table(const Comparison& comparison, size_t most) {
  Table table;
  table.columns = {{"name", "layer", Unit::path, "", 20},
                   {"quantity", "quantity"},
                   {"a", "A", Unit::figure},
                   {"b", "B", Unit::figure},
                   {"difference", "B − A", Unit::change}};
  for (const ComparedLayer& layer : comparison.layers)
    for (const ComparedFigure& figure : layer.figures) {
      const bool integers = std::holds_alternative<int64_t>(figure.a) || std::holds_alternative<int64_t>(figure.b);
      if (integers && figure.a != figure.b && table.rows.size() < most)
        table.rows.push_back({name_of_layer(layer), figure.key, figure.a, figure.b, figure.difference()});
    }
  return table;
}

std::string described(const char* side, const Recording& r) {
  std::string words = formatted("{}: {}", side, r.file);
  for (const std::string& part : {r.model, r.device, r.cpu, r.isa})
    if (!part.empty()) words += " · " + part;
  if (r.threads) words += formatted(" · {} thread{}", *r.threads, *r.threads == 1 ? "" : "s");
  return words;
}

ordered_json json_of(const Cell& cell) {
  if (const auto* integer = std::get_if<int64_t>(&cell)) return *integer;
  if (const auto* number = std::get_if<double>(&cell)) return *number;
  return nullptr;
}

ordered_json json_of(const std::vector<ComparedFigure>& figures) {
  ordered_json object = ordered_json::object();
  for (const ComparedFigure& figure : figures) {
    ordered_json& item = object[figure.key] = {{"a", json_of(figure.a)}, {"b", json_of(figure.b)}};
    item["difference"] = json_of(figure.difference());
    item["ratio"] = figure.ratio() ? ordered_json(*figure.ratio()) : ordered_json();
    if (figure.key == "ns") item["significant"] = figure.apart ? ordered_json(*figure.apart) : ordered_json();
  }
  return object;
}

ordered_json json_of(const Recording& r) {
  ordered_json side{{"file", r.file}, {"schema", formatted("tally.{}/1", name_of(r.kind))}, {"model", r.model}};
  side["sha256"] = r.sha256.empty() ? ordered_json() : ordered_json(r.sha256);
  side["cpu"] = r.cpu;
  side["isa"] = r.isa.empty() ? ordered_json() : ordered_json(r.isa);
  side["threads"] = r.threads ? ordered_json(*r.threads) : ordered_json();
  return side;
}

}  // namespace

Report comparison_report(const Comparison& comparison) {
  Report report;
  report.title = formatted("A against B: two {}{}", name_of(comparison.a.kind),
                           comparison.a.kind == RecordingKind::bench ? "es" : "s");
  report.facts = {described("A", comparison.a), described("B", comparison.b)};
  const std::string lead = lead_of(comparison);
  if (!comparison.layers.empty()) report.parts.push_back({"", layer_table(comparison, lead)});
  Table differences = difference_table(comparison, kMostDifferences);
  if (!differences.rows.empty()) {
    Table all = difference_table(comparison, static_cast<size_t>(-1));
    report.parts.push_back({"Counts that differ", std::move(differences)});
    if (all.rows.size() > kMostDifferences) {
      report.notes.push_back(formatted("- The first {} of {} counts that differ; --format json or csv has all.",
                                       kMostDifferences, with_thousands(static_cast<int64_t>(all.rows.size()))));
      report.parts.push_back({"All counts that differ", std::move(all), true});
    }
  }
  report.parts.push_back({"Totals", totals_table(comparison)});
  if (lead == "ns")
    report.notes.emplace_back(
        "- Slower and faster: the 95 % intervals of the medians lie apart, or where a document has none the middle 80 "
        "% "
        "of the samples; within noise: they do not; with a question mark: nothing tells. Times in Totals are ns.");
  for (const std::string& warning : comparison.warnings) report.notes.push_back("- " + warning);
  return report;
}

ordered_json comparison_document(const Comparison& comparison, const std::vector<std::string>& excesses) {
  ordered_json document = new_document("compare", nullptr, std::nullopt);
  document["a"] = json_of(comparison.a);
  document["b"] = json_of(comparison.b);
  ordered_json layers = ordered_json::array();
  for (const ComparedLayer& layer : comparison.layers) {
    ordered_json item{{"a", layer.name_a.empty() ? ordered_json() : ordered_json(layer.name_a)},
                      {"b", layer.name_b.empty() ? ordered_json() : ordered_json(layer.name_b)}};
    item["op"] = layer.op;
    item["match"] = name_of(layer.pair.match);
    item["figures"] = json_of(layer.figures);
    layers.push_back(std::move(item));
  }
  document["layers"] = std::move(layers);
  document["totals"] = json_of(comparison.totals);
  document["missing"] = {
      {"a", "not in that document"},       {"b", "not in that document"},
      {"sha256", "not in that document"},  {"isa", "not in that document"},
      {"threads", "not in that document"}, {"difference", "needs both"},
      {"ratio", "needs both, a above 0"},  {"significant", "needs intervals or percentiles of both"}};
  document["warnings"] = comparison.warnings;
  document["failures"] = excesses;
  return document;
}

}  // namespace tally::tools
