#pragma once
// Poolings over any number of axes as graphs.
#include "tests/reference/window_reference.h"
#include "typed_tensor.h"

namespace tally::test {

using Ints = std::vector<int64_t>;
using reference::WindowCase;

inline std::map<std::string, Attribute> window_attributes(const std::vector<WindowCase>& axes) {
  Ints kernel, strides, dilations, pads, ends;
  for (const WindowCase& a : axes) {
    kernel.push_back(a.kernel), strides.push_back(a.stride), dilations.push_back(a.dilation);
    pads.push_back(a.begin), ends.push_back(a.end);
  }
  pads.insert(pads.end(), ends.begin(), ends.end());
  return {{"kernel_shape", kernel},
          {"strides", strides},
          {"dilations", dilations},
          {"pads", pads},
          {"ceil_mode", int64_t{axes[0].ceil_mode}}};
}

inline Shape window_input(int64_t N, int64_t C, const std::vector<WindowCase>& axes) {
  Shape x = {N, C};
  for (const WindowCase& a : axes) x.push_back(a.in);
  return x;
}

inline Shape window_output(int64_t N, int64_t C, const std::vector<WindowCase>& axes) {
  Shape y = {N, C};
  for (const WindowCase& a : axes) y.push_back(a.out());
  return y;
}

}  // namespace tally::test
