#pragma once
// Attention: Y = softmax(scale · Q·Kᵀ + mask) · V over heads (ONNX Attention, opset 23 and 24), also what the rewrite
// rules recognise in graphs that spell it out.
#include <memory>
#include <optional>

#include "tally/engine/layer.h"
#include "tally/engine/preparation.h"
#include "tally/layers/operand.h"

namespace tally {

/// How heads lie in an operand: apart [B, H, N, d]; interleaved [B, N, H·d] or [B, N, H, d]; rows_first [N, B, H·d] or
/// [N, B, H, d]; merged [B·H, N, d].
enum class HeadLayout : uint8_t { apart, interleaved, rows_first, merged };

/// The heads that an operand is read for. Where they fill it the layout says all; else its last dimension holds more
/// (queries, keys and values of one product side by side): `width` elements of a head from `column` on, those of the
/// next `head_stride` further.
struct HeadView {
  HeadLayout layout = HeadLayout::apart;
  int64_t column = 0, head_stride = 0, width = 0;  ///< width 0: they fill it

  HeadView() = default;
  HeadView(HeadLayout own) : layout(own) {}  // NOLINT: a layout is the view of all that it holds
  HeadView(HeadLayout own, int64_t first, int64_t stride, int64_t d)
      : layout(own), column(first), head_stride(stride), width(d) {}
};

/// Batches, heads, rows and width of an operand.
struct Heads {
  int64_t B = 1, H = 0, N = 0, width = 0;
};

/// Strides of an operand: of a batch, a head, a row.
struct HeadStrides {
  int64_t batch = 0, head = 0, row = 0;
};

/// Of an operand of `shape` with these heads.
HeadStrides head_strides(const HeadView& view, const Shape& shape, const Heads& heads);

/// What a node fixes of its attention; extents come from the operands.
struct AttentionSpec {
  int64_t q_heads = 0, kv_heads = 0;  ///< 0: as the operands' shapes say (heads apart)
  std::optional<double> scale;        ///< default 1 / √d
  bool causal = false;
  double softcap = 0;           ///< 0: none
  int qk_mode = 0;              ///< what output 3 is: 0 scores, 1 after softcap, 2 after the mask, 3 after softmax
  bool double_softmax = false;  ///< softmax_precision asks for float64
  HeadView q, k, v;
  HeadLayout y = HeadLayout::apart;
  int y_rank = 4;              ///< 2: the first two dimensions of 3 as one
  bool merged_mask = false;    ///< a mask of rank 3 is [B·H, N, M]
  bool trailing_mask = false;  ///< opset 24: a mask with fewer columns is continued by −∞
  std::string estimate_source;
};

/// A node's attention with every extent known: B batches, N queries, M = P past + new keys, heads and elements.
struct AttentionExtents {
  int64_t B = 0, N = 0, M = 0, P = 0, H = 0, G = 0;  ///< G: key and value heads
  int64_t d = 0, e = 0;
  int64_t new_keys() const { return M - P; }
};

/// Operands Q, K, V, optional attn_mask, past_key, past_value, nonpad_kv_seqlen; outputs Y, present_key, present_value,
/// qk_matmul_output. Softcap comes before the mask, as the standard has it since its correction of 2026.
/// A query that sees no key becomes NaN, as the definition has it.
class Attention : public Layer {
 public:
  enum Input { kQ, kK, kV, kMask, kPastKey, kPastValue, kSeqLen };
  enum Output { kY, kPresentKey, kPresentValue, kQk };

  explicit Attention(const Node& node);
  /// For rewrite rules: as `node`'s layer would be with this spec.
  Attention(const Node& node, AttentionSpec spec) : Layer(node), spec_(std::move(spec)) {}

  const AttentionSpec& spec() const { return spec_; }
  AttentionExtents extents(Operands in) const;
  double scale(const AttentionExtents& x) const;

  Role role(int input, Operands in) const override;
  std::vector<TensorType> infer(Operands in) const override;
  Cost cost(Operands in, std::span<const TensorType> out) const override;
  StreamStep stream(Operands in, std::span<const int> time_axes) const override;
  std::vector<Candidate> candidates(const PlanContext& context, Operands in,
                                    std::span<const TensorType> out) const override;
  void prepare(const Candidate& candidate, Preparation& preparation) const override;

 protected:
  Shape output_shape(Operands in, const AttentionExtents& x) const;

  AttentionSpec spec_;
};

/// The axis of an operand in `layout` and of this rank along which its rows (queries, keys) run.
int row_axis(HeadLayout layout, size_t rank);

}  // namespace tally
