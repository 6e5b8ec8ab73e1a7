// Resize and Upsample against ONNX's definition, element by element in double: every mode, transformation and layout.
#include "tally/layers/resize_axis.h"

#include "moved.h"

namespace {

using namespace tally;
using namespace tally::test;

/// The definition, straight from the operator's text: y at `j` of one axis as weights of x's elements; empty: outside.
std::vector<double> definition(const ResizedAxis& axis, const ResizeRule& rule, int64_t j) {
  const auto n = static_cast<double>(axis.n);
  const double x = source_coordinate(axis, rule.coordinates, j);
  std::vector<double> weights(static_cast<size_t>(axis.n), 0);
  const auto at = [&](int64_t i) -> double& {
    return weights[static_cast<size_t>(std::clamp<int64_t>(i, 0, axis.n - 1))];
  };
  if (rule.coordinates == Coordinates::tf_crop_and_resize && (x < 0 || x > n - 1)) return {};
  const auto left = static_cast<int64_t>(std::floor(x));
  if (rule.mode == ResizeMode::nearest) {
    const double rest = x - std::floor(x);
    bool up = false;
    if (rest > 0) switch (rule.rounding) {
        case Rounding::prefer_floor:
          up = rest > 0.5;
          break;
        case Rounding::prefer_ceil:
          up = rest >= 0.5;
          break;
        case Rounding::floor:
          break;
        case Rounding::ceil:
          up = true;
          break;
        case Rounding::simple:
          up = axis.scale < 1;
          break;
      }
    at(left + (up ? 1 : 0)) = 1;
    return weights;
  }
  const double stretch = rule.antialias ? std::min(1.0, axis.scale) : 1;
  const double a = rule.cubic_a, support = (rule.mode == ResizeMode::cubic ? 2 : 1) / stretch;
  double sum = 0;
  for (auto i = static_cast<int64_t>(std::floor(x - support)); i <= static_cast<int64_t>(std::ceil(x + support)); ++i) {
    const double d = std::abs((static_cast<double>(i) - x) * stretch);
    double w = 0;
    if (rule.mode == ResizeMode::linear)
      w = std::max(0.0, 1 - d);
    else if (d < 1)
      w = (a + 2) * d * d * d - (a + 3) * d * d + 1;
    else if (d < 2)
      w = a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a;
    if (rule.exclude_outside && (i < 0 || i >= axis.n)) w = 0;
    at(i) += w;
    sum += w;
  }
  for (double& w : weights) w /= sum;
  return weights;
}

const std::map<std::string, ResizeMode> kModes = {
    {"nearest", ResizeMode::nearest}, {"linear", ResizeMode::linear}, {"cubic", ResizeMode::cubic}};
const std::map<std::string, Coordinates> kCoordinates = {{"half_pixel", Coordinates::half_pixel},
                                                         {"half_pixel_symmetric", Coordinates::half_pixel_symmetric},
                                                         {"pytorch_half_pixel", Coordinates::pytorch_half_pixel},
                                                         {"align_corners", Coordinates::align_corners},
                                                         {"asymmetric", Coordinates::asymmetric},
                                                         {"tf_crop_and_resize", Coordinates::tf_crop_and_resize}};
const std::map<std::string, Rounding> kRounding = {{"round_prefer_floor", Rounding::prefer_floor},
                                                   {"round_prefer_ceil", Rounding::prefer_ceil},
                                                   {"floor", Rounding::floor},
                                                   {"ceil", Rounding::ceil}};

struct Question {
  std::string mode, coordinates, rounding = "round_prefer_floor";
  std::vector<float> scales;
  bool antialias = false, exclude_outside = false;
};

void check_resize(const Shape& shape, const Question& q, DType type, Isa isa) {
  CAPTURE(to_string(shape));
  CAPTURE(q.mode);
  CAPTURE(q.coordinates);
  CAPTURE(q.scales[shape.size() - 1]);
  ResizeRule rule{kModes.at(q.mode), kCoordinates.at(q.coordinates), kRounding.at(q.rounding), -0.5, q.antialias,
                  q.exclude_outside};
  const bool crops = rule.coordinates == Coordinates::tf_crop_and_resize;
  std::vector<ResizedAxis> axes;
  Shape expected;
  std::vector<float> roi(2 * shape.size(), 0);
  for (size_t d = 0; d < shape.size(); ++d) {
    const double scale = q.scales[d];
    expected.push_back(static_cast<int64_t>(std::floor(static_cast<double>(shape[d]) * scale)));
    axes.push_back({shape[d], expected[d], scale, 0, 1});
    roi[shape.size() + d] = 1;
    if (crops && scale != 1) {
      roi[d] = 0.25f, roi[shape.size() + d] = 1.25f;
      axes[d].roi_begin = 0.25, axes[d].roi_end = 1.25;
    }
  }
  // Oracle: the full product of weights.
  const std::vector<double> values = random_values(element_count(shape), 7);
  std::vector<double> now = values;
  Shape extents = shape;
  const double outside = 0.5;
  for (size_t d = 0; d < shape.size(); ++d) {
    const int64_t outer = element_count(Shape(extents.begin(), extents.begin() + static_cast<std::ptrdiff_t>(d)));
    const int64_t inner = element_count(Shape(extents.begin() + static_cast<std::ptrdiff_t>(d) + 1, extents.end()));
    std::vector<double> next;
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t j = 0; j < expected[d]; ++j) {
        const std::vector<double> w = definition(axes[d], rule, j);
        for (int64_t i = 0; i < inner; ++i) {
          double sum = w.empty() ? outside : 0;
          for (size_t k = 0; k < w.size(); ++k)
            sum += w[k] * now[static_cast<size_t>((o * extents[d] + static_cast<int64_t>(k)) * inner + i)];
          next.push_back(sum);
        }
      }
    now = std::move(next);
    extents[d] = expected[d];
  }
  Tensor x(type, shape);
  for (size_t i = 0; i < values.size(); ++i) {
    if (type == DType::f32) x.mutable_values<float>()[i] = static_cast<float>(values[i]);
    if (type == DType::f16) x.mutable_values<Half>()[i] = to_half(static_cast<float>(values[i]));
    if (type == DType::f64) x.mutable_values<double>()[i] = values[i];
  }
  GraphMaker g;
  g.input("x", x)
      .constant("r", Tensor::of<float>(DType::f32, {static_cast<int64_t>(roi.size())}, roi))
      .constant("s", Tensor::of<float>(DType::f32, {static_cast<int64_t>(q.scales.size())}, q.scales))
      .node("Resize", {"x", "r", "s"}, "y",
            {{"mode", q.mode},
             {"coordinate_transformation_mode", q.coordinates},
             {"nearest_mode", q.rounding},
             {"cubic_coeff_a", -0.5f},
             {"extrapolation_value", 0.5f},
             {"antialias", int64_t{q.antialias}},
             {"exclude_outside", int64_t{q.exclude_outside}}},
            19)
      .output("y");
  const double ulp = type == DType::f16 ? 0x1p-11 : type == DType::f32 ? 0x1p-24 : 0x1p-50;
  run_every_candidate(g, isa, [&](const Ran& ran) {
    REQUIRE(ran.outputs[0].shape() == expected);
    const std::vector<double> found = ran.outputs[0].to_double();
    double worst = 0;
    // Double sums of at most 16 products of values below 1.5 and one rounding to the type.
    for (size_t i = 0; i < found.size(); ++i) worst = std::max(worst, std::abs(found[i] - now[i]));
    CHECK(worst <= 2 * ulp + 0x1p-48);
    CHECK(ran.executed().lane_fma_other == 0);
    const int64_t n = element_count(expected);
    CHECK(ran.plan->estimate.layers[0].cost.elementwise == (q.mode == "nearest"  ? 0
                                                            : q.mode == "linear" ? 4 * n
                                                                                 : 16 * n));
  });
}

