#include "tally/engine/cache_model.h"

#include <algorithm>
#include <bit>

#include "tally/engine/error.h"

namespace tally {

namespace {

constexpr uint64_t kEmpty = ~uint64_t{0};
constexpr int64_t kMostBytes = int64_t{1} << 32;

void check(const CacheShape& shape, const std::vector<CacheShape>& levels, size_t index) {
  const std::string who = "cache level " + std::to_string(index + 1);
  if (shape.bytes <= 0 || shape.bytes > kMostBytes)
    fail(who, text(shape.bytes, " bytes"), text("must have 1 to ", kMostBytes), ErrorCode::usage);
  if (shape.line_bytes < 16 || shape.line_bytes > 4096 ||
      !std::has_single_bit(static_cast<uint32_t>(shape.line_bytes)) || shape.line_bytes != levels[0].line_bytes)
    fail(who, text("lines of ", shape.line_bytes, " bytes"), "must be a power of two, 16 to 4096, alike in all levels",
         ErrorCode::usage);
  if (shape.ways < 1 || shape.ways > shape.bytes / shape.line_bytes)
    fail(who, text(shape.ways, " ways"), "must be 1 to the lines that it holds", ErrorCode::usage);
  if (index > 0 && shape.bytes < levels[index - 1].bytes)
    fail(who, text(shape.bytes, " bytes"), "must not be smaller than the level before it", ErrorCode::usage);
}

}  // namespace

CacheModel::CacheModel(std::vector<CacheShape> levels) {
  if (levels.empty()) fail("caches", "no level", "must be at least one", ErrorCode::usage);
  for (size_t i = 0; i < levels.size(); ++i) {
    check(levels[i], levels, i);
    Level level;
    level.ways = levels[i].ways;
    level.sets = static_cast<uint64_t>(levels[i].bytes / levels[i].line_bytes / levels[i].ways);
    level.by_mask = std::has_single_bit(level.sets);
    level.lines.assign(level.sets * static_cast<uint64_t>(level.ways), kEmpty);
    levels_.push_back(std::move(level));
  }
  line_shift_ = std::countr_zero(static_cast<uint32_t>(levels[0].line_bytes));
}

void CacheModel::touch(const void* address, int64_t bytes, bool store) {
  if (bytes <= 0) return;
  const auto first = reinterpret_cast<uintptr_t>(address) >> line_shift_;
  const auto last = (reinterpret_cast<uintptr_t>(address) + static_cast<uintptr_t>(bytes) - 1) >> line_shift_;
  touches_ += static_cast<int64_t>(last - first + 1);
  for (auto line = first; line <= last; ++line) access(0, line, store);
}

void CacheModel::access(size_t index, uint64_t line, bool store) {
  if (index == levels_.size()) return;
  Level& level = levels_[index];
  // A division costs as much as the rest.
  const uint64_t index_of_set = level.by_mask ? line & (level.sets - 1) : line % level.sets;
  uint64_t* const set = level.lines.data() + index_of_set * static_cast<uint64_t>(level.ways);
  uint64_t moved = line << 1 | static_cast<uint64_t>(store);
  for (int way = 0; way < level.ways; ++way) {
    const uint64_t here = set[way];
    set[way] = moved;
    if (here >> 1 == line) {
      set[0] |= here & 1;
      return;
    }
    moved = here;
  }
  if (moved != kEmpty && (moved & 1)) {
    ++level.traffic.write_backs;
    access(index + 1, moved >> 1, true);
  }
  ++level.traffic.fills;
  access(index + 1, line, false);
}

std::vector<LevelTraffic> CacheModel::take() {
  std::vector<LevelTraffic> taken;
  for (Level& level : levels_) {
    taken.push_back(level.traffic);
    level.traffic = {};
  }
  return taken;
}

}  // namespace tally
