#include <algorithm>
#include <cstdint>
#include <new>
#include <utility>

#include <doctest/doctest.h>

#include "tally/platforms/memory.h"

using namespace tally;

TEST_CASE("a buffer is aligned, zero, and readable past its end") {
  for (const int size : {1, 63, 64, 65, 4097}) {
    const AlignedBuffer buffer(size);
    REQUIRE(buffer.size() == static_cast<size_t>(size));
    CHECK(reinterpret_cast<uintptr_t>(buffer.data()) % kAlignment == 0);
    CHECK(
        std::all_of(buffer.data(), buffer.data() + size + kGuardBytes, [](std::byte b) { return b == std::byte{0}; }));
  }
}

TEST_CASE("empty, moved and impossible buffers") {
  AlignedBuffer empty(0);
  CHECK(empty.data() == nullptr);
  CHECK(empty.size() == 0);

  AlignedBuffer a(128);
  a.as<float>()[31] = 2.5f;
  AlignedBuffer b(std::move(a));
  CHECK(a.data() == nullptr);
  CHECK(b.as<float>()[31] == 2.5f);
  empty = std::move(b);
  CHECK(empty.size() == 128);
  CHECK(std::as_const(empty).as<float>()[31] == 2.5f);

  CHECK_THROWS_AS(AlignedBuffer(INT64_MAX), std::bad_alloc);
  CHECK_THROWS_AS(AlignedBuffer(PTRDIFF_MAX - 100), std::bad_alloc);
}
