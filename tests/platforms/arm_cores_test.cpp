#include "tally/platforms/arm_cores.h"

#include <doctest/doctest.h>

#include "tally/platforms/cpu.h"

using namespace tally;

TEST_CASE("ARM cores by their identification registers") {
  CHECK(arm_core_name(0x410fd034) == "Cortex-A53");
  CHECK(arm_core_name(0x410fd083) == "Cortex-A72");
  CHECK(arm_core_name(0x414fd0b1) == "Cortex-A76");
  CHECK(arm_core_name(0x410fc075) == "Cortex-A7");
  CHECK(arm_core_name(0x510fd034).empty());  // another implementer's part 0xd03
  CHECK(arm_core_name(0x410f0000).empty());
  CHECK(arm_core_name(0).empty());
}

TEST_CASE("the core that this runs on") {
  const std::optional<uint64_t> midr = midr_here();
  if (!midr) {
    MESSAGE("skipped: programs may not read the identification register here");
    return;
  }
  if (!arm_core_name(*midr).empty()) {
    CHECK(cpu().model == arm_core_name(*midr));
    CHECK(cpu().source == "midr_el1");
  }
}
