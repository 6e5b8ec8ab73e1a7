#pragma once
// The operands of every kernel: plain data, filled when a plan is made (all but the pointers) and completed before a run.
// Strides and offsets are in elements of the operand's type unless a name says bytes.
#include <cstdint>

#include "tally/platforms/dtype.h"

namespace tally {

/// Applied to the finished sum before it is stored. `clamp` is max(lo, min(hi, x)): Relu, Relu6, Clip.
enum class Activation : uint8_t { none, clamp, tanh, sigmoid };

struct Epilogue {
  Activation activation = Activation::none;
  float lo = 0, hi = 0;
};

// ---------------------------------------------------------------------------------------------------------------- gemm

/// A run of `length` consecutive depth elements: A at row + a_offset, packed weights at depth row `w_row` of the panel.
struct Segment {
  int32_t a_offset = 0;
  int32_t w_row = 0;
  int32_t length = 0;
};

/// A rectangle of output pixels whose valid taps are the same: rows y0…, columns x0…. Its segments of depth block b are
/// segments[first_segment[region * (k_blocks + 1) + b] … first_segment[region * (k_blocks + 1) + b + 1]).
struct Region {
  int32_t y0 = 0, x0 = 0, height = 0, width = 0;
};

/// Consecutive output columns (channels) that share one pass: packed as depth rows of `vectors` full vectors (or one
/// half-width vector), zero-padded beyond `n`.
struct Panel {
  int32_t n0 = 0;       ///< first output column
  int32_t n = 0;        ///< real columns
  int32_t vectors = 0;  ///< vectors of the panel
  bool half = false;    ///< one half-width vector instead
  int64_t w_offset = 0; ///< of the panel in the packed weights, in elements
  int64_t bias_offset = 0; ///< of the panel in the packed (padded) bias
  int64_t a_offset = 0; ///< of the panel's group in A
};

/// C[image, y, x, n] = activation(bias[n] + Σ_segments Σ_i A[image, y, x; a_offset + i] · W[w_row + i, n] + residual).
///
/// The one kernel of Gemm (a region of height 1 whose columns are matrix rows), MatMul, pointwise and general
/// convolution with output channels across lanes, and (rows = 1) matrix–vector products at memory speed.
/// A element (image, y, x) row starts at a + image·a_image + y·a_y + x·a_x; C likewise, its channels contiguous; the
/// residual, if any, has C's strides. `full_stores`: C has room for whole vectors (channels_last, padded); else exactly
/// `n` columns of a panel are written. Taps that fall on padding are left out of a region's segments.
/// Depth is cut in `k_blocks` blocks; C holds the partial sums between them.
/// Items: (image, row block, panel), panel fastest; a row block is `rows_per_block` pixels in region-major order.
/// f16: A, W and C are Half, sums and bias float, k_blocks = 1. i8: A and W are int8_t, C and bias int32_t, no residual, no
/// activation; every w_row is a multiple of Geometry::k_step, where packing pads the depth.
/// Reads no byte of A beyond a segment. C may not overlap A or W; residual may equal C.
struct GemmArgs {
  const void* a = nullptr;
  const void* w = nullptr;
  const void* bias = nullptr;      ///< padded like the panels, or null for zero
  const void* residual = nullptr;  ///< or null
  void* c = nullptr;
  /// i8 where Geometry::i8_column_sums: int32_t [region][k block][padded columns], from pack_column_sums(); else null.
  const int32_t* column_sums = nullptr;
  int64_t column_sums_stride = 0;  ///< elements between two of its rows
  int64_t a_image = 0, a_y = 0, a_x = 0;
  int64_t c_image = 0, c_y = 0, c_x = 0;
  int64_t images = 1;
  const Region* regions = nullptr;
  const Segment* segments = nullptr;
  const int32_t* first_segment = nullptr;
  const Panel* panels = nullptr;
  int32_t region_count = 0, panel_count = 0, k_blocks = 1;
  int64_t rows = 0;            ///< pixels of all regions
  int64_t rows_per_block = 0;
  bool full_stores = false;
  Epilogue epilogue;
  int64_t items() const { return images * ((rows + rows_per_block - 1) / rows_per_block) * panel_count; }
};

/// out[0] = Σ a[i]·b[i], i < n. f32 and f16 (Half in, float sum and out); i8 (int8_t in, int32_t out). One item.
struct DotArgs {
  const void* a = nullptr;
  const void* b = nullptr;
  void* out = nullptr;
  int64_t n = 0;
};

// -------------------------------------------------------------------------------------------------------- convolutions

/// Convolution with consecutive output pixels of a row across lanes, for few channels: stride 1 along the row.
/// Y[image, m, oy, ox] = activation(bias[m] + Σ_taps X[image·x_image + group offset + oy·x_y + ox + tap_offset[t]] · W[t, m]).
/// X is planar and already padded: every tap of every output is inside. Rows of X may be read up to a vector past their
/// last tap (inside the buffer's guard). Y rows are written exactly (ow elements).
/// W is packed by tiles of `tile_channels` output channels of a group: [tile][tap][tile_channels] with the last tile of a
/// group shorter (its own channel count as the row length), see pack.h.
/// Items: (image, group, channel tile, pair of output rows), row pair fastest.
struct PixelConvArgs {
  const float* x = nullptr;
  const float* w = nullptr;
  const float* bias = nullptr;  ///< [M] or null
  float* y = nullptr;
  int64_t x_image = 0, x_group = 0, x_y = 0;  ///< x_y: between output rows (stride · row length)
  int64_t y_image = 0, y_channel = 0, y_row = 0;
  const int32_t* tap_offset = nullptr;
  int32_t taps = 0;
  int32_t images = 1, groups = 1, group_channels = 0;  ///< output channels a group
  int32_t tile_channels = 1;
  int32_t oh = 0, ow = 0;
  /// Where the padding of X lies, for the count alone: taps are [channel][kh][kw], the image is h × w_in inside the padding.
  /// h = 0: no padding.
  int32_t kh = 1, kw = 1, sh = 1, dh = 1, dw = 1, pt = 0, pl = 0, h = 0, w_in = 0;
  Epilogue epilogue;
  int64_t items() const {
    return int64_t{images} * groups * ((group_channels + tile_channels - 1) / tile_channels) * ((oh + 1) / 2);
  }
};

/// Y[n, oy, ox, c] = activation(bias[c] + Σ_taps X[n, oy·sh − pt + ky·dh, ox·sw − pl + kx·dw, c] · W[ky, kx, c]), taps outside
/// the image left out. channels_last, c < channels (padded count, a multiple of channel_pad).
/// Items: (image, pair of output rows).
struct DepthwiseArgs {
  const float* x = nullptr;
  const float* w = nullptr;     ///< [kh][kw][channels]
  const float* bias = nullptr;  ///< [channels] or null
  float* y = nullptr;
  int32_t images = 1, h = 0, w_in = 0, oh = 0, ow = 0, channels = 0, real_channels = 0;
  int32_t kh = 1, kw = 1, sh = 1, sw = 1, dh = 1, dw = 1, pt = 0, pl = 0;
  Epilogue epilogue;
  int64_t items() const { return int64_t{images} * ((oh + 1) / 2); }
};

// -------------------------------------------------------------------------------------------------------------- pooling

enum class PoolKind : uint8_t { max, average };

/// Max or average over kh × kw windows (dilated), taps outside the image left out. Planar: [images·channels][h][w]; channels_last: [images][h][w][channels].
/// Average divides by the taps inside the image, or with `count_include_pad` by those inside the padded image
/// (h + pt + pb, w + pl + pr; cells that ceil_mode adds beyond are never counted).
/// Items: planar (image · channel); channels_last (image, output row).
struct PoolArgs {
  const float* x = nullptr;
  float* y = nullptr;
  PoolKind kind = PoolKind::max;
  bool channels_last = false;
  bool count_include_pad = false;
  int32_t images = 1, channels = 0, h = 0, w = 0, oh = 0, ow = 0;
  int32_t kh = 1, kw = 1, sh = 1, sw = 1, dh = 1, dw = 1, pt = 0, pl = 0, pb = 0, pr = 0;
  int64_t items() const { return channels_last ? int64_t{images} * oh : int64_t{images} * channels; }
};

// ------------------------------------------------------------------------------------------------------------ recurrent

/// `gru`: the reset gate scales the product (linear_before_reset); `gru_reset_first`: it scales h.
enum class RecurrentCell : uint8_t { elman, lstm, gru, gru_reset_first };
enum class GateActivation : uint8_t { sigmoid, tanh, relu };

/// T steps of B sequences of an RNN, LSTM or GRU (one direction) of H units, gates as ONNX defines them:
///   elman            h = g(a)                                                        a = W·x + R·h + b
///   lstm             c = f(a_f)⊙c + f(a_i)⊙g(a_c),  h = f(a_o)⊙h(c)
///   gru              z = f(a_z), r = f(a_r), n = g(W_h·x + b_x + r⊙(R_h·h + b_h)),  h = n + z⊙(h − n)
///   gru_reset_first  the same with n = g(W_h·x + R_h·(r⊙h) + b)
/// x_t of sequence b starts at x + t·x_step + b·x_sequence (x_step < 0 runs time backwards; x then points at the last
/// step), y_t at y + t·y_step + b·y_sequence. With `gates` the products W·x + b were made before: gate k of unit j at
/// gates + t·gates_step + b·gates_sequence + k·H + j, gates in ONNX's order; I is then 0.
/// w and bias come from pack_recurrent(); h and c belong to the kernel between calls: padded rows of `padded` floats, two
/// rows of h a sequence, which take turns from step to step.
/// Without `turn` the state starts from initial_h and initial_c (null: zero). With it (an int32 a sequence, 0 at first: the
/// row of h that holds) it starts from h and c as the last call left them.
/// `alternate`: every other step walks the weights from their end, whose part is still in the cache.
/// Items: sequences. y, y_h, y_c may be null and overlap nothing.
struct RecurrentArgs {
  const float* x = nullptr;
  const float* gates = nullptr;
  const float* w = nullptr;
  const float* bias = nullptr;      ///< null: zero
  const float* initial_h = nullptr; ///< rows of H
  const float* initial_c = nullptr;
  float* h = nullptr;               ///< [B][2][padded]
  float* c = nullptr;               ///< [B][padded]; lstm only
  float* scratch = nullptr;         ///< [B][2][padded]: z and r⊙h; gru_reset_first only
  int32_t* turn = nullptr;
  float* y = nullptr;
  float* y_h = nullptr;
  float* y_c = nullptr;
  int64_t x_step = 0, x_sequence = 0, gates_step = 0, gates_sequence = 0, y_step = 0, y_sequence = 0;
  int64_t initial_sequence = 0;     ///< between rows of initial_h and initial_c
  int64_t state_sequence = 0;       ///< between rows of y_h and y_c
  int64_t T = 0, B = 0, I = 0, H = 0;
  int64_t padded = 0;               ///< H rounded up to `lanes`
  int32_t lanes = 1;                ///< of the vectors that the weights are packed for: recurrent_lanes()
  bool alternate = false;
  RecurrentCell cell = RecurrentCell::elman;
  GateActivation f = GateActivation::sigmoid, g = GateActivation::tanh, output = GateActivation::tanh;
  float clip = 0;                   ///< bounds what every activation takes to [−clip, clip]; 0: no bound
  int64_t items() const { return B; }
};

// ---------------------------------------------------------------------------------------------------------- elementwise

enum class UnaryOp : uint8_t { copy, clamp, tanh, sigmoid, exp };

/// y[i] = op(x[i]); x may equal y. Items: blocks of kMapBlock elements.
inline constexpr int64_t kMapBlock = 4096;
struct UnaryArgs {
  const float* x = nullptr;
  float* y = nullptr;
  int64_t n = 0;
  UnaryOp op = UnaryOp::copy;
  float lo = 0, hi = 0;
  int64_t items() const { return (n + kMapBlock - 1) / kMapBlock; }
};

enum class BinaryOp : uint8_t { add, sub, mul, div };

/// y[outer, inner] = activation(op(a, b)) with b (or a) either a row of `inner` elements of its own (stride inner), one
/// row for all (stride 0), or one element a row (`*_scalar`). General broadcasting is brought to this form row by row:
/// a_row[r], b_row[r] are the element offsets of row r when `row_offsets` are given. y may equal the operand of full size.
/// Items: rows, or, when rows = 1, blocks of kMapBlock elements.
struct BinaryArgs {
  const float* a = nullptr;
  const float* b = nullptr;
  float* y = nullptr;
  BinaryOp op = BinaryOp::add;
  int64_t rows = 1, inner = 0;
  int64_t a_row_stride = 0, b_row_stride = 0;
  const int64_t* a_rows = nullptr;  ///< offsets of each row instead of the stride, or null
  const int64_t* b_rows = nullptr;
  bool a_scalar = false, b_scalar = false;  ///< one element for the whole row
  Epilogue epilogue;                        ///< none or clamp
  int64_t items() const { return rows == 1 ? (inner + kMapBlock - 1) / kMapBlock : rows; }
};

/// y = activation(x · scale[c] + shift[c]). Planar: rows = images · channels of `inner` pixels, channel = row % channels;
/// channels_last: rows = images · pixels of `channels` elements. y may equal x.
/// Items: rows in blocks of kAffineRows.
inline constexpr int64_t kAffineRows = 16;
struct ChannelAffineArgs {
  const float* x = nullptr;
  const float* scale = nullptr;
  const float* shift = nullptr;
  float* y = nullptr;
  bool channels_last = false;
  int64_t rows = 0, inner = 0, channels = 0;
  Epilogue epilogue;  ///< none or clamp
  int64_t items() const { return (rows + kAffineRows - 1) / kAffineRows; }
};

/// y[r, j] = exp(x[r, j] − max_r) / Σ_j exp(x[r, j] − max_r) over `width` elements with stride `stride`;
/// row r starts at (r / inner)·width·inner + r % inner, stride = inner. y may equal x.
/// Items: rows where inner = 1, else blocks of kSoftmaxRows rows of one outer index r / inner (whole vectors, so that no
/// division of the work changes what is executed).
inline constexpr int64_t kSoftmaxRows = 64;
struct SoftmaxArgs {
  const float* x = nullptr;
  float* y = nullptr;
  int64_t rows = 0, width = 0, inner = 1;
  int64_t items() const { return inner == 1 ? rows : rows / inner * ((inner + kSoftmaxRows - 1) / kSoftmaxRows); }
};

// ------------------------------------------------------------------------------------------------------------- movement

/// y[Σ i_d·y_stride_d] = x[Σ i_d·x_stride_d] over up to 8 dimensions, elements of 1, 2, 4, 8 or 16 bytes: Transpose, Concat,
/// Pad, Slice and changes of layout. Strides may be 0 (broadcast) or negative on x. Dimensions are merged by the caller.
/// Items: indices of the outermost dimension.
inline constexpr int kCopyRank = 8;
struct CopyArgs {
  const void* x = nullptr;
  void* y = nullptr;
  int32_t rank = 1, element_bytes = 4;
  int64_t size[kCopyRank] = {1, 1, 1, 1, 1, 1, 1, 1};
  int64_t x_stride[kCopyRank] = {};
  int64_t y_stride[kCopyRank] = {};
  int64_t items() const { return size[0]; }
};

}  // namespace tally
