#pragma once
// Packing for the pixel-vector and depthwise convolutions. The caller owns the memory.
#include <cstdint>

#include "tally/platforms/kernel_table.h"

namespace tally {

/// PixelConvArgs::tile_channels for groups of `group_channels` outputs on rows of ow pixels: the tile whose registers
/// are estimated to take the fewest cycles.
int pixel_tile_channels(int group_channels, int ow, const Geometry& geometry);

/// packed[group][tile][tap][channel] = w[m][tap] for m = group · group_channels + tile · tile_channels + channel; the
/// last tile of a group has the channels left over. w and packed hold groups · group_channels · taps elements, taps =
/// C/g · kH · kW.
void pack_pixel_weights(const float* w, int groups, int group_channels, int taps, int tile_channels, float* packed);

/// packed[tap][c] = w[c][tap] for c < real_channels, zero up to `channels` (DepthwiseArgs::w, and with taps = 1 its
/// bias).
void pack_depthwise(const float* w, int taps, int real_channels, int channels, float* packed);

}  // namespace tally
