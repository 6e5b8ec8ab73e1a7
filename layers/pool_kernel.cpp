// Pooling on the kernel, one or two axes a pass.
#include <algorithm>

#include "tally/layers/pool.h"
#include "tally/platforms/kernels/planned_pool.h"

namespace tally {

namespace {

/// The kernel counts in int; window positions must stay far from its ends.
bool fits_kernel(const WindowAxis& a) {
  constexpr int64_t kMost = int64_t{1} << 29;
  return a.in < kMost && a.out < kMost && a.extent() < kMost && a.stride < kMost && a.pad_begin < kMost &&
         a.pad_end < kMost && a.out * a.stride < kMost;
}

bool covers(const WindowAxis& a) {
  return a.kernel == a.in && a.out == 1 && a.dilation == 1 && a.pad_begin == 0 && a.pad_end == 0;
}

/// An axis that passes through as it is: `n` elements, each a window.
WindowAxis untouched(int64_t n) {
  WindowAxis a;
  a.in = a.out = n;
  return a;
}

struct Plane {
  int64_t images, channels;
  WindowAxis y, x;
};

std::optional<PoolArgs> pass_of(const PoolTask& task, const Plane& plane) {
  constexpr int64_t kMost = int64_t{1} << 30;
  if (plane.images >= kMost || plane.channels >= kMost || !fits_kernel(plane.y) || !fits_kernel(plane.x)) return {};
  const WindowAxis &y = plane.y, &x = plane.x;
  const double stored = static_cast<double>(plane.images) * static_cast<double>(plane.channels) *
                        static_cast<double>(y.out) * static_cast<double>(x.out);
  if (stored >= 0x1p60) return {};
  const auto i32 = [](int64_t v) { return static_cast<int32_t>(v); };
  PoolArgs a;
  a.kind = task.kind;
  a.count_include_pad = task.count_include_pad;
  a.images = i32(plane.images);
  a.channels = i32(plane.channels);
  a.h = i32(y.in), a.w = i32(x.in), a.oh = i32(y.out), a.ow = i32(x.out);
  a.kh = i32(y.kernel), a.kw = i32(x.kernel), a.sh = i32(y.stride), a.sw = i32(x.stride);
  a.dh = i32(y.dilation), a.dw = i32(x.dilation);
  a.pt = i32(y.pad_begin), a.pb = i32(y.pad_end), a.pl = i32(x.pad_begin), a.pr = i32(x.pad_end);
  return a;
}

}  // namespace

std::vector<PoolArgs> pool_passes(const PoolTask& task, Layout layout, int64_t channel_stride) {
  const PoolShape& s = task.shape;
  std::vector<WindowAxis> axes = s.axes;
  if (std::all_of(axes.begin(), axes.end(), covers)) {  // one row of all pixels
    WindowAxis all;
    all.in = all.kernel = s.inputs();
    axes = {all};
  }
  if (axes.size() == 1) axes.insert(axes.begin(), untouched(1));
  const bool channels_last = layout == Layout::channels_last;
  if (axes.size() > 2 && channels_last) return {};
  int64_t outer = 1;  // maps of a channel
  for (size_t d = 0; d + 2 < axes.size(); ++d) outer *= axes[d].in;
  std::vector<PoolArgs> passes;
  const auto add = [&](const Plane& plane) {
    const std::optional<PoolArgs> args = pass_of(task, plane);
    if (args) passes.push_back(*args);
    return args.has_value();
  };
  size_t d = axes.size() - 2;
  if (!add({s.N, channels_last ? channel_stride : s.C * outer, axes[d], axes[d + 1]})) return {};
  passes[0].channels_last = channels_last;
  for (int64_t inner = axes[d].out * axes[d + 1].out; d-- > 0; inner *= axes[d].out) {
    outer /= axes[d].in;
    if (!add({s.N, s.C * outer, axes[d], untouched(inner)})) return {};
  }
  return passes;
}

void add_pool_passes(Preparation& preparation, const std::vector<PoolArgs>& passes, double cycles) {
  const bool constant = preparation.inputs()[0].constant != nullptr;
  BufferId from = preparation.input(0).buffer;
  for (size_t i = 0; i < passes.size(); ++i) {
    const PoolArgs& args = passes[i];
    const bool first = i == 0, last = i + 1 == passes.size();
    Planned planned = planned_pool(args, preparation.geometry());
    if (!first)
      std::swap(planned.loaded_activations, planned.loaded_scratch);
    else if (constant)
      std::swap(planned.loaded_activations, planned.loaded_weights);
    if (!last) std::swap(planned.stored_outputs, planned.stored_scratch);
    const int64_t stored = int64_t{args.images} * args.channels * args.oh * args.ow;
    const BufferId to =
        last ? preparation.output(Pool::kY).buffer : preparation.add_scratch(stored * int64_t{sizeof(float)});
    preparation.add_kernel<[](const KernelTable& t) { return t.pool; }>(
        args, {{offsetof(PoolArgs, x), from}, {offsetof(PoolArgs, y), to}}, planned,
        cycles / static_cast<double>(passes.size()));
    from = to;
  }
}

}  // namespace tally
