// GridSample: Y[n, c, p…] = X[n, c] interpolated at grid[n, p…], whose last axis holds coordinates in [−1, 1], the
// innermost axis of X first. Any number of axes from opset 20, two before.
#include <array>
#include <cmath>

#include "tally/layers/host_layer.h"
#include "tally/layers/indices.h"
#include "tally/layers/real_number.h"

namespace tally {

namespace {

constexpr int kX = 0, kGrid = 1;
constexpr int kMaxAxes = 6, kMaxTaps = 4;

enum class Interpolation { nearest, linear, cubic };
enum class Outside { zeros, border, reflection };

struct Grid {
  Interpolation mode = Interpolation::linear;
  Outside outside = Outside::zeros;
  bool align_corners = false;
  int axes = 0;
  std::array<int64_t, kMaxAxes> extent{}, stride{};
  int taps() const { return mode == Interpolation::nearest ? 1 : mode == Interpolation::linear ? 2 : 4; }
};

/// x mirrored at both ends of [low, high] as often as it takes.
double reflected(double x, double low, double high) {
  const double span = high - low;
  if (span <= 0) return low;
  const double away = std::abs(x - low);
  const double rest = std::fmod(away, 2 * span);
  return low + (rest <= span ? rest : 2 * span - rest);
}

/// Element i of an axis of n for the rule of what lies outside; −1: zero.
int64_t element_at(int64_t i, int64_t n, const Grid& grid) {
  if (i >= 0 && i < n) return i;
  if (grid.outside == Outside::zeros) return -1;
  if (grid.outside == Outside::border) return std::clamp<int64_t>(i, 0, n - 1);
  const double low = grid.align_corners ? 0 : -0.5, high = static_cast<double>(n - 1) - low;
  return std::clamp<int64_t>(static_cast<int64_t>(reflected(static_cast<double>(i), low, high)), 0, n - 1);
}

struct AxisSample {
  std::array<int64_t, kMaxTaps> offset{};  ///< in elements, −1: zero
  std::array<double, kMaxTaps> weight{};
};

/// Cubic convolution with a = −0.75, ONNX's and PyTorch's.
double cubic_weight(double x) {
  constexpr double a = -0.75;
  x = std::abs(x);
  return x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
}

AxisSample sample_axis(double g, int64_t n, int64_t stride, const Grid& grid) {
  const auto length = static_cast<double>(n);
  double x = grid.align_corners ? (g + 1) / 2 * (length - 1) : ((g + 1) * length - 1) / 2;
  if (std::isnan(x)) x = 0;
  if (grid.mode == Interpolation::nearest) x = std::nearbyint(x);
  const double low = grid.align_corners ? 0 : -0.5, high = length - 1 - low;
  if (x < low || x > high) {
    if (grid.outside == Outside::border) x = std::clamp(x, 0.0, length - 1);
    if (grid.outside == Outside::reflection) x = std::isinf(x) ? 0 : reflected(x, low, high);
  }
  x = std::clamp(x, -4.0, length + 4);  // farther away nothing changes
  if (grid.mode == Interpolation::nearest) x = std::nearbyint(x);
  const double base = std::floor(x);
  AxisSample sample;
  const int taps = grid.taps(), left = taps == 4 ? 1 : 0;
  for (int t = 0; t < taps; ++t) {
    const double distance = x - (base + t - left);
    const auto k = static_cast<size_t>(t);
    sample.weight[k] = taps == 1 ? 1 : taps == 2 ? 1 - std::abs(distance) : cubic_weight(distance);
    const int64_t at = element_at(static_cast<int64_t>(base) + t - left, n, grid);
    sample.offset[k] = at < 0 ? -1 : at * stride;
  }
  return sample;
}

/// Σ over all taps of all axes; every tap is loaded, those outside count as zero. Returns the taps.
template <class T>
int64_t interpolate(const T* x, T& y, const std::array<AxisSample, kMaxAxes>& axes, const Grid& grid) {
  const int taps = grid.taps();
  int64_t count = 1;
  for (int d = 0; d < grid.axes; ++d) count *= taps;
  double sum = 0;
  for (int64_t tap = 0; tap < count; ++tap) {
    double weight = 1;
    int64_t offset = 0, rest = tap;
    bool inside = true;
    for (int d = 0; d < grid.axes; ++d, rest /= taps) {
      const AxisSample& axis = axes[static_cast<size_t>(d)];
      const auto k = static_cast<size_t>(rest % taps);
      weight *= axis.weight[k];
      inside = inside && axis.offset[k] >= 0;
      offset += axis.offset[k];
    }
    const double value = to_real(x[inside ? offset : 0]);
    sum += inside ? value * weight : 0;
  }
  y = from_real<T>(sum);
  return count;
}

class GridSample final : public HostLayer {
 public:
  explicit GridSample(const Node& node) : HostLayer(node), any_rank_(node.opset >= 20) {
    const std::string mode = node.get_string("mode", any_rank_ ? "linear" : "bilinear");
    if (mode == "nearest")
      grid_.mode = Interpolation::nearest;
    else if (mode == "cubic" || mode == "bicubic")
      grid_.mode = Interpolation::cubic;
    else if (mode != "linear" && mode != "bilinear")
      fail(label(), "mode='" + mode + "'", "must be linear, nearest or cubic");
    const std::string outside = node.get_string("padding_mode", "zeros");
    if (outside == "border")
      grid_.outside = Outside::border;
    else if (outside == "reflection")
      grid_.outside = Outside::reflection;
    else if (outside != "zeros")
      fail(label(), "padding_mode='" + outside + "'", "must be zeros, border or reflection");
    grid_.align_corners = node.get_int("align_corners", 0) != 0;
  }

