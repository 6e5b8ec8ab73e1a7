#include "tally/platforms/perf.h"

#include <doctest/doctest.h>

#include <utility>

#include "tally/platforms/core_clock.h"
#include "tests/platforms/system_tree.h"

#if defined(__linux__)

#include "tests/platforms/fake_perf.h"

using namespace tally;
using namespace tally::test;

namespace {

constexpr PerfEvent kAll[] = {PerfEvent::cycles,        PerfEvent::instructions,    PerfEvent::cache_misses,
                              PerfEvent::branch_misses, PerfEvent::l1d_read_misses, PerfEvent::ll_read_misses};

uint64_t count(const PerfReading& reading, PerfEvent event) { return reading.count[static_cast<size_t>(event)]; }

}  // namespace

TEST_CASE("perf: one group, user mode only, read by one call") {
  FakePerf kernel;
  kernel.step[PERF_COUNT_HW_CPU_CYCLES] = 700;
  {
    PerfGroup group(kernel);
    CHECK_FALSE(group.any());
    group.open(perf_setup(system_files(), -1));
    CHECK(kernel.open_now == 6);
    for (const PerfEvent event : kAll) CHECK(group.counts(event));
    for (const perf_event_attr& attributes : kernel.asked) {
      CHECK(bool(attributes.exclude_kernel));
      CHECK(bool(attributes.exclude_hv));
    }
    CHECK(bool(kernel.asked[0].disabled));
    CHECK_FALSE(bool(kernel.asked[1].disabled));
    CHECK_FALSE(group.reads_directly());
    PerfReading before, after;
    const int reads = kernel.reads;
    REQUIRE(group.read(before));
    REQUIRE(group.read(after));
    CHECK(kernel.reads == reads + 2);
    CHECK(count(after, PerfEvent::cycles) - count(before, PerfEvent::cycles) == 700);
    CHECK(count(after, PerfEvent::ll_read_misses) - count(before, PerfEvent::ll_read_misses) == 1000);
    CHECK(after.enabled_ns == after.running_ns);
    PerfGroup moved(std::move(group));
    CHECK_FALSE(group.any());
    CHECK(moved.read(after));
    kernel.fail_reads = true;
    CHECK_FALSE(moved.read(after));
  }
  CHECK(kernel.open_now == 0);
}

TEST_CASE("perf: what the kernel refuses is left out, the rest counts on") {
  FakePerf kernel;
  kernel.refused[PERF_COUNT_HW_CPU_CYCLES] = ENOENT;
  kernel.refused[PERF_COUNT_HW_BRANCH_MISSES] = EINVAL;
  PerfGroup group(kernel);
  group.open(perf_setup(system_files(), -1));
  CHECK(group.any());
  CHECK_FALSE(group.counts(PerfEvent::cycles));
  CHECK(group.error(PerfEvent::cycles) == ENOENT);
  CHECK(group.error(PerfEvent::branch_misses) == EINVAL);
  CHECK(group.error(PerfEvent::instructions) == 0);
  kernel.step[PERF_COUNT_HW_INSTRUCTIONS] = 3;
  kernel.step[PERF_COUNT_HW_CACHE_MISSES] = 5;
  PerfReading before, after;
  REQUIRE(group.read(before));
  REQUIRE(group.read(after));
  CHECK(count(after, PerfEvent::cycles) == 0);
  CHECK(count(after, PerfEvent::branch_misses) == 0);
  CHECK(count(after, PerfEvent::instructions) - count(before, PerfEvent::instructions) == 3);
  CHECK(count(after, PerfEvent::cache_misses) - count(before, PerfEvent::cache_misses) == 5);
  CHECK(count(after, PerfEvent::l1d_read_misses) - count(before, PerfEvent::l1d_read_misses) == 1000);
}

TEST_CASE("perf: nothing to be had") {
  for (const int error : {EACCES, ENOENT, EINVAL, ENOSYS}) {
    FakePerf kernel;
    kernel.refuse_all = error;
    PerfGroup group(kernel);
    group.open(perf_setup(system_files(), -1));
    CHECK_FALSE(group.any());
    for (const PerfEvent event : kAll) CHECK(group.error(event) == error);
    PerfReading reading;
    CHECK_FALSE(group.read(reading));
    CHECK(kernel.open_now == 0);
  }
}

TEST_CASE("perf: a group too large for the machine loses its last events") {
  FakePerf kernel;
  kernel.most_at_once = 4;
  PerfGroup group(kernel);
  group.open(perf_setup(system_files(), -1));
  CHECK(kernel.open_now == 4);
  CHECK(group.counts(PerfEvent::branch_misses));
  CHECK_FALSE(group.counts(PerfEvent::l1d_read_misses));
  CHECK(group.error(PerfEvent::l1d_read_misses) == ENOSPC);
  CHECK(group.error(PerfEvent::ll_read_misses) == ENOSPC);
  FakePerf busy;
  busy.most_at_once = 0;  // all counters are with others
  PerfGroup none(busy);
  none.open(perf_setup(system_files(), -1));
  CHECK_FALSE(none.any());
  CHECK(none.error(PerfEvent::cycles) == ENOSPC);
  CHECK(busy.open_now == 0);
}

TEST_CASE("perf: multiplexing shows in the times") {
  FakePerf kernel;
  kernel.running_share = 0.25;
  PerfGroup group(kernel);
  group.open(perf_setup(system_files(), -1));
  PerfReading before, after;
  REQUIRE(group.read(before));
  REQUIRE(group.read(after));
  CHECK(after.enabled_ns - before.enabled_ns == 1000);
  CHECK(after.running_ns - before.running_ns == 250);
}

