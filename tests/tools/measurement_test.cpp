// What surrounds a measurement, before machines and counters of our own making.
#include "tools/measure/measurement.h"

#include <doctest/doctest.h>

#include <sstream>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tally/layers/tally.h"
#include "tests/platforms/system_tree.h"
#include "tools/input/model_file.h"
#include "tools/measure/measurement_notes.h"
#include "tools/measure/profile_report.h"
#include "tools/output/numbers.h"

#if defined(__linux__)

#include "tests/platforms/fake_perf.h"

using namespace tally;
using namespace tally::test;
using namespace tally::tools;

namespace {

Model small_model() {
  Builder b;
  b.output(b.relu(b.linear(b.input({1, 4}), b.constant(Tensor(DType::f32, {3, 4})))));
  return b.build();
}

bool mentions(const std::vector<std::string>& notes, const std::string& part) {
  for (const std::string& note : notes)
    if (note.find(part) != std::string::npos) return true;
  return false;
}

Distribution times() { return distribution({100, 101, 102, 103, 104, 105, 106, 107}); }

/// A profile as the command makes it.
struct Profiled {
  Profile profile;
  MeasurementRecord record;
};
Profiled profiled(const SystemFiles& files, PerfCalls& kernel, const MeasuringOptions& options = {}) {
  Context context(small_model());
  Measurement measurement(context, options, files, kernel);
  Profiled p;
  p.profile = profile(context, {.repeats = 8, .counters = measurement.counters(), .energy = measurement.energy()});
  p.record = measurement.finish(p.profile.plain_ns, p.profile.warmup, p.profile.running_share);
  return p;
}

}  // namespace

TEST_CASE("measurement: one thread is held on a CPU meanwhile, and set free") {
  const std::vector<int> before = allowed_cpus();
  if (before.empty()) {
    MESSAGE("skipped: the system does not tell which CPUs are allowed");
    return;
  }
  FakePerf kernel;
  Context context(small_model());
  {
    Measurement measurement(context, {}, system_files(), kernel);
    REQUIRE(allowed_cpus().size() == 1);
    const int cpu = allowed_cpus().front();
    CHECK(measurement.finish(times(), {}, 0).cpu == cpu);
    CHECK(allowed_cpus() == before);
  }
  { Measurement left_early(context, {}, system_files(), kernel); }
  CHECK(allowed_cpus() == before);
  Measurement free(context, {.no_pin = true}, system_files(), kernel);
  CHECK(allowed_cpus() == before);
  const MeasurementRecord record = free.finish(times(), {}, 0);
  CHECK(record.cpu == -1);
  CHECK(record.not_pinned.find("--no-pin") != std::string::npos);
}

TEST_CASE("measurement: threads are held on the cluster that --cluster names, and set free") {
  const std::vector<int> before = allowed_cpus();
  if (before.empty()) {
    MESSAGE("skipped: the system does not tell which CPUs are allowed");
    return;
  }
  const std::vector<Cluster> clusters = clusters_within(topology(), before);
  CHECK(hold_cluster({}, 4096).pin == nullptr);
  {
    const HeldCluster held = hold_cluster({.cluster = "0"}, 1);
    CHECK(held.index == 0);
    CHECK(allowed_cpus() == clusters[0].cpus);
    FakePerf kernel;
    Context context(small_model());
    Measurement measurement(context, {.no_pin = true, .cluster = "0"}, system_files(), kernel);
    const MeasurementRecord record = measurement.finish(times(), {}, 0);
    CHECK(record.cluster == "0");
    CHECK(record.span.in_cluster);
  }
  CHECK(allowed_cpus() == before);
  const auto code_of = [](const std::string& cluster, int threads) {
    try {
      hold_cluster({.cluster = cluster}, threads);
    } catch (const Error& e) {
      return std::optional(e.code);
    }
    return std::optional<ErrorCode>();
  };
  CHECK(code_of("no-such-core", 1) == ErrorCode::machine);
  CHECK(code_of(std::to_string(clusters.size()), 1) == ErrorCode::machine);
  CHECK(code_of("0", 4096) == ErrorCode::usage);
  CHECK(allowed_cpus() == before);
}

