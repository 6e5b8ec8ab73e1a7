#include "tools/measure/counter_selftest.h"

#include <doctest/doctest.h>

#include "tally/platforms/core_clock.h"
#include "tests/platforms/system_tree.h"

#if defined(__linux__)

#include "tests/platforms/fake_perf.h"

using namespace tally;
using namespace tally::test;
using namespace tally::tools;
using Outcome = CounterTest::Outcome;

namespace {

std::vector<CounterTest> tested(FakePerf& kernel, const SystemTree& tree) {
  return test_counters(kernel_table(built_isas().front(), false), tree.files, kernel, -1);
}

const CounterTest& named(const std::vector<CounterTest>& tests, const std::string& name) {
  for (const CounterTest& test : tests)
    if (test.counter.compare(0, name.size(), name) == 0) return test;
  FAIL("no test of " << name);
  return tests.front();
}

}  // namespace

TEST_CASE("selftest: counts inside their margins pass, others fail, missing ones say why") {
  CHECK(judged("a", "", 10, 10, 20).outcome == Outcome::passed);
  CHECK(judged("a", "", 20.5, 10, 20).outcome == Outcome::failed);
  CHECK(judged("a", "", 1234567, 0, 20).found == "1,234,567");

  const PerfSetup setup = perf_setup(system_files(), -1);
  FakePerf kernel;
  kernel.step[setup.events[1].config] = static_cast<uint64_t>(instructions_of_adds(100'000)) + 150;
  kernel.step[setup.events[2].config] = 12;
  kernel.step[setup.events[3].config] = 900'000;
  kernel.step[setup.events[4].config] = 98'000;
  kernel.refused[setup.events[5].config] = ENOENT;
  const Pi4 pi;
  const auto tests = tested(kernel, pi);
  CHECK(named(tests, "timer").outcome != Outcome::missing);
  if (instructions_of_adds(1) > 0) CHECK(named(tests, "instructions").outcome == Outcome::passed);
  CHECK(named(tests, "cache_misses").outcome == Outcome::passed);
  CHECK(named(tests, "branch_misses").outcome == Outcome::failed);
  CHECK(named(tests, "l1d_read_misses").outcome == Outcome::passed);
  CHECK(named(tests, "ll_read_misses").outcome == Outcome::missing);
  CHECK(named(tests, "ll_read_misses").found.find("perf_event_open") != std::string::npos);
  CHECK(named(tests, "energy").outcome == Outcome::passed);
  CHECK(named(tests, "energy").found == "3,250");
  if (cycles_of_adds(1) > 0) CHECK(named(tests, "cycles").outcome == Outcome::failed);  // a thousand is not enough
}

TEST_CASE("selftest: an instruction too few is one") {
  const PerfSetup setup = perf_setup(system_files(), -1);
  FakePerf kernel;
  kernel.step[setup.events[1].config] = static_cast<uint64_t>(instructions_of_adds(100'000)) - 1;
  if (instructions_of_adds(1) > 0)
    CHECK(named(tested(kernel, SystemTree()), "instructions").outcome == Outcome::failed);
}

TEST_CASE("selftest: nothing to be had is nothing failed") {
  FakePerf none;
  none.refuse_all = ENOENT;
  for (const CounterTest& test : tested(none, SystemTree())) {
    if (test.counter.compare(0, 5, "timer") == 0) continue;
    CHECK(test.outcome == Outcome::missing);
    CHECK_FALSE(test.found.empty());
  }
}

#endif
