// What a device says of itself.
#include "tools/device/inspection.h"

#include <doctest/doctest.h>

#include "tools/device/process.h"

using namespace tally;
using namespace tally::tools;

namespace {

constexpr const char* kPi =
    "machine aarch64\nrelease 6.6.31+rpt-rpi-v8\nuser_bits 64\nhardware Raspberry Pi 4 Model B Rev 1.4\n"
    "system Debian GNU/Linux 12 (bookworm)\ncpus 4\nmemory_kb 3884352\nfree_memory_kb 3400000\nload 2.61\n"
    "clock policy0 ondemand,600000,1800000,1800000\nzone 61322\nzone 40\nzone -274000\ncooling cpufreq at 2 of 9\n"
    "throttled throttled=0x50005\nparanoid 2\nuser_access \nseconds 20250131T235959Z\nfree_disk_kb 1234567\n";

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string line(const Inspection& found, const std::string& what) {
  for (const auto& [name, text] : inspection_lines(found))
    if (name == what) return text;
  return "no line";
}

}  // namespace

TEST_CASE("a Raspberry Pi's answer is understood") {
  const Inspection pi = inspection_of(kPi);
  CHECK(pi.machine == "aarch64");
  CHECK(pi.hardware == "Raspberry Pi 4 Model B Rev 1.4");
  CHECK(pi.free_disk_kb == 1234567);
  CHECK(pi.celsius == doctest::Approx(61.322));
  CHECK(pi.pi_flags == 0x50005u);
  REQUIRE(pi.clocks.size() == 1);
  CHECK(pi.clocks[0].governor == "ondemand");
  CHECK(pi.clocks[0].max_khz == 1800000);
  CHECK(line(pi, "clock") == "policy0 ondemand: 600 of 1800 MHz");
  CHECK(holds(line(pi, "throttling"), "under-voltage, throttled"));
  CHECK(holds(line(pi, "throttling"), "cpufreq at 2 of 9"));
  CHECK(line(pi, "counters") == "perf_event_paranoid 2");
}

TEST_CASE("what keeps a device from being fit is said") {
  const auto reasons = unfit_device(inspection_of(kPi));
  REQUIRE(reasons.size() == 5);
  CHECK(reasons[0] == "governor ondemand");
  CHECK(reasons[3] == "cooling: cpufreq at 2 of 9");
  CHECK(reasons[4] == "load 2.61 on 4 CPUs");
  CHECK(unfit_device(inspection_of("cpus 4\nload 0.10\nclock policy0 performance,1,1,1\nthrottled throttled=0x0\n"))
            .empty());
}

TEST_CASE("a 32-bit user land on a 64-bit kernel is said") {
  CHECK(line(inspection_of("machine aarch64\nuser_bits 32\n"), "architecture") == "aarch64, 32-bit user land");
}

TEST_CASE("what is missing or no number is null with its reason") {
  const Inspection none =
      inspection_of("machine\nload x\nfree_disk_kb 12y\nthrottled nothing\nclock policy0 \nnonsense\n");
  CHECK_FALSE(none.load);
  CHECK_FALSE(none.free_disk_kb);
  CHECK_FALSE(none.pi_flags);
  const auto state = device_state_json(none), hardware = device_json(none);
  CHECK(state["load_average"].is_null());
  CHECK(state["missing"]["load_average"] == "the device does not tell");
  CHECK(hardware["architecture"].is_null());
  CHECK(hardware["missing"].contains("architecture"));
  CHECK(line(none, "temperature") == "n/a: no thermal zone");
}

TEST_CASE("the script runs in this machine's shell") {
  const Ended ended = run_process({"sh", "-c", inspection_script("/tmp")}, {});
  const Inspection found = inspection_of(ended.out);
  CHECK(ended.err.empty());
  CHECK_FALSE(found.machine.empty());
  CHECK_FALSE(found.release.empty());
  CHECK(found.cpus.value_or(0) > 0);
  CHECK(found.free_disk_kb.value_or(-1) >= 0);
  CHECK(found.seconds.size() == 16);
}