TEST_CASE("Resize: every mode, transformation and rounding, both layouts") {
  for (const Isa isa : {Isa::scalar, best_isa()})
    for (const auto& [mode, m] : kModes)
      for (const auto& [coordinates, c] : kCoordinates)
        for (const std::vector<float>& scales :
             {std::vector<float>{1, 1, 2, 2}, {1, 1, 0.6f, 1.7f}, {1, 1, 3, 0.4f}, {1, 1, 1, 2.5f}})
          for (const auto& [rounding, r] : kRounding) {
            if (mode != "nearest" && rounding != "floor") continue;
            check_resize({1, 3, 5, 7}, {mode, coordinates, rounding, scales}, DType::f32, isa);
          }
}

TEST_CASE("Resize: antialias, excluded outside, other ranks and types, channels resized") {
  for (const std::string mode : {"linear", "cubic"}) {
    for (const bool antialias : {false, true})
      for (const bool exclude : {false, true})
        for (const std::vector<float>& scales : {std::vector<float>{1, 1, 0.3f, 0.6f}, {1, 1, 2, 0.2f}})
          check_resize({1, 2, 9, 11}, {mode, "half_pixel", "floor", scales, antialias, exclude}, DType::f32,
                       best_isa());
    check_resize({6}, {mode, "half_pixel", "floor", {1.5f}}, DType::f64, best_isa());
    check_resize({2, 3, 4, 3, 2}, {mode, "asymmetric", "floor", {1, 1, 2, 0.7f, 1.5f}}, DType::f32, best_isa());
    check_resize({1, 3, 4, 4}, {mode, "half_pixel", "floor", {1, 2, 2, 1}}, DType::f32, best_isa());
    check_resize({1, 3, 4, 4}, {mode, "half_pixel", "floor", {1, 1, 2, 2}}, DType::f16, best_isa());
  }
  check_resize({2, 3, 4, 4}, {"nearest", "asymmetric", "floor", {2, 3, 1, 2}}, DType::f16, best_isa());
}

