#include "tools/machine/prediction.h"

#include <algorithm>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

namespace {

/// The nearest level that holds so many bytes, as far as one core's share of it goes.
const LevelRate& level_that_holds(int64_t bytes, const MachineCluster& cluster, const Peaks& peaks) {
  for (size_t i = 0; i + 1 < peaks.levels.size(); ++i)
    if (cluster.levels[i].bytes >= bytes) return peaks.levels[i];
  return peaks.levels.back();
}

double time_of(double bytes, double rate) { return rate > 0 ? bytes / rate : 0; }

/// How often a layer walks through its weights: recurrent ones once a step and sequence, a weight (4 bytes) a MAC.
double walks_of(const FusedRow& row) {
  if (row.bytes_weights <= 0 || (row.op != "LSTM" && row.op != "GRU" && row.op != "RNN")) return 1;
  return std::max(1.0, 4.0 * static_cast<double>(row.macs) / static_cast<double>(row.bytes_weights));
}

PredictedRow predicted(const FusedRow& row, const Prediction& p, const MachineCluster& cluster) {
  const Peaks peaks = peaks_of(cluster, row.dtype, "", p.threads);
  const double rate = peaks.macs_per_ns > 0 ? peaks.macs_per_ns : p.macs_per_ns;
  PredictedRow out;
  out.row = row;
  out.theoretical_ns = static_cast<double>(row.macs) / rate;
  // An operation beside the MACs takes half of one: a lane of an add or a multiply, not of both.
  out.compute_ns = (static_cast<double>(row.macs) + static_cast<double>(row.elementwise) / 2) / rate;
  if (!peaks.levels.empty()) {
    const LevelRate& weights = level_that_holds(p.working_set, cluster, peaks);
    const LevelRate& activations = level_that_holds(row.bytes(), cluster, peaks);
    out.weights_level = weights.level;
    out.activations_level = activations.level;
    // Every walk but the first finds the weights where they fit by themselves.
    const LevelRate& again = level_that_holds(row.bytes_weights, cluster, peaks);
    out.weights_ns = time_of(static_cast<double>(row.bytes_weights), weights.read) +
                     (walks_of(row) - 1) * time_of(static_cast<double>(row.bytes_weights), again.read);
    out.activations_ns = time_of(static_cast<double>(row.bytes_read), activations.read) +
                         time_of(static_cast<double>(row.bytes_written), activations.write);
  }
  const double bytes_ns = out.weights_ns + out.activations_ns;
  if (bytes_ns > out.compute_ns)
    out.bound = out.weights_ns > out.activations_ns ? out.weights_level : out.activations_level;
  if (p.fitted) {
    const Correction& c = p.machine.fit->of(row.op);
    out.ns =
        c.ns_per_mac * static_cast<double>(row.macs) + c.ns_per_byte * static_cast<double>(row.bytes()) + c.ns_per_call;
  } else {
    out.ns = std::max(out.compute_ns, bytes_ns) + cluster.call_ns.value;
  }
  return out;
}

std::string fastest_isa(const MachineCluster& cluster) {
  std::string isa;
  double best = 0;
  for (const PeakRate& peak : cluster.peaks)
    if (peak.dtype == "fp32" && peak.macs_per_s.one_core.value > best) {
      best = peak.macs_per_s.one_core.value;
      isa = peak.isa;
    }
  return isa;
}

}  // namespace

Prediction predict(const std::vector<FusedRow>& rows, int64_t peak_activation_bytes, const MachineFile& machine,
                   int threads) {
  const MachineCluster& cluster = machine.clusters.front();
  Prediction p;
  p.machine = machine;
  p.threads = std::min(threads, cluster.cores);
  p.isa = fastest_isa(cluster);
  p.fitted = machine.fit.has_value() && machine.fit->threads == p.threads;
  p.macs_per_ns = peaks_of(cluster, DType::f32, "", p.threads).macs_per_ns;
  if (p.macs_per_ns <= 0) fail("machine '" + machine.name + "'", "no peak for fp32", "must have one", ErrorCode::model);
  p.working_set = peak_activation_bytes;
  for (const FusedRow& row : rows) p.working_set += row.bytes_weights;
  for (const FusedRow& row : rows) {
    p.rows.push_back(predicted(row, p, cluster));
    p.ns += p.rows.back().ns;
    p.theoretical_ns += p.rows.back().theoretical_ns;
  }
  return p;
}

