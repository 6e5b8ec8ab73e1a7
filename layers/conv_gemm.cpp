// Convolution as a matrix product without im2col: rows are output pixels, depth is the valid taps, columns are
// channels.
#include <limits>

#include "tally/layers/conv_methods.h"
#include "tally/layers/gemm_tables.h"

namespace tally {

namespace {

constexpr int64_t kMaxOffset = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxDepth = int64_t{1} << 25;

/// Depth rows in the order in which A is read, and runs of it as segments.
struct DepthWalk {
  Layout layout;
  const ConvShape& s;
  ImageStrides x;

  /// Depth row of input channel c (of the group), tap (ky, kx).
  int64_t row(int64_t c, int64_t ky, int64_t kx) const {
    return layout == Layout::plain ? (c * s.y.kernel + ky) * s.x.kernel + kx
                                   : (ky * s.x.kernel + kx) * s.group_inputs() + c;
  }
  int64_t offset(int64_t c, int64_t ky, int64_t kx) const {
    return c * x.c + (ky * s.y.dilation - s.y.pad_begin) * x.y + (kx * s.x.dilation - s.x.pad_begin) * x.x;
  }
  /// Elements that lie together in A: taps of a row in plain, channels (and taps, where no channel is left out)
  /// otherwise.
  bool merges_taps() const {
    if (s.x.dilation != 1) return false;
    return layout == Layout::plain || (s.G == 1 && x.x == s.C);
  }
};

/// Appends a run, joined to the last one where both A and the packed rows go on.
void append(std::vector<Segment>& list, int64_t offset, int64_t row, int64_t length) {
  if (length == 0) return;
  if (!list.empty() && list.back().a_offset + list.back().length == offset &&
      list.back().w_row + list.back().length == row)
    list.back().length += static_cast<int32_t>(length);
  else
    list.push_back({static_cast<int32_t>(offset), static_cast<int32_t>(row), static_cast<int32_t>(length)});
}

std::vector<Segment> segments_of(const DepthWalk& d, const TapBand& y, const TapBand& x) {
  std::vector<Segment> list;
  const bool plain = d.layout == Layout::plain;
  const int64_t outer = plain ? d.s.group_inputs() : 1, channels = plain ? 1 : d.s.group_inputs();
  for (int64_t c = 0; c < outer; ++c)
    for (int64_t ky = y.tap_begin; ky < y.tap_end; ++ky) {
      if (d.merges_taps() && x.taps() > 0) {
        append(list, d.offset(c, ky, x.tap_begin), d.row(c, ky, x.tap_begin), x.taps() * channels);
        continue;
      }
      for (int64_t kx = x.tap_begin; kx < x.tap_end; ++kx)
        append(list, d.offset(c, ky, kx), d.row(c, ky, kx), channels);
    }
  return list;
}

/// True where offsets fit 32 bits and the tables some megabytes.
bool fits(const DepthWalk& d, size_t bands_y, size_t bands_x) {
  const ConvShape& s = d.s;
  const auto reach = [](const WindowAxis& a, int64_t stride) {
    return static_cast<double>(a.extent() + a.pad_begin) * static_cast<double>(stride);
  };
  const double offsets =
      reach(s.y, d.x.y) + reach(s.x, d.x.x) + static_cast<double>(s.group_inputs()) * static_cast<double>(d.x.c);
  const double runs = d.layout == Layout::plain ? static_cast<double>(s.group_inputs()) : 1;
  const double segments = static_cast<double>(bands_y) * static_cast<double>(bands_x) * runs *
                          static_cast<double>(s.y.kernel) * static_cast<double>(s.x.kernel);
  return offsets < kMaxOffset && segments < 4e6 && s.depth() < kMaxDepth && s.y.out < kMaxOffset &&
         s.x.out < kMaxOffset;
}

/// Tables for a convolution that reads `x` and writes `y`; null where they would be too large.
std::shared_ptr<GemmTables> conv_tables(const ConvTask& task, Layout in, Layout out, int64_t x_channels,
                                        int64_t y_channels, const Geometry& geometry) {
  const ConvShape& s = task.shape;
  if (task.channels_inner) in = Layout::channels_last;  // as far as this kernel is concerned
  const DepthWalk depth{in, s, image_strides(in, s.C, s.y.in, s.x.in, x_channels)};
  const ImageStrides y = image_strides(out, s.M, s.y.out, s.x.out, y_channels);
  const std::vector<TapBand> bands_y = s.y.bands(), bands_x = s.x.bands();
  if (!fits(depth, bands_y.size(), bands_x.size())) return nullptr;

  GemmProblem problem;
  problem.groups = s.G;
  problem.group_columns = s.group_outputs();
  problem.group_a_offset = s.group_inputs() * depth.x.c;
  problem.row_bytes = 4 * s.C * s.y.stride * s.x.stride;
  problem.full_stores = out == Layout::channels_last && (s.G == 1 || s.group_outputs() % geometry.lanes == 0);
  problem.n_stride = s.depth();
  problem.order.resize(static_cast<size_t>(s.depth()));
  for (int64_t c = 0; c < s.group_inputs(); ++c)
    for (int64_t ky = 0; ky < s.y.kernel; ++ky)
      for (int64_t kx = 0; kx < s.x.kernel; ++kx)
        problem.order[static_cast<size_t>(depth.row(c, ky, kx))] =
            static_cast<int32_t>((c * s.y.kernel + ky) * s.x.kernel + kx);
  for (const TapBand& by : bands_y)
    for (const TapBand& bx : bands_x)
      problem.parts.push_back({{static_cast<int32_t>(by.begin), static_cast<int32_t>(bx.begin),
                                static_cast<int32_t>(by.outputs()), static_cast<int32_t>(bx.outputs())},
                               segments_of(depth, by, bx)});
  std::shared_ptr<GemmTables> tables = make_gemm_tables(problem, geometry);
  if (!tables) return nullptr;
  GemmArgs& args = tables->args;
  args.a_image = depth.x.image;
  args.a_y = s.y.stride * depth.x.y;
  args.a_x = s.x.stride * depth.x.x;
  args.c_image = y.image;
  args.c_y = y.y;
  args.c_x = y.x;
  args.images = s.N;
  args.epilogue = task.tail.epilogue;
  return tables;
}

}  // namespace

void list_conv_gemm(const ConvTask& task, const PlanContext& context, std::vector<Candidate>& list) {
  const ConvShape& s = task.shape;
  const Geometry& g = context.kernels->geometry;
  if (task.in[Conv::kX].dtype != DType::f32 || !context.kernels->gemm[static_cast<int>(Num::f32)]) return;
  for (const Layout in : {Layout::plain, Layout::channels_last}) {
    if (task.channels_inner && in == Layout::channels_last) continue;
    // A pixel is one point: both layouts of the output hold its channels together.
    const bool point = s.y.out * s.x.out == 1;
    for (const Layout out : {Layout::channels_last, Layout::plain}) {
      if (out == Layout::plain && !point) continue;
      const int64_t x_channels = task.channels_inner ? s.C : padded_channels(s.C, g.channel_pad);
      const auto tables = conv_tables(task, in, out, x_channels, padded_channels(s.M, g.channel_pad), g);
      if (!tables) continue;
      list.push_back(task.candidate("gemm", in, out, tables->cycles(g, task.has_bias(), task.tail.residual)));
    }
  }
}

void prepare_conv_gemm(const ConvTask& task, const Candidate& candidate, Preparation& preparation) {
  const Placement x = preparation.input(Conv::kX), y = preparation.output(0);
  const int64_t x_channels = task.channels_inner ? task.shape.C : x.channel_stride;
  const auto tables = conv_tables(task, x.layout, y.layout, x_channels, y.channel_stride, preparation.geometry());
  const PackedOperands packed = pack_operands(preparation, tables, Conv::kW, Conv::kB, 1);
  const BufferId residual = task.tail.residual ? preparation.input(Conv::kResidual).buffer : -1;
  add_gemm_step(preparation, tables, x.buffer, y.buffer, packed, residual, candidate.cycles);
}

}  // namespace tally
