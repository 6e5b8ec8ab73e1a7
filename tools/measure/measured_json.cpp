#include "tools/measure/measured_json.h"

#include <cmath>

#include "nlohmann/json.hpp"
#include "tally/platforms/clock.h"
#include "tally/platforms/topology.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

template <class T>
ordered_json value_or_null(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json();
}

ordered_json text_or_null(const std::string& text) { return text.empty() ? ordered_json() : ordered_json(text); }

ordered_json positive_or_null(double value) { return value > 0 ? ordered_json(value) : ordered_json(); }

/// Clock, its governor and limits.
ordered_json frequency_json(const MeasurementRecord& r, ordered_json& missing) {
  const Conditions& c = r.before;
  ordered_json f{{"governor", value_or_null(c.governor)},
                 {"khz", value_or_null(c.khz)},
                 {"min_khz", value_or_null(c.min_khz)},
                 {"max_khz", value_or_null(c.max_khz)},
                 {"hardware_max_khz", value_or_null(c.hardware_max_khz)},
                 {"boost", value_or_null(c.boost)}};
  f["core_mhz_before"] = positive_or_null(r.span.mhz_before);
  f["core_mhz_after"] = positive_or_null(r.span.mhz_after);
  f["core_mhz_source"] = r.span.mhz_before > 0 ? ordered_json("estimated") : ordered_json();
  if (!c.governor) missing["governor"] = missing["frequency"] = "no cpufreq in /sys";
  if (!c.boost) missing["frequency.boost"] = "the system does not tell";
  if (r.span.mhz_before <= 0) missing["frequency.core_mhz"] = "no loop of known latency for this architecture";
  return f;
}

ordered_json throttling_json(const MeasurementRecord& r, ordered_json& missing) {
  const Conditions &before = r.before, &after = r.after;
  ordered_json t;
  t["x86_events"] = before.throttle_events && after.throttle_events
                        ? ordered_json(*after.throttle_events - *before.throttle_events)
                        : ordered_json();
  t["pi_flags"] = value_or_null(after.pi_flags ? after.pi_flags : before.pi_flags);
  t["cooling"] = after.cooling;
  t["celsius_before"] = value_or_null(before.celsius);
  t["celsius_after"] = value_or_null(after.celsius);
  if (t["x86_events"].is_null()) missing["throttling.x86_events"] = "no thermal_throttle in /sys";
  if (t["pi_flags"].is_null()) missing["throttling.pi_flags"] = "no Raspberry Pi firmware";
  for (const auto& [key, celsius] : {std::pair("celsius_before", before.celsius), {"celsius_after", after.celsius}})
    if (!celsius) missing["throttling." + std::string(key)] = "no thermal zone in /sys";
  return t;
}

ordered_json placement_json(const MeasurementRecord& r, ordered_json& missing) {
  ordered_json p{{"pinned_cpu", r.cpu >= 0 ? ordered_json(r.cpu) : ordered_json()}};
  if (r.cpu < 0) missing["placement.pinned_cpu"] = r.not_pinned;
  p["cluster"] = r.cluster.empty() ? ordered_json() : ordered_json(r.cluster);
  if (r.cluster.empty()) missing["placement.cluster"] = "not asked for (--cluster)";
  p["allowed_cpus"] = topology().allowed_cpus;
  ordered_json clusters = ordered_json::array();
  for (const Cluster& cluster : topology().clusters)
    clusters.push_back({{"name", cluster.name.empty() ? ordered_json() : ordered_json(cluster.name)},
                        {"cpus", cluster.cpus},
                        {"capacity", cluster.capacity > 0 ? ordered_json(cluster.capacity) : ordered_json()},
                        {"max_khz", cluster.max_khz > 0 ? ordered_json(cluster.max_khz) : ordered_json()}});
  p["clusters"] = std::move(clusters);
  if (topology().clusters.front().name.empty()) missing["placement.clusters.name"] = "the cores do not tell";
  if (topology().clusters.front().capacity == 0) missing["placement.clusters.capacity"] = "the system does not tell";
  if (topology().clusters.front().max_khz == 0) missing["placement.clusters.max_khz"] = "no cpufreq in /sys";
  p["smt_siblings"] = r.before.siblings;
  return p;
}

ordered_json company_json(const MeasurementRecord& r, ordered_json& missing) {
  ordered_json c{{"load_average", value_or_null(r.before.load)},
                 {"pushed_off", r.after.pushed_off - r.before.pushed_off},
                 {"sibling_busy_share", value_or_null(sibling_share(r.before, r.after))},
                 {"stolen_share", value_or_null(stolen_share(r.before, r.after))}};
  if (!r.before.load) missing["company.load_average"] = "no /proc/loadavg";
  if (c["sibling_busy_share"].is_null())
    missing["company.sibling_busy_share"] = r.cpu < 0 ? "held on no CPU" : "the core has one thread";
  if (c["stolen_share"].is_null())
    missing["company.stolen_share"] = r.cpu < 0 ? "held on no CPU" : "/proc/stat does not tell";
  return c;
}

}  // namespace

