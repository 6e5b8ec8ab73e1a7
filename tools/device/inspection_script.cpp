#include "tools/device/inspection.h"

namespace tally::tools {

namespace {

/// POSIX shell, for Linux with any coreutils, busybox or Android's toybox. A tool or file that is not there leaves its
/// line out or empty.
constexpr const char* kScript = R"sh(
first() { head -n 1 "$1" 2>/dev/null; }
say() { printf '%s %s\n' "$1" "$(printf '%s' "$2" | tr '\n\r' '  ')"; }
say machine "$(uname -m)"
say release "$(uname -r)"
say user_bits "$(getconf LONG_BIT 2>/dev/null)"
model="$({ tr -d '\000' </proc/device-tree/model; } 2>/dev/null)"
if [ -z "$model" ] && command -v getprop >/dev/null 2>&1; then
  model="$(getprop ro.product.manufacturer) $(getprop ro.product.model) ($(getprop ro.board.platform))"
fi
say hardware "$model"
if [ -r /etc/os-release ]; then
  say system "$(. /etc/os-release; printf '%s' "$PRETTY_NAME")"
elif command -v getprop >/dev/null 2>&1; then
  say system "Android $(getprop ro.build.version.release)"
fi
say cpus "$(grep -c '^processor' /proc/cpuinfo 2>/dev/null)"
say memory_kb "$(sed -n 's/^MemTotal: *\([0-9]*\).*/\1/p' /proc/meminfo 2>/dev/null)"
say free_memory_kb "$(sed -n 's/^MemAvailable: *\([0-9]*\).*/\1/p' /proc/meminfo 2>/dev/null)"
say load "$(cut -d ' ' -f 1 /proc/loadavg 2>/dev/null)"
for policy in /sys/devices/system/cpu/cpufreq/policy*; do
  [ -d "$policy" ] || continue
  say clock "${policy##*/} $(first "$policy/scaling_governor"),$(first "$policy/scaling_cur_freq"),$(
    first "$policy/scaling_max_freq"),$(first "$policy/cpuinfo_max_freq")"
done
for zone in /sys/class/thermal/thermal_zone*; do
  [ -r "$zone/temp" ] && say zone "$(first "$zone/temp")"
done
for device in /sys/class/thermal/cooling_device*; do
  case "$(first "$device/cur_state")" in
    '' | 0 | *[!0-9]*) ;;
    *) say cooling "$(first "$device/type") at $(first "$device/cur_state") of $(first "$device/max_state")" ;;
  esac
done
command -v vcgencmd >/dev/null 2>&1 && say throttled "$(vcgencmd get_throttled 2>/dev/null)"
say paranoid "$(first /proc/sys/kernel/perf_event_paranoid)"
say user_access "$(first /proc/sys/kernel/perf_user_access)"
command -v getprop >/dev/null 2>&1 && say perf_harden "$(getprop security.perf_harden)"
say seconds "$(date -u +%Y%m%dT%H%M%SZ)"
)sh";

}  // namespace

std::string inspection_script(const std::string& folder) {
  return std::string(kScript) + "say free_disk_kb \"$(df -kP " + folder +
         " 2>/dev/null | sed -n '2s/  */ /gp' | cut -d ' ' -f 4)\"\n";
}

}  // namespace tally::tools
