#include "tally/layers/pad.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "tally/layers/host_number.h"
#include "tally/layers/permutation.h"
#include "tally/layers/placement.h"
#include "tally/layers/stream_axes.h"

namespace tally {

namespace {

constexpr size_t kMaxPieces = 4096;

PadMode mode_of(const Node& node) {
  const std::string mode = node.get_string("mode", "constant");
  if (mode == "constant") return PadMode::constant;
  if (mode == "reflect") return PadMode::reflect;
  if (mode == "edge") return PadMode::edge;
  if (mode == "wrap" && node.opset >= 19) return PadMode::wrap;
  fail(node.label(), "mode='" + mode + "'",
       node.opset >= 19 ? "must be constant, reflect, edge or wrap" : "must be constant, reflect or edge");
}

/// Where the run of outputs that holds position `at` (counted from the first element kept) begins and ends, in an axis
/// of `n` elements that is extended without end, and what it reads.
PadPiece endless_piece(int64_t at, int64_t n, PadMode mode) {
  if (mode == PadMode::edge || n == 1) return {at < 0 ? INT64_MIN : n, 0, at < 0 ? 0 : n - 1, 0, false};
  const int64_t period = mode == PadMode::wrap ? n : n - 1;
  int64_t turn = at / period;
  if (at % period < 0) --turn;
  const bool backwards = mode == PadMode::reflect && turn % 2 != 0;
  return {turn * period, period, backwards ? period : 0, backwards ? -1 : 1, false};
}

/// A row of one value: `value`, or the element of `constant` where that is not null.
AlignedBuffer fill_row(DType type, float value, const Tensor* constant) {
  const int64_t size = bytes_of(type, 1);
  AlignedBuffer bytes(std::max<int64_t>(16, size * kFillRow));
  if (constant) {
    std::memcpy(bytes.data(), constant->data(), static_cast<size_t>(size));
  } else {
    with_number_type(type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if constexpr (std::is_integral_v<T>)
        *reinterpret_cast<T*>(bytes.data()) = static_cast<T>(value);
      else
        *reinterpret_cast<T*>(bytes.data()) = from_sum<T>(value);
    });
  }
  for (size_t i = 1; i < static_cast<size_t>(kFillRow); ++i) std::memcpy(bytes.data() + i * size, bytes.data(), size);
  return bytes;
}

}  // namespace

std::vector<PadPiece> pad_pieces(int64_t in, int64_t before, int64_t after, PadMode mode, const std::string& who) {
  const int64_t first = std::max<int64_t>(0, -before);
  const int64_t n = in - first - std::max<int64_t>(0, -after);
  const int64_t out = in + before + after;
  if (n < 0) fail(who, text("pads ", before, " and ", after, " on an axis of ", in), "must leave no negative extent");
  std::vector<PadPiece> list;
  if (out == 0) return list;
  const int64_t lead = std::max<int64_t>(0, before), tail = std::max<int64_t>(0, after);
  if (mode == PadMode::constant) {
    if (lead > 0) list.push_back({0, lead, 0, 0, true});
    if (n > 0) list.push_back({lead, n, first, 1, false});
    if (tail > 0) list.push_back({lead + n, tail, 0, 0, true});
    return list;
  }
  if (n == 0) fail(who, "an empty axis", "must have elements that padding can repeat");
  const auto extend = [&](int64_t begin, int64_t end) {  // positions counted from the first element kept
    for (int64_t at = begin; at < end;) {
      const PadPiece run = endless_piece(at, n, mode);
      const int64_t stop = run.in_step == 0 ? end : std::min(end, run.begin + run.size);
      const int64_t from = run.in_step == 0 ? run.in_begin : run.in_begin + run.in_step * (at - run.begin);
      list.push_back({lead + at, stop - at, first + from, run.in_step, false});
      at = stop;
      if (list.size() > kMaxPieces)
        fail(who, text("pads ", before, " and ", after, " on an axis of ", in),
             text("must repeat it at most ", kMaxPieces, " times"), ErrorCode::limit);
    }
  };
  extend(-lead, 0);
  list.push_back({lead, n, first, 1, false});
  extend(n, n + tail);
  return list;
}

Pad::Pad(const Node& node)
    : Layer(node), mode_(mode_of(node)), value_(node.get_float("value", 0)), from_inputs_(node.opset >= 11) {
  if (from_inputs_) return;
  const char* key = node.opset < 2 && node.has("paddings") ? "paddings" : "pads";
  if (!node.has(key)) fail(label(), "no pads", "must have the attribute pads");
  pads_ = node.get_ints(key);
}

