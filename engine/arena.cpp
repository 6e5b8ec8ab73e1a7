#include "tally/engine/arena.h"

#include <algorithm>
#include <numeric>

namespace tally {

ArenaLayout lay_out_arena(const std::vector<Lifetime>& lifetimes) {
  constexpr uint64_t kAlign = 64, kGuard = 64;
  // Largest first packs tighter but compares all pairs; graphs of very many layers go by time and forget the dead.
  const bool by_size = lifetimes.size() <= 2048;
  ArenaLayout layout;
  layout.offsets.assign(lifetimes.size(), 0);
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return by_size ? lifetimes[a].bytes > lifetimes[b].bytes : lifetimes[a].first < lifetimes[b].first;
  });
  struct Block {
    uint64_t begin, end;
  };
  std::vector<size_t> placed;
  for (size_t index : order) {
    const Lifetime& want = lifetimes[index];
    if (!by_size) std::erase_if(placed, [&](size_t other) { return lifetimes[other].last < want.first; });
    std::vector<Block> taken;
    for (size_t other : placed) {
      const Lifetime& have = lifetimes[other];
      if (have.first <= want.last && want.first <= have.last)
        taken.push_back({layout.offsets[other], layout.offsets[other] + have.bytes});
    }
    std::sort(taken.begin(), taken.end(), [](const Block& a, const Block& b) { return a.begin < b.begin; });
    const uint64_t size = (want.bytes + kGuard + kAlign - 1) / kAlign * kAlign;
    uint64_t offset = 0;
    for (const Block& block : taken) {
      if (offset + size <= block.begin) break;
      offset = std::max(offset, (block.end + kGuard + kAlign - 1) / kAlign * kAlign);
    }
    layout.offsets[index] = offset;
    layout.bytes = std::max(layout.bytes, offset + size);
    placed.push_back(index);
  }
  return layout;
}

}  // namespace tally
