#pragma once
// Measured figures in documents, each with its source.
#include <optional>

#include "nlohmann/json_fwd.hpp"
#include "tools/measure/measurement.h"

namespace tally::tools {

/// What was measured of a run, or a row of it.
struct Figures {
  double ns = 0;  ///< median
  PerfFigures counted;
  std::optional<double> energy_nj;
  std::string energy_source;  ///< "rapl" …, "estimated"; empty: none
};

/// Cycles as counted ("pmu"), or as counted for a part of the time, or time × clock ("estimated"); nothing where
/// neither is to be had.
struct Cycles {
  std::optional<int64_t> count;
  std::string source;
};
Cycles cycles_of(const Figures& figures, const CounterRecord& counters);

/// "pmu", or "estimated" where counters ran for a part of the time; empty: the event was not counted.
std::string counter_source(const CounterRecord& counters);

/// {"cycles", "cycle_source", "instructions", "cache_misses", "branch_misses", "l1d_read_misses", "ll_read_misses",
/// "counter_source", "energy_nj", "energy_source"}: integers, null for what could not be had.
nlohmann::ordered_json hardware_json(const Figures& figures, const CounterRecord& counters);

/// Why fields of hardware_json() are null, by field: for a document's "missing".
void add_missing_hardware(const MeasurementRecord& record, nlohmann::ordered_json& missing);

/// {"min", "p10", "median", "p90", "p99", "mean", "stddev", "samples", "median_ci95": [low, high]}, in ns; the interval
/// is null below 6 samples.
nlohmann::ordered_json distribution_json(const Distribution& distribution);

/// The block "repeatability": what the machine was like, whether it was fit, and `whole`, the times of whole runs.
nlohmann::ordered_json repeatability_json(const MeasurementRecord& record, const Distribution& whole);

}  // namespace tally::tools
