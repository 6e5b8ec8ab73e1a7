#pragma once
// Budget files: what a model may cost at most.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/compare/recording.h"

namespace tally::tools {

struct BudgetLimit {
  std::string key;
  int64_t most = 0;
};

/// Limits of every layer whose name matches a pattern of the shell (*, ?, [a-z]) and whose operator is this one; empty:
/// any.
struct BudgetRule {
  std::string name, op;
  std::vector<BudgetLimit> limits;
};

/// {"params": 62000, "macs": "420k", "peak_activation_bytes": "64K", "coverage": "exact", "latency_ns": 12000,
///  "layers": [{"name": "/conv*", "op": "Conv", "macs": "250k"}]}
/// Limits are integers >= 0 or quantities with K, M, G or T (powers of 1024 where the key ends in _bytes or begins with
/// bytes_, else of 1000). "schema", where there is one, is "tally.budget/1"; "comment" is for people.
///   of the estimate: its totals, and model_bytes (the model's file);
///   of a profile, bench or ledger of the same model: latency_ns (median), latency_p90_ns, latency_p99_ns, lane_macs,
///   bytes_loaded, bytes_stored, weights_bytes, arena_bytes, state_bytes, peak_rss_bytes, load_ns, energy_nj;
///   of layers: the keys of an estimate's rows, and latency_ns, latency_p90_ns, lane_macs, bytes_loaded, bytes_stored,
///   energy_nj of a profile's.
/// "coverage": "exact" or "approximate": the least that is known of every operator's cost.
struct Budget {
  std::vector<BudgetLimit> totals;
  std::vector<BudgetRule> layers;
  std::optional<std::string> coverage;
};

/// Throws Error(model) where the file is no JSON, Error(usage) where a key is unknown or a limit is none.
Budget read_budget(const std::filesystem::path& file);

/// The same from a value.
Budget budget_of(const DocumentValue& value);

/// One limit held against what was found.
struct BudgetFinding {
  enum class Verdict { within, exceeded, unknown };
  std::string who;  ///< "total", or the layer
  std::string key;
  std::string limit;  ///< "62000", or "exact"
  std::optional<double> most, found;
  std::string found_words;  ///< as it is written: "61706"; why it is not known
  Verdict verdict = Verdict::within;
};

/// Every limit, in the budget's order. A figure that could not be had is `unknown`, which is no pass. Throws
/// Error(usage) where a limit needs a profile and none was given, or a rule matches no layer.
std::vector<BudgetFinding> check_budget(const Budget& budget, const Recording& estimate, const Recording* measured);

}  // namespace tally::tools
