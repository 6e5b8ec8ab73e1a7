#include "tally/layers/resize_attributes.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tally/layers/placement.h"

namespace tally {

namespace {

constexpr double kMaxExtent = 0x1p40;

/// The value of a string attribute among those allowed.
template <class T>
T chosen(const Node& node, const char* key, const char* fallback,
         std::initializer_list<std::pair<const char*, T>> known) {
  const std::string value = node.get_string(key, fallback);
  std::string names;
  for (const auto& [name, meaning] : known) {
    if (value == name) return meaning;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  fail(node.label(), text(key, "='", value, "'"), "must be one of " + names);
}

}  // namespace

ResizeAttributes::ResizeAttributes(const Node& node) : who_(node.label()) {
  rule.mode = chosen<ResizeMode>(node, "mode", "nearest",
                                 {{"nearest", ResizeMode::nearest},
                                  {"linear", ResizeMode::linear},
                                  {"bilinear", ResizeMode::linear},
                                  {"cubic", ResizeMode::cubic}});
  if (node.opset < 11) {
    rule.coordinates = Coordinates::asymmetric;
    rule.rounding = node.op == "Resize" ? Rounding::simple : Rounding::floor;
    if (node.op == "Upsample" && node.opset < 9) {
      for (float scale : node.get_floats("scales")) scales_.push_back(scale);
      if (node.has("height_scale") && node.has("width_scale"))
        scales_ = {1, 1, node.get_float("height_scale", 1), node.get_float("width_scale", 1)};
      if (scales_.empty()) fail(who_, "no scales", "must have the attribute scales");
    }
    return;
  }
  has_roi_ = true;
  rule.coordinates = chosen<Coordinates>(node, "coordinate_transformation_mode", "half_pixel",
                                         {{"half_pixel", Coordinates::half_pixel},
                                          {"half_pixel_symmetric", Coordinates::half_pixel_symmetric},
                                          {"pytorch_half_pixel", Coordinates::pytorch_half_pixel},
                                          {"align_corners", Coordinates::align_corners},
                                          {"asymmetric", Coordinates::asymmetric},
                                          {"tf_half_pixel_for_nn", Coordinates::tf_half_pixel_for_nn},
                                          {"tf_crop_and_resize", Coordinates::tf_crop_and_resize}});
  rule.rounding = chosen<Rounding>(node, "nearest_mode", "round_prefer_floor",
                                   {{"round_prefer_floor", Rounding::prefer_floor},
                                    {"round_prefer_ceil", Rounding::prefer_ceil},
                                    {"floor", Rounding::floor},
                                    {"ceil", Rounding::ceil}});
  aspect_ratio = chosen<AspectRatio>(node, "keep_aspect_ratio_policy", "stretch",
                                     {{"stretch", AspectRatio::stretch},
                                      {"not_larger", AspectRatio::not_larger},
                                      {"not_smaller", AspectRatio::not_smaller}});
  rule.cubic_a = node.get_float("cubic_coeff_a", -0.75f);
  rule.antialias = node.get_int("antialias", 0) != 0;
  rule.exclude_outside = node.get_int("exclude_outside", 0) != 0;
  extrapolation = node.get_float("extrapolation_value", 0);
  if (node.has("axes")) axes_ = node.get_ints("axes");
}

std::vector<double> ResizeAttributes::values(Operands in, int input) const {
  const auto i = static_cast<size_t>(input);
  if (in.size() <= i || !in[i].present) return {};
  return in[i].constant->to_double();
}

std::vector<size_t> ResizeAttributes::resized(size_t rank) const {
  std::vector<size_t> which;
  if (!axes_) {
    for (size_t d = 0; d < rank; ++d) which.push_back(d);
    return which;
  }
  for (int64_t axis : *axes_) {
    const auto d = static_cast<size_t>(normalize_axis(axis, static_cast<int64_t>(rank), who_));
    if (std::find(which.begin(), which.end(), d) != which.end())
      fail(who_, text("axis ", axis, " twice"), "must be distinct");
    which.push_back(d);
  }
  return which;
}

void ResizeAttributes::scale_axes(std::vector<ResizedAxis>& all, const std::vector<size_t>& which,
                                  const std::vector<double>& scales) const {
  for (size_t i = 0; i < which.size(); ++i) {
    ResizedAxis& axis = all[which[i]];
    if (!(scales[i] > 0) || !std::isfinite(scales[i]))
      fail(who_, text("scale ", scales[i], " of axis ", which[i]), "must be positive and finite");
    const double extent = std::floor(static_cast<double>(axis.n) * scales[i]);
    if (extent > kMaxExtent) fail(who_, text("extent ", extent), "must be at most 2^40", ErrorCode::limit);
    axis.m = static_cast<int64_t>(extent);
    axis.scale = scales[i];
  }
}

void ResizeAttributes::size_axes(std::vector<ResizedAxis>& all, const std::vector<size_t>& which,
                                 const std::vector<double>& sizes) const {
  double common = -1;
  for (size_t i = 0; i < which.size(); ++i) {
    ResizedAxis& axis = all[which[i]];
    if (!(sizes[i] >= 0 && sizes[i] <= kMaxExtent))
      fail(who_, text("size ", sizes[i], " of axis ", which[i]), "must be 0 to 2^40");
    if (axis.n == 0 && sizes[i] > 0) fail(who_, text("size ", sizes[i], " of an empty axis"), "must be 0");
    axis.m = static_cast<int64_t>(sizes[i]);
    axis.scale = axis.n == 0 ? 1 : sizes[i] / static_cast<double>(axis.n);
    const bool less = aspect_ratio == AspectRatio::not_larger ? axis.scale < common : axis.scale > common;
    if (i == 0 || less) common = axis.scale;
  }
  if (aspect_ratio == AspectRatio::stretch) return;
  for (size_t d : which) {
    all[d].scale = common;
    all[d].m = static_cast<int64_t>(std::floor(common * static_cast<double>(all[d].n) + 0.5));
  }
}

std::vector<ResizedAxis> ResizeAttributes::axes(Operands in) const {
  require_inputs(who_, in, 1, has_roi_ ? 4 : 2);
  const Shape& x = in[0].shape;
  std::vector<ResizedAxis> all;
  for (int64_t extent : x) all.push_back({extent, extent});
  const std::vector<size_t> which = resized(x.size());
  const std::vector<double> scales = scales_.empty() ? values(in, has_roi_ ? 2 : 1) : scales_;
  const std::vector<double> sizes = has_roi_ ? values(in, 3) : std::vector<double>{};
  if (scales.empty() == sizes.empty() && !x.empty())
    fail(who_, text(scales.size(), " scales and ", sizes.size(), " sizes"), "must be one or the other");
  const auto check = [&](const char* what, size_t count, size_t wanted) {
    if (count != wanted) fail(who_, text(count, " ", what), text("must be ", wanted));
  };
  if (!scales.empty()) {
    check("scales", scales.size(), which.size());
    scale_axes(all, which, scales);
  } else {
    check("sizes", sizes.size(), which.size());
    size_axes(all, which, sizes);
  }
  if (rule.coordinates == Coordinates::tf_crop_and_resize) {
    const std::vector<double> roi = values(in, 1);
    check("values of roi", roi.size(), 2 * which.size());
    for (size_t i = 0; i < which.size(); ++i) {
      all[which[i]].roi_begin = roi[i];
      all[which[i]].roi_end = roi[i + which.size()];
    }
  }
  if (untouched_axis >= 0) {
    ResizedAxis& axis = all[static_cast<size_t>(untouched_axis)];
    axis = {axis.n, axis.n};
  }
  return all;
}

}  // namespace tally