TEST_CASE("Resize: nearest by whole factors is one copy; other types move their bytes") {
  GraphMaker g;
  g.input("x", counted(DType::u8, {1, 1, 2, 2}))
      .constant("s", Tensor::of<float>(DType::f32, {4}, std::vector<float>{1, 1, 2, 3}))
      .node("Upsample", {"x", "s"}, "y", {}, 9)
      .output("y");
  const Ran ran = run_graph(g, best_isa());
  CHECK(whole(ran.outputs[0]) == Ints{0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 2, 2, 2, 3, 3, 3});
  CHECK(ran.plan->rows[0].kernel == "copy");
  CHECK(ran.plan->rows[0].step_count == 1);
  CHECK(ran.executed().bytes_stored == 24);
  GraphMaker old;
  old.input("x", counted(DType::f32, {1, 1, 1, 4}))
      .node("Upsample", {"x"}, "y", {{"scales", std::vector<float>{1, 1, 1, 2}}, {"mode", std::string("linear")}}, 7)
      .output("y");
  CHECK(run_graph(old, best_isa()).outputs[0].to_double() == std::vector<double>{0, 0.5, 1, 1.5, 2, 2.5, 3, 3});
}

TEST_CASE("Resize: sizes, aspect ratio policies, bad operands") {
  const auto resize = [](const Ints& sizes, std::map<std::string, Attribute> attributes) {
    GraphMaker g;
    g.input("x", Tensor(DType::f32, {1, 1, 4, 8})).constant("n", Tensor::of_int64(sizes));
    g.node("Resize", {"x", "", "", "n"}, "y", std::move(attributes), 18).output("y");
    return g;
  };
  const Attribute axes = Ints{2, 3};
  const auto shape = [&](const std::string& policy) {
    return run_graph(resize({6, 6}, {{"axes", axes}, {"keep_aspect_ratio_policy", policy}}), best_isa())
        .outputs[0]
        .shape();
  };
  CHECK(shape("stretch") == Shape{1, 1, 6, 6});
  CHECK(shape("not_larger") == Shape{1, 1, 3, 6});
  CHECK(shape("not_smaller") == Shape{1, 1, 6, 12});
  CHECK(error_of(resize({6}, {{"axes", axes}})) == "Resize 'y': 1 sizes must be 2");
  CHECK(error_of(resize({6, -1}, {{"axes", axes}})) == "Resize 'y': size -1 of axis 3 must be 0 to 2^40");
  CHECK(error_of(resize({6, 6}, {{"axes", Attribute{Ints{2, -2}}}})) == "Resize 'y': axis -2 twice must be distinct");
  CHECK(error_of(resize({6, 6}, {{"mode", std::string("sinc")}})) ==
        "Resize 'y': mode='sinc' must be one of nearest, linear, bilinear, cubic");
  const auto scaled = [](float scale) {
    GraphMaker g;
    g.input("x", Tensor(DType::f32, {4})).constant("s", Tensor::scalar(scale).reshaped({1}));
    g.node("Resize", {"x", "", "s"}, "y", {{"mode", std::string("linear")}, {"antialias", int64_t{1}}}, 18).output("y");
    return error_of(g);
  };
  CHECK(scaled(0) == "Resize 'y': scale 0 of axis 0 must be positive and finite");
  CHECK(scaled(NAN).find("must be positive and finite") != std::string::npos);
  CHECK(scaled(1e30f).find("must be at most 2^40") != std::string::npos);
}

}  // namespace
