#include "tally/engine/reorder.h"

#include "tally/engine/placement.h"

namespace tally {

CopyArgs reorder_args(const Shape& shape, Layout from, Layout to, int64_t channel_pad) {
  const int64_t images = shape[0], channels = shape[1];
  int64_t pixels = 1;
  for (size_t d = 2; d < shape.size(); ++d) pixels *= shape[d];
  const int64_t stride = padded_channels(channels, channel_pad);
  // Dimensions: image, pixel, channel.
  const int64_t plain[3] = {channels * pixels, 1, pixels};
  const int64_t last[3] = {pixels * stride, stride, 1};
  CopyArgs args;
  args.rank = 3;
  args.element_bytes = 4;
  const int64_t sizes[3] = {images, pixels, channels};
  for (int d = 0; d < 3; ++d) {
    args.size[d] = sizes[d];
    args.x_stride[d] = (from == Layout::plain ? plain : last)[d];
    args.y_stride[d] = (to == Layout::plain ? plain : last)[d];
  }
  if (images == 1) {  // the outermost dimension is what threads share
    for (int d = 0; d < 2; ++d) {
      args.size[d] = args.size[d + 1];
      args.x_stride[d] = args.x_stride[d + 1];
      args.y_stride[d] = args.y_stride[d + 1];
    }
    args.size[2] = 1;
    args.x_stride[2] = args.y_stride[2] = 0;
    args.rank = 2;
  }
  return args;
}

CopyArgs byte_copy_args(int64_t bytes) {
  CopyArgs args;
  args.element_bytes = bytes % 4 == 0 ? 4 : 1;
  args.size[0] = bytes / args.element_bytes;
  args.x_stride[0] = args.y_stride[0] = 1;
  return args;
}

}  // namespace tally
