#pragma once
// The sliding window of a convolution: attributes resolved against shapes, and which taps fall inside the image.
#include <vector>

#include "tally/engine/layer.h"

namespace tally {

/// Outputs [begin, end) of one axis, of which each reads exactly the taps [tap_begin, tap_end) inside the image.
struct TapBand {
  int64_t begin = 0, end = 0;
  int64_t tap_begin = 0, tap_end = 0;
  int64_t outputs() const { return end - begin; }
  int64_t taps() const { return tap_end - tap_begin; }
};

/// Extents beyond this would make even the count of taps take long; no real kernel comes near.
inline constexpr int64_t kMaxKernel = int64_t{1} << 20;
inline constexpr int64_t kMaxStep = int64_t{1} << 31;

/// One spatial axis: output o, tap k reads input o·stride − pad_begin + k·dilation.
struct WindowAxis {
  int64_t in = 1, out = 1;
  int64_t kernel = 1, stride = 1, dilation = 1;
  int64_t pad_begin = 0, pad_end = 0;

  int64_t extent() const { return (kernel - 1) * dilation + 1; }  ///< of the dilated kernel
  /// The outputs cut into runs of equal taps, in order. At most 2·kernel + 1 of them.
  std::vector<TapBand> bands() const;
  /// Σ over outputs of the taps inside the image.
  int64_t inside_taps() const;
};

/// A convolution's shape; axes that the tensors lack (z and y, outermost first) have extent 1.
struct ConvShape {
  int64_t N = 0, C = 0, M = 0, G = 1;
  WindowAxis z, y, x;

  int64_t group_inputs() const { return C / G; }
  int64_t group_outputs() const { return M / G; }
  /// Axis i of `rank` spatial ones.
  const WindowAxis& axis(size_t i, size_t rank) const { return i + 1 == rank ? x : i + 2 == rank ? y : z; }
  WindowAxis& axis(size_t i, size_t rank) { return i + 1 == rank ? x : i + 2 == rank ? y : z; }
  int64_t taps() const { return z.kernel * y.kernel * x.kernel; }
  int64_t depth() const { return group_inputs() * taps(); }  ///< products a full sum has
  int64_t out_pixels() const { return z.out * y.out * x.out; }
  int64_t outputs() const { return N * M * out_pixels(); }
  bool padded() const { return z.pad_begin || z.pad_end || y.pad_begin || y.pad_end || x.pad_begin || x.pad_end; }
  /// Images without depth, the only plane of outputs being that of inputs.
  bool planar() const { return z.in == 1 && z.out == 1 && z.kernel == 1 && z.pad_begin == 0; }
  bool depthwise() const { return G == C && M == C; }
};

/// How padding is found: ONNX's auto_pad.
enum class AutoPad { explicit_pads, valid, same_upper, same_lower };

/// kernel_shape, strides, dilations, pads and auto_pad as a node states them; empty vectors where left out.
struct WindowAttributes {
  std::vector<int64_t> kernel, strides, dilations;
  std::vector<int64_t> pads;  ///< begins of the spatial axes, then ends
  AutoPad auto_pad = AutoPad::explicit_pads;
};

/// Throws Error(model) naming `key` and the element outside [least, most].
void check_range(const Node& node, const char* key, const std::vector<int64_t>& values, int64_t least, int64_t most);

/// Throws Error(model) where a list that is given has not `count` values.
void check_count(const std::string& who, const char* key, const std::vector<int64_t>& values, size_t count);

/// Reads and checks them as far as possible without shapes. Throws Error(model).
WindowAttributes read_window(const Node& node);

/// Axis `axis` of `rank` spatial ones for an input of `in` elements and a kernel of `kernel`. Throws Error(model)
/// naming `who` where lengths differ or the kernel does not fit the padded input.
WindowAxis resolve_axis(const WindowAttributes& window, size_t axis, size_t rank, int64_t in, int64_t kernel,
                        const std::string& who);

/// Why windows along time cannot move one step at a time, or nothing: each must see its own step alone.
std::string time_obstacle(const WindowAxis& axis);

}  // namespace tally
