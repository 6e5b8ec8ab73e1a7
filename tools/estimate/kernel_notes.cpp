#include "tools/estimate/kernel_notes.h"

#include "tools/output/formatted.h"

namespace tally::tools {

namespace {

std::string lanes_text(const Geometry& g) {
  return formatted("{} fp32 lane{}{}", g.lanes, g.lanes == 1 ? "" : "s",
                   g.has_fma ? "" : ", a multiply and an add for want of FMA");
}

/// Register tiles of the matrix kernel: "12 rows × 2 vectors, 24 × 1".
std::string gemm_tiles(const Geometry& g) {
  std::string text;
  for (int v = g.gemm_vectors; v >= 1; --v)
    if (g.gemm_rows[static_cast<size_t>(v)] > 0)
      text += formatted("{}{} × {}", text.empty() ? "" : ", ", g.gemm_rows[static_cast<size_t>(v)], v);
  return text;
}

std::string pixel_tiles(const Geometry& g) {
  std::string text;
  for (int c = g.pixel_channels; c >= 1; --c)
    if (g.pixel_registers[c] > 0) text += formatted("{}{} × {}", text.empty() ? "" : ", ", c, g.pixel_registers[c]);
  return text;
}

}  // namespace

std::string kernel_note(const std::string& kernel, const Geometry& g) {
  const std::string lanes = lanes_text(g);
  if (kernel == "gemm")
    return formatted(
        "gemm: output channels (columns) across {}; register tiles of pixels (rows) × vectors, at most {}.", lanes,
        gemm_tiles(g));
  if (kernel == "gemv")
    return formatted(
        "gemv: output columns across {}; panels of up to {} vectors stay in registers while the depth streams through "
        "once, weights read in packing order.",
        lanes, g.gemv_vectors);
  if (kernel == "pixel_conv")
    return formatted(
        "pixel_conv: consecutive pixels of a row across {}; register tiles of output channels × vectors of pixels, at "
        "most {}.",
        lanes, pixel_tiles(g));
  if (kernel == "depthwise")
    return formatted("depthwise: channels across {}, up to {} output pixels of a row at a time{}.", lanes,
                     g.depthwise_columns, g.depthwise_resident ? ", the weights of 3 × 3 resident in registers" : "");
  if (kernel == "pool") return formatted("pool: pixels or channels across {}, taps outside the image left out.", lanes);
  if (kernel == "map")
    return formatted("map: elements in order across {}, blocks of {} elements an item.", lanes, kMapBlock);
  if (kernel == "softmax")
    return formatted("softmax: rows one by one, {}; maximum, exponentials and their sum, division.", lanes);
  if (kernel == "rotary")
    return formatted("rotary: pairs of a row across {}, row by row as they lie; two products and a sum an element.",
                     lanes);
  if (kernel == "copy") return "copy: elements moved as they are, dimensions merged where the strides allow.";
  if (kernel == "host")
    return "host: a plain loop, for types and attributes that no kernel serves; slow, exact in its counts, and of no "
           "lanes.";
  return "";
}

}  // namespace tally::tools
