#include "tally/layers/attention.h"

#include <algorithm>
#include <cmath>

#include "tally/layers/attention_methods.h"
#include "tally/layers/attention_step.h"
#include "tally/layers/formula.h"
#include "tally/layers/host_number.h"
#include "tally/layers/placement.h"
#include "tally/platforms/kernels/planned_attention.h"

namespace tally {

namespace {

constexpr const char* kNames[] = {"Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen"};

Heads heads_of(const std::string& who, const char* name, const Operand& operand, const HeadView& view, int64_t heads) {
  const Shape& s = operand.shape;
  if (view.layout == HeadLayout::apart) {
    if (s.size() != 4) fail(who, text(name, " of shape ", to_string(s)), "must be [batch, heads, rows, elements]");
    if (heads > 0 && s[1] != heads)
      fail(who, text(name, " of shape ", to_string(s)), text("must have ", heads, " heads"));
    return {s[0], s[1], s[2], s[3]};
  }
  if (view.layout == HeadLayout::merged) {
    if (s.size() != 3 || heads <= 0 || s[0] % heads != 0)
      fail(who, text(name, " of shape ", to_string(s)), text("must be [batch · ", heads, " heads, rows, elements]"));
    return {s[0] / heads, heads, s[1], s[2]};
  }
  const size_t rows = view.layout == HeadLayout::rows_first ? 0 : 1;
  if (s.size() == 4 && s[2] == heads) return {s[1 - rows], s[2], s[rows], s[3]};
  if (s.size() != 2 && s.size() != 3)
    fail(who, text(name, " of shape ", to_string(s)), "must be [batch, rows, heads · elements]");
  const int64_t B = s.size() == 3 ? s[1 - rows] : 1, N = s.size() == 3 ? s[rows] : s[0];
  if (view.width > 0) {
    const int64_t end = view.column + (heads - 1) * view.head_stride + view.width;
    if (s.back() < end) fail(who, text(name, " of shape ", to_string(s)), text("must have ", end, " columns"));
    return {B, heads, N, view.width};
  }
  if (heads <= 0 || s.back() % heads != 0)
    fail(who, text(name, " of shape ", to_string(s)), text("must have a last extent divisible by ", heads, " heads"));
  return {B, heads, N, s.back() / heads};
}

int64_t positive_int(const Node& node, const char* key) {
  const int64_t value = node.get_int(key, 0);
  if (value < 0) fail(node.label(), text(key, "=", value), "must be > 0");
  return value;
}

}  // namespace

int row_axis(HeadLayout layout, size_t rank) {
  if (layout == HeadLayout::rows_first) return 0;
  if (layout != HeadLayout::interleaved) return static_cast<int>(rank) - 2;
  return rank == 4 ? 1 : static_cast<int>(rank) - 2;
}

HeadStrides head_strides(const HeadView& view, const Shape& shape, const Heads& x) {
  const int64_t columns = view.width > 0 ? shape.back() : x.H * x.width;
  const int64_t head = view.width > 0 ? view.head_stride : x.width;
  switch (view.layout) {
    case HeadLayout::interleaved:
      return {x.N * columns, head, columns};
    case HeadLayout::rows_first:
      return {columns, head, x.B * columns};
    case HeadLayout::apart:
    case HeadLayout::merged:
      break;
  }
  return {x.H * x.N * x.width, x.N * x.width, x.width};
}

Attention::Attention(const Node& node) : Layer(node) {
  spec_.q_heads = positive_int(node, "q_num_heads");
  spec_.kv_heads = positive_int(node, "kv_num_heads");
  if (node.has("scale")) spec_.scale = node.get_float("scale", 0);
  spec_.causal = node.get_int("is_causal", 0) != 0;
  spec_.softcap = node.get_float("softcap", 0);
  if (!(spec_.softcap >= 0)) fail(label(), text("softcap=", spec_.softcap), "must be >= 0");
  spec_.qk_mode = static_cast<int>(node.get_int("qk_matmul_output_mode", 0));
  if (spec_.qk_mode < 0 || spec_.qk_mode > 3)
    fail(label(), text("qk_matmul_output_mode=", spec_.qk_mode), "must be 0, 1, 2 or 3");
  // The kernel computes in float32, the plain path in double: no less than any precision that may be asked for.
  constexpr int64_t kFloat = 1, kFloat16 = 10, kDouble = 11, kBFloat16 = 16;  // of TensorProto.DataType
  const int64_t precision = node.get_int("softmax_precision", kFloat);
  if (precision != kFloat && precision != kFloat16 && precision != kDouble && precision != kBFloat16)
    fail(label(), text("softmax_precision=", precision), "must be 1, 10, 11 or 16");
  spec_.double_softmax = precision == kDouble;
  spec_.trailing_mask = node.opset >= 24;
  spec_.estimate_source = "ONNX Attention, opset 23: the function's body";
}

AttentionExtents Attention::extents(Operands in) const {
  const bool flat = in[kQ].shape.size() == 3 && spec_.q.layout == HeadLayout::apart && spec_.q_heads > 0;
  const auto view = [&](const HeadView& own) { return flat ? HeadView(HeadLayout::interleaved) : own; };
  const Heads q = heads_of(label(), "Q", in[kQ], view(spec_.q), spec_.q_heads);
  const Heads k = heads_of(label(), "K", in[kK], view(spec_.k), spec_.kv_heads);
  const Heads v = heads_of(label(), "V", in[kV], view(spec_.v), spec_.kv_heads);
  AttentionExtents x{q.B, q.N, k.N, 0, q.H, k.H, q.width, v.width};
  const auto differ = [&](const char* what, const char* a, int64_t left, const char* b, int64_t right) {
    if (left != right) fail(label(), text(a, " with ", left, " ", what), text("must have ", right, " like ", b));
  };
  differ("batches", "K", k.B, "Q", q.B);
  differ("batches", "V", v.B, "Q", q.B);
  differ("heads", "V", v.H, "K", k.H);
  differ("rows", "V", v.N, "K", k.N);
  differ("elements a head", "K", k.width, "Q", q.width);
  if (x.G <= 0 || x.H % x.G != 0)
    fail(label(), text(x.H, " query heads"), text("must be a multiple of ", x.G, " key heads"));
  if (has_operand(in, kPastKey) != has_operand(in, kPastValue))
    fail(label(), "one of past_key and past_value", "must be given both or neither");
  if (has_operand(in, kPastKey)) {
    const Heads pk = heads_of(label(), "past_key", in[kPastKey], HeadLayout::apart, x.G);
    const Heads pv = heads_of(label(), "past_value", in[kPastValue], HeadLayout::apart, x.G);
    differ("batches", "past_key", pk.B, "Q", q.B);
    differ("batches", "past_value", pv.B, "Q", q.B);
    differ("rows", "past_value", pv.N, "past_key", pk.N);
    differ("elements", "past_key", pk.width, "K", x.d);
    differ("elements", "past_value", pv.width, "V", x.e);
    x.P = pk.N;
    if (__builtin_add_overflow(x.P, k.N, &x.M)) fail(label(), "keys", "must fit 63 bits", ErrorCode::limit);
  }
  return x;
}

double Attention::scale(const AttentionExtents& x) const {
  return spec_.scale.value_or(x.d > 0 ? 1 / std::sqrt(static_cast<double>(x.d)) : 1);
}

Role Attention::role(int input, Operands in) const {
  if (input == kMask) return in[kMask].constant && in[kMask].constant->elements() == 1 ? Role::free : Role::constant;
  return input <= kV ? Role::weight : input <= kPastValue ? Role::activation : Role::free;
}

Shape Attention::output_shape(Operands in, const AttentionExtents& x) const {
  const bool flat = in[kQ].shape.size() == 3 && spec_.q.layout == HeadLayout::apart;
  const HeadLayout layout = flat ? HeadLayout::interleaved : spec_.y;
  const int rank = flat ? 3 : spec_.y_rank;
  const auto together = [&](int64_t a, int64_t b, const char* what) {
    const std::optional<int64_t> extent = checked_multiply(a, b);
    if (!extent) fail(label(), what, "must fit 63 bits", ErrorCode::limit);
    return *extent;
  };
  if (layout == HeadLayout::apart) return {x.B, x.H, x.N, x.e};
  if (layout == HeadLayout::merged) return {together(x.B, x.H, "batches · heads"), x.N, x.e};
  const bool rows_first = layout == HeadLayout::rows_first;
  const int64_t outer = rows_first ? x.N : x.B, inner = rows_first ? x.B : x.N;
  if (rank == 4) return {outer, inner, x.H, x.e};
  const int64_t width = together(x.H, x.e, "heads · elements");
  if (rank == 3) return {outer, inner, width};
  return {together(outer, inner, "batches · rows"), width};
}

std::vector<TensorType> Attention::infer(Operands in) const {
  require_inputs(label(), in, 3, 7);
  for (size_t i = 0; i < in.size(); ++i) {
    if (!in[i].present) continue;
    const bool right = i == kSeqLen ? in[i].dtype == DType::i64
                                    : is_real(in[i].dtype) || (i == kMask && in[i].dtype == DType::boolean);
    if (!right)
      fail(label(), text(kNames[i], " of type ", name_of(in[i].dtype)),
           i == kSeqLen ? "must be int64" : "must be float16, bfloat16, float32 or float64 (attn_mask also bool)");
    // K follows Q's type; V has one of its own, and past_value follows it.
    const int same_as = i == kK || i == kPastKey ? kQ : i == kPastValue ? kV : -1;
    if (same_as >= 0 && in[i].dtype != in[static_cast<size_t>(same_as)].dtype)
      fail(label(), text(kNames[i], " of type ", name_of(in[i].dtype)),
           text("must be ", name_of(in[static_cast<size_t>(same_as)].dtype), " like ", kNames[same_as]));
  }
  const AttentionExtents x = extents(in);
  const DType type = in[kQ].dtype;
  for (const Shape& s : {Shape{x.B, x.H, x.N, x.M}, Shape{x.B, x.H, x.N, x.e}, Shape{x.B, x.G, x.M, x.d, x.e}})
    element_count(s, label());
  AttentionTask task{spec_, x, 1, in, {}, label()};
  if (has_operand(in, kMask)) task.mask_strides();
  if (has_operand(in, kSeqLen) && in[kSeqLen].shape != Shape{x.B})
    fail(label(), text("nonpad_kv_seqlen of shape ", to_string(in[kSeqLen].shape)),
         text("must have shape [", x.B, "]"));
  const Shape y = output_shape(in, x);
  return {{type, y}, {type, {x.B, x.G, x.M, x.d}}, {in[kV].dtype, {x.B, x.G, x.M, x.e}}, {type, {x.B, x.H, x.N, x.M}}};
}

// Scores B·H·N·M·d and context B·H·N·M·e products; a row of M scores is a Softmax; the body scales Q and the keys of
// every query head, adds a mask (zeros where there is none) and may cap: a quotient, a product and a tanh a score.
Cost Attention::cost(Operands in, std::span<const TensorType>) const {
  const AttentionExtents x = extents(in);
  const int64_t heads = x.B * x.H, M = x.M;
  const Factor B{"B", x.B}, H{"H", x.H}, N{"N", x.N};
  Cost cost;
  cost.textbook = true;
  cost.source = spec_.estimate_source;
  cost.formulas = {
      product(label(), "macs", {B, H, N, {"M", M}, {"(d+e)", x.d + x.e}}),
      product(label(), "comparisons", {B, H, N, {"(M−1)", std::max<int64_t>(M - 1, 0)}}),
      product(label(), "elementwise, softmax and mask",
              {B,
               H,
               N,
               {spec_.softcap > 0 ? "(6M−1)" : "(4M−1)", std::max<int64_t>((spec_.softcap > 0 ? 6 : 4) * M - 1, 0)}}),
      product(label(), "elementwise, scale", {B, H, {"(N+M)", x.N + M}, {"d", x.d}}),
      product(label(), "special", {B, H, N, {spec_.softcap > 0 ? "2M" : "M", (1 + (spec_.softcap > 0)) * M}})};
  cost.macs = cost.macs_nopad = cost.formulas[0].value;
  cost.comparisons = cost.formulas[1].value;
  cost.elementwise = cost.formulas[2].value + cost.formulas[3].value;
  cost.special = cost.formulas[4].value;
  if (spec_.causal && heads * x.N * M > 0 && !has_operand(in, kSeqLen)) {
    AttentionArgs args = kernel_arguments({spec_, x, 1, in, {}, label()});
    cost.macs_masked = causal_products(args);
    const int64_t seen = x.N * M - cost.macs_masked / std::max<int64_t>(heads * (x.d + x.e), 1);
    cost.formulas.push_back({"macs_masked", "B·H·(N·M − pairs that the causal mask leaves)·(d+e)",
                             text(x.B, "·", x.H, "·(", x.N, "·", M, " − ", seen, ")·", x.d + x.e), cost.macs_masked});
  }
  return cost;
}

std::vector<Candidate> Attention::candidates(const PlanContext& context, Operands in,
                                             std::span<const TensorType> out) const {
  const AttentionExtents x = extents(in);
  const AttentionTask task{spec_, x, scale(x), in, out, label()};
  std::vector<Candidate> list;
  list_attention_kernel(task, context, list);
  if (list.empty()) list_attention_host(task, list);
  return list;
}

void Attention::prepare(const Candidate& candidate, Preparation& preparation) const {
  const AttentionExtents x = extents(preparation.inputs());
  const AttentionTask task{spec_, x, scale(x), preparation.inputs(), preparation.outputs(), label()};
  if (candidate.kernel == "host")
    prepare_attention_host(task, candidate, preparation);
  else
    prepare_attention_kernel(task, candidate, preparation);
}

StreamStep Attention::stream(Operands in, std::span<const int> time_axes) const {
  return stream_attention(*this, in, time_axes);
}

std::unique_ptr<Layer> make_attention(const Node& node) { return std::make_unique<Attention>(node); }

}  // namespace tally
