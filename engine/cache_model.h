#pragma once
// A model of a core's data caches: set-associative, least recently used, write-allocate, write-back, by whole lines, as
// cachegrind has them. No prefetching, no other core, no physical addresses: what a real cache does better or worse is
// not in it.
#include <cstdint>
#include <vector>

#include "tally/platforms/accesses.h"

namespace tally {

/// One level, nearest first in lists.
struct CacheShape {
  int64_t bytes = 0;
  int line_bytes = 64;
  int ways = 8;
};

/// Lines that crossed the border between a level and what lies beyond it.
struct LevelTraffic {
  int64_t fills = 0;        ///< lines fetched: the level's misses
  int64_t write_backs = 0;  ///< changed lines that had to leave

  LevelTraffic& operator+=(const LevelTraffic& other) {
    fills += other.fills;
    write_backs += other.write_backs;
    return *this;
  }
};

class CacheModel final : public AccessSink {
 public:
  /// Throws Error(usage) where a level has no bytes, ways or lines, lines are no power of two or not the same in all
  /// levels, or a level is smaller than the one before.
  explicit CacheModel(std::vector<CacheShape> levels);

  void touch(const void* address, int64_t bytes, bool store) override;

  /// Since the last call, by level.
  std::vector<LevelTraffic> take();
  int line_bytes() const { return 1 << line_shift_; }
  /// Lines touched so far, each as often as a touch named it.
  int64_t touches() const { return touches_; }

 private:
  struct Level {
    uint64_t sets = 1;
    bool by_mask = true;  ///< sets is a power of two
    int ways = 1;
    std::vector<uint64_t> lines;  ///< [set][way], the latest first: line · 2 + changed; kEmpty: none
    LevelTraffic traffic;
  };
  void access(size_t level, uint64_t line, bool store);

  std::vector<Level> levels_;
  int line_shift_ = 6;
  int64_t touches_ = 0;
};

}  // namespace tally