std::vector<int64_t> Pad::pads(Operands in) const {
  const size_t rank = in[kData].shape.size();
  std::vector<int64_t> given = pads_;
  if (from_inputs_) {
    if (in[kPads].dtype != DType::i64) fail(label(), text("pads of type ", name_of(in[kPads].dtype)), "must be int64");
    given = in[kPads].constant->to_int64();
  }
  std::vector<int64_t> axes;
  if (from_inputs_ && in.size() > kAxes && in[kAxes].present) {
    for (int64_t axis : in[kAxes].constant->to_int64())
      axes.push_back(normalize_axis(axis, static_cast<int64_t>(rank), label()));
  } else {
    for (size_t d = 0; d < rank; ++d) axes.push_back(static_cast<int64_t>(d));
  }
  if (given.size() != 2 * axes.size())
    fail(label(), text("pads of ", given.size(), " values"), text("must have ", 2 * axes.size()));
  std::vector<int64_t> all(2 * rank, 0);
  constexpr int64_t kMaxPad = int64_t{1} << 40;
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i] > kMaxPad || given[i] < -kMaxPad)
      fail(label(), text("pads[", i, "]=", given[i]), "must be within 2^40", ErrorCode::limit);
    const auto axis = static_cast<size_t>(axes[i % axes.size()]);
    all[(axis_of_.empty() ? axis : axis_of_[axis]) + (i < axes.size() ? 0 : rank)] = given[i];
  }
  return all;
}

std::vector<std::vector<PadPiece>> Pad::pieces(Operands in) const {
  const std::vector<int64_t> p = pads(in);
  const Shape& x = in[kData].shape;
  std::vector<std::vector<PadPiece>> all;
  for (size_t d = 0; d < x.size(); ++d) all.push_back(pad_pieces(x[d], p[d], p[d + x.size()], mode_, label()));
  return all;
}

std::vector<TensorType> Pad::infer(Operands in) const {
  require_inputs(label(), in, from_inputs_ ? 2 : 1, from_inputs_ ? 4 : 1);
  whole_element_bytes(in[kData].dtype, label());
  if (in.size() > kValue && in[kValue].present) {
    if (in[kValue].dtype != in[kData].dtype)
      fail(label(), text("constant_value of type ", name_of(in[kValue].dtype)),
           text("must be ", name_of(in[kData].dtype), " like data"));
    if (element_count(in[kValue].shape) != 1)
      fail(label(), text("constant_value of shape ", to_string(in[kValue].shape)), "must have one element");
  }
  const std::vector<int64_t> p = pads(in);
  pieces(in);
  Shape y = in[kData].shape;
  const size_t rank = y.size();
  for (size_t d = 0; d < rank; ++d) y[d] += p[d] + p[d + rank];
  return {{in[kData].dtype, y}};
}

// Moves every element once and computes nothing.
Cost Pad::cost(Operands, std::span<const TensorType>) const {
  Cost cost;
  cost.source = "ONNX Pad, opset 1 to 24: moves data only";
  return cost;
}

namespace {

/// Calls f(loops, x offset, y offset, fill) for every box of the result that one copy makes: axis by axis, and where a
/// piece is filled, all that lies behind it at once.
struct PadBoxes {
  const std::vector<std::vector<PadPiece>>& pieces;
  const Placement &x, &y;
  std::function<void(const std::vector<CopyLoop>&, int64_t, int64_t, bool)> visit;
  Shape from = placed_strides(x), to = placed_strides(y);
  std::vector<CopyLoop> loops = std::vector<CopyLoop>(pieces.size());

  void walk(size_t d, int64_t x_offset, int64_t y_offset) {
    if (d == pieces.size()) return visit(loops, x_offset, y_offset, false);
    for (const PadPiece& piece : pieces[d]) {
      loops[d] = {piece.size, piece.in_step * from[d], to[d]};
      const int64_t at = y_offset + piece.begin * to[d];
      if (!piece.fill) {
        walk(d + 1, x_offset + piece.in_begin * from[d], at);
        continue;
      }
      std::vector<CopyLoop> filled(loops.begin(), loops.begin() + static_cast<std::ptrdiff_t>(d) + 1);
      for (size_t k = d + 1; k < pieces.size(); ++k) filled.push_back({y.type.shape[k], 0, to[k]});
      for (CopyLoop& loop : filled) loop.x_stride = 0;
      visit(filled, 0, at, true);
    }
  }
};

}  // namespace

bool Pad::known_value(Operands in) const {
  return in.size() <= kValue || !in[kValue].present || (in[kValue].constant && in[kValue].constant->has_data());
}

