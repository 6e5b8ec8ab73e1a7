#pragma once
// Energy that the machine measures itself: counters of joules, or sensors of watts that are summed over time.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tally/platforms/system_files.h"

namespace tally {

enum class EnergyKind : uint8_t {
  rapl,    ///< /sys/class/powercap: a CPU package's (and its memory's) counter, in µJ
  joules,  ///< /sys/class/hwmon: a counter of a sensor, in µJ
  watts,   ///< /sys/class/hwmon: the power that a sensor of the board sees (INA219, INA226, INA3221 …)
  pmic,    ///< the Raspberry Pi 5's power controller: volts times amperes of each rail
};

/// "rapl", "hwmon" (joules and watts) or "pmic": the source of an energy figure.
std::string_view name_of(EnergyKind kind);

struct EnergySource {
  EnergyKind kind = EnergyKind::rapl;
  std::string name;            ///< "package-0", "ina226": as the system calls it
  std::string file;            ///< what is read; of pmic the program
  std::string ampere_file{};   ///< of a sensor that tells mV and mA instead of µW: `file` is the volts
  int64_t wraps_after_uj = 0;  ///< a counter goes on from 0 after this; 0: never
  std::string obstacle{};      ///< why it cannot be read; empty: it can
};

/// All that this machine has, best first: rapl, joules, watts, pmic. RAPL: the packages, and memory where it has a
/// counter of its own; not the parts of a package nor the whole platform, whose joules would count twice.
std::vector<EnergySource> energy_sources(const SystemFiles& files);

/// Sums what the usable sources of one kind (the best there is) report; of several sensors of power the first, because
/// one may feed the other. sample() must come often: before a counter has gone round, and of a sensor of power several
/// times a second, between which power is taken as a straight line.
class EnergyMeter {
 public:
  EnergyMeter(const SystemFiles& files, std::vector<EnergySource> sources);

  bool usable() const { return !sources_.empty(); }
  /// "rapl", "hwmon", "pmic"; empty: none is usable.
  std::string_view source() const;
  /// What is read; empty: nothing.
  const std::vector<EnergySource>& sources() const { return sources_; }
  /// Why there is no energy; empty: there is.
  const std::string& missing() const { return missing_; }
  /// How long a measurement should be, so that the steps in which sources report are a small part of it.
  double least_seconds() const;

  /// Begins anew at the time `now_ns`, of a clock that never jumps.
  void start(int64_t now_ns);
  void sample(int64_t now_ns);
  /// Joules from start() to the last sample(); nothing where a reading failed.
  std::optional<double> joules() const;

 private:
  std::optional<double> watts_of(const EnergySource& source) const;

  const SystemFiles* files_;
  std::vector<EnergySource> sources_;
  std::string missing_;
  std::vector<int64_t> counter_uj_;  ///< by source, last read
  double watts_ = 0;                 ///< last read, of all sources
  double joules_ = 0;
  int64_t last_ns_ = 0;
  bool failed_ = false;
};

/// µJ from one reading of a counter to a later one, which may have gone round once.
int64_t counted_uj(int64_t before, int64_t after, int64_t wraps_after_uj);

/// Watts in what `vcgencmd pmic_read_adc` prints: the sum over the rails that have both a current (…_A) and a voltage
/// (…_V). The input of the board is no such rail; nothing where no rail is found.
std::optional<double> pmic_watts(const std::string& text);

}  // namespace tally
