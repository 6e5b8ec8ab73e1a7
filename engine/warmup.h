#pragma once
#include <cstdint>
#include <span>

#include "tally/engine/context.h"

namespace tally {

struct Warmup {
  int64_t runs = 0;
  double ns = 0;
  bool steady = true;  ///< false: time was up first
};

/// Shares by which the fastest runs of three blocks may differ, and what a block takes at least.
inline constexpr double kSteadyShare = 0.02;
inline constexpr double kWarmupBlock_ns = 1e6;

/// Runs until runs take the same time again and again: in blocks of runs that take 1 ms or one run, until the fastest
/// runs of the last three blocks differ by 2 % at most. At least `least` runs; after `seconds` no block begins. None
/// where `least` is 0. A streamed model begins each block from a reset.
Warmup warm_up(Context& context, int least, double seconds);

/// (max − min) ÷ min of these times is at most kSteadyShare.
bool steady(std::span<const double> fastest_ns);

}  // namespace tally
