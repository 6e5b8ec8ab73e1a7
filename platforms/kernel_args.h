#pragma once
// The operands of every kernel: plain data, filled when a plan is made (all but the pointers) and completed before a
// run. Strides and offsets are in elements of the operand's type unless a name says bytes.
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
  int32_t n0 = 0;           ///< first output column
  int32_t n = 0;            ///< real columns
  int32_t vectors = 0;      ///< vectors of the panel
  bool half = false;        ///< one half-width vector instead
  int64_t w_offset = 0;     ///< of the panel in the packed weights, in elements
  int64_t bias_offset = 0;  ///< of the panel in the packed (padded) bias
  int64_t a_offset = 0;     ///< of the panel's group in A
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
/// f16: A, W and C are Half, sums and bias float, k_blocks = 1. i8: A and W are int8_t, C and bias int32_t, no
/// residual, no activation; every w_row is a multiple of Geometry::k_step, where packing pads the depth. Reads no byte
/// of A beyond a segment. C may not overlap A or W; residual may equal C.
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
  int64_t rows = 0;  ///< pixels of all regions
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
/// Y[image, m, oy, ox] = activation(bias[m] + Σ_taps X[image·x_image + group offset + oy·x_y + ox + tap_offset[t]] ·
/// W[t, m]). X is planar and already padded: every tap of every output is inside. Rows of X may be read up to a vector
/// past their last tap (inside the buffer's guard). Y rows are written exactly (ow elements). W is packed by tiles of
/// `tile_channels` output channels of a group: [tile][tap][tile_channels] with the last tile of a group shorter (its
/// own channel count as the row length), see pack.h. Items: (image, group, channel tile, pair of output rows), row pair
/// fastest.
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
  /// Where the padding of X lies, for the count alone: taps are [channel][kh][kw], the image is h × w_in inside the
  /// padding. h = 0: no padding.
  int32_t kh = 1, kw = 1, sh = 1, dh = 1, dw = 1, pt = 0, pl = 0, h = 0, w_in = 0;
  Epilogue epilogue;
  int64_t items() const {
    return int64_t{images} * groups * ((group_channels + tile_channels - 1) / tile_channels) * ((oh + 1) / 2);
  }
};

/// Y[n, oy, ox, c] = activation(bias[c] + Σ_taps X[n, oy·sh − pt + ky·dh, ox·sw − pl + kx·dw, c] · W[ky, kx, c]), taps
/// outside the image left out. channels_last, c < channels (padded count, a multiple of channel_pad). Items: (image,
/// pair of output rows).
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

// --------------------------------------------------------------------------------------------------------------
// pooling

enum class PoolKind : uint8_t { max, average };

/// Max or average over kh × kw windows (dilated), taps outside the image left out. Planar: [images·channels][h][w];
/// channels_last: [images][h][w][channels]. Average divides by the taps inside the image, or with `count_include_pad`
/// by those inside the padded image (h + pt + pb, w + pl + pr; cells that ceil_mode adds beyond are never counted).
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

