#include "tools/measure/counted_fetches.h"

#include <cmath>

#include "nlohmann/json.hpp"
#include "tools/measure/measured_json.h"

namespace tally::tools {

CountedFetches counted_fetches(const Profile& profile, const PlanRoofs& roofs, const CounterRecord& counters) {
  CountedFetches fetches;
  if (roofs.caches.empty()) return fetches;
  const size_t last = roofs.caches.size() - 1;
  if (counters.counted(PerfEvent::l1d_read_misses)) fetches.levels.push_back({0, PerfEvent::l1d_read_misses});
  if (last > 0 && counters.counted(PerfEvent::ll_read_misses))
    fetches.levels.push_back({last, PerfEvent::ll_read_misses});
  if (fetches.levels.empty()) return fetches;
  fetches.source = counter_source(counters);
  for (const ProfileRow& row : profile.rows) {
    auto& bytes = fetches.bytes.emplace_back();
    for (const CountedFetches::Level& level : fetches.levels) {
      const std::optional<double> misses = row.counted[level.event];
      bytes.emplace_back();
      if (misses) bytes.back() = std::llround(*misses) * roofs.shapes[level.cache].line_bytes;
    }
  }
  return fetches;
}

Table fetch_table(const Profile& profile, const PlanRoofs& roofs, const CountedFetches& counted) {
  Table table;
  table.columns = {{"name", "layer", Unit::path, "", 10}};
  for (const CountedFetches::Level& level : counted.levels) {
    const std::string cache = roofs.caches[level.cache];
    table.columns.push_back({"fetched_past_" + cache + "_modelled", "modelled", Unit::bytes, "past " + cache});
    table.columns.push_back({"fetched_past_" + cache + "_counted", "counted", Unit::bytes, "past " + cache});
  }
  for (size_t r = 0; r < counted.bytes.size(); ++r) {
    if (profile.plan->rows[r].step_count == 0) continue;  // views
    std::vector<Cell> cells{profile.plan->rows[r].name};
    for (size_t i = 0; i < counted.levels.size(); ++i) {
      cells.emplace_back(roofs.layers[r].bytes_fetched[counted.levels[i].cache]);
      cells.push_back(counted.bytes[r][i] ? Cell(*counted.bytes[r][i]) : Cell());
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

std::string fetch_note(const CountedFetches& counted) {
  return "- fetched past caches, counted (" + counted.source +
         "): read misses times the line; a line that a prefetcher brings in time is a miss on some processors, none on "
         "others.";
}

void add_counted_fetches(nlohmann::ordered_json& document, const PlanRoofs& roofs, const CountedFetches& counted) {
  for (size_t r = 0; r < roofs.layers.size() && r < document["layers"].size(); ++r) {
    nlohmann::ordered_json& bytes = document["layers"][r]["bytes"];
    bytes["beyond_fetched_counted"] = nullptr;
    bytes["beyond_fetched_counted_source"] = nullptr;
    if (counted.levels.empty()) continue;
    bytes["beyond_fetched_counted"] = nlohmann::ordered_json::object();
    for (size_t i = 0; i < counted.levels.size(); ++i) {
      nlohmann::ordered_json& cell = bytes["beyond_fetched_counted"][roofs.caches[counted.levels[i].cache]];
      if (counted.bytes[r][i]) cell = *counted.bytes[r][i];
    }
    bytes["beyond_fetched_counted_source"] = counted.source;
  }
  if (counted.levels.empty())
    document["missing"]["beyond_fetched_counted"] = document["missing"]["beyond_fetched_counted_source"] =
        roofs.caches.empty() ? roofs.beyond_missing : "neither l1d_read_misses nor ll_read_misses could be counted";
}

}  // namespace tally::tools
