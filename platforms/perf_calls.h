#pragma once
#include <cstddef>
#include <cstdint>

struct perf_event_attr;

namespace tally {

/// The system calls of hardware counters, so that tests can stand in for the kernel. As the kernel's, but errors are
/// returned negated (−EACCES). None allocates or throws.
class PerfCalls {
 public:
  virtual ~PerfCalls() = default;
  /// perf_event_open for the calling thread on any CPU; `group`: descriptor of the leader, or −1. A descriptor, or < 0.
  virtual int open(const perf_event_attr& attributes, int group) noexcept = 0;
  virtual void close(int descriptor) noexcept = 0;
  /// Resets and starts the whole group, or stops it.
  virtual int start(int leader) noexcept = 0;
  virtual int stop(int leader) noexcept = 0;
  /// Bytes read, or < 0.
  virtual int64_t read(int descriptor, void* buffer, size_t bytes) noexcept = 0;
  /// The event's perf_event_mmap_page; null: none.
  virtual const void* map(int descriptor) noexcept = 0;
  virtual void unmap(const void* page) noexcept = 0;
  /// Hardware counter `index` of the calling thread's core, as its page numbers them from 0, in one instruction.
  virtual uint64_t counter(uint32_t index) noexcept = 0;
};

/// The running kernel; where it has no such calls, open() is −ENOSYS.
PerfCalls& system_perf_calls();

}  // namespace tally
