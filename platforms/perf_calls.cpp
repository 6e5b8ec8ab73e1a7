#include "tally/platforms/perf_calls.h"

#include <cerrno>

#if defined(__linux__)
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tally {

namespace {

#if defined(__linux__)

#if defined(__aarch64__)
#define TALLY_EVENT_COUNTERS(f)                                                                                       \
  f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15) f(16) f(17) f(18) f(19) f(20) \
      f(21) f(22) f(23) f(24) f(25) f(26) f(27) f(28) f(29) f(30)

/// The kernel numbers the event counters from 0, and gives the cycle counter 31.
uint64_t read_counter(uint32_t index) {
  uint64_t value = 0;
  switch (index) {
#define TALLY_READ(n)                                         \
  case n:                                                     \
    asm volatile("mrs %0, pmevcntr" #n "_el0" : "=r"(value)); \
    break;
    TALLY_EVENT_COUNTERS(TALLY_READ)
#undef TALLY_READ
    case 31:
      asm volatile("mrs %0, pmccntr_el0" : "=r"(value));
      break;
    default:
      break;
  }
  return value;
}
#elif defined(__x86_64__)
uint64_t read_counter(uint32_t index) {
  uint32_t low = 0, high = 0;
  asm volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(index));
  return uint64_t{high} << 32 | low;
}
#else
uint64_t read_counter(uint32_t) { return 0; }
#endif

class SystemPerfCalls final : public PerfCalls {
 public:
  int open(const perf_event_attr& attributes, int group) noexcept override {
    const long descriptor = syscall(SYS_perf_event_open, &attributes, 0, -1, group, PERF_FLAG_FD_CLOEXEC);
    return descriptor < 0 ? -errno : static_cast<int>(descriptor);
  }
  void close(int descriptor) noexcept override { ::close(descriptor); }
  int start(int leader) noexcept override {
    if (ioctl(leader, PERF_EVENT_IOC_RESET, PERF_IOC_FLAG_GROUP) != 0) return -errno;
    return ioctl(leader, PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP) != 0 ? -errno : 0;
  }
  int stop(int leader) noexcept override {
    return ioctl(leader, PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP) != 0 ? -errno : 0;
  }
  int64_t read(int descriptor, void* buffer, size_t bytes) noexcept override {
    const ssize_t got = ::read(descriptor, buffer, bytes);
    return got < 0 ? -errno : static_cast<int64_t>(got);
  }
  const void* map(int descriptor) noexcept override {
#if defined(__x86_64__) || defined(__aarch64__)
    void* page = mmap(nullptr, page_bytes(), PROT_READ, MAP_SHARED, descriptor, 0);
    return page == MAP_FAILED ? nullptr : page;
#else
    static_cast<void>(descriptor);
    return nullptr;
#endif
  }
  void unmap(const void* page) noexcept override { munmap(const_cast<void*>(page), page_bytes()); }
  uint64_t counter(uint32_t index) noexcept override { return read_counter(index); }

 private:
  static size_t page_bytes() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }
};

#else

class SystemPerfCalls final : public PerfCalls {
 public:
  int open(const perf_event_attr&, int) noexcept override { return -ENOSYS; }
  void close(int) noexcept override {}
  int start(int) noexcept override { return -ENOSYS; }
  int stop(int) noexcept override { return -ENOSYS; }
  int64_t read(int, void*, size_t) noexcept override { return -ENOSYS; }
  const void* map(int) noexcept override { return nullptr; }
  void unmap(const void*) noexcept override {}
  uint64_t counter(uint32_t) noexcept override { return 0; }
};

#endif

}  // namespace

PerfCalls& system_perf_calls() {
  static SystemPerfCalls calls;
  return calls;
}

}  // namespace tally
