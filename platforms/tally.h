#pragma once
#include <cstdint>

namespace tally {

/// What kernels did, added once a tile from the loop bounds actually reached. All integers, exact.
struct Tally {
  int64_t macs = 0;       ///< multiply-accumulates whose product a result uses
  int64_t lane_macs = 0;  ///< multiply-accumulate lanes issued by multiply-accumulate kernels, padding lanes included
  int64_t lane_fma_other = 0;  ///< FMA lanes of other kernels (multiply lanes where the ISA has no FMA)
  int64_t bytes_loaded = 0;    ///< from registered buffers (weights, arena, inputs, outputs)
  int64_t bytes_stored = 0;    ///< to registered buffers

  Tally& operator+=(const Tally& other) {
    macs += other.macs;
    lane_macs += other.lane_macs;
    lane_fma_other += other.lane_fma_other;
    bytes_loaded += other.bytes_loaded;
    bytes_stored += other.bytes_stored;
    return *this;
  }
  friend bool operator==(const Tally&, const Tally&) = default;
};

/// Tally policies of a kernel. With `Uncounted` every call compiles to nothing: those are the kernels that get timed.
struct Uncounted {
  static constexpr bool kCounts = false;
};
struct Counted {
  static constexpr bool kCounts = true;
};

}  // namespace tally