TEST_CASE("measurement: counters by choice: auto, require, off") {
  Context context(small_model());
  const SystemTree container;
  FakePerf denied;
  denied.refuse_all = EACCES;
  Measurement automatic(context, {}, container.files, denied);
  CHECK(automatic.counters() == nullptr);
  CHECK(automatic.energy() == nullptr);
  const MeasurementRecord record = automatic.finish(times(), {}, 0);
  CHECK_FALSE(record.counters.any());
  CHECK(record.counters.missing[0].find("Permission denied") != std::string::npos);
  CHECK(record.energy_missing.find("no energy source") != std::string::npos);

  try {
    Measurement demanded(context, {.counters = "require"}, container.files, denied);
    FAIL("must be refused");
  } catch (const Error& e) {
    CHECK(e.code == ErrorCode::machine);
    CHECK(std::string(e.what()).find("no counter of cycles (perf_event_open: Permission denied") != std::string::npos);
  }
  FakePerf partly;
  partly.refused[PERF_COUNT_HW_INSTRUCTIONS] = ENOENT;
  CHECK_THROWS_AS(Measurement(context, {.counters = "require"}, container.files, partly), Error);
  partly.refused = {{PERF_COUNT_HW_BRANCH_MISSES, ENOENT}};
  CHECK_NOTHROW(Measurement(context, {.counters = "require"}, container.files, partly));
  CHECK_THROWS_AS(Measurement(context, {.counters = "sometimes"}, container.files, partly), Error);

  FakePerf untouched;
  Measurement off(context, {.counters = "off"}, container.files, untouched);
  CHECK(off.counters() == nullptr);
  CHECK(untouched.asked.empty());
  CHECK(off.finish(times(), {}, 0).counters.missing[0].find("--counters off") != std::string::npos);
}

TEST_CASE("measurement: counted cycles are the counter's, scaled ones and those of time × clock are estimates") {
  const SystemTree container;
  FakePerf kernel;
  const Profiled counted = profiled(container.files, kernel);
  Cycles cycles = cycles_of(figures_of(counted.profile, counted.record), counted.record.counters);
  CHECK(cycles.source == "pmu");
  CHECK(counter_source(counted.record.counters) == "pmu");
  CHECK(mentions(measurement_notes(counted.record, times(), figures_of(counted.profile, counted.record)),
                 "(pmu, user mode, read by a system call)"));

  FakePerf shared;
  shared.running_share = 0.5;
  const Profiled scaled = profiled(container.files, shared);
  cycles = cycles_of(figures_of(scaled.profile, scaled.record), scaled.record.counters);
  CHECK(cycles.source == "estimated");
  CHECK(mentions(measurement_notes(scaled.record, times(), figures_of(scaled.profile, scaled.record)),
                 "estimated: counters ran 50 % of the time"));

  FakePerf none;
  none.refuse_all = ENOENT;
  const Profiled timed = profiled(container.files, none);
  const Figures figures = figures_of(timed.profile, timed.record);
  cycles = cycles_of(figures, timed.record.counters);
  if (timed.record.span.mhz_before > 0) {
    CHECK(cycles.source == "estimated");
    CHECK(cycles.count.has_value());
  }
  const nlohmann::ordered_json json = hardware_json(figures, timed.record.counters);
  for (const char* key : {"instructions", "cache_misses", "branch_misses", "l1d_read_misses", "ll_read_misses",
                          "counter_source", "energy_nj", "energy_source"})
    CHECK(json[key].is_null());
  nlohmann::ordered_json missing;
  add_missing_hardware(timed.record, missing);
  for (const auto& [key, value] : json.items())
    if (value.is_null()) CHECK(missing[key].is_string());

  const Profiled off = profiled(container.files, kernel, {.counters = "off"});
  CHECK_FALSE(cycles_of(figures_of(off.profile, off.record), off.record.counters).count.has_value());
}

