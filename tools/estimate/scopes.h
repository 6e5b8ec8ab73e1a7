#pragma once
// --depth N: costs summed by the modules that the exporter says nodes belong to.
#include "tools/output/document.h"
#include "tools/output/report.h"

namespace tally::tools {

/// What a scope and all below it cost.
struct ScopeSum {
  std::string path;  ///< "/layer1/layer1.0"; empty: the whole model
  int depth = 0;
  int64_t layers = 0, params = 0, params_shared = 0, buffers = 0, constants = 0, macs = 0, operations = 0;
  int64_t bytes_read = 0, bytes_weights = 0, bytes_written = 0;
  int64_t peak_live_bytes = 0;  ///< the most that lives while one of its nodes runs

  std::string name() const;  ///< the last component, without the name of the one before where it repeats it
};

/// Scopes down to `depth` components, each before those within it, in order of first use; the model itself first. A
/// node counts in every scope that it lies in.
std::vector<ScopeSum> scope_sums(const Estimate& estimate, int depth);

ReportPart scope_part(const std::vector<ScopeSum>& sums);
nlohmann::ordered_json scope_json(const std::vector<ScopeSum>& sums);

}  // namespace tally::tools
