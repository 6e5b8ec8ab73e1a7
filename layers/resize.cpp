// Resize and Upsample: Y is X interpolated on another grid, axis by axis. Nearest elements are copied, by the copy
// kernel where an axis grows or shrinks by a whole factor; linear and cubic run as passes of products with precomputed
// weights.
#include <algorithm>
#include <cmath>

#include "tally/layers/copy_steps.h"
#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/placement.h"
#include "tally/layers/resize_attributes.h"
#include "tally/layers/resize_steps.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

enum Way : int { kCopy, kNearest, kPasses };

using Taps = std::vector<std::shared_ptr<const AxisTaps>>;

/// Indices that advance by `step` every `repeat` outputs.
struct Stairs {
  int64_t first = 0, step = 0, repeat = 1;
};

/// Null taps: every element as it is. Nothing where the indices are no stairs of whole steps.
std::optional<Stairs> stairs_of(const AxisTaps* taps, int64_t m) {
  if (taps == nullptr) return Stairs{0, 1, 1};
  const std::vector<int64_t>& index = taps->index;
  Stairs stairs{index[0], 0, m};
  const auto turn = std::find_if(index.begin(), index.end(), [&](int64_t i) { return i != index[0]; });
  if (turn != index.end()) stairs = {index[0], *turn - index[0], turn - index.begin()};
  if (m % stairs.repeat != 0) return std::nullopt;
  for (int64_t j = 0; j < m; ++j)
    if (index[static_cast<size_t>(j)] != stairs.first + j / stairs.repeat * stairs.step) return std::nullopt;
  return stairs;
}

class Resize final : public Layer {
 public:
  explicit Resize(const Node& node) : Layer(node), attributes_(node) {}

  bool needs_value(int input) const override { return input > 0; }
  Role role(int input, Operands) const override { return input == 0 ? Role::constant : Role::free; }

  std::vector<TensorType> infer(Operands in) const override {
    whole_element_bytes(in[0].dtype, label());
    Shape y;
    for (const ResizedAxis& axis : attributes_.axes(in)) y.push_back(axis.m);
    element_count(y, label());
    const bool moves = rule().mode == ResizeMode::nearest && rule().coordinates != Coordinates::tf_crop_and_resize;
    if (!moves && !with_number_type(in[0].dtype, [](auto) {}))
      fail(label(), text("input of type ", name_of(in[0].dtype)), "must be numbers of 8 bits or more");
    return {{in[0].dtype, y}};
  }

  // By convention 4 operations an output for linear, 16 for cubic, whatever the axes; nearest moves data only.
  Cost cost(Operands, std::span<const TensorType> out) const override {
    Cost cost;
    cost.source = "ONNX " + op() + ": taps of a bilinear or bicubic kernel";
    if (rule().mode == ResizeMode::nearest) return cost;
    cost.formulas = {
        product(label(), "elementwise",
                {{"outputs", element_count(out[0].shape)}, {"taps", rule().mode == ResizeMode::linear ? 4 : 16}})};
    cost.elementwise = cost.formulas[0].value;
    return cost;
  }

  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override {
    const Geometry& g = context.kernels->geometry;
    const Taps taps = taps_of(in);
    const Way way = way_of(taps, out[0].shape);
    std::vector<Candidate> list;
    for (Layout layout : {Layout::plain, Layout::channels_last}) {
      if (layout == Layout::channels_last && (way == kNearest || !may_be_channels_last(in[0].dtype, in[0].shape) ||
                                              in[0].shape[1] != out[0].shape[1] || taps[1]))
        continue;
      const Placement x = expected_placement(in[0], layout, g.channel_pad),
                      y = expected_placement(out[0], layout, g.channel_pad);
      Candidate c = uniform_candidate("copy", in.size(), 1, Layout::plain, layout, 0);
      c.inputs[0] = layout;
      c.variant = way;
      if (way == kCopy) {
        for (const CopyPart& part : parts(taps, x, y)) c.cycles += copy_cycles(part.args, g);
      } else if (way == kPasses) {
        c.kernel = "interpolate";
        c.cycles = resize_cycles(passes(taps, x, y));
      } else {
        c.kernel = "nearest";
        c.cycles = 2.0 * static_cast<double>(element_count(out[0].shape));
      }
      list.push_back(std::move(c));
    }
    return list;
  }

