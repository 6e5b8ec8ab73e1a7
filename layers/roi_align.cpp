// RoiAlign: each region of interest of X cut into bins, each bin the mean (or maximum) of bilinear samples on a regular
// grid in it. He et al., "Mask R-CNN" (2017), section 3.
#include <cmath>

#include "tally/layers/host_layer.h"
#include "tally/layers/indices.h"
#include "tally/layers/real_number.h"

namespace tally {

namespace {

constexpr int kX = 0, kRois = 1, kBatch = 2;
constexpr int64_t kMaxSamples = 256;  ///< an axis of a bin, however large the region claims to be

struct RoiRule {
  int64_t N = 0, C = 0, H = 0, W = 0, rois = 0, oH = 1, oW = 1, samples = 0;
  double scale = 1, shift = 0;
  bool maximum = false;
  bool wide_indices = true;
};

/// A sample along one axis: two neighbours and their weights; weights of 0 outside the image.
struct RoiTap {
  int64_t low = 0, high = 0;
  double low_weight = 0, high_weight = 0;
};

RoiTap roi_tap(double at, int64_t n) {
  if (!(at >= -1 && at <= static_cast<double>(n))) return {};
  at = std::max(at, 0.0);
  const auto low = static_cast<int64_t>(at);
  if (low >= n - 1) return {n - 1, n - 1, 1, 0};
  const double rest = at - static_cast<double>(low);
  return {low, low + 1, 1 - rest, rest};
}

/// One axis of a region: where it begins, how long a bin is, how many samples a bin takes.
struct RoiAxis {
  double begin = 0, bin = 0;
  int64_t samples = 1;
  RoiTap tap(int64_t bin_index, int64_t sample, int64_t n) const {
    const double step = bin / static_cast<double>(samples);
    return roi_tap(begin + static_cast<double>(bin_index) * bin + (static_cast<double>(sample) + 0.5) * step, n);
  }
};

RoiAxis roi_axis(double first, double last, int64_t bins, const RoiRule& rule) {
  RoiAxis axis;
  axis.begin = first * rule.scale - rule.shift;
  double length = last * rule.scale - rule.shift - axis.begin;
  if (rule.shift == 0) length = std::max(length, 1.0);  // as before opset 16
  axis.bin = length / static_cast<double>(bins);
  axis.samples = rule.samples;
  if (axis.samples > 0) return axis;
  const double wanted = std::ceil(axis.bin);
  axis.samples = wanted >= 1 ? static_cast<int64_t>(std::min(wanted, static_cast<double>(kMaxSamples))) : 1;
  return axis;
}

/// A bin of one channel. Returns the elements read.
template <class T>
int64_t pool_bin(const T* x, T& y, const RoiRule& rule, const RoiAxis& rows, const RoiAxis& columns, int64_t h,
                 int64_t w) {
  double sum = 0, largest = 0;
  int64_t read = 0;
  for (int64_t i = 0; i < rows.samples; ++i) {
    const RoiTap r = rows.tap(h, i, rule.H);
    for (int64_t j = 0; j < columns.samples; ++j, read += 4) {
      const RoiTap c = columns.tap(w, j, rule.W);
      const double a = to_real(x[r.low * rule.W + c.low]) * r.low_weight * c.low_weight,
                   b = to_real(x[r.low * rule.W + c.high]) * r.low_weight * c.high_weight,
                   d = to_real(x[r.high * rule.W + c.low]) * r.high_weight * c.low_weight,
                   e = to_real(x[r.high * rule.W + c.high]) * r.high_weight * c.high_weight;
      const double most = std::max({a, b, d, e});
      largest = read == 0 ? most : std::max(largest, most);
      sum += a + b + d + e;
    }
  }
  y = from_real<T>(rule.maximum ? largest : sum / static_cast<double>(rows.samples * columns.samples));
  return read;
}

class RoiAlign final : public HostLayer {
 public:
  explicit RoiAlign(const Node& node) : HostLayer(node) {
    constexpr int64_t kMost = 1 << 20;
    rule_.oH = node.get_int("output_height", 1);
    rule_.oW = node.get_int("output_width", 1);
    rule_.samples = node.get_int("sampling_ratio", 0);
    rule_.scale = node.get_float("spatial_scale", 1);
    if (rule_.oH < 1 || rule_.oW < 1 || rule_.oH > kMost || rule_.oW > kMost)
      fail(label(), text("output of ", rule_.oH, "x", rule_.oW), text("must be 1 to ", kMost, " each"));
    if (rule_.samples < 0 || rule_.samples > kMaxSamples)
      fail(label(), text("sampling_ratio=", rule_.samples), text("must be 0 to ", kMaxSamples));
    const std::string mode = node.get_string("mode", "avg");
    if (mode != "avg" && mode != "max") fail(label(), "mode='" + mode + "'", "must be avg or max");
    rule_.maximum = mode == "max";
    const std::string transform =
        node.get_string("coordinate_transformation_mode", node.opset >= 16 ? "half_pixel" : "output_half_pixel");
    if (transform != "half_pixel" && transform != "output_half_pixel")
      fail(label(), "coordinate_transformation_mode='" + transform + "'", "must be half_pixel or output_half_pixel");
    rule_.shift = transform == "half_pixel" ? 0.5 : 0;
  }

