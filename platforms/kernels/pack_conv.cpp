#include "tally/platforms/kernels/pack_conv.h"

#include <algorithm>

namespace tally {
namespace {

/// Cycles of one tap of a tile of `channels` × `registers` on a core that issues two vectors and two loads a cycle and
/// whose FMA takes four cycles: accumulators of fewer than eight vectors wait for themselves. A turn of the loop costs
/// a half (Zen 4).
int tile_half_cycles(int channels, int registers) {
  return std::max({channels * registers + 1, channels + registers, 8});
}

int row_half_cycles(int channels, int registers, const Geometry& geometry) {
  const int most = geometry.pixel_registers[channels], tiles = (registers + most - 1) / most;
  const int larger = registers % tiles;
  return larger * tile_half_cycles(channels, registers / tiles + 1) +
         (tiles - larger) * tile_half_cycles(channels, registers / tiles);
}

}  // namespace

int pixel_tile_channels(int group_channels, int ow, const Geometry& geometry) {
  // Two rows, whose ends share registers.
  const int piece = geometry.pixel_piece;
  const int registers = (2 * ((ow + piece - 1) / piece * piece) + geometry.lanes - 1) / geometry.lanes;
  int best = 1, best_cost = 0;
  for (int channels = 1; channels <= std::min(group_channels, geometry.pixel_channels); ++channels) {
    const int rest = group_channels % channels;
    const int cost = group_channels / channels * row_half_cycles(channels, registers, geometry) +
                     (rest > 0 ? row_half_cycles(rest, registers, geometry) : 0);
    if (best_cost == 0 || cost <= best_cost) {
      best = channels;
      best_cost = cost;
    }
  }
  return best;
}

void pack_pixel_weights(const float* w, int groups, int group_channels, int taps, int tile_channels, float* packed) {
  for (int g = 0; g < groups; ++g) {
    for (int m0 = 0; m0 < group_channels; m0 += tile_channels) {
      const int channels = std::min(tile_channels, group_channels - m0);
      const float* tile = w + (int64_t{g} * group_channels + m0) * taps;
      for (int tap = 0; tap < taps; ++tap) {
        for (int c = 0; c < channels; ++c) *packed++ = tile[int64_t{c} * taps + tap];
      }
    }
  }
}

void pack_depthwise(const float* w, int taps, int real_channels, int channels, float* packed) {
  for (int tap = 0; tap < taps; ++tap) {
    for (int c = 0; c < channels; ++c) *packed++ = c < real_channels ? w[int64_t{c} * taps + tap] : 0.0f;
  }
}

}  // namespace tally
