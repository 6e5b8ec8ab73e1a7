#include "tools/estimate/estimate_report.h"

#include <algorithm>

#include "nlohmann/json.hpp"
#include "tools/estimate/coverage.h"
#include "tools/estimate/storage.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

/// A figure of a row: its key in JSON and CSV, its heading, and where it is.
struct RowFigure {
  const char* key;
  const char* title;
  int64_t (*value)(const NodeEstimate&);
  Unit unit;
  int priority;  ///< of the column; -1: only in CSV and JSON
};

constexpr RowFigure kRowFigures[] = {
    {"params", "params", [](const NodeEstimate& r) { return r.params; }, Unit::count, 1},
    {"params_shared", "shared", [](const NodeEstimate& r) { return r.params_shared; }, Unit::count, 6},
    {"buffers", "buffers", [](const NodeEstimate& r) { return r.buffers; }, Unit::count, 7},
    {"constants", "consts", [](const NodeEstimate& r) { return r.constants; }, Unit::count, 8},
    {"macs", "MACs", [](const NodeEstimate& r) { return r.cost.macs; }, Unit::count, 1},
    {"macs_nopad", "no pad", [](const NodeEstimate& r) { return r.cost.macs_nopad; }, Unit::count, -1},
    {"macs_causal", "causal", [](const NodeEstimate& r) { return r.cost.macs - r.cost.macs_masked; }, Unit::count, -1},
    {"flops", "FLOPs", [](const NodeEstimate& r) { return r.flops(); }, Unit::count, -1},
    {"ops_sequential", "sequential", [](const NodeEstimate& r) { return r.ops_sequential(); }, Unit::count, -1},
    {"ops_fused", "fused", [](const NodeEstimate& r) { return r.ops_fused(); }, Unit::count, -1},
    {"comparisons", "compare", [](const NodeEstimate& r) { return r.cost.comparisons; }, Unit::count, 4},
    {"elementwise", "elementw", [](const NodeEstimate& r) { return r.cost.elementwise; }, Unit::count, 3},
    {"special", "special", [](const NodeEstimate& r) { return r.cost.special; }, Unit::count, 5},
    {"operations", "operations", [](const NodeEstimate& r) { return r.operations(); }, Unit::count, -1},
    {"bytes_read", "read", [](const NodeEstimate& r) { return r.bytes_read; }, Unit::bytes, 2},
    {"bytes_weights", "weights", [](const NodeEstimate& r) { return r.bytes_weights; }, Unit::bytes, 2},
    {"bytes_written", "written", [](const NodeEstimate& r) { return r.bytes_written; }, Unit::bytes, 2},
    {"output_elements", "elements", [](const NodeEstimate& r) { return r.output_elements; }, Unit::count, -1},
};

struct TotalFigure {
  const char* key;
  int64_t EstimateTotals::*value;
  const char* meaning;
};

constexpr TotalFigure kTotals[] = {
    {"params", &EstimateTotals::params, "weights, biases, gamma, beta, tables; shared ones once"},
    {"params_shared", &EstimateTotals::params_shared, "the same tensors used again"},
    {"buffers", &EstimateTotals::buffers, "mean and variance of batch normalization"},
    {"constants", &EstimateTotals::constants, "other constant operands: masks, position tables"},
    {"macs", &EstimateTotals::macs, "multiply-accumulates, products with padding included"},
    {"macs_nopad", &EstimateTotals::macs_nopad, "without products that fall on padding"},
    {"macs_causal", &EstimateTotals::macs_causal, "without products that a causal mask makes void"},
    {"flops", &EstimateTotals::flops, "2 × macs"},
    {"ops_sequential", &EstimateTotals::ops_sequential, "a multiply and an add a MAC; the bias is the last add"},
    {"ops_fused", &EstimateTotals::ops_fused, "a fused multiply-add a MAC, and the bias additions"},
    {"comparisons", &EstimateTotals::comparisons, "of max pooling, Relu, Clip, maxima"},
    {"elementwise", &EstimateTotals::elementwise, "additions, products … of single elements"},
    {"special", &EstimateTotals::special, "exp, tanh, sqrt …"},
    {"operations", &EstimateTotals::operations, "flops + elementwise + special + max-pool taps"},
    {"bytes_read", &EstimateTotals::bytes_read, "activations read, once a layer"},
    {"bytes_weights", &EstimateTotals::bytes_weights, "weights read, once a layer"},
    {"bytes_written", &EstimateTotals::bytes_written, "activations written"},
    {"bytes_compulsory", &EstimateTotals::bytes_compulsory, "their sum, layer by layer"},
    {"bytes_io", &EstimateTotals::bytes_io, "graph inputs, outputs, params, buffers, once each"},
    {"output_elements", &EstimateTotals::output_elements, "elements of all outputs, views included"},
    {"activation_elements", &EstimateTotals::activation_elements, "outputs of all layers but views"},
    {"activation_elements_textbook", &EstimateTotals::activation_elements_textbook,
     "outputs of Conv, Gemm, MatMul, pooling, recurrent layers"},
    {"peak_activation_bytes", &EstimateTotals::peak_activation_bytes,
     "activations alive at once, at most, in file order"},
    {"training_elements", &EstimateTotals::training_elements, "values and gradients: 2 × (params, textbook, inputs)"},
};

