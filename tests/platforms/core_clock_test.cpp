#include "tally/platforms/core_clock.h"

#include <doctest/doctest.h>

#include "tally/platforms/clock.h"
#include "tests/platforms/system_tree.h"

using namespace tally;
using namespace tally::test;

TEST_CASE("core clock: dependent additions take time in proportion") {
  if (cycles_of_adds(1) == 0) {
    MESSAGE("skipped: no loop of known latency for this architecture");
    return;
  }
  CHECK(cycles_of_adds(10) == 2560);
  CHECK(instructions_of_adds(10) == 2580);
  const double mhz = core_mhz();
  MESSAGE(mhz << " MHz");
  CHECK(mhz > 1);
  CHECK(mhz < 20'000);  // under an emulator it means nothing, but is a number
  CHECK(settled_core_mhz() > 1);
}

TEST_CASE("core clock: cpufreq's word in MHz") {
  const Pi4 pi;
  CHECK(cpufreq_mhz(pi.files, 2) == doctest::Approx(600));
  CHECK(cpufreq_mhz(pi.files, 9) == 0);
}
