#include "tally/layers/placement.h"

#include <algorithm>
#include <cstring>

namespace tally {

Shape placed_strides(const Shape& shape, Layout layout, int64_t channel_stride) {
  if (layout == Layout::plain) return row_major_strides(shape);
  // N, spatial…, C in memory.
  Shape strides(shape.size(), 1);
  int64_t pixels = 1;
  for (size_t d = shape.size(); d-- > 2;) {
    strides[d] = pixels * channel_stride;
    pixels *= shape[d];
  }
  strides[0] = pixels * channel_stride;
  return strides;
}

Placement expected_placement(const Operand& operand, Layout layout, int64_t channel_pad) {
  return expected_placement(TensorType{operand.dtype, operand.shape}, operand.constant ? Layout::plain : layout,
                            channel_pad);
}

BufferId add_float_weights(Preparation& preparation, std::span<const float> values, std::string name) {
  AlignedBuffer bytes(std::ssize(values) * int64_t{sizeof(float)});
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), values.size() * sizeof(float));
  return preparation.add_weights(std::move(bytes), std::move(name));
}

Candidate uniform_candidate(const char* kernel, size_t inputs, size_t outputs, Layout in, Layout out, double cycles) {
  Candidate c;
  c.kernel = kernel;
  c.inputs.assign(inputs, in);
  c.outputs.assign(outputs, out);
  c.cycles = cycles;
  return c;
}

void require_inputs(const std::string& who, Operands in, size_t least, size_t most) {
  if (in.size() < least || in.size() > most)
    fail(who, text(in.size(), " inputs"),
         least == most ? text("must be ", least) : text("must be ", least, " to ", most));
  for (size_t i = 0; i < least; ++i)
    if (!in[i].present) fail(who, text("input ", i, " is absent"), "must be given");
}

}  // namespace tally
