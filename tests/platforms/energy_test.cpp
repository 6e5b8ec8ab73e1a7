#include "tally/platforms/energy.h"

#include <doctest/doctest.h>

#include "tests/platforms/system_tree.h"

using namespace tally;
using namespace tally::test;

TEST_CASE("energy: RAPL's packages and memory, not their parts nor the platform") {
  const Laptop laptop;
  const auto sources = energy_sources(laptop.files);
  REQUIRE(sources.size() == 2);
  CHECK(sources[0].name == "package-0");
  CHECK(sources[0].kind == EnergyKind::rapl);
  CHECK(sources[1].name == "dram");
  EnergyMeter meter(laptop.files, sources);
  CHECK(meter.usable());
  CHECK(meter.source() == "rapl");
  CHECK(meter.missing().empty());
  meter.start(0);
  laptop.put_rapl("intel-rapl:0", "package-0", 262143328850, 262143320000);
  laptop.put_rapl("intel-rapl:0:1", "dram", 65712999613, 5500000);
  meter.sample(500'000'000);
  CHECK(meter.joules().value() == doctest::Approx(0.02 + 0.5));
  laptop.put_rapl("intel-rapl:0", "package-0", 262143328850, 991150);  // gone round: 8,850 to the end, 991,150 more
  meter.sample(1'000'000'000);
  CHECK(meter.joules().value() == doctest::Approx(1.52));
  meter.start(2'000'000'000);
  CHECK(meter.joules().value() == 0);
}

TEST_CASE("energy: a counter goes round at most once between two readings") {
  CHECK(counted_uj(10, 25, 100) == 15);
  CHECK(counted_uj(90, 5, 100) == 15);
  CHECK(counted_uj(90, 5, 0) == 0);
}

TEST_CASE("energy: watts of a sensor, summed as straight lines") {
  const Pi4 pi;
  const auto sources = energy_sources(pi.files);
  REQUIRE(sources.size() == 1);
  CHECK(sources[0].name == "ina219");
  EnergyMeter meter(pi.files, sources);
  CHECK(meter.source() == "hwmon");
  meter.start(1'000'000'000);
  pi.put("/sys/class/hwmon/hwmon1/power1_input", "5250000");
  meter.sample(1'500'000'000);
  CHECK(meter.joules().value() == doctest::Approx(0.5 * (3.25 + 5.25) / 2));
  meter.sample(2'500'000'000);
  CHECK(meter.joules().value() == doctest::Approx(2.125 + 5.25));
}

TEST_CASE("energy: a sensor of volts and amperes; what measures other things is left alone") {
  const SystemTree board;
  board.put("/sys/class/hwmon/hwmon0/name", "ina3221");
  board.put("/sys/class/hwmon/hwmon0/in1_input", "5000");
  board.put("/sys/class/hwmon/hwmon0/curr1_input", "800");
  board.put("/sys/class/hwmon/hwmon1/name", "amdgpu");
  board.put("/sys/class/hwmon/hwmon1/power1_average", "30000000");
  const auto sources = energy_sources(board.files);
  REQUIRE(sources.size() == 1);
  EnergyMeter meter(board.files, sources);
  meter.start(0);
  meter.sample(1'000'000'000);
  CHECK(meter.joules().value() == doctest::Approx(4));
  CHECK(meter.least_seconds() == 1);
}

TEST_CASE("energy: counters of amd_energy, sockets alone") {
  const SystemTree server;
  const std::string at = "/sys/class/hwmon/hwmon0/";
  server.put(at + "name", "amd_energy");
  for (const char* file : {"energy1", "energy2"}) server.put(at + file + "_input", "1000000");
  server.put(at + "energy1_label", "Ecore000");
  server.put(at + "energy2_label", "Esocket0");
  const auto sources = energy_sources(server.files);
  REQUIRE(sources.size() == 1);
  CHECK(sources[0].name == "amd_energy Esocket0");
  CHECK(sources[0].kind == EnergyKind::joules);
}

TEST_CASE("energy: the Pi 5's rails") {
  CHECK(pmic_watts(" A_A current(0)=2.0A\n A_V volt(1)=1.5V\n B_V volt(2)=5V\n").value() == doctest::Approx(3));
  CHECK_FALSE(pmic_watts("error=1 error_msg=\"Command not registered\"").has_value());
  CHECK_FALSE(pmic_watts("").has_value());
  const Pi5 pi;
  const auto sources = energy_sources(pi.files);
  REQUIRE(sources.size() == 1);
  CHECK(sources[0].kind == EnergyKind::pmic);
  EnergyMeter meter(pi.files, sources);
  CHECK(meter.source() == "pmic");
  meter.start(0);
  meter.sample(2'000'000'000);
  CHECK(meter.joules().value() == doctest::Approx(2 * (0.33 + 1.6)));
}

TEST_CASE("energy: none, or none that may be read, says why") {
  const SystemTree container;
  const EnergyMeter none(container.files, energy_sources(container.files));
  CHECK_FALSE(none.usable());
  CHECK(none.source().empty());
  CHECK(none.missing().find("no RAPL") != std::string::npos);
  CHECK_FALSE(none.joules().has_value());

  const SystemTree denied;  // a file that cannot be read as a number stands for one that cannot be opened
  denied.put("/sys/class/powercap/intel-rapl:0/name", "package-0");
  denied.put("/sys/class/powercap/intel-rapl:0/energy_uj", "");
  const auto sources = energy_sources(denied.files);
  REQUIRE(sources.size() == 1);
  const EnergyMeter meter(denied.files, sources);
  CHECK_FALSE(meter.usable());
  CHECK(meter.missing().find("chmod") != std::string::npos);
}

TEST_CASE("energy: a source that fails midway gives nothing") {
  const Pi4 pi;
  EnergyMeter meter(pi.files, energy_sources(pi.files));
  meter.start(0);
  pi.put("/sys/class/hwmon/hwmon1/power1_input", "gone");
  meter.sample(1'000'000'000);
  CHECK_FALSE(meter.joules().has_value());
}