TEST_CASE("measurement: counted columns fit the table, and CSV has every count") {
  const SystemTree container;
  FakePerf kernel;
  const LoadedModel loaded = load_model(TALLY_SOURCE_DIR "/tools/models/lenet5_fashion.onnx", {});
  Context context(loaded.model);
  Measurement measurement(context, {}, container.files, kernel);
  kernel.step[PERF_COUNT_HW_CPU_CYCLES] = 4'000'000;
  kernel.step[PERF_COUNT_HW_INSTRUCTIONS] = 9'000'000;
  const Profile p = profile(context, {.repeats = 8, .counters = measurement.counters()});
  const MeasurementRecord record = measurement.finish(p.plain_ns, p.warmup, p.running_share);
  const Report report = profile_report(loaded, p, record, false);
  const std::string text = report.as_text(100, {});
  CHECK(text.find("cycles") != std::string::npos);
  CHECK(text.find("IPC") != std::string::npos);
  CHECK(text.find("2.25") != std::string::npos);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    CHECK(display_width(line) <= 100);
  }
  const std::string csv = report.as_csv();
  CHECK(csv.find(",cycles,instructions_per_cycle,") != std::string::npos);
  CHECK(csv.find(",cycle_source,instructions,cache_misses,branch_misses,l1d_read_misses,ll_read_misses,counter_source,"
                 "energy_nj,energy_source\n") != std::string::npos);
  CHECK(csv.find("\ncycle_source,pmu\n") != std::string::npos);
  const auto document = profile_document(loaded, p, record);
  for (const auto& layer : document["layers"]) {
    CHECK(layer["measured"]["cycle_source"] == "pmu");
    CHECK(layer["measured"]["cycles"].is_number_integer());
  }
  CHECK_FALSE(document["missing"].contains("instructions"));
}

TEST_CASE("measurement: energy by the board's sensor, rows by their share of the time") {
  const Pi4 pi;
  FakePerf kernel;
  const Profiled p = profiled(pi.files, kernel);
  const Figures run = figures_of(p.profile, p.record);
  REQUIRE(run.energy_nj.has_value());
  CHECK(run.energy_source == "hwmon");
  CHECK(hardware_json(run, p.record.counters)["energy_source"] == "hwmon");
  CHECK(mentions(measurement_notes(p.record, times(), run), "µJ a run (hwmon)"));
  double sum = 0;
  for (const ProfileRow& row : p.profile.rows) {
    const Figures figures = figures_of(row, p.profile, rows_ns(p.profile));
    CHECK(figures.energy_source == "estimated");
    sum += figures.energy_nj.value();
  }
  CHECK(sum == doctest::Approx(*run.energy_nj));
}

TEST_CASE("measurement: the block on repeatability names every reason, and what is not known with its own") {
  const Pi4 pi;
  FakePerf kernel;
  const Profiled p = profiled(pi.files, kernel);
  const nlohmann::ordered_json block = repeatability_json(p.record, p.profile.plain_ns);
  CHECK(block["fit"] == false);
  bool governor = false, voltage = false;
  for (const auto& reason : block["reasons"]) {
    governor = governor || reason.get<std::string>().find("'ondemand'") != std::string::npos;
    voltage = voltage || reason.get<std::string>().find("under-voltage") != std::string::npos;
  }
  CHECK(governor);
  CHECK(voltage);
  CHECK(block["governor"] == "ondemand");
  CHECK(block["frequency"]["max_khz"] == 1800000);
  CHECK(block["throttling"]["pi_flags"] == 0x50005);
  CHECK(block["warmup"]["runs"].get<int64_t>() >= 3);
  CHECK(block["counters"]["source"] == "pmu");
  CHECK(block["throttling"]["x86_events"].is_null());
  CHECK(block["missing"]["throttling.x86_events"].is_string());
  CHECK(block["ns"]["median_ci95"].size() == 2);
  const SystemTree container;
  FakePerf none;
  none.refuse_all = ENOENT;
  const Profiled bare = profiled(container.files, none);
  const nlohmann::ordered_json empty = repeatability_json(bare.record, distribution({1, 2}));
  CHECK(empty["governor"].is_null());
  CHECK(empty["missing"]["frequency"].is_string());
  CHECK(empty["missing"]["counters"].is_string());
  CHECK(empty["ns"]["median_ci95"].is_null());
  CHECK(empty["ns"]["missing"]["median_ci95"].is_string());
}

#endif
