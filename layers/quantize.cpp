#include "tally/layers/quantize.h"

#include <algorithm>

#include "tally/layers/stream_axes.h"
#include "tally/platforms/float8.h"
#include "tally/platforms/rounding.h"

namespace tally {

namespace {

/// Elements of a row that has one scale throughout: a piece of work for a thread.
constexpr int64_t kRow = 4096;

std::string block_text(const Shape& scale, int64_t block) {
  return text("scale of shape ", to_string(scale), " with block_size=", block);
}

ParameterRows blocked_rows(const Shape& x, const Shape& scale, size_t axis, int64_t block, const std::string& who) {
  Shape wanted = x;
  wanted[axis] = divide_up(x[axis], block);
  if (scale != wanted) fail(who, block_text(scale, block), "must have shape " + to_string(wanted));
  ParameterRows p;
  p.width = row_major_strides(x)[axis];
  p.stride = 1;
  p.period = x[axis];
  p.period_step = wanted[axis] * p.width;
  p.block = block;
  p.block_step = p.width;
  return p;
}

ParameterRows axis_rows(const Shape& x, const Shape& scale, size_t axis, const std::string& who) {
  if (scale != Shape{x[axis]})
    fail(who, "scale of shape " + to_string(scale),
         text("must have one element, or the ", x[axis], " of axis ", axis, " of ", to_string(x)));
  ParameterRows p;
  p.width = row_major_strides(x)[axis];
  if (p.width == 1) {
    p.width = x[axis];
    p.stride = 1;
  } else {
    p.period = x[axis];
    p.block_step = 1;
  }
  return p;
}

}  // namespace

QuantizationAxis::QuantizationAxis(const Node& node)
    : axis(node.get_int("axis", 1)), block_size(node.get_int("block_size", 0)) {
  if (block_size < 0) fail(node.label(), text("block_size=", block_size), "must be >= 0");
}

ParameterRows parameter_rows(const QuantizationAxis& attributes, Operands in, const std::string& who) {
  const Shape &x = in[0].shape, &scale = in[1].shape;
  const bool has_zero = in.size() > 2 && in[2].present;
  const bool one = element_count(scale) == 1;
  if (has_zero && in[2].shape != scale && !(one && element_count(in[2].shape) == 1))
    fail(who, "zero point of shape " + to_string(in[2].shape), "must have the scale's shape " + to_string(scale));
  ParameterRows p;
  if (attributes.block_size > 0 || !one) {
    const auto axis = static_cast<size_t>(normalize_axis(attributes.axis, static_cast<int64_t>(x.size()), who));
    p = attributes.block_size > 0 ? blocked_rows(x, scale, axis, attributes.block_size, who)
                                  : axis_rows(x, scale, axis, who);
  } else {
    p.width = kRow;
  }
  p.elements = element_count(x, who);
  p.rows = p.elements == 0 ? 0 : divide_up(p.elements, p.width);
  return p;
}

StreamStep stream_quantization(const QuantizationAxis& attributes, Operands in, std::span<const int> time_axes) {
  const int64_t parameters = element_count(in[1].shape);
  const int time = time_axes[0];
  if (time != kNoTimeAxis && parameters > 1) {
    if (attributes.block_size > 0) return stream_obstacle("has scales of its own for every time step");
    if (time == normalize_axis(attributes.axis, static_cast<int64_t>(in[0].shape.size()), in[0].name))
      return stream_obstacle("has scales that vary over time");
  }
  return stream_elements(in, time_axes);
}

bool is_quantised(DType type) {
  switch (type) {
    case DType::i8:
    case DType::u8:
    case DType::i16:
    case DType::u16:
    case DType::i4:
    case DType::u4:
      return true;
    default:
      return is_float8(type);
  }
}

bool is_scale(DType type) { return type == DType::f32 || type == DType::f16 || type == DType::bf16; }

}  // namespace tally
