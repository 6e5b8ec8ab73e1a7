#pragma once
// Hardware counters of one thread, through Linux's perf_event_open. User mode only.
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tally/platforms/perf_calls.h"
#include "tally/platforms/system_files.h"

namespace tally {

/// By importance: where the machine cannot count all at once, the last ones go first.
enum class PerfEvent : uint8_t { cycles, instructions, cache_misses, branch_misses, l1d_read_misses, ll_read_misses };
inline constexpr size_t kPerfEvents = 6;

/// "cycles", "instructions", … as in enum PerfEvent.
std::string_view name_of(PerfEvent event);

/// An event as the kernel takes it.
struct PerfSpec {
  uint32_t type = 0;
  uint64_t config = 0;
};

/// What to open, and how.
struct PerfSetup {
  std::array<PerfSpec, kPerfEvents> events{};
  bool user_read = false;  ///< AArch64: ask for counters that user code may read (kernel.perf_user_access is 1)
};

/// The generic hardware events. Where the cores are of several kinds with a counter unit each (big.LITTLE, hybrid x86)
/// those of the unit that serves `cpu`; a negative `cpu` leaves the choice to the kernel.
PerfSetup perf_setup(const SystemFiles& files, int cpu);

/// Counts since open(), and how much of that time they were running.
struct PerfReading {
  std::array<uint64_t, kPerfEvents> count{};  ///< 0 for events that are not open
  uint64_t enabled_ns = 0, running_ns = 0;    ///< both 0 where the counters were read without the kernel
};

/// One group of events on one thread. The kernel counts either all of a group or none, so they are of the same
/// instructions. read() belongs to the thread that opened it and neither allocates nor throws.
class PerfGroup {
 public:
  explicit PerfGroup(PerfCalls& calls = system_perf_calls()) : calls_(&calls) {}
  ~PerfGroup() { close(); }
  PerfGroup(PerfGroup&&) noexcept;
  PerfGroup(const PerfGroup&) = delete;
  PerfGroup& operator=(const PerfGroup&) = delete;
  PerfGroup& operator=(PerfGroup&&) = delete;

  /// Opens and starts what can be had on the calling thread. Events that the kernel refuses are left out; a group that
  /// is never given the counters loses its last event until it is.
  void open(const PerfSetup& setup) noexcept;
  void close() noexcept;

  bool counts(PerfEvent event) const { return descriptor_[static_cast<size_t>(event)] >= 0; }
  /// Why it does not count: an errno, ENOSPC where the machine's counters are taken; 0: it counts, or was never opened.
  int error(PerfEvent event) const { return error_[static_cast<size_t>(event)]; }
  bool any() const { return leader_ >= 0; }
  /// True where counters are read by an instruction, else by one system call for all.
  bool reads_directly() const { return direct_; }

  /// False where nothing counts or the kernel fails.
  bool read(PerfReading& reading) noexcept { return direct_ ? read_directly(reading) : read_by_kernel(reading); }
  /// With times, whatever reads_directly() says; from any thread.
  bool read_by_kernel(PerfReading& reading) noexcept;

 private:
  void open_event(size_t event, const PerfSetup& setup) noexcept;
  bool gets_counters() noexcept;
  void drop_last() noexcept;
  void map_pages() noexcept;
  bool read_directly(PerfReading& reading) noexcept;

  PerfCalls* calls_;
  std::array<int, kPerfEvents> descriptor_{-1, -1, -1, -1, -1, -1};
  std::array<int, kPerfEvents> error_{};
  std::array<const void*, kPerfEvents> page_{};
  int leader_ = -1;
  bool direct_ = false;
};

/// Why an event does not count, and what would enable it, from the error and what the system says of itself.
std::string perf_obstacle(int error, const SystemFiles& files);

}  // namespace tally
