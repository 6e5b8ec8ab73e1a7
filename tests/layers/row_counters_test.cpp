// Hardware counters, row by row of a plan, before a kernel of our own.
#include <doctest/doctest.h>

#include "tally/engine/profile.h"
#include "tally/layers/tally.h"
#include "tests/platforms/system_tree.h"

#if defined(__linux__)

#include "tests/platforms/fake_perf.h"

using namespace tally;
using namespace tally::test;

namespace {

Model net(int64_t size, int threads = 1) {
  Builder b;
  auto x = b.input({1, 8, size, size});
  x = b.conv(x, b.constant(Tensor(DType::f32, {64, 8, 3, 3})));
  x = b.softmax(x);
  b.output(b.max_pool(x, {2, 2}));
  return b.build({.threads = threads});
}

/// Every event at the same pace.
void set_step(FakePerf& kernel, const PerfSetup& setup, uint64_t step) {
  for (const PerfSpec& spec : setup.events) kernel.step[spec.config] = step;
}

}  // namespace

TEST_CASE("row counters: medians by row, what a reading costs taken off") {
  const PerfSetup setup = perf_setup(system_files(), -1);
  for (const bool pages : {false, true}) {
    CAPTURE(pages);
    FakePerf kernel;
    kernel.pages = pages;
    set_step(kernel, setup, 40);  // while nothing runs: the cost of a reading
    Context context(net(12));
    RowCounters counters(context, setup, kernel);
    CHECK(counters.any());
    CHECK(counters.reads_directly() == pages);
    CHECK(counters.counts(PerfEvent::ll_read_misses));
    set_step(kernel, setup, 540);
    kernel.step[PERF_COUNT_HW_CACHE_MISSES] = 7;  // less than a reading: none, not negative
    CountingPass pass(context, counters);
    for (int run = 0; run < 5; ++run) pass.run();
    const CountedRuns counted = pass.result();
    CHECK_FALSE(counted.scaled());
    REQUIRE(counted.rows.size() == context.plan().rows.size());
    for (const PerfFigures& row : counted.rows) {
      CHECK(row[PerfEvent::cycles] == 500.0);
      CHECK(row[PerfEvent::cache_misses] == 0.0);
    }
    CHECK(counted.whole[PerfEvent::instructions] == 500.0 * static_cast<double>(counted.rows.size()));
  }
}

TEST_CASE("row counters: taking turns with others, figures are scaled and say so") {
  const PerfSetup setup = perf_setup(system_files(), -1);
  FakePerf kernel;
  set_step(kernel, setup, 0);
  kernel.running_share = 0.25;
  Context context(net(12));
  RowCounters counters(context, setup, kernel);
  set_step(kernel, setup, 100);
  CountingPass pass(context, counters);
  for (int run = 0; run < 8; ++run) pass.run();
  const CountedRuns counted = pass.result();
  CHECK(counted.scaled());
  CHECK(counted.running_share == doctest::Approx(0.25));
  for (const PerfFigures& row : counted.rows) CHECK(row[PerfEvent::cycles].value() == doctest::Approx(400));
}

TEST_CASE("row counters: every thread counts for itself") {
  const PerfSetup setup = perf_setup(system_files(), -1);
  FakePerf kernel;
  set_step(kernel, setup, 0);
  Context context(net(96, 3));
  REQUIRE(context.plan().parallel);
  const int threads = context.threads();
  RowCounters counters(context, setup, kernel);
  CHECK(kernel.open_now == 6 * threads);
  set_step(kernel, setup, 100);
  CountingPass pass(context, counters);
  pass.run();
  for (const PerfFigures& row : pass.result().rows) CHECK(row[PerfEvent::cycles] == 100.0 * threads);
}

TEST_CASE("row counters: denied, partly denied, failing") {
  const PerfSetup setup = perf_setup(system_files(), -1);
  Context context(net(12));
  FakePerf denied;
  denied.refuse_all = EACCES;
  RowCounters none(context, setup, denied);
  CHECK_FALSE(none.any());
  CHECK(none.error(PerfEvent::cycles) == EACCES);
  CountingPass nothing(context, none);
  nothing.run();
  CHECK_FALSE(nothing.result().whole[PerfEvent::cycles].has_value());

  FakePerf partly;
  partly.refused[PERF_COUNT_HW_CACHE_MISSES] = ENOENT;
  RowCounters some(context, setup, partly);
  CHECK(some.counts(PerfEvent::cycles));
  CHECK(some.error(PerfEvent::cache_misses) == ENOENT);
  CountingPass pass(context, some);
  pass.run();
  CHECK(pass.result().whole[PerfEvent::cycles].has_value());
  CHECK_FALSE(pass.result().whole[PerfEvent::cache_misses].has_value());
  partly.fail_reads = true;
  CountingPass failing(context, some);
  failing.run();
  CHECK_FALSE(failing.result().whole[PerfEvent::cycles].has_value());
}

TEST_CASE("profile: counters and energy beside the times; nothing where they are not asked for") {
  const PerfSetup setup = perf_setup(system_files(), -1);
  FakePerf kernel;
  set_step(kernel, setup, 0);
  Context context(net(12));
  RowCounters counters(context, setup, kernel);
  set_step(kernel, setup, 300);
  const Pi4 pi;  // 3.25 W all the time
  EnergyMeter meter(pi.files, energy_sources(pi.files));
  const Profile p = profile(context, {.repeats = 7, .counters = &counters, .energy = &meter});
  CHECK_FALSE(p.broken_law.has_value());
  CHECK(p.running_share == 1);
  CHECK(p.counted[PerfEvent::cycles] == 300.0 * static_cast<double>(p.rows.size()));
  for (const ProfileRow& row : p.rows) CHECK(row.counted[PerfEvent::instructions] == 300.0);
  REQUIRE(p.energy_nj.has_value());
  CHECK(*p.energy_nj > 0.5 * 3.25 * p.plain_ns.min);
  CHECK(p.plain_ns.samples == 7);
  CHECK(p.plain_ns.median_ci95.has_value());
  CHECK(p.tally_overhead_ci95.has_value());
  CHECK(p.warmup.runs >= 3);
  const Profile plain = profile(context, {.repeats = 2, .warmup = 0});
  CHECK_FALSE(plain.counted[PerfEvent::cycles].has_value());
  CHECK_FALSE(plain.energy_nj.has_value());
  CHECK(plain.warmup.runs == 0);
  CHECK_FALSE(plain.plain_ns.median_ci95.has_value());
}

TEST_CASE("warm-up: three blocks that agree, or the end of its time") {
  const double level[] = {100, 101.9, 100.5}, falling[] = {104, 102, 101};
  CHECK(steady(level));
  CHECK_FALSE(steady(falling));
  Context context(net(12));
  const Warmup warmup = warm_up(context, 3, 0.3);
  CHECK(warmup.runs >= 3);
  CHECK(warmup.ns >= 3e6);
  CHECK(warmup.ns < 5e9);
  const Warmup cut = warm_up(context, 1, 0);
  CHECK_FALSE(cut.steady);
  CHECK(cut.ns < 1e9);
}

#endif
