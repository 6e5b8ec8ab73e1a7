#pragma once
// Bytes beyond each cache, modelled: the plan's steps say what they touch and in which order, a model of the caches
// says what of it they hold.
#include <span>
#include <string>
#include <vector>

#include "tally/engine/cache_model.h"
#include "tally/engine/plan.h"

namespace tally {

/// What a row of the plan moves in one run of many.
struct RowTraffic {
  std::vector<LevelTraffic> beyond;  ///< by cache level; source: model
  /// Every step said what it touches. Else some (plain loops on the host, loops and branches) are taken to walk once
  /// through each of their buffers.
  bool in_order = true;
};

struct Traffic {
  std::vector<RowTraffic> rows;  ///< one a row of the plan; empty where `missing` says why
  int line_bytes = 64;
  bool warm = true;  ///< caches as the run before left them; false: empty, the run touches too much to be done twice
  std::string missing;

  /// Bytes that row `row` moves between cache `level` and what lies beyond it, both ways.
  int64_t bytes(size_t row, size_t level) const {
    const LevelTraffic& t = rows[row].beyond[level];
    return (t.fills + t.write_backs) * line_bytes;
  }
};

/// One run of `plan` by one thread, after another (which of a streamed plan is the step before). `most_touches`: gives
/// up beyond so many lines touched; a run of an eighth of them is not done twice. Throws Error(usage) where the caches
/// make no sense.
Traffic model_traffic(const Plan& plan, std::span<const CacheShape> caches, int64_t most_touches = int64_t{1} << 29);

}  // namespace tally
