#include "tools/compare/recording.h"

#include <cmath>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/compare/document_value.h"
#include "tools/compare/recorded_limits.h"

namespace tally::tools {

namespace {

constexpr std::pair<RecordingKind, std::string_view> kKinds[] = {{RecordingKind::profile, "profile"},
                                                                 {RecordingKind::bench, "bench"},
                                                                 {RecordingKind::estimate, "estimate"},
                                                                 {RecordingKind::ledger, "ledger"},
                                                                 {RecordingKind::machine, "machine"}};

RecordingKind kind_of(const DocumentValue& document, const std::string& name) {
  if (!document.object() || !document["schema"].text())
    fail(name, "has no \"schema\"", "must be a document that tally wrote");
  const std::string schema = document["schema"].words();
  std::string known;
  for (const auto& [kind, words] : kKinds) {
    const std::string wanted = "tally." + std::string(words) + "/1";
    if (schema == wanted) return kind;
    known += (known.empty() ? "" : ", ") + wanted;
  }
  document["schema"].refuse("must be one of " + known);
}

RecordedTimes times_of(const DocumentValue& value) {
  RecordedTimes t;
  t.median = value["median"].number();
  t.p10 = value["p10"].number();
  t.p90 = value["p90"].number();
  t.p99 = value["p99"].number();
  t.min = value["min"].number();
  t.mean = value["mean"].number();
  t.stddev = value["stddev"].number();
  t.samples = value["samples"].integer();
  const std::vector<DocumentValue> interval = value["median_ci95"].items();
  if (interval.size() == 2) {
    t.low = interval[0].number();
    t.high = interval[1].number();
  }
  return t;
}

/// Integer members of `value`, by their own keys.
void add_counts(Counts& counts, const DocumentValue& value) {
  for (const auto& [key, member] : value.members())
    if (member.json().is_number_integer()) counts[key] = *member.integer();
}

std::vector<NamedCount> terms_of(const DocumentValue& value) {
  std::vector<NamedCount> terms;
  for (const auto& [term, member] : value.members())
    if (const auto count = member.integer()) terms.emplace_back(term, *count);
  return terms;
}

std::string shapes_of(const DocumentValue& shapes) {
  std::string words;
  for (const DocumentValue& shape : shapes.items()) {
    std::string extents;
    for (const DocumentValue& extent : shape.items()) {
      const auto number = extent.integer();
      extents += (extents.empty() ? "" : "×") + (number ? std::to_string(*number) : "?");
    }
    words += (words.empty() ? "" : ", ") + (extents.empty() ? "scalar" : extents);
  }
  return words;
}

/// What the measured column has besides times.
void read_measured(RecordedLayer& layer, const DocumentValue& measured) {
  layer.ns = times_of(measured["ns"]);
  layer.cycles = measured["cycles"].number();
  layer.instructions = measured["instructions"].number();
  layer.cache_misses = measured["cache_misses"].number();
  layer.energy_nj = measured["energy_nj"].number();
}

/// The parts that a profile's rows and its totals have in common.
void read_columns(RecordedLayer& layer, const DocumentValue& value) {
  add_counts(layer.counts, value["ideal"]);
  for (const auto& [key, member] : value["executed"].members())
    if (member.json().is_number_integer()) layer.counts[key == "macs" ? "executed_macs" : key] = *member.integer();
  layer.gap_macs = terms_of(value["gap"]["macs"]);
  layer.gap_loaded = terms_of(value["gap"]["bytes_loaded"]);
  layer.gap_stored = terms_of(value["gap"]["bytes_stored"]);
  read_measured(layer, value["measured"]);
}

/// What its machine allows, and how many bytes lie on each way to the memory.
void read_roof(RecordedLayer& layer, const DocumentValue& value) {
  const DocumentValue roof = value["roof"], intensities = value["intensities"];
  layer.bound = roof["bound"].words();
  layer.roof_ns = roof["ns"].number();
  layer.roof_share = roof["share"].number();
  for (const char* key : {"compulsory", "issued"})
    if (const auto number = intensities[key].number()) layer.intensities.emplace_back(key, *number);
  for (const auto& [level, member] : intensities["beyond"].members())
    if (const auto number = member.number()) layer.intensities.emplace_back("beyond " + level, *number);
}

RecordedLayer layer_of(const DocumentValue& value, RecordingKind kind) {
  RecordedLayer layer;
  layer.name = value["name"].words();
  layer.op = value["op"].words();
  layer.dtype = value["dtype"].words();
  layer.isa = value["isa"].words();
  layer.kernel = value["kernel"].words();
  layer.output_shapes = shapes_of(value["output_shapes"]);
  layer.coverage = value["coverage"].words();
  layer.reason = value["reason"].words();
  for (const DocumentValue& node : value["nodes"].items()) layer.nodes.push_back(node.words());
  if (layer.nodes.empty()) layer.nodes = {layer.name};
  if (kind == RecordingKind::profile)
    read_columns(layer, value);
  else
    add_counts(layer.counts, value);
  read_roof(layer, value);
  return layer;
}

std::optional<RecordedHistogram> histogram_of(const DocumentValue& value) {
  if (value.null()) return std::nullopt;
  RecordedHistogram histogram;
  histogram.from_ns = value["from_ns"].number().value_or(0);
  histogram.width_ns = value["width_ns"].number().value_or(0);
  if (!(histogram.width_ns > 0)) value["width_ns"].refuse("must be a number above 0");
  for (const DocumentValue& count : value["counts"].items()) {
    const int64_t number = count.integer().value_or(0);
    if (number < 0) count.refuse("must be >= 0");
    histogram.counts.push_back(number);
  }
  histogram.above = value["above"].integer().value_or(0);
  histogram.max_ns = value["max_ns"].number();
  return histogram;
}

void read_head(Recording& recording, const DocumentValue& document) {
  const DocumentValue model = document["model"], machine = document["machine"];
  recording.version = document["version"].words();
  recording.model = model["name"].words();
  recording.model_path = model["path"].words();
  recording.sha256 = model["sha256"].words();
  recording.model_bytes = model["bytes"].integer();
  recording.cpu = machine["cpu"].words();
  recording.system = machine["system"].words();
  recording.device = document["device"]["name"].words();
  recording.isa = machine["isa"].words();
  recording.threads = document["threads"].integer();
  recording.clock_source = document["clock_source"].words();
  for (const auto& [key, reason] : document["missing"].members())
    if (reason.text()) recording.missing[key] = reason.words();
}

void read_layers(Recording& recording, const DocumentValue& document) {
  for (const DocumentValue& layer : document["layers"].items())
    recording.layers.push_back(layer_of(layer, recording.kind));
  const DocumentValue totals = document["totals"];
  if (recording.kind == RecordingKind::profile) {
    read_columns(recording.totals, totals);
    recording.tally_overhead = document["tally_overhead"].number();
    const DocumentValue repeatability = document["repeatability"];
    recording.spread = repeatability["spread"].number();
    if (recording.clock_source.empty()) recording.clock_source = repeatability["clock_source"].words();
  } else {
    add_counts(recording.totals.counts, totals);
  }
  add_counts(recording.figures, totals);
  read_roof(recording.totals, totals);
  recording.totals.name = "total";
}

void read_bench(Recording& recording, const DocumentValue& document) {
  recording.totals.name = "inference";
  recording.totals.ns = times_of(document["latency_ns"]);
  recording.throughput_per_s = document["throughput_per_s"].number();
  recording.histogram = histogram_of(document["latency_histogram"]);
  add_counts(recording.figures, document);
}

void read_ledger(Recording& recording, const DocumentValue& document) {
  add_counts(recording.figures, document);
  for (const DocumentValue& value : document["steps"].items()) {
    RecordedStep step;
    step.step = value["step"].integer().value_or(static_cast<int64_t>(recording.steps.size()));
    step.state_bytes = value["state_bytes"].integer().value_or(0);
    add_counts(step.counts, value["executed"]);
    step.ns = times_of(value["ns"]);
    recording.steps.push_back(std::move(step));
  }
  recording.totals.name = "step by step";
  add_counts(recording.totals.counts, document["totals"]["executed"]);
  recording.totals.ns.median = document["totals"]["ns"].number();
  if (document["at_once"].null()) return;
  recording.at_once.emplace();
  recording.at_once->name = "at once";
  add_counts(recording.at_once->counts, document["at_once"]["executed"]);
  recording.at_once->ns = times_of(document["at_once"]["ns"]);
}

}  // namespace

std::string_view name_of(RecordingKind kind) {
  for (const auto& [known, words] : kKinds)
    if (known == kind) return words;
  return "";
}

std::optional<int64_t> count_of(const Counts& counts, std::string_view key) {
  const auto found = counts.find(key);
  if (found == counts.end()) return std::nullopt;
  return found->second;
}

std::optional<int64_t> sum_of(const Counts& counts, std::initializer_list<std::string_view> keys) {
  int64_t sum = 0;
  for (const std::string_view key : keys) {
    const auto count = count_of(counts, key);
    if (!count || __builtin_add_overflow(sum, *count, &sum)) return std::nullopt;
  }
  return sum;
}

std::optional<double> RecordedLayer::intensity() const {
  const bool executed = counts.contains("bytes_loaded");
  const auto bytes = executed ? sum_of(counts, {"bytes_loaded", "bytes_stored"})
                              : sum_of(counts, {"bytes_read", "bytes_weights", "bytes_written"});
  const auto operations = count_of(counts, executed ? "executed_macs" : "operations");
  if (!bytes || !operations || *bytes <= 0) return std::nullopt;
  return (executed ? 2.0 : 1.0) * static_cast<double>(*operations) / static_cast<double>(*bytes);
}

Recording recording_of(const DocumentValue& document, const std::string& file) {
  Recording recording;
  recording.file = file;
  recording.kind = kind_of(document, "file '" + file + "'");
  read_head(recording, document);
  switch (recording.kind) {
    case RecordingKind::profile:
    case RecordingKind::estimate:
      read_layers(recording, document);
      break;
    case RecordingKind::bench:
      read_bench(recording, document);
      break;
    case RecordingKind::ledger:
      read_ledger(recording, document);
      break;
    case RecordingKind::machine:
      break;
  }
  for (const DocumentValue& reason : document["repeatability"]["reasons"].items())
    recording.warnings.push_back(reason.words());
  recording.limits = limits_of(document);
  recording.limits_source = limits_source_of(document);
  return recording;
}

Recording read_recording(const std::filesystem::path& file) {
  const nlohmann::json document = read_json(file);
  return recording_of(DocumentValue(document, "file '" + file.string() + "': "), file.string());
}

}  // namespace tally::tools
