#include "tally/layers/integer_conv.h"

#include <algorithm>

#include "tally/layers/formula.h"
#include "tally/platforms/rounding.h"

namespace tally {

Shape IntegerConvShape::output() const {
  Shape y = {N, M};
  for (size_t a = 3 - rank; a < 3; ++a) y.push_back(axes[a].out);
  return y;
}

IntegerConvShape integer_conv_shape(const WindowAttributes& window, int64_t group, const Shape& x, const Shape& w,
                                    const std::string& who) {
  if (x.size() < 3 || x.size() > 5)
    fail(who, text("x of shape ", to_string(x)), "must have 1 to 3 spatial dimensions (rank 3 to 5)");
  if (w.size() != x.size()) fail(who, text("w of shape ", to_string(w)), text("must have rank ", x.size(), " like x"));
  if (group < 1) fail(who, text("group=", group), "must be >= 1");
  IntegerConvShape s;
  s.N = x[0];
  s.C = x[1];
  s.M = w[0];
  s.G = group;
  s.rank = x.size() - 2;
  if (s.C % s.G != 0) fail(who, text("group=", s.G), text("must divide C=", s.C));
  if (s.M % s.G != 0) fail(who, text("group=", s.G), text("must divide M=", s.M));
  if (w[1] != s.group_inputs())
    fail(who, text("w of shape ", to_string(w)), text("must have C/group=", s.group_inputs(), " in dimension 1"));
  for (size_t a = 0; a < s.rank; ++a) s.axes[3 - s.rank + a] = resolve_axis(window, a, s.rank, x[2 + a], w[2 + a], who);
  return s;
}

Cost integer_conv_cost(const IntegerConvShape& s, const std::string& who) {
  constexpr const char *kOut[] = {"oD", "oH", "oW"}, *kKernel[] = {"kD", "kH", "kW"};
  constexpr const char* kTaps[] = {"Σtaps_z", "Σtaps_y", "Σtaps_x"};
  std::vector<Factor> all = {{"N", s.N}, {"M", s.M}}, inside = {{"N", s.N}, {"M", s.M}, {"(C/g)", s.group_inputs()}};
  for (size_t a = 3 - s.rank; a < 3; ++a) all.push_back({kOut[a], s.axes[a].out});
  all.push_back({"(C/g)", s.group_inputs()});
  for (size_t a = 3 - s.rank; a < 3; ++a) {
    all.push_back({kKernel[a], s.axes[a].kernel});
    inside.push_back({kTaps[a], s.axes[a].inside_taps()});
  }
  Cost cost;
  cost.textbook = true;
  cost.formulas = {product(who, "macs", all), product(who, "macs_nopad", inside)};
  cost.macs = cost.formulas[0].value;
  cost.macs_nopad = cost.formulas[1].value;
  return cost;
}

std::pair<int64_t, int64_t> outputs_at(const WindowAxis& axis, int64_t k, int64_t begin, int64_t end) {
  const int64_t before = axis.pad_begin - k * axis.dilation;  // o · stride must reach it, and stay below it + in
  const int64_t low = std::max(begin, divide_up(before, axis.stride));
  const int64_t high = std::min(end, divide_up(before + axis.in, axis.stride));
  return {low, std::max(low, high)};
}

ConvWork planned_work(const IntegerConvShape& s) {
  const auto& [z, y, x] = s.axes;
  const int64_t rows = s.N * s.M * s.group_inputs() * z.inside_taps() * y.inside_taps();
  return {rows * x.inside_taps(), rows * divide_up(x.out, kConvRun) * x.kernel};
}

}  // namespace tally
