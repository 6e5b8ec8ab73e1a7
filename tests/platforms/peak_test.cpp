// The yardsticks do what they say: amounts, and bytes moved.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "tally/platforms/kernel_table.h"
#include "tests/reference/guarded_buffer.h"

namespace tally {
namespace {

TEST_CASE("peak: multiply-accumulates of every format, by the depth a step takes") {
  for (const Isa isa : built_isas()) {
    if (!usable(isa)) continue;
    CAPTURE(name_of(isa));
    const KernelTable& table = kernel_table(isa, false);
    CHECK(table.fma_peak(100) == int64_t{100} * kPeakChains * table.geometry.lanes);
    for (size_t num = 0; num < table.mac_peak.size(); ++num) {
      REQUIRE(static_cast<bool>(table.mac_peak[num]));
      CHECK(table.mac_peak[num](100) == int64_t{100} * kPeakChains * table.geometry.lanes * table.geometry.k_step[num]);
    }
  }
}

TEST_CASE("peak: streams read, write and copy what they are given and not a byte more") {
  for (const Isa isa : built_isas()) {
    if (!usable(isa)) continue;
    CAPTURE(name_of(isa));
    const KernelTable& table = kernel_table(isa, false);
    for (const int64_t n : {kStreamFloats, 5 * kStreamFloats}) {
      reference::GuardedBuffer<float> x(static_cast<size_t>(n)), y(static_cast<size_t>(n));
      for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i), y[i] = -1;
      table.stream_read(x.data(), n, 3);
      table.stream_copy(x.data(), y.data(), n, 2);
      CHECK(std::equal(x.data(), x.data() + n, y.data()));
      table.stream_write(y.data(), n, 2);
      CHECK(std::all_of(y.data(), y.data() + n, [](float v) { return v == 0.5f; }));
      CHECK((x.intact() && y.intact()));
      CHECK(kStreamFloats % (8 * table.geometry.lanes) == 0);
    }
  }
}

}  // namespace
}  // namespace tally
