// Depthwise convolution, channels across lanes. Weights and bias must be constants.
#include <limits>

#include "tally/layers/conv_methods.h"
#include "tally/platforms/cost_model.h"
#include "tally/platforms/kernels/pack_conv.h"
#include "tally/platforms/kernels/planned_conv.h"

namespace tally {

namespace {

constexpr int64_t kMaxExtent = std::numeric_limits<int32_t>::max();
/// What an item (a pair of output rows) costs beside its multiply-accumulates: order of magnitude.
constexpr double kItemCycles = 40;

DepthwiseArgs depthwise_args(const ConvTask& task, int64_t channel_stride) {
  const ConvShape& s = task.shape;
  DepthwiseArgs a;
  a.images = static_cast<int32_t>(s.N);
  a.h = static_cast<int32_t>(s.y.in);
  a.w_in = static_cast<int32_t>(s.x.in);
  a.oh = static_cast<int32_t>(s.y.out);
  a.ow = static_cast<int32_t>(s.x.out);
  a.channels = static_cast<int32_t>(channel_stride);
  a.real_channels = static_cast<int32_t>(s.C);
  a.kh = static_cast<int32_t>(s.y.kernel);
  a.kw = static_cast<int32_t>(s.x.kernel);
  a.sh = static_cast<int32_t>(s.y.stride);
  a.sw = static_cast<int32_t>(s.x.stride);
  a.dh = static_cast<int32_t>(s.y.dilation);
  a.dw = static_cast<int32_t>(s.x.dilation);
  a.pt = static_cast<int32_t>(s.y.pad_begin);
  a.pl = static_cast<int32_t>(s.x.pad_begin);
  a.epilogue = task.tail.epilogue;
  return a;
}

bool fits(const WindowAxis& a) {
  const int64_t reach = a.in + a.pad_begin + a.pad_end + a.extent();
  return reach <= kMaxExtent && a.out * a.stride <= kMaxExtent && a.stride <= kMaxExtent && a.dilation <= kMaxExtent;
}

}  // namespace

void list_conv_depthwise(const ConvTask& task, const PlanContext& context, std::vector<Candidate>& list) {
  const ConvShape& s = task.shape;
  if (task.in[Conv::kX].dtype != DType::f32 || !context.kernels->depthwise || !s.depthwise()) return;
  if (!s.planar() || task.channels_inner || task.tail.residual || !task.constant_weights() || !fits(s.y) ||
      !fits(s.x) || s.outputs() == 0)
    return;
  if (s.N > kMaxExtent || s.C > kMaxExtent / 2) return;
  const Geometry& g = context.kernels->geometry;
  const DepthwiseArgs args = depthwise_args(task, padded_channels(s.C, g.channel_pad));
  const double overhead = kItemCycles * static_cast<double>(args.items());
  list.push_back(task.candidate("depthwise", Layout::channels_last, Layout::channels_last,
                                planned_cycles(g, planned_depthwise(described(args, task.has_bias()), g), overhead)));
}

void prepare_conv_depthwise(const ConvTask& task, const Candidate& candidate, Preparation& preparation) {
  const ConvShape& s = task.shape;
  const Placement x = preparation.input(Conv::kX), y = preparation.output(0);
  const DepthwiseArgs args = depthwise_args(task, x.channel_stride);
  const Operand& w = task.in[Conv::kW];
  AlignedBuffer packed(s.y.kernel * s.x.kernel * x.channel_stride * int64_t{sizeof(float)});
  pack_depthwise(w.constant->values<float>().data(), args.kh * args.kw, args.real_channels, args.channels,
                 reinterpret_cast<float*>(packed.data()));
  std::vector<PointerBinding> pointers = {
      {offsetof(DepthwiseArgs, x), x.buffer, 0},
      {offsetof(DepthwiseArgs, w), preparation.add_weights(std::move(packed), w.name + " packed"), 0},
      {offsetof(DepthwiseArgs, y), y.buffer, 0}};
  if (task.has_bias()) {
    const Operand& b = task.in[Conv::kB];
    AlignedBuffer bias(x.channel_stride * int64_t{sizeof(float)});
    pack_depthwise(b.constant->values<float>().data(), 1, args.real_channels, args.channels,
                   reinterpret_cast<float*>(bias.data()));
    pointers.push_back(
        {offsetof(DepthwiseArgs, bias), preparation.add_weights(std::move(bias), b.name + " padded"), 0});
  }
  preparation.add_kernel<[](const KernelTable& t) { return t.depthwise; }>(
      args, std::move(pointers), planned_depthwise(described(args, task.has_bias()), preparation.geometry()),
      candidate.cycles);
}

}  // namespace tally
