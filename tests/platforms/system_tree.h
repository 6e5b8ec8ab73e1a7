#pragma once
// Machines made of files: what /sys and /proc of well-known ones hold, as far as we read it.
#include <sys/stat.h>

#include <string>

#include "tally/platforms/system_files.h"
#include "tests/engine/temporary_folder.h"

namespace tally::test {

/// A root of its own; starts empty, which is a container that shows nothing.
struct SystemTree {
  TemporaryFolder folder;
  SystemFiles files{folder.path.string()};

  /// `path` with its leading slash.
  void put(const std::string& path, const std::string& text) const { folder.write(path.substr(1), text + "\n"); }
  /// A program that runs `script`.
  void put_program(const std::string& path, const std::string& script) const {
    const auto file = folder.write(path.substr(1), "#!/bin/sh\n" + script + "\n");
    ::chmod(file.c_str(), 0755);
  }
  void put_cpu(int cpu, const std::string& file, const std::string& text) const {
    put("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/" + file, text);
  }
  void put_clock(int cpu, const std::string& governor, int64_t khz, int64_t min_khz, int64_t max_khz,
                 int64_t hardware_khz) const {
    put_cpu(cpu, "cpufreq/scaling_governor", governor);
    put_cpu(cpu, "cpufreq/scaling_cur_freq", std::to_string(khz));
    put_cpu(cpu, "cpufreq/scaling_min_freq", std::to_string(min_khz));
    put_cpu(cpu, "cpufreq/scaling_max_freq", std::to_string(max_khz));
    put_cpu(cpu, "cpufreq/cpuinfo_max_freq", std::to_string(hardware_khz));
  }
};

/// Raspberry Pi 4: four equal cores, cpufreq, the firmware's throttling word, an INA219 on its supply.
struct Pi4 : SystemTree {
  Pi4() {
    put("/sys/devices/system/cpu/online", "0-3");
    for (int cpu = 0; cpu < 4; ++cpu) {
      put_clock(cpu, "ondemand", 600000, 600000, 1800000, 1800000);
      put_cpu(cpu, "topology/core_id", std::to_string(cpu));
      put_cpu(cpu, "topology/physical_package_id", "0");
      put_cpu(cpu, "topology/thread_siblings_list", std::to_string(cpu));
    }
    put("/sys/devices/platform/soc/soc:firmware/get_throttled", "50005");
    put("/sys/class/thermal/thermal_zone0/temp", "67200");
    put("/sys/class/hwmon/hwmon0/name", "cpu_thermal");
    put("/sys/class/hwmon/hwmon1/name", "ina219");
    put("/sys/class/hwmon/hwmon1/power1_input", "3250000");
    put("/sys/bus/event_source/devices/armv8_cortex_a72/cpus", "0-3");
    put("/sys/bus/event_source/devices/armv8_cortex_a72/type", "8");
    put("/proc/sys/kernel/perf_event_paranoid", "3");
    put("/proc/loadavg", "0.10 0.05 0.01 1/120 900");
  }
};

/// Raspberry Pi 5: its power controller through vcgencmd.
struct Pi5 : SystemTree {
  Pi5() {
    put("/sys/devices/system/cpu/online", "0-3");
    for (int cpu = 0; cpu < 4; ++cpu) put_clock(cpu, "performance", 2400000, 1500000, 2400000, 2400000);
    put_program("/usr/bin/vcgencmd",
                "case $1 in\n"
                "get_throttled) echo throttled=0x0 ;;\n"
                "pmic_read_adc) cat <<'TEXT'\n"
                "   3V3_SYS_A current(1)=0.10000000A\n"
                "   VDD_CORE_A current(7)=2.00000000A\n"
                "   3V3_SYS_V volt(9)=3.30000000V\n"
                "   VDD_CORE_V volt(15)=0.80000000V\n"
                "   EXT5V_V volt(24)=5.10000000V\n"
                "TEXT\n"
                ";;\nesac");
  }
};

/// An x86 laptop: RAPL, two threads a core, intel_pstate.
struct Laptop : SystemTree {
  Laptop() {
    put("/sys/devices/system/cpu/online", "0-3");
    for (int cpu = 0; cpu < 4; ++cpu) {
      put_clock(cpu, "powersave", 2100000, 400000, 4200000, 4200000);
      put_cpu(cpu, "topology/core_id", std::to_string(cpu / 2));
      put_cpu(cpu, "topology/physical_package_id", "0");
      put_cpu(cpu, "topology/thread_siblings_list", cpu < 2 ? "0-1" : "2-3");
      put_cpu(cpu, "thermal_throttle/core_throttle_count", "3");
      put_cpu(cpu, "thermal_throttle/package_throttle_count", "4");
    }
    put("/sys/devices/system/cpu/intel_pstate/no_turbo", "0");
    put_rapl("intel-rapl:0", "package-0", 262143328850, 262143300000);
    put_rapl("intel-rapl:0:0", "core", 262143328850, 1000);
    put_rapl("intel-rapl:0:1", "dram", 65712999613, 5000000);
    put_rapl("intel-rapl:1", "psys", 262143328850, 77);
    put_rapl("intel-rapl-mmio:0", "package-0", 262143328850, 262143300000);
    put("/sys/bus/event_source/devices/cpu/type", "4");
    put("/proc/sys/kernel/perf_event_paranoid", "2");
    put("/proc/sys/kernel/nmi_watchdog", "1");
    put("/proc/loadavg", "0.20 0.05 0.01 1/820 900");
  }
  void put_rapl(const std::string& zone, const std::string& name, int64_t range_uj, int64_t uj) const {
    const std::string at = "/sys/class/powercap/" + zone;
    put(at + "/name", name);
    put(at + "/max_energy_range_uj", std::to_string(range_uj));
    put(at + "/energy_uj", std::to_string(uj));
  }
};

/// A phone: four small, three big cores and a bigger one, each kind with a counter unit of its own; warm.
struct Phone : SystemTree {
  Phone() {
    put("/system/build.prop", "ro.build.version.sdk=34");
    put("/sys/devices/system/cpu/online", "0-7");
    for (int cpu = 0; cpu < 8; ++cpu) {
      put_cpu(cpu, "cpu_capacity", cpu < 4 ? "250" : cpu < 7 ? "790" : "1024");
      const int64_t khz = cpu < 4 ? 1800000 : cpu < 7 ? 2400000 : 2900000;
      put_clock(cpu, "schedutil", 600000, 300000, cpu == 7 ? 2100000 : khz, khz);
    }
    const std::string units = "/sys/bus/event_source/devices/";
    put(units + "armv8_cortex_a55/cpus", "0-3");
    put(units + "armv8_cortex_a55/type", "8");
    put(units + "armv8_cortex_a78/cpus", "4-6");
    put(units + "armv8_cortex_a78/type", "9");
    put(units + "armv8_cortex_x1/cpus", "7");
    put(units + "armv8_cortex_x1/type", "10");
    put("/sys/class/thermal/cooling_device0/type", "cpufreq-cpu7");
    put("/sys/class/thermal/cooling_device0/cur_state", "2");
    put("/sys/class/thermal/cooling_device0/max_state", "9");
    put("/sys/class/thermal/cooling_device1/type", "battery");
    put("/sys/class/thermal/cooling_device1/cur_state", "1");
    put("/proc/sys/kernel/perf_event_paranoid", "3");
  }
};

}  // namespace tally::test