bool is_unknown(const NodeEstimate& row) { return row.cost.coverage == Coverage::unknown; }

std::string shapes_text(const std::vector<Shape>& shapes) {
  std::string text;
  for (const Shape& shape : shapes) text += (text.empty() ? "" : ", ") + to_string(shape);
  return text;
}

Cell known_figure(bool known, int64_t value) {
  if (known) return value;
  return {};
}

Table layer_table(const Estimate& estimate) {
  Table table;
  table.columns = {{"name", "layer", Unit::path, "", 20}, {"op", "operator", Unit::text, "", 8}};
  table.columns.push_back({.key = "scope", .title = "scope", .unit = Unit::text, .only_csv = true});
  table.columns.push_back({"output_shapes", "output", Unit::text, "", 10});
  for (const RowFigure& figure : kRowFigures)
    table.columns.push_back({.key = figure.key,
                             .title = figure.title,
                             .unit = figure.unit,
                             .group = figure.unit == Unit::bytes ? "bytes" : "",
                             .priority = std::max(0, figure.priority),
                             .hide_zeros = true,
                             .only_csv = figure.priority < 0});
  table.columns.push_back({.key = "coverage", .title = "coverage", .unit = Unit::text, .only_csv = true});
  table.columns.push_back({.key = "live_bytes", .title = "live", .unit = Unit::bytes, .only_csv = true});
  const bool any_unknown = std::any_of(estimate.layers.begin(), estimate.layers.end(), is_unknown);
  for (const NodeEstimate& row : estimate.layers) {
    std::vector<Cell> cells{row.name, row.op, row.scope, shapes_text(row.output_shapes)};
    for (const RowFigure& figure : kRowFigures) cells.push_back(known_figure(!is_unknown(row), figure.value(row)));
    cells.emplace_back(std::string(name_of(row.cost.coverage)));
    cells.push_back(known_figure(!is_unknown(row), row.live_bytes));
    table.rows.push_back(std::move(cells));
  }
  table.totals = {std::string("total"), std::string(), std::string(), std::string()};
  for (const RowFigure& figure : kRowFigures) {
    int64_t sum = 0;
    for (const NodeEstimate& row : estimate.layers) sum += figure.value(row);
    table.totals.push_back(known_figure(!any_unknown, sum));
  }
  table.totals.emplace_back(std::string());
  table.totals.emplace_back(std::string());
  return table;
}

Table totals_table(const Estimate& estimate) {
  Table table;
  table.columns = {
      {"quantity", "quantity"}, {"value", "value", Unit::figure}, {"meaning", "what it counts", Unit::text, "", 20}};
  const bool any_unknown = std::any_of(estimate.layers.begin(), estimate.layers.end(), is_unknown);
  for (const TotalFigure& total : kTotals)
    table.rows.push_back(
        {std::string(total.key), known_figure(!any_unknown, estimate.totals.*total.value), std::string(total.meaning)});
  table.rows.push_back({std::string("intensity"), any_unknown ? Cell() : Cell(estimate.totals.intensity),
                        std::string("operations ÷ bytes_compulsory")});
  return table;
}

/// Sentences on layers that are not exact.
std::vector<std::string> coverage_notes(const Estimate& estimate) {
  std::vector<std::string> notes;
  for (const NodeEstimate& row : estimate.layers)
    if (row.cost.coverage == Coverage::approximate || is_unknown(row))
      notes.push_back(formatted("- {} '{}' is {}: {}", row.op, row.name, name_of(row.cost.coverage), row.cost.reason));
  return notes;
}

/// Where most activations live at once; empty where that is before any layer.
std::string peak_layer(const Estimate& estimate) {
  for (const NodeEstimate& row : estimate.layers)
    if (row.live_bytes == estimate.totals.peak_activation_bytes) return row.name;
  return "";
}