  Role role(int input, Operands) const override { return input == kBatch ? Role::free : Role::constant; }

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 3, 3);
    const Shape& x = in[kX].shape;
    if (!is_real(in[kX].dtype) || in[kRois].dtype != in[kX].dtype)
      fail(label(), text("X of type ", name_of(in[kX].dtype), ", rois of type ", name_of(in[kRois].dtype)),
           "must be of one floating-point type");
    if (x.size() != 4) fail(label(), text("X of shape ", to_string(x)), "must have rank 4");
    if (in[kRois].shape.size() != 2 || in[kRois].shape[1] != 4)
      fail(label(), text("rois of shape ", to_string(in[kRois].shape)), "must be number x 4");
    const int64_t rois = in[kRois].shape[0];
    if (in[kBatch].shape != Shape{rois})
      fail(label(), text("batch_indices of shape ", to_string(in[kBatch].shape)), text("must be ", rois));
    check_indices(label(), in[kBatch], x[0]);
    const Shape y{rois, x[1], rule_.oH, rule_.oW};
    if (element_count(y, label()) > 0 && element_count(x, label()) == 0)
      fail(label(), text("X of shape ", to_string(x)), "must not be empty");
    return {{in[kX].dtype, y}};
  }

  // 4 products a sample; with sampling_ratio = 0 their number depends on the regions and is taken as 4 a bin.
  Cost cost(Operands, std::span<const TensorType> out) const override {
    Cost cost;
    cost.source = "ONNX RoiAlign, opset 10 to 24: 4 taps a sample";
    cost.coverage = Coverage::approximate;
    cost.reason = "coordinates are not counted";
    const int64_t samples = rule_.samples == 0 ? 4 : rule_.samples * rule_.samples;
    cost.elementwise = checked_multiply(4 * samples, element_count(out[0].shape)).value_or(INT64_MAX);
    return cost;
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    with_number_type(p.inputs()[kX].dtype,
                     [&](auto tag) { add_step<typename decltype(tag)::type>(p, candidate.cycles); });
  }

 private:
  template <class T>
  void add_step(Preparation& p, double cycles) const {
    RoiRule rule = rule_;
    const Shape& x = p.inputs()[kX].shape;
    rule.N = x[0], rule.C = x[1], rule.H = x[2], rule.W = x[3];
    rule.rois = p.inputs()[kRois].shape[0];
    rule.wide_indices = p.inputs()[kBatch].dtype == DType::i64;
    if (element_count(p.outputs()[0].shape) == 0) return;
    const auto run = [rule](const std::vector<std::byte*>& at, int64_t, int64_t, Tally* tally) noexcept {
      const T *x = reinterpret_cast<const T*>(at[0]), *box = reinterpret_cast<const T*>(at[1]);
      const IndexReader batch{at[2], rule.wide_indices};
      T* y = reinterpret_cast<T*>(at[3]);
      int64_t read = 0, bins = 0;
      for (int64_t r = 0; r < rule.rois; ++r, box += 4) {
        const RoiAxis columns = roi_axis(to_real(box[0]), to_real(box[2]), rule.oW, rule),
                      rows = roi_axis(to_real(box[1]), to_real(box[3]), rule.oH, rule);
        const T* image = x + clamped_index(batch[r], rule.N) * rule.C * rule.H * rule.W;
        for (int64_t c = 0; c < rule.C; ++c, image += rule.H * rule.W)
          for (int64_t h = 0; h < rule.oH; ++h)
            for (int64_t w = 0; w < rule.oW; ++w) read += pool_bin(image, y[bins++], rule, rows, columns, h, w);
      }
      if (!tally) return;
      tally->bytes_loaded += (read + 4 * rule.rois) * int64_t{sizeof(T)} + rule.rois * batch.bytes();
      tally->bytes_stored += bins * int64_t{sizeof(T)};
    };
    const int64_t bins = element_count(p.outputs()[0].shape), size = int64_t{sizeof(T)};
    const int64_t samples = rule.samples == 0 ? 1 : rule.samples * rule.samples;
    if (rule.samples == 0) p.vary("adaptive_samples");  // as many as a bin has pixels, which the regions decide
    add_host_step(p, {p.input(kX).buffer, p.input(kRois).buffer, p.input(kBatch).buffer, p.output(0).buffer},
                  host_planned(p,
                               {{kX, bins * samples * 4 * size},
                                {kRois, 4 * rule.rois * size},
                                {kBatch, rule.rois * (rule.wide_indices ? 8 : 4)}},
                               bins * size),
                  cycles * 4 * static_cast<double>(samples), run);
  }

  RoiRule rule_;
};

}  // namespace

std::unique_ptr<Layer> make_roi_align(const Node& node) { return std::make_unique<RoiAlign>(node); }

}  // namespace tally
