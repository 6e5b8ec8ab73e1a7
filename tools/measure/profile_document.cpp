#include <map>

#include "nlohmann/json.hpp"
#include "tools/measure/profile_report.h"

namespace tally::tools {

namespace {

using nlohmann::ordered_json;

ordered_json gap_json(const GapTerms& terms) {
  ordered_json object = ordered_json::object();
  for (const auto& [term, value] : terms) object[term] = value;
  return object;
}

ordered_json ideal_json(const Ideal& ideal) {
  return {{"macs", ideal.macs},
          {"bytes_read", ideal.bytes_read},
          {"bytes_weights", ideal.bytes_weights},
          {"bytes_written", ideal.bytes_written}};
}

ordered_json executed_json(const Tally& tally) {
  return {{"macs", tally.macs},
          {"lane_macs", tally.lane_macs},
          {"lane_fma_other", tally.lane_fma_other},
          {"bytes_loaded", tally.bytes_loaded},
          {"bytes_stored", tally.bytes_stored}};
}

/// Times by the timer, the rest by whatever has counted it.
ordered_json measured_json(const Distribution& ns, const Figures& figures, const CounterRecord& counters) {
  ordered_json measured;
  measured["ns"] = {{"median", ns.median}, {"p10", ns.p10}, {"p90", ns.p90}, {"min", ns.min}};
  measured["source"] = "timer";
  measured.update(hardware_json(figures, counters));
  return measured;
}

ordered_json layer_json(const ProfileRow& row, const Plan& plan, ordered_json measured) {
  const PlanRow& p = *row.plan;
  ordered_json layer{{"name", p.name}, {"nodes", p.nodes}, {"op", p.op}, {"dtype", name_of(p.dtype)}};
  layer["isa"] = p.on_host ? ordered_json() : ordered_json(name_of(plan.isa));
  layer["kernel"] = p.kernel;
  layer["threads"] = p.threads;
  layer["layouts"] = p.layouts;
  layer["input_shapes"] = to_json(p.input_shapes);
  layer["output_shapes"] = to_json(p.output_shapes);
  layer["ideal"] = ideal_json(p.ideal);
  layer["executed"] = executed_json(row.executed);
  layer["gap"] = {{"macs", gap_json(row.gap.macs)},
                  {"bytes_loaded", gap_json(row.gap.bytes_loaded)},
                  {"bytes_stored", gap_json(row.gap.bytes_stored)}};
  if (!p.varies.empty()) layer["varies"] = p.varies;
  layer["measured"] = std::move(measured);
  layer["intensity"] = row.intensity;
  if (p.on_host) layer["missing"] = {{"isa", "a plain loop on the host, no kernel of an instruction set"}};
  return layer;
}

/// All rows' gaps summed by term.
ordered_json total_gap(const std::vector<ProfileRow>& rows) {
  Gap sum;
  for (const ProfileRow& row : rows) add_to(sum, row.gap);
  return {{"macs", gap_json(sum.macs)},
          {"bytes_loaded", gap_json(sum.bytes_loaded)},
          {"bytes_stored", gap_json(sum.bytes_stored)}};
}

/// MACs by number format; null where there is one only.
ordered_json macs_by_dtype(const Profile& profile) {
  std::map<std::string, ordered_json> by_dtype;
  for (const ProfileRow& row : profile.rows) {
    if (row.plan->ideal.macs == 0 && row.executed.lane_macs == 0) continue;
    ordered_json& sum = by_dtype[std::string(name_of(row.plan->dtype))];
    if (sum.is_null()) sum = {{"ideal_macs", int64_t{0}}, {"macs", int64_t{0}}, {"lane_macs", int64_t{0}}};
    sum["ideal_macs"] = sum["ideal_macs"].get<int64_t>() + row.plan->ideal.macs;
    sum["macs"] = sum["macs"].get<int64_t>() + row.executed.macs;
    sum["lane_macs"] = sum["lane_macs"].get<int64_t>() + row.executed.lane_macs;
  }
  return by_dtype.size() > 1 ? ordered_json(by_dtype) : ordered_json();
}

ordered_json totals_json(const Profile& profile, const MeasurementRecord& record) {
  Ideal ideal;
  for (const PlanRow& row : profile.plan->rows) {
    ideal.macs += row.ideal.macs;
    ideal.bytes_read += row.ideal.bytes_read;
    ideal.bytes_weights += row.ideal.bytes_weights;
    ideal.bytes_written += row.ideal.bytes_written;
  }
  const Tally& t = profile.executed;
  const auto bytes = static_cast<double>(t.bytes_loaded + t.bytes_stored);
  ordered_json totals{{"ideal", ideal_json(ideal)}, {"executed", executed_json(t)}, {"gap", total_gap(profile.rows)}};
  if (ordered_json by_dtype = macs_by_dtype(profile); !by_dtype.is_null())
    totals["macs_by_dtype"] = std::move(by_dtype);
  totals["measured"] = measured_json(profile.plain_ns, figures_of(profile, record), record.counters);
  totals["measured_with_clock_reads"] = distribution_json(profile.ns);
  totals["intensity"] = bytes > 0 ? 2.0 * static_cast<double>(t.macs) / bytes : 0.0;
  totals["weights_bytes"] = profile.plan->weights_bytes;
  totals["arena_bytes"] = profile.plan->arena_bytes;
  return totals;
}

ordered_json missing_json(const Profile& profile, const MeasurementRecord& record) {
  ordered_json missing;
  add_missing_hardware(record, missing);
  if (!record.energy_source.empty() && !profile.energy_nj)
    missing["energy_nj"] = missing["energy_source"] = "the source failed midway";
  return missing;
}

}  // namespace

double rows_ns(const Profile& profile) {
  double ns = 0;
  for (const ProfileRow& row : profile.rows) ns += row.ns.median;
  return ns;
}

Figures figures_of(const ProfileRow& row, const Profile& profile, double rows_ns) {
  Figures figures{row.ns.median, row.counted, std::nullopt, "estimated"};
  if (profile.energy_nj && rows_ns > 0) figures.energy_nj = *profile.energy_nj * row.ns.median / rows_ns;
  return figures;
}

Figures figures_of(const Profile& profile, const MeasurementRecord& record) {
  return {profile.plain_ns.median, profile.counted, profile.energy_nj, record.energy_source};
}

ordered_json profile_document(const LoadedModel& loaded, const Profile& profile, const MeasurementRecord& record) {
  ordered_json document = new_document("profile", &loaded, profile.plan->isa);
  document["threads"] = profile.plan->threads;
  ordered_json layers = ordered_json::array();
  const double all_ns = rows_ns(profile);
  for (const ProfileRow& row : profile.rows)
    layers.push_back(
        layer_json(row, *profile.plan, measured_json(row.ns, figures_of(row, profile, all_ns), record.counters)));
  document["layers"] = std::move(layers);
  document["totals"] = totals_json(profile, record);
  document["tally_overhead"] = profile.counting_ns.samples > 0 ? ordered_json(profile.tally_overhead) : ordered_json();
  ordered_json& repeatability = document["repeatability"] = repeatability_json(record, profile.plain_ns);
  repeatability["clock_overhead"] = profile.clock_overhead;
  if (const auto& interval = profile.tally_overhead_ci95)
    repeatability["tally_overhead_ci95"] = {interval->low, interval->high};
  else
    repeatability["tally_overhead_ci95"] = nullptr;
  document["missing"] = missing_json(profile, record);
  const bool timed = profile.counting_ns.samples > 0;
  if (!timed) document["missing"]["tally_overhead"] = "not measured (--no-overhead)";
  if (!profile.tally_overhead_ci95)
    repeatability["missing"]["tally_overhead_ci95"] = timed ? "needs 6 samples" : "not measured (--no-overhead)";
  return document;
}

}  // namespace tally::tools
