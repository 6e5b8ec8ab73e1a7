#include "tally/platforms/conditions.h"

#include <doctest/doctest.h>

#include "tests/platforms/system_tree.h"

using namespace tally;
using namespace tally::test;

namespace {

bool mentions(const std::vector<std::string>& reasons, const std::string& part) {
  for (const std::string& reason : reasons)
    if (reason.find(part) != std::string::npos) return true;
  return false;
}

std::vector<std::string> judged(const SystemTree& tree, int cpu, const MeasuredSpan& span = {.seconds = 1}) {
  const Conditions c = read_conditions(tree.files, cpu);
  return unfit_reasons(c, c, span, read_topology(tree.files, {0, 1, 2, 3, 4, 5, 6, 7}));
}

}  // namespace

TEST_CASE("conditions: a Pi 4 that is throttled") {
  const Pi4 pi;
  const Conditions c = read_conditions(pi.files, 3);
  CHECK(c.governor == "ondemand");
  CHECK(c.khz == 600000);
  CHECK(c.max_khz == 1800000);
  CHECK(c.pi_flags == 0x50005u);
  CHECK(c.celsius.value() == doctest::Approx(67.2));
  CHECK(c.load.value() == doctest::Approx(0.1));
  CHECK(c.siblings.empty());
  CHECK_FALSE(c.boost.has_value());
  CHECK_FALSE(c.throttle_events.has_value());
  const auto reasons = judged(pi, 3);
  CHECK(reasons.size() == 2);
  CHECK(mentions(reasons, "governor is 'ondemand'"));
  CHECK(mentions(reasons, "under-voltage, throttled"));
}

TEST_CASE("conditions: get_throttled's bits now and since the start") {
  CHECK(pi_throttling(0, false).empty());
  CHECK(pi_throttling(0x50000, false).empty());
  CHECK(pi_throttling(0x50000, true) == std::vector<std::string>{"under-voltage", "throttled"});
  CHECK(pi_throttling(0xA, false) == std::vector<std::string>{"clock capped", "soft temperature limit"});
}

TEST_CASE("conditions: a Pi 5 at its best, through vcgencmd") {
  const Pi5 pi;
  CHECK(read_conditions(pi.files, 1).pi_flags == 0u);
  CHECK(judged(pi, 1).empty());
}

TEST_CASE("conditions: a phone that is warm, with its biggest core limited") {
  const Phone phone;
  const Conditions c = read_conditions(phone.files, 7);
  REQUIRE(c.cooling.size() == 1);
  CHECK(c.cooling[0] == "cpufreq-cpu7 at 2 of 9");
  const auto reasons = judged(phone, 7);
  CHECK(mentions(reasons, "limited to 2100 of 2900 MHz"));
  CHECK(mentions(reasons, "held down for cooling"));
  CHECK_FALSE(mentions(reasons, "none of the fastest"));
  CHECK(mentions(judged(phone, 2), "CPU 2 is none of the fastest cores"));
  CHECK(mentions(judged(phone, -1), "nothing holds the measurement"));
}

TEST_CASE("conditions: a laptop that throttles meanwhile, its core shared") {
  const Laptop laptop;
  laptop.put("/proc/stat", "cpu 0 0 0 0\ncpu2 100 0 0 100 0 0 0 0\ncpu3 0 0 0 100");
  Conditions before = read_conditions(laptop.files, 2);
  CHECK(before.siblings == std::vector<int>{3});
  CHECK(before.boost == true);
  CHECK(before.throttle_events == 7);
  laptop.put_cpu(2, "thermal_throttle/core_throttle_count", "5");
  laptop.put("/proc/stat", "cpu 0 0 0 0\ncpu2 150 0 0 140 0 0 0 10\ncpu3 50 0 0 150");
  Conditions after = read_conditions(laptop.files, 2);
  CHECK(sibling_share(before, after).value() == doctest::Approx(0.5));
  CHECK(stolen_share(before, after).value() == doctest::Approx(0.1));
  const Topology t = read_topology(laptop.files, {0, 1, 2, 3});
  auto reasons = unfit_reasons(before, after, {.seconds = 1}, t);
  CHECK(mentions(reasons, "throttled 2 times"));
  CHECK(mentions(reasons, "other thread of the core was busy for 50 %"));
  CHECK(mentions(reasons, "took 10 %"));
  CHECK(mentions(reasons, "'powersave'"));
  before.governor = "performance";
  reasons = unfit_reasons(before, before, {.seconds = 1}, t);
  CHECK(reasons.empty());
}

TEST_CASE("conditions: a governor whose limits are equal holds the clock") {
  const SystemTree tree;
  tree.put_clock(0, "userspace", 1500000, 1500000, 1500000, 1500000);
  CHECK(judged(tree, 0).empty());
}

TEST_CASE("conditions: company, and what the span itself shows") {
  const SystemTree tree;
  tree.put("/proc/loadavg", "7.20 2.65 1.44 17/172 11894");
  const Conditions c = read_conditions(tree.files, 0);
  Conditions after = c;
  after.pushed_off += 300;
  const Topology t = read_topology(tree.files, {0, 1, 2, 3});
  const MeasuredSpan span{
      .seconds = 2, .threads = 8, .mhz_before = 3000, .mhz_after = 2700, .steady = false, .spread = 0.31};
  const auto reasons = unfit_reasons(c, after, span, t);
  CHECK(mentions(reasons, "load average is 7.20 on 4 CPUs"));
  CHECK(mentions(reasons, "took the CPU 300 times in 2.0 s"));
  CHECK(mentions(reasons, "8 threads share 4 CPUs"));
  CHECK(mentions(reasons, "from 3000 to 2700 MHz"));
  CHECK(mentions(reasons, "did not become steady"));
  CHECK(mentions(reasons, "spread by 31 %"));
  CHECK(reasons.size() == 6);
}

TEST_CASE("conditions: a cluster that was asked for is no bad placement") {
  const Phone phone;
  const Conditions c = read_conditions(phone.files, -1);
  const Topology t = read_topology(phone.files, {0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(mentions(unfit_reasons(c, c, {.seconds = 1}, t), "the cores are of 3 kinds"));
  CHECK_FALSE(mentions(unfit_reasons(c, c, {.seconds = 1, .in_cluster = true}, t), "the cores are of"));
}

TEST_CASE("conditions: a container that shows nothing is no reason to warn") {
  const SystemTree tree;
  const Conditions c = read_conditions(tree.files, -1);
  CHECK_FALSE(c.governor.has_value());
  CHECK_FALSE(c.load.has_value());
  CHECK_FALSE(stolen_share(c, c).has_value());
  CHECK_FALSE(sibling_share(c, c).has_value());
  CHECK(unfit_reasons(c, c, {.seconds = 1}, read_topology(tree.files, {0})).empty());
}
