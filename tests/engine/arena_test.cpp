#include "tally/engine/arena.h"

#include <doctest/doctest.h>

#include <random>

using tally::ArenaLayout;
using tally::Lifetime;

namespace {

void check_no_overlap(const std::vector<Lifetime>& lifetimes, const ArenaLayout& layout) {
  for (size_t i = 0; i < lifetimes.size(); ++i) {
    CHECK(layout.offsets[i] % 64 == 0);
    CHECK(layout.offsets[i] + lifetimes[i].bytes + 64 <= layout.bytes);
    for (size_t k = 0; k < i; ++k) {
      const bool in_time = lifetimes[i].first <= lifetimes[k].last && lifetimes[k].first <= lifetimes[i].last;
      if (!in_time) continue;
      const bool apart = layout.offsets[i] + lifetimes[i].bytes + 64 <= layout.offsets[k] ||
                         layout.offsets[k] + lifetimes[k].bytes + 64 <= layout.offsets[i];
      CHECK_MESSAGE(apart, "lifetimes ", i, " and ", k, " share bytes while both live");
    }
  }
}

}  // namespace

TEST_CASE("arena: a chain needs two buffers, not one a layer") {
  std::vector<Lifetime> chain;
  for (int i = 0; i < 10; ++i) chain.push_back({1000, i, i + 1});
  const ArenaLayout layout = tally::lay_out_arena(chain);
  check_no_overlap(chain, layout);
  CHECK(layout.bytes == 2 * 1088);  // 1000 + guard 64, rounded up to 64
}

TEST_CASE("arena: random lifetimes never share bytes while both live, by size and by time") {
  std::mt19937 random(7);
  for (size_t count : {50u, 300u, 2500u}) {
    std::vector<Lifetime> lifetimes;
    for (size_t i = 0; i < count; ++i) {
      const int first = static_cast<int>(random() % 1000);
      lifetimes.push_back({random() % 5000, first, first + static_cast<int>(random() % 20)});
    }
    const ArenaLayout layout = tally::lay_out_arena(lifetimes);
    if (count < 2500) {
      check_no_overlap(lifetimes, layout);
    } else {
      // All pairs of a sample: the full check is quadratic.
      size_t shared = 0;
      for (size_t i = 0; i < count; i += 7)
        for (size_t k = 0; k < count; ++k)
          if (i != k && lifetimes[i].first <= lifetimes[k].last && lifetimes[k].first <= lifetimes[i].last &&
              layout.offsets[i] < layout.offsets[k] + lifetimes[k].bytes &&
              layout.offsets[k] < layout.offsets[i] + lifetimes[i].bytes)
            ++shared;
      CHECK(shared == 0);
    }
  }
}

TEST_CASE("arena: nothing to place needs nothing") { CHECK(tally::lay_out_arena({}).bytes == 0); }
