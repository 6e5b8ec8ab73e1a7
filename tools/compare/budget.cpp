#include "tools/compare/budget.h"

#include <fnmatch.h>

#include <algorithm>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/compare/document_value.h"
#include "tools/input/options.h"
#include "tools/output/formatted.h"

namespace tally::tools {

namespace {

/// Keys of a document's layers that only a run can tell.
constexpr std::string_view kMeasuredOfLayers[] = {"latency_ns",   "latency_p90_ns", "lane_macs",
                                                  "bytes_loaded", "bytes_stored",   "energy_nj"};
constexpr std::string_view kMeasured[] = {"latency_ns",   "latency_p90_ns", "latency_p99_ns", "lane_macs",
                                          "bytes_loaded", "bytes_stored",   "weights_bytes",  "arena_bytes",
                                          "state_bytes",  "peak_rss_bytes", "load_ns",        "energy_nj"};
constexpr std::string_view kOfLayers[] = {
    "params",      "params_shared", "buffers",        "constants",     "macs",          "macs_nopad",
    "macs_causal", "flops",         "ops_sequential", "ops_fused",     "comparisons",   "elementwise",
    "special",     "operations",    "bytes_read",     "bytes_weights", "bytes_written", "output_elements"};
constexpr std::string_view kOfTotals[] = {
    "bytes_compulsory",      "bytes_io",          "activation_elements", "activation_elements_textbook",
    "peak_activation_bytes", "training_elements", "model_bytes"};

template <size_t N>
bool among(const std::string_view (&keys)[N], std::string_view key) {
  return std::find(std::begin(keys), std::end(keys), key) != std::end(keys);
}

bool measured_key(std::string_view key) { return among(kMeasured, key); }

[[noreturn]] void refuse(const DocumentValue& value, const std::string& found, const std::string& required) {
  fail(value.path(), found, required, ErrorCode::usage);
}

int64_t limit_of(const std::string& key, const DocumentValue& value) {
  const bool bytes = key.ends_with("_bytes") || key.starts_with("bytes_");
  if (value.text()) return parse_quantity(value.path(), value.words(), bytes ? 1024 : 1000);
  if (!value.json().is_number_integer())
    refuse(value, value.json().dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, 40),
           "must be an integer or a quantity such as \"420k\"");
  const int64_t most =
      value.json().is_number_unsigned() && value.json().get<uint64_t>() > INT64_MAX ? -1 : value.json().get<int64_t>();
  if (most < 0) refuse(value, value.json().dump(), "must be 0 to 2^63 - 1");
  return most;
}

BudgetRule rule_of(const DocumentValue& value) {
  if (!value.object()) refuse(value, "no object", "must hold the limits of a layer");
  BudgetRule rule;
  for (const auto& [key, member] : value.members()) {
    if (key == "name" || key == "op") {
      if (!member.text()) refuse(member, "no text", "must be text");
      (key == "name" ? rule.name : rule.op) = member.words();
    } else if (among(kOfLayers, key) || among(kMeasuredOfLayers, key)) {
      rule.limits.push_back({key, limit_of(key, member)});
    } else if (key != "comment") {
      refuse(member, "an unknown key",
             "must be name, op, comment or what a layer is known by (params, macs, latency_ns …)");
    }
  }
  if (rule.limits.empty()) refuse(value, "no limit", "must have one");
  return rule;
}

std::string coverage_of(const DocumentValue& value) {
  const std::string words = value.text() ? value.words() : "";
  if (words != "exact" && words != "approximate") refuse(value, "'" + words + "'", "must be exact or approximate");
  return words;
}

std::optional<double> real(std::optional<int64_t> count) {
  if (!count) return std::nullopt;
  return static_cast<double>(*count);
}

/// What a row, or the whole, says under a budget's key.
std::optional<double> figure_of(const RecordedLayer& row, const Counts& figures, std::string_view key) {
  if (key == "latency_ns") return row.ns.median;
  if (key == "latency_p90_ns") return row.ns.p90;
  if (key == "latency_p99_ns") return row.ns.p99;
  if (key == "energy_nj") return row.energy_nj;
  const auto own = count_of(row.counts, key);
  return real(own ? own : count_of(figures, key));
}

BudgetFinding held_against(const std::string& who, const BudgetLimit& limit, std::optional<double> found,
                           const std::string& why_not) {
  BudgetFinding finding{.who = who,
                        .key = limit.key,
                        .limit = std::to_string(limit.most),
                        .most = static_cast<double>(limit.most),
                        .found = found,
                        .found_words = why_not};
  if (!found) {
    finding.verdict = BudgetFinding::Verdict::unknown;
    return finding;
  }
  finding.found_words = formatted("{:.0f}", *found);
  if (*found > *finding.most) finding.verdict = BudgetFinding::Verdict::exceeded;
  return finding;
}

BudgetFinding check_coverage(const std::string& least, const Recording& estimate) {
  BudgetFinding finding{
      .who = "total", .key = "coverage", .limit = least, .most = {}, .found = {}, .found_words = "exact"};
  for (const RecordedLayer& layer : estimate.layers) {
    const bool unknown = layer.coverage == "unknown", approximate = layer.coverage == "approximate";
    if (!unknown && !(approximate && least == "exact")) continue;
    finding.found_words =
        layer.coverage + ": " + layer.op + " '" + layer.name + "'" + (layer.reason.empty() ? "" : ", " + layer.reason);
    finding.verdict = BudgetFinding::Verdict::exceeded;
    if (unknown) break;
  }
  return finding;
}

bool matches(const BudgetRule& rule, const RecordedLayer& layer) {
  if (!rule.op.empty() && rule.op != layer.op) return false;
  if (rule.name.empty()) return true;
  return std::any_of(layer.nodes.begin(), layer.nodes.end(),
                     [&](const std::string& node) { return fnmatch(rule.name.c_str(), node.c_str(), 0) == 0; });
}

std::string described(const BudgetRule& rule) {
  return "budget rule" + (rule.name.empty() ? "" : " '" + rule.name + "'") +
         (rule.op.empty() ? "" : " of operator " + rule.op);
}

void require_measured(const std::string& key, const Recording* measured) {
  if (measured == nullptr)
    fail("budget", "a limit of " + key, "must come with --profile FILE, which tells it", ErrorCode::usage);
}

void check_rule(std::vector<BudgetFinding>& findings, const BudgetRule& rule, const Recording& estimate,
                const Recording* measured) {
  for (const BudgetLimit& limit : rule.limits) {
    const bool of_run = among(kMeasuredOfLayers, limit.key);
    if (of_run) require_measured(limit.key, measured);
    const std::vector<RecordedLayer>& rows = of_run ? measured->layers : estimate.layers;
    size_t matched = 0;
    for (const RecordedLayer& row : rows) {
      if (!matches(rule, row)) continue;
      ++matched;
      findings.push_back(
          held_against(row.name, limit, figure_of(row, {}, limit.key), row.reason.empty() ? "n/a" : row.reason));
    }
    if (matched == 0)
      fail(described(rule), "matches no layer", of_run ? "must match a row of the profile" : "must match one",
           ErrorCode::usage);
  }
}

}  // namespace

