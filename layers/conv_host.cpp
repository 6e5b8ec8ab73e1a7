// Convolution by plain loops: float16, bfloat16 and float64, and float32 where no kernel's tables would fit. Sums in
// double.
#include <algorithm>

#include "tally/layers/conv_methods.h"
#include "tally/layers/host_activation.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"

namespace tally {

namespace {

/// Taps of one output that fall inside the image, [low, high); tap k reads input first + k·dilation.
struct Taps {
  int64_t first, low, high;
  int64_t count() const { return high - low; }
};

Taps taps_of(const WindowAxis& a, int64_t o) {
  const int64_t first = o * a.stride - a.pad_begin;
  int64_t low = first >= 0 ? 0 : (-first + a.dilation - 1) / a.dilation;
  int64_t high = first >= a.in ? 0 : (a.in - first + a.dilation - 1) / a.dilation;
  low = std::min(low, a.kernel);
  high = std::min(high, a.kernel);
  return {first, low, std::max(low, high)};
}

template <class T>
struct HostOperands {
  const T *x, *w, *b, *residual;
  T* y;
};

/// Σ of the products of one output. `image`: its group's first input channel; `weights`: its first tap.
template <class T>
double window_sum(const ConvShape& s, const ImageStrides& x, const T* image, const T* weights, const Taps& z,
                  const Taps& y, const Taps& across) {
  double sum = 0;
  for (int64_t c = 0; c < s.group_inputs(); ++c)
    for (int64_t kz = z.low; kz < z.high; ++kz)
      for (int64_t ky = y.low; ky < y.high; ++ky) {
        const T* row = image + c * x.c + (z.first + kz * s.z.dilation) * x.z + (y.first + ky * s.y.dilation) * x.y;
        const T* tap = weights + ((c * s.z.kernel + kz) * s.y.kernel + ky) * s.x.kernel;
        for (int64_t kx = across.low; kx < across.high; ++kx)
          sum += static_cast<double>(to_sum(row[(across.first + kx * s.x.dilation) * x.x])) * to_sum(tap[kx]);
      }
  return sum;
}

/// One output map; returns its products.
template <class T>
int64_t run_map(const ConvShape& s, const ConvTail& tail, const ImageStrides& x, const HostOperands<T>& t, int64_t n,
                int64_t m) {
  const T* image = t.x + n * x.image + m / s.group_outputs() * s.group_inputs() * x.c;
  const T* weights = t.w + m * s.depth();
  int64_t macs = 0, at = (n * s.M + m) * s.out_pixels();
  for (int64_t oz = 0; oz < s.z.out; ++oz) {
    const Taps z = taps_of(s.z, oz);
    for (int64_t oy = 0; oy < s.y.out; ++oy) {
      const Taps y = taps_of(s.y, oy);
      for (int64_t ox = 0; ox < s.x.out; ++ox, ++at) {
        const Taps across = taps_of(s.x, ox);
        double sum = (t.b ? to_sum(t.b[m]) : 0.0) + window_sum(s, x, image, weights, z, y, across);
        macs += s.group_inputs() * z.count() * y.count() * across.count();
        if (t.residual) sum += to_sum(t.residual[at]);
        t.y[at] = from_sum<T>(activated(tail.epilogue, sum));
      }
    }
  }
  return macs;
}

Planned planned_conv_host(const ConvTask& task, int64_t element_bytes) {
  const ConvShape& s = task.shape;
  Planned p;
  p.tally.macs = s.N * s.M * s.group_inputs() * s.z.inside_taps() * s.y.inside_taps() * s.x.inside_taps();
  p.loaded_activations = p.tally.macs * element_bytes;
  p.loaded_weights = (p.tally.macs + (task.has_bias() ? s.outputs() : 0)) * element_bytes;
  p.loaded_residual = task.tail.residual ? s.outputs() * element_bytes : 0;
  p.stored_outputs = s.outputs() * element_bytes;
  p.tally.bytes_loaded = p.loaded_activations + p.loaded_weights + p.loaded_residual;
  p.tally.bytes_stored = p.stored_outputs;
  return p;
}

template <class T>
void add_map_steps(const ConvTask& task, double cycles, Preparation& preparation) {
  const bool has_bias = task.has_bias(), has_residual = task.tail.residual;
  const ImageStrides x = image_strides(task.channels_inner ? Layout::channels_last : Layout::plain, task.shape.C,
                                       {task.shape.z.in, task.shape.y.in, task.shape.x.in}, task.shape.C);
  auto run = [s = task.shape, tail = task.tail, x](const std::vector<std::byte*>& p, int64_t begin, int64_t end,
                                                   Tally* tally) noexcept {
    const HostOperands<T> t{reinterpret_cast<const T*>(p[0]), reinterpret_cast<const T*>(p[1]),
                            reinterpret_cast<const T*>(p[2]), reinterpret_cast<const T*>(p[3]),
                            reinterpret_cast<T*>(p[4])};
    const int64_t pixels = s.out_pixels();
    for (int64_t map = begin; map < end; ++map) {
      const int64_t macs = run_map(s, tail, x, t, map / s.M, map % s.M);
      if (!tally) continue;
      tally->macs += macs;
      tally->bytes_loaded += (2 * macs + pixels * ((t.b ? 1 : 0) + (t.residual ? 1 : 0))) * int64_t{sizeof(T)};
      tally->bytes_stored += pixels * int64_t{sizeof(T)};
    }
  };
  const std::vector<BufferId> ids = {preparation.input(Conv::kX).buffer, preparation.input(Conv::kW).buffer,
                                     has_bias ? preparation.input(Conv::kB).buffer : -1,
                                     has_residual ? preparation.input(Conv::kResidual).buffer : -1,
                                     preparation.output(0).buffer};
  add_host_step(preparation, ids, planned_conv_host(task, sizeof(T)), cycles, std::move(run),
                task.shape.N * task.shape.M);
}

/// A product by way of double, converted, measured nowhere: an order of magnitude.
constexpr double kCyclesPerMac = 4;

}  // namespace

void list_conv_host(const ConvTask& task, const PlanContext&, std::vector<Candidate>& list) {
  if (!list.empty()) return;
  const double macs = static_cast<double>(task.shape.outputs()) * static_cast<double>(task.shape.depth());
  list.push_back(task.candidate("host", Layout::plain, Layout::plain, kCyclesPerMac * macs));
}

void prepare_conv_host(const ConvTask& task, const Candidate& candidate, Preparation& preparation) {
  with_number_type(task.in[Conv::kX].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_integral_v<T>) add_map_steps<T>(task, candidate.cycles, preparation);
  });
}

}  // namespace tally