// ------------------------------------------------------------------------------------------------------------
// recurrent

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
/// w and bias come from pack_recurrent(); h and c belong to the kernel between calls: padded rows of `padded` floats,
/// two rows of h a sequence, which take turns from step to step. Without `turn` the state starts from initial_h and
/// initial_c (null: zero). With it (an int32 a sequence, 0 at first: the row of h that holds) it starts from h and c as
/// the last call left them. `alternate`: every other step walks the weights from their end, whose part is still in the
/// cache. Items: sequences. y, y_h, y_c may be null and overlap nothing.
struct RecurrentArgs {
  const float* x = nullptr;
  const float* gates = nullptr;
  const float* w = nullptr;
  const float* bias = nullptr;       ///< null: zero
  const float* initial_h = nullptr;  ///< rows of H
  const float* initial_c = nullptr;
  float* h = nullptr;        ///< [B][2][padded]
  float* c = nullptr;        ///< [B][padded]; lstm only
  float* scratch = nullptr;  ///< [B][2][padded]: z and r⊙h; gru_reset_first only
  int32_t* turn = nullptr;
  float* y = nullptr;
  float* y_h = nullptr;
  float* y_c = nullptr;
  int64_t x_step = 0, x_sequence = 0, gates_step = 0, gates_sequence = 0, y_step = 0, y_sequence = 0;
  int64_t initial_sequence = 0;  ///< between rows of initial_h and initial_c
  int64_t state_sequence = 0;    ///< between rows of y_h and y_c
  int64_t T = 0, B = 0, I = 0, H = 0;
  int64_t padded = 0;  ///< H rounded up to `lanes`
  int32_t lanes = 1;   ///< of the vectors that the weights are packed for: recurrent_lanes()
  bool alternate = false;
  RecurrentCell cell = RecurrentCell::elman;
  GateActivation f = GateActivation::sigmoid, g = GateActivation::tanh, output = GateActivation::tanh;
  float clip = 0;  ///< bounds what every activation takes to [−clip, clip]; 0: no bound
  int64_t items() const { return B; }
};

// ----------------------------------------------------------------------------------------------------------
// elementwise

enum class UnaryOp : uint8_t {
#define TALLY_UNARY_OP(op) op,
#include "tally/platforms/unary_ops.inc"
#undef TALLY_UNARY_OP
};
#define TALLY_UNARY_OP(op) +1
inline constexpr int kUnaryOps = 0
#include "tally/platforms/unary_ops.inc"
    ;
#undef TALLY_UNARY_OP

/// y[i] = op(x[i]); x may equal y. Items: blocks of kMapBlock elements.
inline constexpr int64_t kMapBlock = 4096;
struct UnaryArgs {
  const float* x = nullptr;
  float* y = nullptr;
  int64_t n = 0;
  UnaryOp op = UnaryOp::copy;
  float lo = 0, hi = 0;  ///< what unary_ops.inc says they are
  int64_t items() const { return (n + kMapBlock - 1) / kMapBlock; }
};

/// `max` and `min`: NaN where either is. `prelu`: a < 0 ? a·b : a.
enum class BinaryOp : uint8_t { add, sub, mul, div, max, min, prelu };

/// y[outer, inner] = activation(op(a, b)) with b (or a) either a row of `inner` elements of its own (stride inner), one
/// row for all (stride 0), or one element a row (`*_scalar`). General broadcasting is brought to this form row by row:
/// a_row[r], b_row[r] are the element offsets of row r when `row_offsets` are given. y may equal the operand of full
/// size. Items: rows, or, when rows = 1, blocks of kMapBlock elements.
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
  Epilogue epilogue;                        ///< none, or clamp of add, sub, mul, div
  int64_t items() const { return rows == 1 ? (inner + kMapBlock - 1) / kMapBlock : rows; }
};

/// y = activation(x · scale[c] + shift[c]). Planar: rows = images · channels of `inner` pixels, channel = row %
/// channels; channels_last: rows = images · pixels of `channels` elements. y may equal x. Items: rows in blocks of
/// kAffineRows.
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

/// y[r, j] = exp(x[r, j] − max_r) / Σ_j exp(x[r, j] − max_r) over `width` elements with stride `stride`, or with `log`
/// its logarithm, (x[r, j] − max_r) − ln Σ_j exp(x[r, j] − max_r);
/// row r starts at (r / inner)·width·inner + r % inner, stride = inner. y may equal x.
/// Items: rows where inner = 1, else blocks of kSoftmaxRows rows of one outer index r / inner (whole vectors, so that
/// no division of the work changes what is executed).
inline constexpr int64_t kSoftmaxRows = 64;
struct SoftmaxArgs {
  const float* x = nullptr;
  float* y = nullptr;
  int64_t rows = 0, width = 0, inner = 1;
  bool log = false;
  int64_t items() const { return inner == 1 ? rows : rows / inner * ((inner + kSoftmaxRows - 1) / kSoftmaxRows); }
};

