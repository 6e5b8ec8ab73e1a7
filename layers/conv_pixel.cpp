// Convolution with output pixels across lanes. Weights and bias must be constants; padding goes through a padded copy.
#include <algorithm>
#include <limits>

#include "tally/layers/conv_methods.h"
#include "tally/layers/host_step.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/exact_copy.h"
#include "tally/platforms/kernels/pack_conv.h"
#include "tally/platforms/kernels/planned_conv.h"

namespace tally {

namespace {

constexpr int64_t kMaxExtent = std::numeric_limits<int32_t>::max();
/// What an item (a pair of output rows) costs beside its multiply-accumulates: order of magnitude.
constexpr double kItemCycles = 20;
/// What a tap costs beside them where a tile has hardly more than one 512-bit register, put together from pieces of
/// rows: 11 cycles for 8 products on Zen 4, which wider tiles hide.
constexpr double kPiecedTapCycles = 3;

/// Extents of X with its padding.
struct PaddedImage {
  int64_t H, W;
  explicit PaddedImage(const ConvShape& s)
      : H(s.y.in + s.y.pad_begin + s.y.pad_end), W(s.x.in + s.x.pad_begin + s.x.pad_end) {}
  int64_t pixels() const { return H * W; }
};

PixelConvArgs pixel_args(const ConvTask& task, const Geometry& g) {
  const ConvShape& s = task.shape;
  const PaddedImage image(s);
  PixelConvArgs a;
  a.x_image = s.C * image.pixels();
  a.x_group = s.group_inputs() * image.pixels();
  a.x_y = s.y.stride * image.W;
  a.y_image = s.M * s.y.out * s.x.out;
  a.y_channel = s.y.out * s.x.out;
  a.y_row = s.x.out;
  a.taps = static_cast<int32_t>(s.depth());
  a.images = static_cast<int32_t>(s.N);
  a.groups = static_cast<int32_t>(s.G);
  a.group_channels = static_cast<int32_t>(s.group_outputs());
  a.tile_channels = pixel_tile_channels(a.group_channels, static_cast<int>(s.x.out), g);
  a.oh = static_cast<int32_t>(s.y.out);
  a.ow = static_cast<int32_t>(s.x.out);
  a.kh = static_cast<int32_t>(s.y.kernel);
  a.kw = static_cast<int32_t>(s.x.kernel);
  a.sh = static_cast<int32_t>(s.y.stride);
  a.dh = static_cast<int32_t>(s.y.dilation);
  a.dw = static_cast<int32_t>(s.x.dilation);
  if (s.padded()) {
    a.pt = static_cast<int32_t>(s.y.pad_begin);
    a.pl = static_cast<int32_t>(s.x.pad_begin);
    a.h = static_cast<int32_t>(s.y.in);
    a.w_in = static_cast<int32_t>(s.x.in);
  }
  a.epilogue = task.tail.epilogue;
  return a;
}

bool fits(const ConvShape& s) {
  const PaddedImage image(s);
  return s.N <= kMaxExtent && s.M <= kMaxExtent && image.H <= kMaxExtent && image.W <= kMaxExtent &&
         s.depth() <= (1 << 22) && static_cast<double>(s.group_inputs()) * static_cast<double>(image.pixels()) < 2e9;
}

/// One channel of X into the middle of zeros.
void pad_plane(const ConvShape& s, const float* x, float* padded) {
  const PaddedImage image(s);
  zero_once(padded, s.y.pad_begin * image.W);
  padded += s.y.pad_begin * image.W;
  for (int64_t row = 0; row < s.y.in; ++row, x += s.x.in, padded += image.W) {
    zero_once(padded, s.x.pad_begin);
    copy_once(reinterpret_cast<std::byte*>(padded + s.x.pad_begin), reinterpret_cast<const std::byte*>(x), 4 * s.x.in);
    zero_once(padded + s.x.pad_begin + s.x.in, s.x.pad_end);
  }
  zero_once(padded, s.y.pad_end * image.W);
}

BufferId add_padding_step(const ConvShape& s, BufferId x, Preparation& preparation) {
  const int64_t planes = s.N * s.C, pixels = PaddedImage(s).pixels(), x_pixels = s.y.in * s.x.in;
  const BufferId padded = preparation.add_scratch(planes * pixels * int64_t{sizeof(float)});
  auto run = [=](const std::vector<std::byte*>& p, int64_t begin, int64_t end, Tally* tally) noexcept {
    for (int64_t plane = begin; plane < end; ++plane)
      pad_plane(s, reinterpret_cast<const float*>(p[0]) + plane * x_pixels,
                reinterpret_cast<float*>(p[1]) + plane * pixels);
    if (!tally) return;
    tally->bytes_loaded += 4 * (end - begin) * x_pixels;
    tally->bytes_stored += 4 * (end - begin) * pixels;
  };
  Planned planned;
  planned.loaded_activations = planned.tally.bytes_loaded = 4 * planes * x_pixels;
  planned.stored_scratch = planned.tally.bytes_stored = 4 * planes * pixels;
  add_host_step(preparation, {x, padded}, planned, static_cast<double>(planes * pixels) / 4, std::move(run), planes);
  return padded;
}

}  // namespace

void list_conv_pixel(const ConvTask& task, const PlanContext& context, std::vector<Candidate>& list) {
  const ConvShape& s = task.shape;
  if (task.in[Conv::kX].dtype != DType::f32 || !context.kernels->pixel_conv ||
      context.kernels->geometry.pixel_channels < 1)
    return;
  if (!s.planar() || s.x.stride != 1 || task.channels_inner || task.tail.residual || !task.constant_weights() ||
      !fits(s) || s.outputs() == 0)
    return;
  const Geometry& g = context.kernels->geometry;
  const PixelConvArgs args = pixel_args(task, g);
  const bool pieced = g.lanes > 8 && s.x.out < g.lanes;
  const double item_cycles = kItemCycles + (pieced ? kPiecedTapCycles * static_cast<double>(s.depth()) : 0);
  double cycles = planned_cycles(g, planned_pixel_conv(described(args, task.has_bias()), g),
                                 item_cycles * static_cast<double>(args.items()));
  if (s.padded()) cycles += static_cast<double>(s.N * s.C * PaddedImage(s).pixels()) / 4 + 60;
  list.push_back(task.candidate("pixel_conv", Layout::plain, Layout::plain, cycles));
}

void prepare_conv_pixel(const ConvTask& task, const Candidate& candidate, Preparation& preparation) {
  const ConvShape& s = task.shape;
  const PaddedImage image(s);
  PixelConvArgs args = pixel_args(task, preparation.geometry());
  auto offsets = std::make_shared<std::vector<int32_t>>();
  for (int64_t c = 0; c < s.group_inputs(); ++c)
    for (int64_t ky = 0; ky < s.y.kernel; ++ky)
      for (int64_t kx = 0; kx < s.x.kernel; ++kx)
        offsets->push_back(static_cast<int32_t>((c * image.H + ky * s.y.dilation) * image.W + kx * s.x.dilation));
  args.tap_offset = offsets->data();

  const Operand& w = task.in[Conv::kW];
  AlignedBuffer packed(s.M * s.depth() * int64_t{sizeof(float)});
  pack_pixel_weights(w.constant->values<float>().data(), args.groups, args.group_channels, args.taps,
                     args.tile_channels, reinterpret_cast<float*>(packed.data()));
  const BufferId weights = preparation.add_weights(std::move(packed), w.name + " packed");

  BufferId x = preparation.input(Conv::kX).buffer;
  if (s.padded()) x = add_padding_step(s, x, preparation);
  std::vector<PointerBinding> pointers = {{offsetof(PixelConvArgs, x), x, 0},
                                          {offsetof(PixelConvArgs, w), weights, 0},
                                          {offsetof(PixelConvArgs, y), preparation.output(0).buffer, 0}};
  if (task.has_bias()) pointers.push_back({offsetof(PixelConvArgs, bias), preparation.input(Conv::kB).buffer, 0});
  Planned planned = planned_pixel_conv(described(args, task.has_bias()), preparation.geometry());
  if (s.padded()) {
    planned.loaded_scratch += planned.loaded_activations;
    planned.loaded_activations = 0;
  }
  auto& step = preparation.add_kernel<[](const KernelTable& t) { return t.pixel_conv; }>(args, std::move(pointers),
                                                                                         planned, candidate.cycles);
  step.owned.push_back(offsets);
}

}  // namespace tally
