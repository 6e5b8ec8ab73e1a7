#include "tally/layers/pool_shape.h"

namespace tally {

namespace {

int64_t product_of(const PoolShape& shape, int64_t WindowAxis::*extent) {
  Shape extents;
  for (const WindowAxis& axis : shape.axes) extents.push_back(axis.*extent);
  return element_count(extents, shape.who);
}

/// ceil_mode: also windows that reach beyond the padded input, as long as they start inside it or its padding in front.
void round_up(WindowAxis& a) {
  const int64_t free = a.in + a.pad_begin + a.pad_end - a.extent();
  a.out = (free + a.stride - 1) / a.stride + 1;
  if ((a.out - 1) * a.stride >= a.in + a.pad_begin) --a.out;
}

}  // namespace

int64_t PoolShape::inputs() const { return product_of(*this, &WindowAxis::in); }
int64_t PoolShape::outputs() const { return product_of(*this, &WindowAxis::out); }
int64_t PoolShape::window() const { return product_of(*this, &WindowAxis::kernel); }
int64_t PoolShape::inside_taps() const {
  Shape taps;
  for (const WindowAxis& axis : axes) taps.push_back(axis.inside_taps());
  return element_count(taps, who);
}
Shape PoolShape::y() const {
  Shape y = {N, C};
  for (const WindowAxis& axis : axes) y.push_back(axis.out);
  return y;
}

PoolShape PoolWindow::resolve(const Shape& x, const std::string& who) const {
  if (x.size() < (global ? 2 : 3))
    fail(who, text("X of shape ", to_string(x)), text("must have rank >= ", global ? 2 : 3));
  PoolShape s;
  s.who = who;
  s.N = x[0];
  s.C = x[1];
  const size_t rank = x.size() - 2;
  if (rank > kMaxPoolAxes)
    fail(who, text(rank, " spatial dimensions"), text("must be at most ", kMaxPoolAxes), ErrorCode::limit);
  if (!global && attributes.kernel.size() != rank)
    fail(who, text("kernel_shape of ", attributes.kernel.size(), " values"), text("must have ", rank));
  for (size_t i = 0; i < rank; ++i) {
    if (global) {
      WindowAxis axis;
      axis.in = axis.kernel = x[i + 2];
      s.axes.push_back(axis);
      continue;
    }
    s.axes.push_back(resolve_axis(attributes, i, rank, x[i + 2], attributes.kernel[i], who));
    if (ceil_mode && attributes.auto_pad == AutoPad::explicit_pads) round_up(s.axes.back());
  }
  return s;
}

PoolWindow read_pool_window(const Node& node, bool global) {
  PoolWindow window;
  window.global = global;
  if (global) return window;
  window.attributes = read_window(node);
  if (window.attributes.kernel.empty()) fail(node.label(), "no kernel_shape", "must have the attribute kernel_shape");
  window.ceil_mode = node.get_int("ceil_mode", 0) != 0;
  return window;
}

std::string time_obstacle(const PoolWindow& window, const Shape& x, int axis, const std::string& who) {
  if (axis < 2) return {};
  if (window.global) return "reduces over time";
  return time_obstacle(window.resolve(x, who).axes[static_cast<size_t>(axis) - 2]);
}

void next_output(const std::vector<WindowAxis>& axes, int64_t* at) {
  for (size_t d = axes.size(); d-- > 0;) {
    if (++at[d] < axes[d].out) return;
    at[d] = 0;
  }
}

}  // namespace tally