// ----------------------------------------------------------------------------------------------------------- attention

enum class MaskKind : uint8_t { none, additive, boolean };

/// Keys of one tile of scores: by blocks of queries, and by rows.
inline constexpr int kAttentionKeys = 64;
inline constexpr int kAttentionRowKeys = 128;
/// Floats of a thread's stack that hold a block: queries, sums of values, a tile of scores and one of the mask.
inline constexpr int64_t kAttentionScratch = 32768;
inline constexpr int kAttentionRows = 8;  ///< most rows of an item of the method by rows

/// y[b, h, i, :] = Σ_j P[i, j] · v[b, g, j, :], P = softmax over j of mask + softcap · tanh(scale · q[b, h, i, :]·k[b,
/// g, j, :] ÷ softcap) (without softcap the scaled product itself), g = h / (q_heads / kv_heads). Keys are streamed in
/// tiles with a running maximum and sum (Milakov and Gimelshein 2018; Dao et al. 2022), so that scores never lie in
/// memory beyond a tile. Elements of a row (d of q and k, e of v and y) are adjacent; everything else has strides, so
/// that heads may be interleaved or apart. `causal`: query i sees keys j <= i + causal_offset; the others are left out
/// of the work, but for those that share a vector. A query that sees no key, or only ones masked with −∞, gets NaN.
/// mask[b, h, i, j]: float added to the score, or bool (false: −∞); strides 0 where broadcast, keys adjacent.
/// `keys` may be lowered from run to run. Operands may not overlap y.
/// Two methods: block_queries > 0, queries across the lanes, `block_queries` of them at once; block_queries = 0, for
/// few queries, elements across the lanes, up to `rows` queries (of all heads that share keys) passing over the keys
/// together. Items: (batch, head, block of queries), block fastest; or (batch, key head, rows / `rows`).
struct AttentionArgs {
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  const void* mask = nullptr;
  float* y = nullptr;
  int64_t batch = 1, q_heads = 1, kv_heads = 1, queries = 0, keys = 0, d = 0, e = 0;
  int64_t q_batch = 0, q_head = 0, q_row = 0;
  int64_t k_batch = 0, k_head = 0, k_row = 0;
  int64_t v_batch = 0, v_head = 0, v_row = 0;
  int64_t y_batch = 0, y_head = 0, y_row = 0;
  int64_t mask_batch = 0, mask_head = 0, mask_row = 0;
  MaskKind mask_kind = MaskKind::none;
  float scale = 1, softcap = 0;
  bool causal = false;
  int64_t causal_offset = 0;
  int64_t block_queries = 0, rows = 1;
  int64_t group() const { return q_heads / kv_heads; }
  int64_t items() const {
    return block_queries > 0 ? batch * q_heads * ((queries + block_queries - 1) / block_queries)
                             : batch * kv_heads * ((group() * queries + rows - 1) / rows);
  }
};

/// Rotary embedding (Su et al. 2021, eq. 34): pairs (x1, x2) of a row's first `rotated` elements turned by the angle of
/// the row's position, y1 = cos·x1 − sin·x2, y2 = sin·x1 + cos·x2; the elements behind them are copied. Pairs are the
/// two halves of the rotated elements, or neighbours (`interleaved`). Rows run over three loops; loop d takes x on by
/// x_stride[d], y by y_stride[d] and the position by position[d]. A position has one row of each table: rotated / 2
/// elements, one a pair, or with `wide` `rotated` elements, one for each of x. With `ids` the position is
/// ids[position], negative ones counted from the end, brought into [0, positions). y may equal x where their strides
/// do. Items: indices of the first two loops.
inline constexpr int kRotaryLoops = 3;
struct RotaryArgs {
  const float* x = nullptr;
  const float* cos = nullptr;
  const float* sin = nullptr;
  const int64_t* ids = nullptr;  ///< or null
  float* y = nullptr;
  int64_t size[kRotaryLoops] = {1, 1, 1};
  int64_t x_stride[kRotaryLoops] = {}, y_stride[kRotaryLoops] = {}, position[kRotaryLoops] = {};
  int64_t width = 0, rotated = 0;
  int64_t positions = 0;  ///< rows of the tables; with ids only
  bool interleaved = false, wide = false;
  int64_t items() const { return size[0] * size[1]; }
};