  void prepare(const Candidate& candidate, Preparation& p) const override {
    const Placement x = p.input(0), y = p.output(0);
    if (element_count(y.type.shape) == 0) return;
    const Taps taps = taps_of(p.inputs());
    if (candidate.variant == kPasses) return add_resize_steps(p, passes(taps, x, y), attributes_.extrapolation);
    if (candidate.variant == kNearest) return add_nearest_step(p, offsets(taps, x, y), candidate.cycles);
    int64_t first = 0;
    const Shape from = placed_strides(x);
    for (size_t d = 0; d < taps.size(); ++d)
      if (taps[d]) first += taps[d]->index[0] * from[d];
    for (const CopyPart& part : parts(taps, x, y))
      add_copy_step(p, part.args, {x.buffer, first + part.x_offset, p.inputs()[0].constant != nullptr},
                    {y.buffer, part.y_offset});
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    const int t = time_axes[0];
    if (t < 0) return stream_obstacle("takes its scales from values that change over time");
    if (taps_of(in)[static_cast<size_t>(t)]) return stream_obstacle("resizes its time axis");
    if (attributes_.aspect_ratio != AspectRatio::stretch)
      return stream_obstacle("keeps an aspect ratio that its time axis is part of");
    auto step = std::make_shared<Resize>(*this);
    step->attributes_.untouched_axis = t;
    return {"", std::move(step), {t}, {}, {}};
  }

 private:
  const ResizeRule& rule() const { return attributes_.rule; }

  /// Null where an axis stays as it is.
  Taps taps_of(Operands in) const {
    Taps taps;
    for (const ResizedAxis& axis : attributes_.axes(in)) {
      AxisTaps found = axis.m == 0 ? AxisTaps{} : axis_taps(axis, rule(), label());
      bool same = axis.n == axis.m;
      for (int64_t j = 0; j < axis.m && same; ++j) {
        const auto at = static_cast<size_t>(j);
        same = found.first[at + 1] - found.first[at] == 1 && found.index[at] == j && found.weight[at] == 1;
      }
      taps.push_back(same ? nullptr : std::make_shared<const AxisTaps>(std::move(found)));
    }
    return taps;
  }

  Way way_of(const Taps& taps, const Shape& y) const {
    const bool outside = std::any_of(taps.begin(), taps.end(), [](const auto& t) { return t && t->any_outside; });
    const bool idle = std::all_of(taps.begin(), taps.end(), [](const auto& t) { return !t; });
    if (element_count(y) == 0 || idle) return kCopy;
    if (rule().mode != ResizeMode::nearest || outside) return kPasses;
    for (size_t d = 0; d < taps.size(); ++d)
      if (!stairs_of(taps[d].get(), y[d])) return kNearest;
    return kCopy;
  }

  std::vector<CopyPart> parts(const Taps& taps, const Placement& x, const Placement& y) const {
    if (element_count(y.type.shape) == 0) return {};
    const Shape from = placed_strides(x), to = placed_strides(y);
    std::vector<CopyLoop> loops;
    for (size_t d = 0; d < taps.size(); ++d) {
      const Stairs s = stairs_of(taps[d].get(), y.type.shape[d]).value();
      loops.push_back({y.type.shape[d] / s.repeat, s.step * from[d], s.repeat * to[d]});
      loops.push_back({s.repeat, 0, to[d]});
    }
    return copy_parts(std::move(loops), whole_element_bytes(x.type.dtype, label()), label());
  }

  /// Extents and taps in the order of memory.
  std::vector<ResizePass> passes(const Taps& taps, const Placement& x, const Placement& y) const {
    if (x.layout == Layout::plain) return resize_passes(x.type.shape, y.type.shape, taps);
    Shape from{x.type.shape[0]}, to{y.type.shape[0]};
    Taps moved{taps[0]};
    for (size_t d = 2; d < taps.size(); ++d) {
      from.push_back(x.type.shape[d]);
      to.push_back(y.type.shape[d]);
      moved.push_back(taps[d]);
    }
    from.push_back(x.channel_stride);
    to.push_back(y.channel_stride);
    moved.push_back(nullptr);
    return resize_passes(from, to, moved);
  }

  std::vector<std::vector<int64_t>> offsets(const Taps& taps, const Placement& x, const Placement& y) const {
    const Shape from = placed_strides(x);
    std::vector<std::vector<int64_t>> all;
    for (size_t d = 0; d < taps.size(); ++d) {
      std::vector<int64_t>& axis = all.emplace_back();
      for (int64_t j = 0; j < y.type.shape[d]; ++j)
        axis.push_back((taps[d] ? taps[d]->index[static_cast<size_t>(j)] : j) * from[d]);
    }
    return all;
  }

  ResizeAttributes attributes_;
};

}  // namespace

std::unique_ptr<Layer> make_resize(const Node& node) { return std::make_unique<Resize>(node); }

}  // namespace tally
