#pragma once
// What every kernel over items must satisfy: the same bits whole, item by item and uncounted; counts as planned;
// nothing written elsewhere.
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tally/platforms/kernel_table.h"
#include "tally/platforms/planned.h"
#include "tests/judged.h"
#include "tests/platforms/nest_check.h"
#include "tests/reference/guarded_buffer.h"

namespace tally::test {

using Floats = reference::GuardedBuffer<float>;
using Kernel = std::function<void(int64_t begin, int64_t end, Tally*)>;

/// The ISA that on_every_isa is at.
inline Isa current_isa{};

/// f(counted table, uncounted table) for every ISA that this machine runs.
template <class F>
void on_every_isa(F f) {
  for (const Isa isa : built_isas()) {
    if (!Judge::instance().wants(isa)) continue;
    current_isa = isa;
    if (!usable(isa)) {
      MESSAGE("skipped, not on this CPU: " << std::string(name_of(isa)));
      continue;
    }
    CAPTURE(std::string(name_of(isa)));
    f(kernel_table(isa, true), kernel_table(isa, false));
  }
}

/// Uniform in [−1, 1).
inline void fill_random(std::span<float> values, uint32_t seed) {
  for (float& v : values) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f;
  }
}

/// Buffers as operands whose loads and stores are judged.
template <class... B>
std::vector<Judge::Buffer> operands(const B&... buffers) {
  return {{buffers.data(), buffers.size() * sizeof(*buffers.data())}...};
}

/// Leaves the result of `counted` in y, which the caller compares with the reference. `inputs`: every other operand.
inline void check_kernel(Floats& y, int64_t items, const Kernel& counted, const Kernel& uncounted,
                         const Planned& planned, std::vector<Judge::Buffer> inputs) {
  const size_t bytes = y.size() * sizeof(float);
  std::memset(y.data(), 0xFF, bytes);
  Judge::instance().section([&] { uncounted(0, items, nullptr); });
  const std::vector<float> result(y.data(), y.data() + y.size());

  std::memset(y.data(), 0xFF, bytes);
  Tally parts;
  for (int64_t i = items; i-- > 0;) counted(i, i + 1, &parts);
  CHECK(std::memcmp(y.data(), result.data(), bytes) == 0);

  std::memset(y.data(), 0xFF, bytes);
  Tally whole;
  counted(0, items, &whole);
  inputs.push_back(operands(y)[0]);
  Judge::instance().claim(current_isa, whole, false, inputs);
  CHECK(std::memcmp(y.data(), result.data(), bytes) == 0);
  CHECK(y.intact());

  CHECK(whole.macs == planned.tally.macs);
  CHECK(whole.lane_macs == planned.tally.lane_macs);
  CHECK(whole.lane_fma_other == planned.tally.lane_fma_other);
  CHECK(whole.bytes_loaded == planned.tally.bytes_loaded);
  CHECK(whole.bytes_stored == planned.tally.bytes_stored);
  CHECK(planned.parts_add_up());

  // Loads that do not depend on where the items are cut must not be counted twice.
  CHECK(parts.macs == whole.macs);
  CHECK(parts.lane_macs == whole.lane_macs);
  CHECK(parts.bytes_loaded == whole.bytes_loaded);
  CHECK(parts.bytes_stored == whole.bytes_stored);
}

}  // namespace tally::test
