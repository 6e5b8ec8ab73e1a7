// Transposed convolution by plain loops: each output gathers the products that meet in it. Sums in double.
#include "tally/layers/conv_transpose_methods.h"
#include "tally/layers/host_activation.h"
#include "tally/layers/host_number.h"
#include "tally/layers/host_step.h"

namespace tally {

namespace {

template <class T>
struct HostOperands {
  const T *x, *w, *b;
  T* y;
};

struct Walks {
  TapWalk z, y, x;
  explicit Walks(const TransposeShape& s) : z(s.axes[0]), y(s.axes[1]), x(s.axes[2]) {}
};

/// Σ of the products that meet in one output. `image`: its group's first input channel; `weights`: tap 0 of it.
template <class T>
double gather(const TransposeShape& s, const Walks& walks, const T* image, const T* weights, const MeetingTaps& z,
              const MeetingTaps& y, const MeetingTaps& x) {
  double sum = 0;
  for (int64_t c = 0; c < s.group_inputs(); ++c) {
    const T* plane = image + c * s.in_pixels();
    const T* taps = weights + c * s.group_outputs() * s.taps();
    for (int64_t jz = 0; jz < z.count; ++jz)
      for (int64_t jy = 0; jy < y.count; ++jy) {
        const int64_t iz = z.input - jz * walks.z.input_step(), kz = z.tap + jz * walks.z.tap_step();
        const int64_t iy = y.input - jy * walks.y.input_step(), ky = y.tap + jy * walks.y.tap_step();
        const T* row = plane + (iz * s.axes[1].in + iy) * s.axes[2].in + x.input;
        const T* tap = taps + (kz * s.axes[1].kernel + ky) * s.axes[2].kernel + x.tap;
        for (int64_t jx = 0; jx < x.count; ++jx)
          sum += static_cast<double>(to_sum(row[-jx * walks.x.input_step()])) * to_sum(tap[jx * walks.x.tap_step()]);
      }
  }
  return sum;
}

/// One output map; returns its products.
template <class T>
int64_t run_map(const TransposeShape& s, const Walks& walks, const Epilogue& epilogue, const HostOperands<T>& t,
                int64_t n, int64_t m) {
  const int64_t first_input = m / s.group_outputs() * s.group_inputs();
  const T* image = t.x + (n * s.C + first_input) * s.in_pixels();
  const T* weights = t.w + (first_input * s.group_outputs() + m % s.group_outputs()) * s.taps();
  const double bias = t.b ? static_cast<double>(to_sum(t.b[m])) : 0.0;
  T* y = t.y + (n * s.M + m) * s.out_pixels();
  int64_t meeting = 0;
  for (int64_t oz = 0; oz < s.axes[0].out; ++oz) {
    const MeetingTaps tz = walks.z.at(oz);
    for (int64_t oy = 0; oy < s.axes[1].out; ++oy) {
      const MeetingTaps ty = walks.y.at(oy);
      for (int64_t ox = 0; ox < s.axes[2].out; ++ox) {
        const MeetingTaps tx = walks.x.at(ox);
        *y++ = from_sum<T>(activated(epilogue, bias + gather(s, walks, image, weights, tz, ty, tx)));
        meeting += tz.count * ty.count * tx.count;
      }
    }
  }
  return meeting * s.group_inputs();
}

Planned planned_host(const TransposeTask& task, int64_t element_bytes) {
  const int64_t macs = task.kept_products(), outputs = task.shape.N * task.shape.M * task.shape.out_pixels();
  Planned p = host_planned(macs * element_bytes, (macs + (task.has_bias() ? outputs : 0)) * element_bytes,
                           outputs * element_bytes);
  p.tally.macs = macs;
  return p;
}

template <class T>
void add_map_steps(const TransposeTask& task, double cycles, Preparation& preparation) {
  auto run = [s = task.shape, walks = Walks(task.shape), epilogue = task.epilogue](
                 const std::vector<std::byte*>& p, int64_t begin, int64_t end, Tally* tally) noexcept {
    const HostOperands<T> t{reinterpret_cast<const T*>(p[0]), reinterpret_cast<const T*>(p[1]),
                            reinterpret_cast<const T*>(p[2]), reinterpret_cast<T*>(p[3])};
    for (int64_t map = begin; map < end; ++map) {
      const int64_t macs = run_map(s, walks, epilogue, t, map / s.M, map % s.M);
      if (!tally) continue;
      tally->macs += macs;
      tally->bytes_loaded += (2 * macs + (t.b ? s.out_pixels() : 0)) * int64_t{sizeof(T)};
      tally->bytes_stored += s.out_pixels() * int64_t{sizeof(T)};
    }
  };
  const std::vector<BufferId> ids = {
      preparation.input(ConvTranspose::kX).buffer, preparation.input(ConvTranspose::kW).buffer,
      task.has_bias() ? preparation.input(ConvTranspose::kB).buffer : -1, preparation.output(0).buffer};
  add_host_step(preparation, ids, planned_host(task, sizeof(T)), cycles, std::move(run), task.shape.N * task.shape.M);
}

/// A product by way of double, converted, and finding an output's taps, measured nowhere: orders of magnitude.
constexpr double kCyclesPerMac = 4, kCyclesPerOutput = 40;

}  // namespace

void list_transpose_host(const TransposeTask& task, const PlanContext&, std::vector<Candidate>& list) {
  if (!list.empty()) return;
  double outputs = static_cast<double>(task.shape.N) * static_cast<double>(task.shape.M);
  for (const TransposeAxis& axis : task.shape.axes) outputs *= static_cast<double>(axis.out);
  list.push_back(
      task.candidate("host", Layout::plain, Layout::plain,
                     kCyclesPerMac * static_cast<double>(task.kept_products()) + kCyclesPerOutput * outputs));
}

void prepare_transpose_host(const TransposeTask& task, const Candidate& candidate, Preparation& preparation) {
  with_number_type(task.in[ConvTranspose::kX].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_integral_v<T>) add_map_steps<T>(task, candidate.cycles, preparation);
  });
}

}  // namespace tally
