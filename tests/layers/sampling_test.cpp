// GridSample, RoiAlign, Col2Im against their definitions in double.
#include <cmath>

#include "moved.h"

namespace {

using namespace tally;
using namespace tally::test;

/// x mirrored between `low` and `high`, one bounce after the other.
double mirrored(double x, double low, double high) {
  if (high <= low) return low;
  while (x < low || x > high) x = x < low ? 2 * low - x : 2 * high - x;
  return x;
}

struct Sampler {
  std::string mode, outside;
  bool align = false;

  double coordinate(double g, int64_t n) const {
    const auto length = static_cast<double>(n);
    double x = align ? (g + 1) / 2 * (length - 1) : ((g + 1) * length - 1) / 2;
    if (mode == "nearest") x = std::nearbyint(x);
    const bool beyond = x < low() || x > length - 1 - low();  // only then is the coordinate itself brought in
    if (outside == "border" && beyond) x = std::clamp(x, 0.0, length - 1);
    if (outside == "reflection") x = mirrored(x, low(), length - 1 - low());
    return mode == "nearest" ? std::nearbyint(x) : x;
  }
  double low() const { return align ? 0 : -0.5; }

  /// Weights of the elements of an axis at x; elements that no axis has are dropped (zeros).
  std::vector<double> weights(double x, int64_t n) const {
    std::vector<double> all(static_cast<size_t>(n), 0);
    const auto left = static_cast<int64_t>(std::floor(x));
    for (int64_t i = left - 2; i <= left + 3; ++i) {
      const double d = std::abs(static_cast<double>(i) - x), a = -0.75;
      double w = 0;
      if (mode == "nearest") w = d == 0;
      if (mode == "linear") w = std::max(0.0, 1 - d);
      if (mode == "cubic")
        w = d < 1   ? (a + 2) * d * d * d - (a + 3) * d * d + 1
            : d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a
                    : 0;
      int64_t at = i;
      if (outside == "border") at = std::clamp<int64_t>(i, 0, n - 1);
      if (outside == "reflection")
        at = static_cast<int64_t>(mirrored(static_cast<double>(i), low(), static_cast<double>(n - 1) - low()));
      if (at >= 0 && at < n) all[static_cast<size_t>(at)] += w;
    }
    return all;
  }
};

TEST_CASE("GridSample: modes, what lies outside, corners, 2 and 3 axes") {
  for (const std::string mode : {"nearest", "linear", "cubic"})
    for (const std::string outside : {"zeros", "border", "reflection"})
      for (const bool align : {false, true})
        for (const size_t axes : {2u, 3u}) {
          CAPTURE(mode);
          CAPTURE(outside);
          CAPTURE(align);
          const Shape image = axes == 2 ? Shape{4, 5} : Shape{3, 4, 5};
          const int64_t points = 30, N = 2, C = 2, size = element_count(image);
          Shape xs{N, C}, gs{N};
          xs.insert(xs.end(), image.begin(), image.end());
          for (size_t d = 0; d + 1 < axes; ++d) gs.push_back(1);
          gs.push_back(points);
          gs.push_back(static_cast<int64_t>(axes));
          const std::vector<double> x = random_values(N * C * size, 1);
          std::vector<double> g = random_values(N * points * static_cast<int64_t>(axes), 2);
          for (double& v : g) v *= 1.6;
          GraphMaker made;
          made.input("x", float_tensor(xs, x)).input("g", float_tensor(gs, g));
          made.node("GridSample", {"x", "g"}, "y",
                    {{"mode", mode}, {"padding_mode", outside}, {"align_corners", int64_t{align}}}, 20);
          const Ran ran = run_graph(made.output("y"), best_isa());
          const std::vector<double> found = ran.outputs[0].to_double();
          const Sampler sampler{mode, outside, align};
          double worst = 0;
          for (int64_t n = 0; n < N; ++n)
            for (int64_t i = 0; i < points; ++i) {
              std::vector<std::vector<double>> w;
              for (size_t d = 0; d < axes; ++d) {
                const double at = static_cast<float>(g[static_cast<size_t>(n * points + i) * axes + axes - 1 - d]);
                w.push_back(sampler.weights(sampler.coordinate(at, image[d]), image[d]));
              }
              for (int64_t c = 0; c < C; ++c) {
                double sum = 0;
                for (int64_t k = 0; k < size; ++k) {
                  double product = x[static_cast<size_t>((n * C + c) * size + k)];
                  int64_t rest = k;
                  for (size_t d = axes; d-- > 0; rest /= image[d])
                    product *= w[d][static_cast<size_t>(rest % image[d])];
                  sum += product;
                }
                worst = std::max(worst, std::abs(found[static_cast<size_t>((n * C + c) * points + i)] - sum));
              }
            }
          CHECK(worst <= 0x1p-22);  // one rounding of a value below 4
        }
}

TEST_CASE("GridSample: coordinates that are no numbers read nothing outside") {
  for (const std::string outside : {"zeros", "border", "reflection"}) {
    GraphMaker g;
    g.input("x", float_tensor({1, 1, 2, 2}, {1, 1, 1, 1}));
    g.input("g", float_tensor({1, 1, 3, 2}, {NAN, 1e30, INFINITY, -INFINITY, -1e30, NAN}));
    g.node("GridSample", {"x", "g"}, "y", {{"mode", std::string("bicubic")}, {"padding_mode", outside}}, 16)
        .output("y");
    for (double v : run_graph(g, best_isa()).outputs[0].to_double()) CHECK(std::isfinite(v));
  }
}

TEST_CASE("RoiAlign: the mean of bilinear samples, regions outside and of any size") {
  const std::vector<double> x = random_values(2 * 3 * 6 * 7, 5);
  const std::vector<double> rois = {0.5, 1, 4.5, 5, -3, -2, 2, 3, 1, 1, 1, 1, 5, 4, 60, 90};
  const Ints batch{0, 1, -1, 0};
  for (const auto& [half, samples] :
       {std::pair(false, 2), std::pair(true, 2), std::pair(false, 0), std::pair(true, 0)}) {
    GraphMaker g;
    g.input("x", float_tensor({2, 3, 6, 7}, x))
        .input("r", float_tensor({4, 4}, rois))
        .input("b", Tensor::of_int64(batch));
    g.node("RoiAlign", {"x", "r", "b"}, "y",
           {{"output_height", int64_t{2}},
            {"output_width", int64_t{3}},
            {"sampling_ratio", int64_t{samples}},
            {"spatial_scale", 0.5f},
            {"coordinate_transformation_mode", std::string(half ? "half_pixel" : "output_half_pixel")}},
           16);
    const Ran ran = run_graph(g.output("y"), best_isa());
    const std::vector<double> found = ran.outputs[0].to_double();
    const auto pixel = [&](int64_t n, int64_t c, double py, double px) {
      if (py < -1 || py > 6 || px < -1 || px > 7) return 0.0;
      py = std::clamp(py, 0.0, 5.0), px = std::clamp(px, 0.0, 6.0);
      double sum = 0;
      for (int64_t i = 0; i < 6; ++i)
        for (int64_t j = 0; j < 7; ++j)
          sum += x[static_cast<size_t>(((n * 3 + c) * 6 + i) * 7 + j)] *
                 std::max(0.0, 1 - std::abs(static_cast<double>(i) - py)) *
                 std::max(0.0, 1 - std::abs(static_cast<double>(j) - px));
      return sum;
    };
    double worst = 0;
    size_t at = 0;
    int64_t all_samples = 0;
    for (size_t r = 0; r < 4; ++r) {
      const double shift = half ? 0.5 : 0;
      const double x0 = rois[4 * r] / 2 - shift, y0 = rois[4 * r + 1] / 2 - shift;
      double w = rois[4 * r + 2] / 2 - shift - x0, h = rois[4 * r + 3] / 2 - shift - y0;
      if (!half) w = std::max(w, 1.0), h = std::max(h, 1.0);
      const auto in_bin = [samples = samples](double bin) {  // clang 14 captures no structured binding
        return samples > 0 ? samples : std::max(1, static_cast<int>(std::ceil(bin)));
      };
      const int rows = in_bin(h / 2), columns = in_bin(w / 3);
      all_samples += 18 * rows * columns;
      for (int64_t c = 0; c < 3; ++c)
        for (int oy = 0; oy < 2; ++oy)
          for (int ox = 0; ox < 3; ++ox) {
            double sum = 0;
            for (int s = 0; s < rows * columns; ++s)
              sum += pixel(batch[r] < 0 ? 1 : batch[r], c, y0 + h / 2 * (oy + (s / columns + 0.5) / rows),
                           x0 + w / 3 * (ox + (s % columns + 0.5) / columns));
            worst = std::max(worst, std::abs(found[at++] - sum / (rows * columns)));
          }
    }
    CHECK(worst <= 0x1p-24);
    CHECK(ran.plan->rows.back().varies == (samples == 0 ? "adaptive_samples" : ""));
    CHECK(ran.executed().bytes_loaded == 4 * 4 * all_samples + 4 * 16 + 8 * 4);
  }
}

TEST_CASE("RoiAlign: a region that claims to be endless ends") {
  GraphMaker g;
  g.input("x", Tensor(DType::f32, {1, 1, 2, 2}))
      .input("r", float_tensor({2, 4}, {0, 0, INFINITY, 1e30, NAN, NAN, NAN, NAN}));
  g.input("b", Tensor::of_int64({7, 0})).node("RoiAlign", {"x", "r", "b"}, "y").output("y");
  LoadOptions options;
  options.isa = best_isa();
  Context context(CompiledModel(g.graph, registry(), options));
  context.feed(g.feeds);
  context.run();
  CHECK(context.output_tensor(0).shape() == Shape{2, 1, 1, 1});
}

TEST_CASE("Col2Im: strides, dilations, pads, 1 to 3 axes") {
  struct Setting {
    Shape image, block;
    Ints strides, dilations, pads;
  };
  for (const Setting& s : {Setting{{5, 6}, {2, 3}, {1, 2}, {2, 1}, {1, 0, 0, 2}}, Setting{{7}, {3}, {2}, {1}, {1, 1}},
                           Setting{{4, 3, 5}, {2, 2, 2}, {2, 1, 3}, {1, 2, 1}, {0, 1, 0, 0, 1, 1}}}) {
    const size_t rank = s.image.size();
    Shape blocks;
    for (size_t d = 0; d < rank; ++d)
      blocks.push_back(
          (s.image[d] + s.pads[d] + s.pads[d + rank] - s.dilations[d] * (s.block[d] - 1) - 1) / s.strides[d] + 1);
    const int64_t N = 2, C = 3, K = element_count(s.block), L = element_count(blocks), P = element_count(s.image);
    const std::vector<double> x = random_values(N * C * K * L, 9);
    std::vector<double> expected(static_cast<size_t>(N * C * P), 0);
    for (int64_t nc = 0; nc < N * C; ++nc)
      for (int64_t k = 0; k < K; ++k)
        for (int64_t l = 0; l < L; ++l) {
          int64_t pixel = 0, stride = 1, rest_k = k, rest_l = l;
          bool inside = true;
          for (size_t d = rank; d-- > 0;) {
            const int64_t p = rest_l % blocks[d] * s.strides[d] + rest_k % s.block[d] * s.dilations[d] - s.pads[d];
            rest_l /= blocks[d], rest_k /= s.block[d];
            inside = inside && p >= 0 && p < s.image[d];
            pixel += p * stride;
            stride *= s.image[d];
          }
          if (inside) expected[static_cast<size_t>(nc * P + pixel)] += x[static_cast<size_t>((nc * K + k) * L + l)];
        }
    GraphMaker g;
    g.input("x", float_tensor({N, C * K, L}, x))
        .constant("i", Tensor::of_int64(s.image))
        .constant("b", Tensor::of_int64(s.block));
    g.node("Col2Im", {"x", "i", "b"}, "y", {{"strides", s.strides}, {"dilations", s.dilations}, {"pads", s.pads}}, 18);
    CHECK(run_graph(g.output("y"), best_isa()).outputs[0].to_double() == expected);  // sums of few multiples of 2^-10
  }
  GraphMaker bad;
  bad.input("x", Tensor(DType::f32, {1, 4, 3}))
      .constant("i", Tensor::of_int64({3, 3}))
      .constant("b", Tensor::of_int64({2, 2}));
  bad.node("Col2Im", {"x", "i", "b"}, "y", {}, 18).output("y");
  CHECK(error_of(bad) == "Col2Im 'y': input of shape 1x4x3 must be N x a multiple of 4 x 4");
}

}  // namespace
