#include "tally/engine/cache_model.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <list>
#include <random>

#include "tally/engine/error.h"

namespace tally {
namespace {

const void* at(int64_t address) { return reinterpret_cast<const void*>(static_cast<uintptr_t>(address)); }

/// The definition, slowly: a list of lines a set, the latest first.
class PlainCache {
 public:
  PlainCache(int64_t bytes, int line, int ways) : line_(line), ways_(ways), sets_(bytes / line / ways) {
    lists_.resize(static_cast<size_t>(sets_));
  }
  void access(int64_t address, bool store) {
    const int64_t line = address / line_;
    auto& list = lists_[static_cast<size_t>(line % sets_)];
    auto found = std::find_if(list.begin(), list.end(), [&](const auto& l) { return l.first == line; });
    bool changed = store;
    if (found != list.end()) {
      changed = changed || found->second;
      list.erase(found);
    } else {
      ++traffic.fills;
      if (list.size() == static_cast<size_t>(ways_)) {
        traffic.write_backs += list.back().second;
        list.pop_back();
      }
    }
    list.emplace_front(line, changed);
  }
  LevelTraffic traffic;

 private:
  int64_t line_, ways_, sets_;
  std::vector<std::list<std::pair<int64_t, bool>>> lists_;
};

TEST_CASE("cache model: one level against the definition, on random accesses") {
  std::mt19937 engine(7);
  for (const CacheShape& shape : {CacheShape{1024, 64, 1}, {4096, 64, 4}, {3072, 32, 3}, {512, 64, 8}}) {
    CacheModel model({shape});
    PlainCache plain(shape.bytes, shape.line_bytes, shape.ways);
    for (int i = 0; i < 20000; ++i) {
      const int64_t address = std::uniform_int_distribution<int64_t>(0, 3 * shape.bytes)(engine);
      const bool store = engine() % 3 == 0;
      model.touch(at(address), 1, store);
      plain.access(address, store);
    }
    const LevelTraffic traffic = model.take()[0];
    CHECK(traffic.fills == plain.traffic.fills);
    CHECK(traffic.write_backs == plain.traffic.write_backs);
    CHECK(model.touches() == 20000);
    CHECK(model.take()[0].fills == 0);  // taken
  }
}

TEST_CASE("cache model: what fits stays, what does not comes again and again") {
  CacheModel model({{1024, 64, 4}, {4096, 64, 4}});
  const auto sweep = [&](int64_t bytes, bool store) {
    model.touch(at(0), bytes, store);
    return model.take();
  };
  sweep(1024, false);
  CHECK(sweep(1024, false)[0].fills == 0);
  sweep(2048, true);
  const auto again = sweep(2048, true);  // a cyclic walk through twice the cache: LRU keeps nothing of use
  CHECK(again[0].fills == 32);
  CHECK(again[0].write_backs == 32);
  CHECK(again[1].fills == 0);
  CHECK(again[1].write_backs == 0);
  sweep(8192, false);
  const auto beyond = sweep(8192, false);
  CHECK(beyond[0].fills == 128);
  CHECK(beyond[1].fills == 128);
}

TEST_CASE("cache model: a touch names every line that it overlaps, once") {
  CacheModel model({{1024, 64, 4}});
  model.touch(at(60), 8, false);
  CHECK(model.touches() == 2);
  model.touch(at(64), 64, false);
  CHECK(model.touches() == 3);
  model.touch(at(64), 0, false);
  model.touch(nullptr, -4, true);
  CHECK(model.touches() == 3);
}

TEST_CASE("cache model: caches that make no sense are refused") {
  const std::vector<std::vector<CacheShape>> wrong = {
      {},
      {{0, 64, 8}},
      {{-1, 64, 8}},
      {{int64_t{1} << 40, 64, 8}},
      {{1024, 48, 4}},
      {{1024, 0, 4}},
      {{1024, 64, 0}},
      {{1024, 64, 17}},
      {{4096, 64, 4}, {1024, 64, 4}},
      {{1024, 64, 4}, {4096, 128, 4}},
  };
  for (const auto& levels : wrong) CHECK_THROWS_AS(CacheModel{levels}, Error);
}

}  // namespace
}  // namespace tally