// ------------------------------------------------------------------------------------------------ reductions and norms

enum class ReduceOp : uint8_t { sum, sum_abs, sum_squares, max, min };
/// What becomes of a set's sum: itself, divided by `width`, its root.
enum class ReduceFinish : uint8_t { none, divide, root };

/// y[o, i] = finish(op over j of x[o, j, i]), x dense [outer][width][inner], width >= 1. Of maxima and minima NaN stays
/// NaN. Items: inner = 1: blocks of kReduceRows outer rows; else (outer, block of kReduceColumns inner columns).
inline constexpr int64_t kReduceRows = 16, kReduceColumns = 64;
struct ReduceArgs {
  const float* x = nullptr;
  float* y = nullptr;
  int64_t outer = 1, width = 0, inner = 1;
  ReduceOp op = ReduceOp::sum;
  ReduceFinish finish = ReduceFinish::none;
  int64_t items() const {
    return inner == 1 ? (outer + kReduceRows - 1) / kReduceRows
                      : outer * ((inner + kReduceColumns - 1) / kReduceColumns);
  }
};

/// y[r, j] = (x[r, j] − m_r) · d_r · scale[c] + bias[c], d_r = 1 / √(v_r + epsilon), over rows of `width` adjacent
/// elements: with `centred` m_r is the row's mean and v_r its variance (LayerNormalization), else m_r = 0 and v_r the
/// mean of squares (RMSNormalization). c = (r · width / inner + j / inner) mod channels: inner = 1 takes a parameter an
/// element (channels a multiple of width), more one a run of `inner` elements (InstanceNormalization,
/// GroupNormalization; inner divides width). y may equal x. Items: rows.
struct RowNormArgs {
  const float* x = nullptr;
  const float* scale = nullptr;  ///< [channels], or null for ones
  const float* bias = nullptr;   ///< [channels], or null for zeros
  float* y = nullptr;
  float* mean = nullptr;     ///< [rows], or null where nobody wants m
  float* inverse = nullptr;  ///< [rows], or null where nobody wants d
  int64_t rows = 0, width = 0, inner = 1, channels = 0;
  float epsilon = 0;
  bool centred = true;
  int64_t items() const { return rows; }
};

/// y[n, c, p] = x[n, c, p] · (bias + alpha·Σ_k x[n, k, p]²)^(−3/4) over the channels k from c − before to c + after
/// that exist: LRN with the beta of every published network. Items: images in blocks of kLrnPixels pixels.
inline constexpr int64_t kLrnPixels = 64;
struct LrnArgs {
  const float* x = nullptr;
  float* y = nullptr;
  int64_t images = 0, channels = 0, pixels = 0;
  int64_t before = 0, after = 0;
  float alpha = 0, bias = 1;
  int64_t blocks() const { return (pixels + kLrnPixels - 1) / kLrnPixels; }
  int64_t items() const { return images * blocks(); }
  int64_t first(int64_t c) const { return c < before ? 0 : c - before; }
  int64_t last(int64_t c) const { return c + after < channels ? c + after : channels - 1; }
};

// -------------------------------------------------------------------------------------------------------------
// movement

/// y[Σ i_d·y_stride_d] = x[Σ i_d·x_stride_d] over up to 8 dimensions, elements of 1, 2, 4, 8 or 16 bytes: Transpose,
/// Concat, Pad, Slice and changes of layout. Strides may be 0 (broadcast) or negative on x. Dimensions are merged by
/// the caller. Items: indices of the outermost dimension.
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