Budget budget_of(const DocumentValue& value) {
  if (!value.object()) refuse(value, "no object", "must be an object of limits");
  Budget budget;
  for (const auto& [key, member] : value.members()) {
    if (key == "schema") {
      if (!member.text() || member.words() != "tally.budget/1") refuse(member, "another one", "must be tally.budget/1");
    } else if (key == "coverage") {
      budget.coverage = coverage_of(member);
    } else if (key == "layers") {
      if (!member.array()) refuse(member, "no array", "must be an array of limits of layers");
      for (const DocumentValue& rule : member.items()) budget.layers.push_back(rule_of(rule));
    } else if (among(kOfLayers, key) || among(kOfTotals, key) || measured_key(key)) {
      budget.totals.push_back({key, limit_of(key, member)});
    } else if (key != "comment") {
      refuse(member, "an unknown key",
             "must be a total of the estimate (params, macs, peak_activation_bytes …), model_bytes, "
             "a figure of a run (latency_ns, arena_bytes …), coverage, layers, schema or comment");
    }
  }
  if (budget.totals.empty() && budget.layers.empty() && !budget.coverage) refuse(value, "no limit", "must have one");
  return budget;
}

Budget read_budget(const std::filesystem::path& file) {
  const nlohmann::json value = read_json(file);
  return budget_of(DocumentValue(value, "file '" + file.string() + "': "));
}

std::vector<BudgetFinding> check_budget(const Budget& budget, const Recording& estimate, const Recording* measured) {
  std::vector<BudgetFinding> findings;
  if (budget.coverage) findings.push_back(check_coverage(*budget.coverage, estimate));
  for (const BudgetLimit& limit : budget.totals) {
    const bool of_run = measured_key(limit.key);
    if (of_run) require_measured(limit.key, measured);
    const Recording& source = of_run ? *measured : estimate;
    const auto found =
        limit.key == "model_bytes" ? real(estimate.model_bytes) : figure_of(source.totals, source.figures, limit.key);
    findings.push_back(held_against("total", limit, found,
                                    of_run ? "'" + source.file + "' does not tell" : "an operator of unknown cost"));
  }
  for (const BudgetRule& rule : budget.layers) check_rule(findings, rule, estimate, measured);
  return findings;
}

}  // namespace tally::tools