TEST_CASE("perf: counters that user code may read, offset and sign as the kernel's page has them") {
  FakePerf kernel;
  kernel.pages = true;
  kernel.step[PERF_COUNT_HW_CPU_CYCLES] = 800;
  {
    PerfGroup group(kernel);
    group.open(perf_setup(system_files(), -1));
    CHECK(group.reads_directly());
    CHECK(kernel.mapped_now == 6);
    PerfReading before, after;
    const int reads = kernel.reads;
    REQUIRE(group.read(before));
    REQUIRE(group.read(after));
    CHECK(kernel.reads == reads);
    CHECK(kernel.direct_reads == 18);  // with the trial
    CHECK(count(after, PerfEvent::cycles) - count(before, PerfEvent::cycles) == 800);
    CHECK(count(after, PerfEvent::cycles) > 4'000'000);
    CHECK(count(after, PerfEvent::cycles) < 5'000'000);
    CHECK(after.enabled_ns == 0);
    CHECK(group.read_by_kernel(after));
    CHECK(after.enabled_ns > 0);
  }
  CHECK(kernel.mapped_now == 0);
  CHECK(kernel.open_now == 0);
}

TEST_CASE("perf: each kind of core has its own counter unit") {
  const Phone phone;
  for (const auto& [cpu, type] : {std::pair<int, uint64_t>{2, 8}, {5, 9}, {7, 10}}) {
    const PerfSetup setup = perf_setup(phone.files, cpu);
    for (const PerfSpec& spec : setup.events) CHECK((spec.config >> 32) == type);
    CHECK((setup.events[1].config & 0xffffffff) == PERF_COUNT_HW_INSTRUCTIONS);
  }
  CHECK(perf_setup(phone.files, -1).events[0].config == PERF_COUNT_HW_CPU_CYCLES);
  const Pi4 pi;
  CHECK(perf_setup(pi.files, 1).events[0].config == PERF_COUNT_HW_CPU_CYCLES);
  CHECK_FALSE(perf_setup(pi.files, 1).user_read);
  pi.put("/proc/sys/kernel/perf_user_access", "1");
  CHECK(perf_setup(pi.files, 1).user_read);

  FakePerf old;  // a kernel before 5.13 refuses the unit
  const PerfSetup setup = perf_setup(phone.files, 7);
  for (const PerfSpec& spec : setup.events) old.refused[spec.config] = EINVAL;
  PerfGroup group(old);
  group.open(setup);
  for (const PerfEvent event : kAll) CHECK(group.counts(event));
}

TEST_CASE("perf: why not, and what would enable it") {
  const auto says = [](int error, const SystemTree& tree, const char* what) {
    const std::string why = perf_obstacle(error, tree.files);
    CAPTURE(why);
    CHECK(why.find(what) != std::string::npos);
  };
  says(EACCES, Pi4(), "perf_event_paranoid is 3, must be 2 or less");
  says(EPERM, Laptop(), "perf_event_paranoid is 2: a container");
  says(EACCES, SystemTree(), "is not to be read");
  says(EACCES, Phone(), "setprop security.perf_harden 0");
  says(ENOENT, SystemTree(), "no counter unit (PMU) is visible");
  says(ENOENT, Pi4(), "has no such event");
  says(ENOENT, Laptop(), "has no such event");
  says(ENOSPC, Laptop(), "nmi_watchdog=0");
  says(ENOSPC, Phone(), "cores of another kind");
  says(ENOSYS, SystemTree(), "CONFIG_PERF_EVENTS");
  says(EINVAL, SystemTree(), "takes no such event");
  says(EMFILE, SystemTree(), "ulimit");
  says(EIO, SystemTree(), "perf_event_open: ");
}

TEST_CASE("perf: the kernel's own group mechanics, on events that need no counter unit") {
  PerfSetup setup;
  setup.events.fill({PERF_TYPE_MAX + 100, 0});  // no such type
  setup.events[0] = {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK};
  setup.events[3] = {PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY};
  PerfGroup group;
  group.open(setup);
  if (!group.any()) {
    MESSAGE("skipped: " << perf_obstacle(group.error(PerfEvent::cycles), system_files()));
    return;
  }
  CHECK(group.counts(PerfEvent::branch_misses));
  CHECK_FALSE(group.counts(PerfEvent::instructions));
  CHECK_FALSE(group.reads_directly());
  PerfReading before, after;
  REQUIRE(group.read(before));
  dependent_adds(20'000);
  REQUIRE(group.read(after));
  CHECK(count(after, PerfEvent::cycles) > count(before, PerfEvent::cycles));  // ns of this thread
  CHECK(count(after, PerfEvent::branch_misses) == 0);
  CHECK(after.enabled_ns > before.enabled_ns);
  const uint64_t enabled = after.enabled_ns - before.enabled_ns;
  CHECK(after.running_ns - before.running_ns == enabled);
}

TEST_CASE("perf: what this machine counts, or why it does not") {
  PerfGroup group;
  group.open(perf_setup(system_files(), -1));
  for (const PerfEvent event : kAll) {
    if (group.counts(event))
      MESSAGE(std::string(name_of(event)) << ": counted");
    else
      MESSAGE("skipped: " << std::string(name_of(event)) << ": " << perf_obstacle(group.error(event), system_files()));
    const bool refused = group.error(event) != 0;
    CHECK(group.counts(event) == !refused);
  }
}

#endif
