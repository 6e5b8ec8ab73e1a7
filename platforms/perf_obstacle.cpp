#include <cerrno>
#include <cstring>

#include "tally/platforms/perf.h"

namespace tally {

namespace {

bool is_android(const SystemFiles& files) { return files.exists("/system/build.prop"); }

/// The kernel's documentation of perf_event_paranoid: 2 lets users count their own user code; distributions add 3 and
/// more, which forbid all (Debian, Ubuntu, Android).
std::string denied(const SystemFiles& files) {
  const std::optional<int64_t> level = files.number("/proc/sys/kernel/perf_event_paranoid");
  if (is_android(files)) return "denied by Android; until the next start: adb shell setprop security.perf_harden 0";
  if (level && *level > 2)
    return "denied: kernel.perf_event_paranoid is " + std::to_string(*level) +
           ", must be 2 or less: sudo sysctl kernel.perf_event_paranoid=2";
  return "denied though kernel.perf_event_paranoid" +
         (level ? " is " + std::to_string(*level) : std::string(" is not to be read")) +
         ": a container's filter of system calls must allow perf_event_open (docker: --cap-add PERFMON, or "
         "--security-opt seccomp=unconfined)";
}

/// Counter units of cores; those of the rest of the chip have a file "cpumask" instead.
int core_units(const SystemFiles& files) {
  const std::string units = "/sys/bus/event_source/devices/";
  int count = files.exists(units + "cpu") ? 1 : 0;
  for (const std::string& unit : files.entries(units))
    count += unit != "cpu" && files.exists(units + unit + "/cpus") ? 1 : 0;
  return count;
}

std::string taken(const SystemFiles& files) {
  std::string text = "the machine's counters are taken by others, or too few for so many events";
  if (core_units(files) > 1) text += ", or the thread runs on cores of another kind than those that are counted";
  if (files.number("/proc/sys/kernel/nmi_watchdog").value_or(0) == 1)
    text += "; sudo sysctl kernel.nmi_watchdog=0 sets one free";
  return text;
}

std::string missing(const SystemFiles& files) {
  if (core_units(files) > 0) return "this processor's counter unit has no such event";
  return "no counter unit (PMU) is visible, as in most virtual machines; their host must pass it on, a board's device "
         "tree describe it";
}

}  // namespace

std::string perf_obstacle(int error, const SystemFiles& files) {
  std::string why;
  switch (error) {
    case EACCES:
    case EPERM:
      why = denied(files);
      break;
    case ENOENT:
    case ENODEV:
    case EOPNOTSUPP:
      why = missing(files);
      break;
    case ENOSPC:
      why = taken(files);
      break;
    case ENOSYS:
      why = "the kernel was built without CONFIG_PERF_EVENTS, or an emulator or filter hides the call";
      break;
    case EINVAL:
      why = "the counter unit takes no such event, or no more of them at once";
      break;
    case EMFILE:
    case ENFILE:
      why = "too many open files: raise ulimit -n";
      break;
    default:
      break;
  }
  return std::string("perf_event_open: ") + std::strerror(error) + (why.empty() ? "" : "; " + why);
}

}  // namespace tally
