// Bytes past caches as counters saw them, before counters of our own making.
#include "tools/measure/counted_fetches.h"

#include <doctest/doctest.h>

#include "nlohmann/json.hpp"
#include "tests/platforms/system_tree.h"
#include "tools/input/model_file.h"
#include "tools/measure/profile_report.h"

#if defined(__linux__)

#include "tests/platforms/fake_perf.h"

using namespace tally;
using namespace tally::test;
using namespace tally::tools;

namespace {

struct Profiled {
  LoadedModel model;
  Profile profile;
  MeasurementRecord record;
  PlanRoofs roofs;
  CountedFetches fetches;
  nlohmann::ordered_json document;
};

Profiled profiled(FakePerf& kernel) {
  const SystemTree container;
  Profiled p{load_model(TALLY_SOURCE_DIR "/tools/models/lenet5_fashion.onnx", {}), {}, {}, {}, {}, {}};
  Context context(p.model.model);
  Measurement measurement(context, {}, container.files, kernel);
  p.profile = profile(context, {.repeats = 8, .counters = measurement.counters()});
  p.record = measurement.finish(p.profile.plain_ns, p.profile.warmup, p.profile.running_share);
  std::vector<Tally> tallies;
  for (const ProfileRow& row : p.profile.rows) tallies.push_back(row.executed);
  MachineChoice machine;
  machine.file = read_machine_file("raspberry-pi-4");  // two levels of cache, whatever this machine has
  p.roofs = roofs_of(*p.profile.plan, tallies, machine);
  p.fetches = counted_fetches(p.profile, p.roofs, p.record.counters);
  p.document = profile_document(p.model, p.profile, p.record);
  add_roofs(p.document, *p.profile.plan, p.roofs, {}, 0);
  add_counted_fetches(p.document, p.roofs, p.fetches);
  return p;
}

constexpr uint64_t cache_config(uint64_t cache) {
  return cache | PERF_COUNT_HW_CACHE_OP_READ << 8 | PERF_COUNT_HW_CACHE_RESULT_MISS << 16;
}

}  // namespace

TEST_CASE("counted fetches: read misses of the first and the last cache, as bytes beside the model's") {
  FakePerf kernel;
  // What a reading costs, a step of each counter, is taken off each row: misses of a row are then 0.
  const Profiled p = profiled(kernel);
  REQUIRE(p.fetches.levels.size() == 2);
  CHECK(p.roofs.caches[p.fetches.levels[0].cache] == "L1");
  CHECK(p.roofs.caches[p.fetches.levels[1].cache] == "L2");
  CHECK(p.fetches.source == "pmu");
  for (size_t r = 0; r < p.profile.rows.size(); ++r)
    for (size_t i = 0; i < 2; ++i) {
      const auto misses = p.profile.rows[r].counted[p.fetches.levels[i].event];
      REQUIRE(misses.has_value());
      REQUIRE(p.fetches.bytes[r][i].has_value());
      CHECK(*p.fetches.bytes[r][i] == static_cast<int64_t>(*misses) * 64);
    }
  for (const auto& layer : p.document["layers"]) {
    CHECK(layer["bytes"]["beyond_fetched_counted"]["L1"].is_number_integer());
    CHECK(layer["bytes"]["beyond_fetched_counted"]["L2"].is_number_integer());
    CHECK(layer["bytes"]["beyond_fetched_counted_source"] == "pmu");
  }
  const Table table = fetch_table(p.profile, p.roofs, p.fetches);
  CHECK(table.columns.size() == 5);
  CHECK(table.rows.size() == 7);
}

TEST_CASE("counted fetches: bytes are misses of the row times the line") {
  FakePerf kernel;
  Profiled p = profiled(kernel);
  p.profile.rows[0].counted.count[static_cast<size_t>(PerfEvent::l1d_read_misses)] = 355.0;
  p.profile.rows[0].counted.count[static_cast<size_t>(PerfEvent::ll_read_misses)].reset();
  const CountedFetches fetches = counted_fetches(p.profile, p.roofs, p.record.counters);
  CHECK(fetches.bytes[0][0] == 355 * 64);
  CHECK_FALSE(fetches.bytes[0][1].has_value());
}

TEST_CASE("counted fetches: a processor without one of the events, and one without any") {
  FakePerf partly;
  partly.refused[cache_config(PERF_COUNT_HW_CACHE_LL)] = ENOENT;
  const Profiled first = profiled(partly);
  REQUIRE(first.fetches.levels.size() == 1);
  CHECK(first.fetches.levels[0].event == PerfEvent::l1d_read_misses);
  CHECK_FALSE(first.document["layers"][0]["bytes"]["beyond_fetched_counted"].contains("L2"));

  FakePerf none;
  none.refuse_all = ENOENT;
  const Profiled without = profiled(none);
  CHECK(without.fetches.levels.empty());
  CHECK(without.document["layers"][0]["bytes"]["beyond_fetched_counted"].is_null());
  CHECK(without.document["missing"]["beyond_fetched_counted"].get<std::string>().find("l1d_read_misses") !=
        std::string::npos);
}

#endif