Cycles cycles_of(const Figures& figures, const CounterRecord& counters) {
  if (const auto counted = figures.counted[PerfEvent::cycles])
    return {std::llround(*counted), counters.scaled() ? "estimated" : "pmu"};
  if (counters.mhz > 0) return {std::llround(figures.ns * counters.mhz * 1e-3), "estimated"};
  return {};
}

std::string counter_source(const CounterRecord& counters) {
  return !counters.any() || counters.running_share <= 0 ? "" : counters.scaled() ? "estimated" : "pmu";
}

ordered_json hardware_json(const Figures& figures, const CounterRecord& counters) {
  const Cycles cycles = cycles_of(figures, counters);
  ordered_json json{{"cycles", value_or_null(cycles.count)}, {"cycle_source", text_or_null(cycles.source)}};
  for (size_t e = 1; e < kPerfEvents; ++e) {
    const auto event = static_cast<PerfEvent>(e);
    const std::optional<double> count = figures.counted[event];
    json[std::string(name_of(event))] = count ? ordered_json(std::llround(*count)) : ordered_json();
  }
  json["counter_source"] = text_or_null(counter_source(counters));
  json["energy_nj"] = figures.energy_nj ? ordered_json(std::llround(*figures.energy_nj)) : ordered_json();
  json["energy_source"] = figures.energy_nj ? text_or_null(figures.energy_source) : ordered_json();
  return json;
}

void add_missing_hardware(const MeasurementRecord& record, ordered_json& missing) {
  const CounterRecord& counters = record.counters;
  const std::string failed = "the kernel gave no reading";
  const bool running = counters.running_share > 0;
  const auto why = [&](PerfEvent event) {
    const std::string& reason = counters.missing[static_cast<size_t>(event)];
    return reason.empty() ? failed : reason;
  };
  if ((!running || !counters.counted(PerfEvent::cycles)) && counters.mhz <= 0)
    missing["cycles"] = missing["cycle_source"] = why(PerfEvent::cycles);
  for (size_t e = 1; e < kPerfEvents; ++e) {
    const auto event = static_cast<PerfEvent>(e);
    if (!running || !counters.counted(event)) missing[std::string(name_of(event))] = why(event);
  }
  if (counter_source(counters).empty()) missing["counter_source"] = why(PerfEvent::cycles);
  if (record.energy_source.empty()) missing["energy_nj"] = missing["energy_source"] = record.energy_missing;
}

ordered_json distribution_json(const Distribution& d) {
  ordered_json json{{"min", d.min}, {"p10", d.p10},   {"median", d.median}, {"p90", d.p90},
                    {"p99", d.p99}, {"mean", d.mean}, {"stddev", d.stddev}, {"samples", d.samples}};
  json["median_ci95"] = nullptr;
  if (d.median_ci95)
    json["median_ci95"] = {d.median_ci95->low, d.median_ci95->high};
  else
    json["missing"] = {{"median_ci95", "needs 6 samples"}};
  return json;
}

ordered_json repeatability_json(const MeasurementRecord& r, const Distribution& whole) {
  ordered_json missing = ordered_json::object();
  ordered_json block{{"fit", r.unfit.empty()}, {"reasons", r.unfit}};
  block["repeats"] = whole.samples;
  block["ns"] = distribution_json(whole);
  block["spread"] = whole.spread();
  block["warmup"] = {{"runs", r.warmup.runs}, {"ns", r.warmup.ns}, {"steady", r.warmup.steady}};
  block["seconds"] = r.span.seconds;
  block["placement"] = placement_json(r, missing);
  block["frequency"] = frequency_json(r, missing);
  block["throttling"] = throttling_json(r, missing);
  block["company"] = company_json(r, missing);
  block["clock_source"] = tick_source();
  const CounterRecord& counters = r.counters;
  block["counters"] = {
      {"source", text_or_null(counter_source(counters))},
      {"read_by", counters.any() ? ordered_json(counters.direct ? "instruction" : "system call") : ordered_json()},
      {"running_share", counters.any() ? ordered_json(counters.running_share) : ordered_json()}};
  if (!counters.any()) missing["counters"] = counters.missing.front();
  block["governor"] = block["frequency"]["governor"];
  block["load_average"] = block["company"]["load_average"];
  block["missing"] = std::move(missing);
  return block;
}

}  // namespace tally::tools