/// "model 246.8 kB (fp16 123.4 kB, int8 61.7 kB) · activations live 23.5 kB at most, at /pool1/MaxPool · costs: 12
/// exact".
std::string size_facts(const Estimate& estimate) {
  const StoredValues stored = stored_values(estimate);
  std::string text = "model " + bytes_text(static_cast<double>(stored.bytes));
  std::string others;
  for (const StorageFormat& format : kStorageFormats)
    if (const int64_t bytes = format.bytes * stored.elements; bytes != stored.bytes)
      others += formatted("{}{} {}", others.empty() ? "" : ", ", format.name, bytes_text(static_cast<double>(bytes)));
  if (!others.empty()) text += formatted(" ({})", others);
  const std::string layer = peak_layer(estimate);
  text += formatted(" · activations live {} at most{}",
                    bytes_text(static_cast<double>(estimate.totals.peak_activation_bytes)),
                    layer.empty() ? "" : ", at " + short_path(layer));
  return text + " · costs: " + coverage_text(estimate);
}

}  // namespace

Report estimate_report(const LoadedModel& loaded, const Estimate& estimate) {
  Report report;
  report.title = loaded.name + ": what it should cost";
  std::string io;
  for (const ValueInfo& input : loaded.model.graph().inputs)
    io += formatted("{}{} {}", io.empty() ? "" : ", ", input.name, declared_shape(input));
  io += " → ";
  const size_t before = io.size();
  for (const ValueInfo& output : loaded.model.graph().outputs)
    io += formatted("{}{} {}", io.size() == before ? "" : ", ", output.name, declared_shape(output));
  report.facts = {formatted("{} · {}", loaded.file.string(), io), size_facts(estimate)};
  report.parts = {{"", layer_table(estimate)}, {"Totals", totals_table(estimate)}};
  report.notes = coverage_notes(estimate);
  report.notes.push_back("Analytic: nothing was executed. A row a node that runs; folded and dead nodes have none.");
  return report;
}

ordered_json estimate_document(const LoadedModel& loaded, const Estimate& estimate) {
  ordered_json document = new_document("estimate", &loaded, std::nullopt);
  ordered_json layers = ordered_json::array();
  std::string unknown;
  for (const NodeEstimate& row : estimate.layers) {
    ordered_json layer{{"name", row.name}, {"op", row.op}, {"scope", row.scope}};
    layer["input_shapes"] = to_json(row.input_shapes);
    layer["output_shapes"] = to_json(row.output_shapes);
    for (const RowFigure& figure : kRowFigures)
      layer[figure.key] = is_unknown(row) ? ordered_json() : ordered_json(figure.value(row));
    layer["live_bytes"] = is_unknown(row) ? ordered_json() : ordered_json(row.live_bytes);
    layer["coverage"] = name_of(row.cost.coverage);
    if (!row.cost.source.empty()) layer["source"] = row.cost.source;
    if (row.cost.coverage == Coverage::approximate || row.cost.coverage == Coverage::free)
      layer["reason"] = why_covered(row);
    if (is_unknown(row)) {
      for (const RowFigure& figure : kRowFigures) layer["missing"][figure.key] = row.cost.reason;
      layer["missing"]["live_bytes"] = row.cost.reason;
      if (unknown.empty()) unknown = formatted("{} '{}' is of unknown cost", row.op, row.name);
    }
    layers.push_back(std::move(layer));
  }
  document["layers"] = std::move(layers);
  ordered_json& totals = document["totals"];
  for (const TotalFigure& total : kTotals)
    totals[total.key] = unknown.empty() ? ordered_json(estimate.totals.*total.value) : ordered_json();
  totals["intensity"] = unknown.empty() ? ordered_json(estimate.totals.intensity) : ordered_json();
  const std::string peak = peak_layer(estimate);
  totals["peak_activation_layer"] = peak.empty() || !unknown.empty() ? ordered_json() : ordered_json(peak);
  if (!unknown.empty()) {
    ordered_json missing;
    for (const auto& [key, value] : totals.items()) missing[key] = unknown;
    totals["missing"] = std::move(missing);
  } else if (peak.empty()) {
    totals["missing"]["peak_activation_layer"] = "most live before any layer";
  }
  document["model_bytes"] = storage_json(estimate);
  document["coverage"] = coverage_json(coverage_ledger(estimate));
  return document;
}

}  // namespace tally::tools
