// What `info` says of machines that are not here.
#include "tools/machine/machine_state.h"

#include <doctest/doctest.h>

#include "nlohmann/json.hpp"
#include "tests/platforms/system_tree.h"

#if defined(__linux__)

#include "tests/platforms/fake_perf.h"

using namespace tally;
using namespace tally::test;
using namespace tally::tools;

namespace {

MachineState state_of(const SystemTree& tree, FakePerf& kernel, int cpus, int cpu = 0) {
  std::vector<int> allowed;
  for (int i = 0; i < cpus; ++i) allowed.push_back(i);
  return read_machine_state(tree.files, kernel, read_topology(tree.files, allowed), cpu, 1500);
}

void check_line(const MachineState& state, const std::string& what, const std::string& part) {
  for (const auto& [name, found] : state_lines(state)) {
    if (name != what) continue;
    CAPTURE(found);
    CHECK(found.find(part) != std::string::npos);
    return;
  }
  FAIL("no line " << what);
}

/// Null only with a reason.
void check_nulls(const nlohmann::ordered_json& json) {
  for (const auto& [key, value] : json.items()) {
    CAPTURE(key);
    if (value.is_null()) CHECK(json["missing"][key].is_string());
  }
}

}  // namespace

TEST_CASE("info: a Pi 4 whose counters are denied") {
  const Pi4 pi;
  FakePerf kernel;
  kernel.refuse_all = EACCES;
  const MachineState state = state_of(pi, kernel, 4);
  check_line(state, "counters", "n/a: perf_event_open: Permission denied; denied: kernel.perf_event_paranoid is 3");
  check_line(state, "energy", "hwmon ina219 (/sys/class/hwmon/hwmon1/power1_input)");
  check_line(state, "throttling", "firmware now: under-voltage, throttled, since start: under-voltage, throttled");
  check_line(state, "throttling", "67 °C");
  check_line(state, "governor", "ondemand");
  check_line(state, "core clock",
             "1,500 MHz (estimated: dependent additions); 600 MHz (cpufreq); limits 600 to 1800 MHz");
  check_line(state, "fit to measure", "no: the frequency governor is 'ondemand'");
  const auto json = state_json(state);
  CHECK(json["counters"]["usable"] == false);
  CHECK(json["counters"]["reason"].is_string());
  CHECK(json["counters"]["events"]["cycles"]["usable"] == false);
  CHECK(json["energy_source"] == "hwmon");
  CHECK(json["pi_flags"] == 0x50005);
  check_nulls(json);
}

TEST_CASE("info: a Pi 5, counters read by an instruction, some events missing") {
  const Pi5 pi;
  FakePerf kernel;
  kernel.pages = true;
  kernel.refused[PERF_COUNT_HW_BRANCH_MISSES] = ENOENT;
  const MachineState state = state_of(pi, kernel, 4);
  check_line(state, "counters",
             "cycles, instructions, cache_misses, l1d_read_misses, ll_read_misses (read by an instr");
  check_line(state, "counters", "; branch_misses: n/a: perf_event_open: No such file");
  check_line(state, "energy", "pmic rails (/usr/bin/vcgencmd)");
  check_line(state, "fit to measure", "nothing speaks against it");
  const auto json = state_json(state);
  CHECK(json["counters"]["usable"] == true);
  CHECK(json["counters"]["read_by"] == "instruction");
  check_nulls(json);
}

TEST_CASE("info: a laptop, a phone, a container") {
  FakePerf kernel;
  const Laptop laptop;
  const MachineState x86 = state_of(laptop, kernel, 4);
  check_line(x86, "energy", "rapl package-0");
  check_line(x86, "core clock", "boost on");
  check_line(x86, "throttling", "7 events since start");
  const Phone phone;
  const MachineState arm = state_of(phone, kernel, 8, 7);
  check_line(arm, "clusters", "CPUs 7 of capacity 1024 up to 2900 MHz; CPUs 4,5,6 of capacity 790");
  check_line(arm, "throttling", "cooling cpufreq-cpu7 at 2 of 9");
  CHECK((kernel.asked.back().config >> 32) == 10);
  const SystemTree container;
  FakePerf none;
  none.refuse_all = ENOENT;
  const MachineState bare = state_of(container, none, 2);
  for (const char* what : {"counters", "energy", "governor", "throttling", "load average"})
    check_line(bare, what, "n/a: ");
  check_line(bare, "core clock", "cpufreq: n/a");
  const auto json = state_json(bare);
  CHECK(json["energy_sources"].empty());
  CHECK(json["counters"]["reason"].get<std::string>().find("No such file") != std::string::npos);
  check_nulls(json);
}

#endif
