#include "tally/platforms/perf.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

#if defined(__linux__)
#include <linux/perf_event.h>
#endif

#include "tally/platforms/clock.h"
#include "tally/platforms/core_clock.h"

namespace tally {

namespace {

constexpr std::array<std::string_view, kPerfEvents> kNames = {"cycles",        "instructions",    "cache_misses",
                                                              "branch_misses", "l1d_read_misses", "ll_read_misses"};
/// A group that has not run for so long finds no counters: others hold them. Multiplexing takes turns every few ms.
constexpr int64_t kPatience_ns = 20'000'000;

#if defined(__linux__)

/// What read() gives for a group with times.
struct GroupReading {
  uint64_t events, enabled, running;
  uint64_t value[kPerfEvents];
};

constexpr uint64_t cache_read_misses(uint64_t cache) {
  return cache | PERF_COUNT_HW_CACHE_OP_READ << 8 | PERF_COUNT_HW_CACHE_RESULT_MISS << 16;
}

/// The type of the counter unit that serves `cpu`, where there are several; else 0. Units of cores have a file "cpus",
/// those of the rest of the chip "cpumask".
uint64_t unit_of(const SystemFiles& files, int cpu) {
  const std::string folder = "/sys/bus/event_source/devices/";
  uint64_t type = 0;
  int units = 0;
  for (const std::string& unit : files.entries(folder)) {
    const std::optional<std::string> list = files.line(folder + unit + "/cpus");
    if (!list) continue;
    ++units;
    const std::vector<int> cpus = cpus_in(*list);
    if (std::find(cpus.begin(), cpus.end(), cpu) != cpus.end())
      type = static_cast<uint64_t>(files.number(folder + unit + "/type").value_or(0));
  }
  return units > 1 ? type : 0;
}

#endif

}  // namespace

std::string_view name_of(PerfEvent event) { return kNames[static_cast<size_t>(event)]; }

PerfSetup perf_setup([[maybe_unused]] const SystemFiles& files, [[maybe_unused]] int cpu) {
  PerfSetup setup;
#if defined(__linux__)
  setup.events = {{{PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
                   {PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
                   {PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
                   {PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES},
                   {PERF_TYPE_HW_CACHE, cache_read_misses(PERF_COUNT_HW_CACHE_L1D)},
                   {PERF_TYPE_HW_CACHE, cache_read_misses(PERF_COUNT_HW_CACHE_LL)}}};
  // The upper half of a generic event's config names the unit (Linux 5.13); without it the first unit would count.
  if (const uint64_t unit = cpu < 0 ? 0 : unit_of(files, cpu); unit != 0)
    for (PerfSpec& spec : setup.events) spec.config |= unit << 32;
  setup.user_read = files.number("/proc/sys/kernel/perf_user_access").value_or(0) == 1;
#endif
  return setup;
}

PerfGroup::PerfGroup(PerfGroup&& other) noexcept
    : calls_(other.calls_),
      descriptor_(other.descriptor_),
      error_(other.error_),
      page_(std::exchange(other.page_, {})),
      leader_(std::exchange(other.leader_, -1)),
      direct_(std::exchange(other.direct_, false)) {
  other.descriptor_.fill(-1);
}

#if defined(__linux__)

void PerfGroup::open_event(size_t event, const PerfSetup& setup) noexcept {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = setup.events[event].type;
  attributes.config = setup.events[event].config;
  attributes.disabled = leader_ < 0;  // the others follow their leader
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  attributes.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
#if defined(__aarch64__)
  if (setup.user_read) attributes.config1 = 2;  // "rdpmc"
#endif
  int descriptor = calls_->open(attributes, leader_);
  if (descriptor < 0 && attributes.config >> 32 != 0) {  // a kernel that knows no units
    attributes.config &= 0xffffffff;
    descriptor = calls_->open(attributes, leader_);
  }
  descriptor_[event] = descriptor < 0 ? -1 : descriptor;
  error_[event] = descriptor < 0 ? -descriptor : 0;
  if (leader_ < 0 && descriptor >= 0) leader_ = descriptor;
}

void PerfGroup::open(const PerfSetup& setup) noexcept {
  close();
  for (size_t event = 0; event < kPerfEvents; ++event) open_event(event, setup);
  while (any() && !gets_counters()) drop_last();
  if (any()) map_pages();
}

bool PerfGroup::gets_counters() noexcept {
  if (calls_->start(leader_) < 0) return false;
  const int64_t begin = now_ns();
  do {
    dependent_adds(100);
    PerfReading reading;
    if (!read_by_kernel(reading)) return false;
    if (reading.running_ns > 0) return true;
  } while (now_ns() - begin < kPatience_ns);
  return false;
}

void PerfGroup::drop_last() noexcept {
  for (size_t event = kPerfEvents; event-- > 0;) {
    if (descriptor_[event] < 0) continue;
    calls_->close(descriptor_[event]);
    if (descriptor_[event] == leader_) leader_ = -1;
    descriptor_[event] = -1;
    error_[event] = ENOSPC;
    return;
  }
}

/// All pages or none: a reading is of one kind.
void PerfGroup::map_pages() noexcept {
  direct_ = true;
  for (size_t event = 0; event < kPerfEvents; ++event) {
    if (descriptor_[event] < 0) continue;
    page_[event] = calls_->map(descriptor_[event]);
    const auto* page = static_cast<const perf_event_mmap_page*>(page_[event]);
    direct_ = direct_ && page != nullptr && page->cap_user_rdpmc && page->index != 0;
  }
  PerfReading trial;
  direct_ = direct_ && read_directly(trial);
}

void PerfGroup::close() noexcept {
  for (const void*& page : page_)
    if (page != nullptr) calls_->unmap(std::exchange(page, nullptr));
  for (size_t event = kPerfEvents; event-- > 0;)  // the leader last
    if (descriptor_[event] >= 0) calls_->close(std::exchange(descriptor_[event], -1));
  error_.fill(0);
  leader_ = -1;
  direct_ = false;
}

bool PerfGroup::read_by_kernel(PerfReading& reading) noexcept {
  if (!any()) return false;
  GroupReading group{};
  const int64_t bytes = calls_->read(leader_, &group, sizeof group);
  if (bytes < static_cast<int64_t>(sizeof group - sizeof group.value)) return false;
  reading.enabled_ns = group.enabled;
  reading.running_ns = group.running;
  uint64_t next = 0;
  for (size_t event = 0; event < kPerfEvents; ++event)
    reading.count[event] = descriptor_[event] >= 0 && next < group.events ? group.value[next++] : 0;
  return true;
}

/// As <linux/perf_event.h> describes it: the page's offset and the counter's own bits, read again where the kernel
/// changed them meanwhile.
bool PerfGroup::read_directly(PerfReading& reading) noexcept {
  reading.enabled_ns = reading.running_ns = 0;
  for (size_t event = 0; event < kPerfEvents; ++event) {
    reading.count[event] = 0;
    if (descriptor_[event] < 0) continue;
    const auto* page = static_cast<const volatile perf_event_mmap_page*>(page_[event]);
    uint32_t sequence = 0;
    uint64_t value = 0;
    do {
      sequence = page->lock;
      std::atomic_signal_fence(std::memory_order_seq_cst);
      value = static_cast<uint64_t>(page->offset);
      if (const uint32_t index = page->index; index != 0) {
        const int unused = 64 - std::clamp<int>(page->pmc_width, 1, 64);
        value += static_cast<uint64_t>(static_cast<int64_t>(calls_->counter(index - 1) << unused) >> unused);
      }
      std::atomic_signal_fence(std::memory_order_seq_cst);
    } while (page->lock != sequence);
    reading.count[event] = value;
  }
  return true;
}

#else

void PerfGroup::open(const PerfSetup&) noexcept { error_.fill(ENOSYS); }
void PerfGroup::close() noexcept {}
bool PerfGroup::read_by_kernel(PerfReading&) noexcept { return false; }
bool PerfGroup::read_directly(PerfReading&) noexcept { return false; }

#endif

}  // namespace tally
