// Convolution as a matrix product without im2col: rows are output pixels, depth is the valid taps, columns are
// channels.
#include <algorithm>
#include <cstdlib>
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

  /// Depth row of input channel c (of the group).
  int64_t row(int64_t c, int64_t tap) const {
    return layout == Layout::plain ? c * s.taps() + tap : tap * s.group_inputs() + c;
  }
  int64_t tap(int64_t kz, int64_t ky, int64_t kx) const { return (kz * s.y.kernel + ky) * s.x.kernel + kx; }
  int64_t offset(int64_t c, int64_t kz, int64_t ky, int64_t kx) const {
    return c * x.c + (kz * s.z.dilation - s.z.pad_begin) * x.z + (ky * s.y.dilation - s.y.pad_begin) * x.y +
           (kx * s.x.dilation - s.x.pad_begin) * x.x;
  }
  /// What plane oz of outputs adds to the offsets: the kernel walks planes as rows that follow the last of the plane
  /// before, both in C, where that is so, and in A, where it need not be.
  int64_t plane_offset(int64_t oz) const { return oz * (s.z.stride * x.z - s.y.out * s.y.stride * x.y); }
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

/// Segments of the outputs in plane oz, whose taps are those of the bands.
std::vector<Segment> segments_of(const DepthWalk& d, int64_t oz, const TapBand& z, const TapBand& y, const TapBand& x) {
  std::vector<Segment> list;
  const bool plain = d.layout == Layout::plain;
  const int64_t outer = plain ? d.s.group_inputs() : 1, channels = plain ? 1 : d.s.group_inputs();
  const int64_t plane = d.plane_offset(oz);
  for (int64_t c = 0; c < outer; ++c)
    for (int64_t kz = z.tap_begin; kz < z.tap_end; ++kz)
      for (int64_t ky = y.tap_begin; ky < y.tap_end; ++ky) {
        if (d.merges_taps() && x.taps() > 0) {
          append(list, plane + d.offset(c, kz, ky, x.tap_begin), d.row(c, d.tap(kz, ky, x.tap_begin)),
                 x.taps() * channels);
          continue;
        }
        for (int64_t kx = x.tap_begin; kx < x.tap_end; ++kx)
          append(list, plane + d.offset(c, kz, ky, kx), d.row(c, d.tap(kz, ky, kx)), channels);
      }
  return list;
}

/// Regions of equal taps, plane by plane.
void add_parts(const DepthWalk& d, GemmProblem& problem) {
  const std::vector<TapBand> bands_y = d.s.y.bands(), bands_x = d.s.x.bands();
  for (const TapBand& bz : d.s.z.bands())
    for (int64_t oz = bz.begin; oz < bz.end; ++oz)
      for (const TapBand& by : bands_y)
        for (const TapBand& bx : bands_x)
          problem.parts.push_back({{static_cast<int32_t>(oz * d.s.y.out + by.begin), static_cast<int32_t>(bx.begin),
                                    static_cast<int32_t>(by.outputs()), static_cast<int32_t>(bx.outputs())},
                                   segments_of(d, oz, bz, by, bx)});
}

/// True where offsets fit 32 bits and the tables some megabytes.
bool fits(const DepthWalk& d) {
  const ConvShape& s = d.s;
  const auto reach = [](const WindowAxis& a, int64_t stride) {
    return static_cast<double>(a.extent() - 1 + std::abs(a.pad_begin)) * static_cast<double>(stride);
  };
  const double offsets =
      reach(s.z, d.x.z) + reach(s.y, d.x.y) + reach(s.x, d.x.x) +
      static_cast<double>(s.group_inputs()) * static_cast<double>(d.x.c) +
      static_cast<double>(s.z.out - 1) * (static_cast<double>(s.z.stride) * static_cast<double>(d.x.z) +
                                          static_cast<double>(s.y.out * s.y.stride) * static_cast<double>(d.x.y));
  // Without channels there are still regions.
  const double runs = d.layout == Layout::plain ? static_cast<double>(std::max<int64_t>(s.group_inputs(), 1)) : 1;
  const double segments = static_cast<double>(s.z.out) * static_cast<double>(s.y.bands().size() * s.x.bands().size()) *
                          runs * static_cast<double>(s.taps());
  return offsets < kMaxOffset && segments < 4e6 && s.depth() < kMaxDepth && s.x.out < kMaxOffset &&
         static_cast<double>(s.z.out) * static_cast<double>(s.y.out) < kMaxOffset;
}

/// Strides of Y from output to output.
ImageStrides output_strides(const ConvTask& task, Layout out, int64_t y_channels) {
  const ConvShape& s = task.shape;
  if (!task.grid) return image_strides(out, s.M, {s.z.out, s.y.out, s.x.out}, y_channels);
  ImageStrides y = image_strides(out, s.M, task.grid->extents, y_channels);
  y.z *= task.grid->step[0];
  y.y *= task.grid->step[1];
  y.x *= task.grid->step[2];
  return y;
}

/// Of the first output in Y.
int64_t output_offset(const ConvTask& task, const Placement& y) {
  if (!task.grid) return 0;
  const OutputGrid& grid = *task.grid;
  const ImageStrides strides = image_strides(y.layout, task.shape.M, grid.extents, y.channel_stride);
  return grid.first[0] * strides.z + grid.first[1] * strides.y + grid.first[2] * strides.x;
}

/// Tables for a convolution that reads `x` and writes `y`; null where they would be too large.
std::shared_ptr<GemmTables> conv_tables(const ConvTask& task, Layout in, Layout out, int64_t x_channels,
                                        int64_t y_channels, const Geometry& geometry) {
  const ConvShape& s = task.shape;
  if (task.channels_inner) in = Layout::channels_last;  // as far as this kernel is concerned
  const DepthWalk depth{in, s, image_strides(in, s.C, {s.z.in, s.y.in, s.x.in}, x_channels)};
  const ImageStrides y = output_strides(task, out, y_channels);
  if (!fits(depth)) return nullptr;

  GemmProblem problem;
  problem.groups = s.G;
  problem.group_columns = s.group_outputs();
  problem.group_a_offset = s.group_inputs() * depth.x.c;
  problem.row_bytes = 4 * s.C * s.z.stride * s.y.stride * s.x.stride;
  problem.full_stores = out == Layout::channels_last && (s.G == 1 || s.group_outputs() % geometry.lanes == 0);
  problem.n_stride = s.depth();
  problem.order.resize(static_cast<size_t>(s.depth()));
  for (int64_t c = 0; c < s.group_inputs(); ++c)
    for (int64_t tap = 0; tap < s.taps(); ++tap)
      problem.order[static_cast<size_t>(depth.row(c, tap))] = static_cast<int32_t>(c * s.taps() + tap);
  add_parts(depth, problem);
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
    // Of a single pixel both layouts of the output hold the channels together.
    for (const Layout out : {Layout::channels_last, Layout::plain}) {
      if (out == Layout::plain && !task.point()) continue;
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
  add_gemm_step(preparation, tables, x.buffer, y.buffer, packed, residual, candidate.cycles, output_offset(task, y));
}

}  // namespace tally