  Role role(int, Operands) const override { return Role::constant; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 2, 2);
    const Shape &x = in[kX].shape, &g = in[kGrid].shape;
    if (!with_number_type(in[kX].dtype, [](auto) {}) || !is_real(in[kGrid].dtype))
      fail(label(), text("X of type ", name_of(in[kX].dtype), ", grid of type ", name_of(in[kGrid].dtype)),
           "must be numbers of 8 bits or more, and float");
    const size_t most = any_rank_ ? kMaxAxes + 2 : 4;
    if (x.size() < 3 || x.size() > most || (!any_rank_ && x.size() != 4))
      fail(label(), text("X of shape ", to_string(x)), text("must have rank ", any_rank_ ? "3 to " : "", most));
    if (g.size() != x.size() || g[0] != x[0] || g.back() != static_cast<int64_t>(x.size()) - 2)
      fail(label(), text("grid of shape ", to_string(g)),
           text("must be N, output extents, ", x.size() - 2, " with N=", x[0]));
    Shape y{x[0], x[1]};
    y.insert(y.end(), g.begin() + 1, g.end() - 1);
    if (element_count(y, label()) > 0 && element_count(x, label()) == 0)
      fail(label(), text("X of shape ", to_string(x)), "must not be empty");
    return {{in[kX].dtype, y}};
  }

  // taps^axes products an output; coordinates and weights are left out.
  Cost cost(Operands in, std::span<const TensorType> out) const override {
    Cost cost;
    cost.source = "ONNX GridSample, opset 16 to 24: taps of the kernel an output, as Resize";
    if (grid_.mode == Interpolation::nearest) return cost;
    cost.coverage = Coverage::approximate;
    cost.reason = "coordinates and weights are not counted";
    cost.elementwise = checked_multiply(taps(in), element_count(out[0].shape)).value_or(INT64_MAX);
    return cost;
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    with_number_type(p.inputs()[kX].dtype,
                     [&](auto tag) { add_step<typename decltype(tag)::type>(p, candidate.cycles); });
  }

 private:
  int64_t taps(Operands in) const {
    int64_t taps = 1;
    for (size_t d = 2; d < in[kX].shape.size(); ++d) taps *= grid_.taps();
    return taps;
  }

  template <class T>
  void add_step(Preparation& p, double cycles) const {
    const Shape &x = p.inputs()[kX].shape, &y = p.outputs()[0].shape;
    Grid grid = grid_;
    const Shape strides = row_major_strides(x);
    for (size_t d = 2; d < x.size(); ++d) {
      grid.extent[d - 2] = x[d];
      grid.stride[d - 2] = strides[d];
    }
    grid.axes = static_cast<int>(x.size()) - 2;
    const int64_t N = x[0], C = x[1], from = element_count(Shape(x.begin() + 2, x.end())),
                  to = element_count(Shape(y.begin() + 2, y.end()));
    if (N * C * to == 0) return;
    const RealReader coordinate = real_reader(p.inputs()[kGrid].dtype);
    const auto grid_bytes = bytes_of(p.inputs()[kGrid].dtype, 1);
    const auto run = [=](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      const T* x = reinterpret_cast<const T*>(at[0]);
      T* y = reinterpret_cast<T*>(at[2]);
      int64_t taps = 0, outputs = 0, points = 0;
      std::array<AxisSample, kMaxAxes> axes;
      for (int64_t n = 0; n < N; ++n)
        for (int64_t i = 0; i < to; ++i, ++points) {
          for (int d = 0; d < grid.axes; ++d) {
            const auto k = static_cast<size_t>(d);
            axes[k] = sample_axis(coordinate(at[1], points * grid.axes + grid.axes - 1 - d), grid.extent[k],
                                  grid.stride[k], grid);
          }
          for (int64_t c = 0; c < C; ++c, ++outputs)
            taps += interpolate(x + (n * C + c) * from, y[(n * C + c) * to + i], axes, grid);
        }
      if (!tally) return;
      tally->bytes_loaded += taps * int64_t{sizeof(T)} + points * grid.axes * grid_bytes;
      tally->bytes_stored += outputs * int64_t{sizeof(T)};
    };
    const int64_t outputs = N * C * to, size = int64_t{sizeof(T)};
    add_host_step(p, {p.input(kX).buffer, p.input(kGrid).buffer, p.output(0).buffer},
                  host_planned(p, {{kX, outputs * taps(p.inputs()) * size}, {kGrid, N * to * grid.axes * grid_bytes}},
                               outputs * size),
                  cycles * static_cast<double>(taps(p.inputs())), run);
  }

  bool any_rank_;
  Grid grid_;
};

}  // namespace

std::unique_ptr<Layer> make_grid_sample(const Node& node) { return std::make_unique<GridSample>(node); }

}  // namespace tally
