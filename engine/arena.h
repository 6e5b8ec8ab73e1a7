#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tally {

/// Bytes needed from step `first` to step `last`, both included.
struct Lifetime {
  size_t bytes = 0;
  int first = 0, last = 0;
};

/// In 64 bits, whatever an address has: what is too large must not wrap around before it is refused.
struct ArenaLayout {
  std::vector<uint64_t> offsets;  ///< multiples of 64, one a lifetime
  uint64_t bytes = 0;
};

/// Places lifetimes so that no two that overlap in time overlap in memory, largest first at the lowest free offset.
/// Each is followed by a guard of 64 bytes that kernels may read past its end.
ArenaLayout lay_out_arena(const std::vector<Lifetime>& lifetimes);

}  // namespace tally
