#include "tally/engine/roofline.h"

#include <doctest/doctest.h>

namespace tally {
namespace {

const Peaks kPeaks{50, {{Bound::L1, 200, 100}, {Bound::L2, 100, 50}, {Bound::dram, 20, 10}}};

TEST_CASE("roofline: the unit that takes longest binds") {
  Work work;
  work.macs = 5000;                                  // 100 ns
  work.bytes = {{8000, 4000}, {2000, 500}, {0, 0}};  // L1 40 and 40, L2 20 and 10
  Roof roof = roof_of(work, kPeaks);
  CHECK(roof.bound == Bound::compute);
  CHECK(roof.ns == doctest::Approx(100));
  CHECK(roof.units.size() == 4);
  CHECK(roof.units[1].ns == doctest::Approx(40));
  work.bytes[2] = {1000, 2000};  // 50 to come, 200 to go
  roof = roof_of(work, kPeaks);
  CHECK(roof.bound == Bound::dram);
  CHECK(roof.ns == doctest::Approx(200));
  CHECK(name_of(roof.bound) == "dram");
}

TEST_CASE("roofline: what is not known binds nothing") {
  Work work;
  work.macs = 1e9;
  work.bytes = {{1000, 0}};
  const Roof roof = roof_of(work, {0, {{Bound::L1, 100, 0}, {Bound::L2, 1, 1}}});
  CHECK(roof.bound == Bound::L1);
  CHECK(roof.ns == doctest::Approx(10));
  CHECK(roof.units.size() == 1);
  CHECK(roof_of(work, {}).ns == 0);
}

}  // namespace
}  // namespace tally
