// What pixel_conv.h, depthwise.h and pool.h touch.
#include <algorithm>

#include "tally/platforms/accesses.h"

namespace tally {
namespace {

constexpr int64_t kFloat = 4;
constexpr int64_t kPairsTogether = 16;  ///< row pairs that go through one column of tiles (kPixelPairs)

/// Taps [begin, end) of `taps`, `dilation` apart from `first` on, that lie in [0, extent).
struct Inside {
  int64_t begin = 0, end = 0;
};
Inside taps_inside(int64_t first, int64_t taps, int64_t dilation, int64_t extent) {
  Inside in;
  in.begin = first < 0 ? (-first + dilation - 1) / dilation : 0;
  in.end = first < extent ? std::min(taps, (extent - 1 - first) / dilation + 1) : 0;
  in.begin = std::min(in.begin, in.end);
  return in;
}

/// A column of tiles of pixel_conv: `channels` output channels of pixels [x0, x1) of `rows` output rows at y.
void trace_pixels(const PixelConvArgs& a, const float* x, const float* w, const float* y, int64_t channels,
                  int64_t rows, int64_t x0, int64_t x1, AccessSink& sink) {
  for (int64_t tap = 0; tap < a.taps; tap += a.kw) {
    const int64_t columns = std::min<int64_t>(a.kw, a.taps - tap), reach = a.tap_offset[tap + columns - 1];
    sink.load(w + tap * channels, columns * channels * kFloat);
    for (int64_t r = 0; r < rows; ++r)
      sink.load(x + r * a.x_y + x0 + a.tap_offset[tap], (x1 - x0 + reach - a.tap_offset[tap]) * kFloat);
  }
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t r = 0; r < rows; ++r) sink.store(y + c * a.y_channel + r * a.y_row + x0, (x1 - x0) * kFloat);
}

}  // namespace

void trace(const PixelConvArgs& a, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink) {
  const int64_t pairs = (a.oh + 1) / 2, tiles = (a.group_channels + a.tile_channels - 1) / a.tile_channels;
  while (begin < end) {
    const int64_t slice = begin / pairs, group = slice / tiles % a.groups, image = slice / tiles / a.groups;
    const int64_t slice_end = std::min((slice + 1) * pairs, end);
    const int64_t m0 = slice % tiles * a.tile_channels, m = group * a.group_channels + m0;
    const int64_t channels = std::min<int64_t>(a.group_channels - m0, a.tile_channels);
    const int64_t most = std::max(1, geometry.pixel_registers[std::min<int64_t>(channels, kMaxPixelChannels)]);
    const int64_t registers = (2 * a.ow + geometry.lanes - 1) / geometry.lanes, chunks = (registers + most - 1) / most;
    const float *x = a.x + image * a.x_image + group * a.x_group, *w = a.w + m * a.taps;
    const float* y = a.y + image * a.y_image + m * a.y_channel;
    for (int64_t first = begin - slice * pairs; first < slice_end - slice * pairs; first += kPairsTogether) {
      const int64_t last = std::min(first + kPairsTogether, slice_end - slice * pairs);
      for (int64_t chunk = 0; chunk < chunks; ++chunk)
        for (int64_t pair = first; pair < last; ++pair)
          trace_pixels(a, x + pair * 2 * a.x_y, w, y + pair * 2 * a.y_row, channels,
                       std::min<int64_t>(2, a.oh - 2 * pair), chunk * a.ow / chunks, (chunk + 1) * a.ow / chunks, sink);
    }
    if (a.bias) sink.load(a.bias + m, channels * kFloat);
    begin = slice_end;
  }
}

void trace(const DepthwiseArgs& a, const Geometry& geometry, int64_t begin, int64_t end, AccessSink& sink) {
  const int64_t pairs = (a.oh + 1) / 2, C = a.channels, width = geometry.lanes;
  const int64_t columns = std::max(1, geometry.depthwise_columns);
  for (int64_t item = begin; item < end; ++item) {
    const float* x = a.x + item / pairs * a.h * a.w_in * C;
    const int64_t oy = item % pairs * 2, rows = std::min<int64_t>(2, a.oh - oy);
    const int64_t in_rows = (rows - 1) * a.sh + (a.kh - 1) * a.dh + 1, iy = oy * a.sh - a.pt;
    for (int64_t c = 0; c < C; c += width) {
      const int64_t bytes = std::min(width, C - c) * kFloat;
      for (int64_t tap = 0; tap < int64_t{a.kh} * a.kw; ++tap) sink.load(a.w + tap * C + c, bytes);
      if (a.bias) sink.load(a.bias + c, bytes);
      for (int64_t ox = 0; ox < a.ow; ox += columns) {
        const int64_t last = std::min<int64_t>(ox + columns, a.ow) - 1;
        const int64_t left = std::max<int64_t>(ox * a.sw - a.pl, 0);
        const int64_t right = std::min<int64_t>(last * a.sw - a.pl + (a.kw - 1) * a.dw, a.w_in - 1);
        for (int64_t i = std::max<int64_t>(iy, 0); i < std::min<int64_t>(iy + in_rows, a.h); ++i)
          for (int64_t ix = left; ix <= right; ++ix) sink.load(x + (i * a.w_in + ix) * C + c, bytes);
        for (int64_t r = 0; r < rows; ++r)
          for (int64_t o = ox; o <= last; ++o)
            sink.store(a.y + ((item / pairs * a.oh + oy + r) * a.ow + o) * C + c, bytes);
      }
    }
  }
}

void trace(const PoolArgs& a, const Geometry&, int64_t begin, int64_t end, AccessSink& sink) {
  const int64_t pixel = a.channels_last ? a.channels : 1, row = a.w * pixel;
  for (int64_t item = begin; item < end; ++item) {
    const float* x = a.x + (a.channels_last ? item / a.oh : item) * a.h * row;
    const int64_t first = a.channels_last ? item % a.oh : 0, last = a.channels_last ? first + 1 : a.oh;
    const float* y = a.y + (a.channels_last ? item / a.oh : item) * a.oh * a.ow * pixel;
    for (int64_t oy = first; oy < last; ++oy) {
      const Inside ky = taps_inside(int64_t{oy} * a.sh - a.pt, a.kh, a.dh, a.h);
      // Windows side by side go along the row; a planar map's row is taken at once.
      const int64_t together = a.channels_last ? 1 : a.ow;
      for (int64_t ox = 0; ox < a.ow; ox += together) {
        const int64_t left = std::max<int64_t>(ox * a.sw - a.pl, 0);
        const int64_t right = std::min<int64_t>((ox + together - 1) * a.sw - a.pl + int64_t{a.kw - 1} * a.dw, a.w - 1);
        for (int64_t k = ky.begin; k < ky.end && left <= right; ++k)
          sink.load(x + (oy * a.sh - a.pt + k * a.dh) * row + left * pixel, (right - left + 1) * pixel * kFloat);
        sink.store(y + (oy * a.ow + ox) * pixel, together * pixel * kFloat);
      }
    }
  }
}

}  // namespace tally