std::vector<Candidate> Pad::candidates(const PlanContext& context, Operands in, std::span<const TensorType> out) const {
  const std::vector<std::vector<PadPiece>> all = pieces(in);
  double boxes = 1;
  for (const std::vector<PadPiece>& axis : all)
    boxes *=
        static_cast<double>(std::count_if(axis.begin(), axis.end(), [](const PadPiece& piece) { return !piece.fill; }));
  if (boxes > kMaxPieces)
    fail(label(), text(boxes, " boxes to copy"), text("must be at most ", kMaxPieces), ErrorCode::limit);
  const Geometry& g = context.kernels->geometry;
  std::vector<Candidate> list;
  for (Layout layout : {Layout::plain, Layout::channels_last}) {
    if (layout == Layout::channels_last && !may_be_channels_last(in[kData].dtype, in[kData].shape)) continue;
    const Placement x = expected_placement(in[kData], layout, g.channel_pad),
                    y = expected_placement(out[0], layout, g.channel_pad);
    double cycles = 0;
    const int64_t bytes = whole_element_bytes(x.type.dtype, label());
    PadBoxes walker{all, x, y, [&](const std::vector<CopyLoop>& loops, int64_t, int64_t, bool fill) {
                      if (!fill || !known_value(in))
                        cycles += copy_cycles(copy_args(loops, bytes, label()), g);
                      else
                        for (const CopyPart& part : fill_parts(loops, bytes, label()))
                          cycles += copy_cycles(part.args, g);
                    }};
    walker.walk(0, 0, 0);
    Candidate c = uniform_candidate("copy", in.size(), 1, Layout::plain, layout, cycles);
    c.inputs[kData] = layout;
    list.push_back(c);
  }
  return list;
}

void Pad::prepare(const Candidate&, Preparation& p) const {
  const Operands in = p.inputs();
  const Placement x = p.input(kData), y = p.output(0);
  const int64_t bytes = whole_element_bytes(x.type.dtype, label());
  const bool given = in.size() > kValue && in[kValue].present;
  BufferId row = -1;
  const auto add_fill = [&](const std::vector<CopyLoop>& loops, int64_t y_offset) {
    if (!known_value(in))
      return add_copy_step(p, copy_args(loops, bytes, label()), {p.input(kValue).buffer}, {y.buffer, y_offset});
    if (row < 0)
      row = p.add_weights(fill_row(x.type.dtype, value_, given ? in[kValue].constant : nullptr), label() + " value");
    for (const CopyPart& part : fill_parts(loops, bytes, label()))
      add_copy_step(p, part.args, {row, part.x_offset, true}, {y.buffer, y_offset + part.y_offset});
  };
  PadBoxes walker{pieces(in), x, y,
                  [&](const std::vector<CopyLoop>& loops, int64_t x_offset, int64_t y_offset, bool fill) {
                    if (fill) return add_fill(loops, y_offset);
                    add_copy_step(p, copy_args(loops, bytes, label()),
                                  {x.buffer, x_offset, in[kData].constant != nullptr}, {y.buffer, y_offset});
                  }};
  walker.walk(0, 0, 0);
}

StreamStep Pad::stream(Operands in, std::span<const int> time_axes) const {
  const std::vector<int64_t> p = pads(in);
  const auto axis = static_cast<size_t>(time_axes[kData]);
  if (time_axes[kData] != kNoTimeAxis && (p[axis] != 0 || p[axis + in[kData].shape.size()] != 0))
    return stream_obstacle(text("pads time by ", p[axis], " and ", p[axis + in[kData].shape.size()]));
  return stream_elements(in, time_axes);
}

std::optional<std::vector<int64_t>> Pad::zero_padding(Operands in) const {
  if (mode_ != PadMode::constant) return {};
  if (!from_inputs_) return value_ == 0 ? std::optional(pads(in)) : std::nullopt;
  if (in.size() > kValue && in[kValue].present) {
    const Tensor* value = in[kValue].constant;
    if (value == nullptr || !value->has_data() || in[kValue].dtype != DType::f32 || value->values<float>()[0] != 0)
      return {};
  }
  return pads(in);
}

std::shared_ptr<const Layer> Pad::before_transposition(Operands, const std::vector<size_t>& permutation) const {
  auto layer = std::make_shared<Pad>(*this);
  layer->axis_of_ = composed(axis_of_, permutation);
  return layer;
}

std::unique_ptr<Layer> make_pad(const Node& node) { return std::make_unique<Pad>(node); }

}  // namespace tally