void add_prediction(Report& report, const Prediction& p) {
  Table table;
  table.columns = {{"name", "layer", Unit::path, "", 18},
                   {"op", "operator", Unit::text, "", 8, 4},
                   {"macs", "MACs", Unit::count},
                   {"bytes", "bytes", Unit::bytes},
                   {"theoretical_ns", "theoretical", Unit::ns, "time"},
                   {"compute_ns", "compute", Unit::ns, "time", 0, 3},
                   {"weights_ns", "weights", Unit::ns, "time"},
                   {"activations_ns", "activations", Unit::ns, "time"},
                   {"ns", "predicted", Unit::ns, "time"},
                   {"bound", "bound"},
                   csv_column("weights_level"),
                   csv_column("activations_level")};
  int64_t macs = 0, bytes = 0;
  for (const PredictedRow& r : p.rows) {
    table.rows.push_back({r.row.name, r.row.op, r.row.macs, r.row.bytes(), r.theoretical_ns, r.compute_ns, r.weights_ns,
                          r.activations_ns, r.ns, std::string(name_of(r.bound)), std::string(name_of(r.weights_level)),
                          std::string(name_of(r.activations_level))});
    macs += r.row.macs;
    bytes += r.row.bytes();
  }
  table.totals = {std::string("total"), std::string(), macs, bytes,         p.theoretical_ns, std::string(),
                  std::string(),        std::string(), p.ns, std::string(), std::string(),    std::string()};
  report.parts.push_back({"Latency on " + p.machine.name, std::move(table)});
  report.notes.push_back(formatted(
      "- {}: {} thread{} of {}, {} (source: {}). Predicted latency {}, throughput {} /s; theoretical latency (MACs ÷ "
      "{:.1f} GMAC/s) {}, throughput {} /s.",
      p.machine.name, p.threads, p.threads == 1 ? "" : "s", p.machine.clusters.front().name, p.isa, p.machine.source(),
      duration_text(p.ns), with_thousands(1e9 / p.ns, 1), p.macs_per_ns, duration_text(p.theoretical_ns),
      with_thousands(1e9 / p.theoretical_ns, 1)));
  report.notes.push_back(
      p.fitted
          ? "- predicted: a·MACs + b·bytes + c a layer, fitted to profiles of this machine (tally fit)."
          : formatted("- predicted (model, nothing was measured there): the longer of compute and bytes, and {} a "
                      "layer. Weights come through the level that holds what an inference walks through ({}), "
                      "activations through the one that holds what the layer does; layers as rewriting leaves them.",
                      duration_text(p.machine.clusters.front().call_ns.value),
                      bytes_text(static_cast<double>(p.working_set))));
}

void add_prediction(nlohmann::ordered_json& document, const Prediction& p) {
  using nlohmann::ordered_json;
  ordered_json layers = ordered_json::array();
  for (const PredictedRow& r : p.rows) {
    ordered_json origins = ordered_json::array();
    for (const int origin : r.row.origins)
      if (document.contains("layers") && static_cast<size_t>(origin) < document["layers"].size())
        origins.push_back(document["layers"][static_cast<size_t>(origin)]["name"]);
    layers.push_back({{"name", r.row.name},
                      {"op", r.row.op},
                      {"nodes", std::move(origins)},
                      {"macs", r.row.macs},
                      {"bytes", r.row.bytes()},
                      {"theoretical_ns", r.theoretical_ns},
                      {"compute_ns", r.compute_ns},
                      {"weights_ns", r.weights_ns},
                      {"weights_level", name_of(r.weights_level)},
                      {"activations_ns", r.activations_ns},
                      {"activations_level", name_of(r.activations_level)},
                      {"bound", name_of(r.bound)},
                      {"ns", r.ns}});
  }
  document["prediction"] = {
      {"machine", p.machine.name},
      {"machine_source", p.machine.source()},
      {"source", p.fitted ? "fit" : "model"},
      {"cluster", p.machine.clusters.front().name},
      {"isa", p.isa},
      {"threads", p.threads},
      {"macs_per_s", p.macs_per_ns * 1e9},
      {"working_set_bytes", p.working_set},
      {"layers", std::move(layers)},
      {"latency_ns", p.ns},
      {"throughput_per_s", p.ns > 0 ? ordered_json(1e9 / p.ns) : ordered_json()},
      {"theoretical_latency_ns", p.theoretical_ns},
      {"theoretical_throughput_per_s", p.theoretical_ns > 0 ? ordered_json(1e9 / p.theoretical_ns) : ordered_json()}};
}

}  // namespace tally::tools
