#include <algorithm>
#include <string>

#include <doctest/doctest.h>

#include "tally/platforms/cpu.h"
#include "tally/platforms/isa.h"
#include "tally/platforms/kernel_table.h"
#include "tally/platforms/topology.h"

using namespace tally;

TEST_CASE("ISA names and numbers agree") {
  for (const Isa isa : built_isas()) CHECK(isa_from_name(name_of(isa)) == isa);
  CHECK(isa_from_name("scalar") == Isa::scalar);
  CHECK_FALSE(isa_from_name("AVX2").has_value());
  CHECK_FALSE(isa_from_name("").has_value());
}

TEST_CASE("built, usable, best") {
  const auto built = built_isas();
  REQUIRE_FALSE(built.empty());
  CHECK(std::is_sorted(built.begin(), built.end()));
  CHECK(usable(best_isa()));
  for (const Isa isa : built) {
    if (usable(isa)) CHECK(isa <= best_isa());
  }
#define TALLY_ISA(name, family, base, flags) \
  if (std::find(built.begin(), built.end(), Isa::name) == built.end()) CHECK_FALSE(usable(Isa::name));
#include "tally/platforms/isa/list.inc"
#undef TALLY_ISA
}

TEST_CASE("each ISA's tables are its own and stay in registers' width") {
  for (const Isa isa : built_isas()) {
    if (!usable(isa)) continue;
    for (const bool counted : {false, true}) {
      const KernelTable& table = kernel_table(isa, counted);
      CHECK(table.isa == isa);
      CHECK(table.counts == counted);
      CHECK(table.geometry.lanes >= 1);
    }
  }
}

TEST_CASE("what the CPU has") {
#if defined(__x86_64__)
  CHECK(cpu().has("sse2"));
#elif defined(__aarch64__)
  CHECK(cpu().has("neon"));
#endif
  CHECK_FALSE(cpu().has(""));
  CHECK_FALSE(cpu().has("no such feature"));
  CHECK((cpu().model.empty() == cpu().source.empty()));
  // An extension that the operating system does not save would fault; an ISA never rests on half of its extensions.
  if (cpu().has("avx512f")) CHECK(cpu().has("avx2"));
}

TEST_CASE("cores and caches") {
  const Topology& t = topology();
  CHECK(t.logical_cpus >= 1);
  CHECK(t.allowed_cpus >= 1);
  CHECK(t.physical_cores <= t.allowed_cpus);
  CHECK((t.caches.empty() == t.cache_source.empty()));
  for (const Cache& cache : t.caches) {
    CHECK(cache.level >= 1);
    CHECK(cache.bytes > 0);
  }
  if (!t.caches.empty()) CHECK(t.data_cache_bytes(1) >= 4096);
  CHECK(t.data_cache_bytes(9) == 0);
}
