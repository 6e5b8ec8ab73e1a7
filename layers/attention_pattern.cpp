// Attention spelled out: MatMul(Q, Kᵀ) → scale → mask → Softmax → MatMul(V), with heads split, moved and merged by
// Reshape and Transpose, keys and values repeated for the query heads that share them, and causal masks kept as
// constants. The whole becomes one layer that reads [B, N, H·d] as it lies and never writes the scores.
#include <algorithm>
#include <array>
#include <cmath>

#include "tally/layers/absorb.h"
#include "tally/layers/attention.h"
#include "tally/layers/linear.h"
#include "tally/layers/pattern.h"

namespace tally {

namespace {

/// Values from here down leave no weight in float32 beside any score that is not as low itself.
constexpr double kHidden = -9.99e8;

/// Axes of a rank-4 value by what they are.
enum Axis : size_t { kBatch, kHead, kRow, kElement };
using Axes = std::array<Axis, 4>;

constexpr Axes kApart = {kBatch, kHead, kRow, kElement};
constexpr Axes kInterleaved = {kBatch, kRow, kHead, kElement};

/// Where an operand was found before it was brought into heads.
struct Source {
  ValueId value = kAbsent;
  HeadLayout layout = HeadLayout::apart;
  int64_t heads = 0;
  double factor = 1;
  size_t taken = 0;  ///< nodes of the match up to here
};

class AttentionMatch {
 public:
  AttentionMatch(Rewriter& rewriter, int scores) : rewriter_(rewriter), match_(rewriter), scores_(scores) {}

  bool run() {
    if (!find_weights() || !find_context()) return false;
    find_merge();
    const std::optional<Source> q = walk(match_.in(scores_, 0), kApart);
    const std::optional<Source> k = walk(match_.in(scores_, 1), {kBatch, kHead, kElement, kRow});
    const std::optional<Source> v = walk(match_.in(context_, 1), kApart);
    if (!q || !k || !v || k->heads != v->heads || v->factor != 1 || q->heads % k->heads != 0) return false;
    if (!match_.closed(last_)) return false;
    AttentionSpec spec;
    spec.q_heads = q->heads;
    spec.kv_heads = k->heads;
    spec.scale = scale_ * q->factor * k->factor;
    spec.softcap = softcap_;
    spec.causal = causal_;
    spec.q = q->layout;
    spec.k = k->layout;
    spec.v = v->layout;
    spec.y = y_layout_;
    spec.y_rank = static_cast<int>(match_.shape(match_.out(last_)).size());
    spec.estimate_source = "attention recognised in the graph";
    Node node;
    node.name = rewriter_.node(last_).name;
    node.op = "Attention";
    std::vector<ValueId> inputs = {q->value, k->value, v->value};
    if (mask_ != kAbsent) inputs.push_back(mask_);
    auto layer = std::make_shared<Attention>(node, std::move(spec));
    if (!match_.gives_output(*layer, inputs, last_)) return false;  // extents that broadcast otherwise
    match_.replace(last_, "Attention", std::move(layer), std::move(inputs));
    return true;
  }

 private:
  /// From the product of Q and Kᵀ on: scale, softcap and mask up to Softmax.
  bool find_weights() {
    if (match_.inputs(scores_) != 2) return false;
    const ValueId first = match_.out(scores_);
    if (match_.dtype(first) != DType::f32 || match_.shape(first).size() != 4 || element_count(match_.shape(first)) == 0)
      return false;
    match_.take(scores_);
    ValueId at = scaled(first);
    at = capped(at);
    at = masked(at);
    at = masked(at);  // a causal one and another
    weights_ = match_.read_by(at, "Softmax");
    if (weights_ < 0) return false;
    const auto* softmax = dynamic_cast<const OffersSoftmax*>(rewriter_.node(weights_).layer.get());
    if (!softmax || !softmax->along_last_axis(rewriter_.graph().operands(rewriter_.node(weights_)))) return false;
    match_.take(weights_);
    return true;
  }

  /// Mul or Div by constants of one element.
  ValueId scaled(ValueId at) {
    while (true) {
      const std::optional<double> factor = factor_of(rewriter_.sole_consumer(at), at);
      if (!factor) return at;
      scale_ *= *factor;
      match_.take(rewriter_.sole_consumer(at));
      at = match_.out(rewriter_.sole_consumer(at));
    }
  }

  /// What node `index` multiplies its operand `at` by, where that is a constant.
  std::optional<double> factor_of(int index, ValueId at) const {
    if (index < 0 || rewriter_.node(index).outputs.size() != 1) return {};
    const std::string& op = rewriter_.node(index).op;
    if (op != "Mul" && op != "Div") return {};
    const ValueId constant = match_.other(index, at);
    const std::optional<double> value = constant == kAbsent ? std::nullopt : match_.scalar(constant);
    if (!value || !std::isfinite(*value) || match_.shape(match_.out(index)) != match_.shape(at)) return {};
    if (op == "Mul") return value;
    if (match_.in(index, 0) != at || *value == 0) return {};
    return 1 / *value;
  }

  /// c · tanh(x / c).
  ValueId capped(ValueId at) {
    const int tanh = match_.read_by(at, "Tanh");
    const int times = tanh < 0 ? -1 : match_.read_by(match_.out(tanh), "Mul");
    const std::optional<double> cap = times < 0 ? std::nullopt : factor_of(times, match_.out(tanh));
    if (!cap || *cap <= 0) return at;
    match_.take(tanh);
    match_.take(times);
    softcap_ = *cap;
    scale_ *= *cap;  // the scores were divided by it before
    return match_.out(times);
  }

  ValueId masked(ValueId at) {
    if (const int add = match_.read_by(at, "Add"); add >= 0 && match_.other(add, at) != kAbsent)
      return take_mask(at, add, match_.other(add, at), false);
    if (const int where = match_.read_by(at, "Where"); where >= 0 && match_.inputs(where) == 3) {
      // Where(seen, scores, −∞) or Where(hidden, −∞, scores).
      const bool inverted = match_.in(where, 2) == at;
      const std::optional<double> fill = match_.scalar(match_.in(where, inverted ? 1 : 2));
      if (match_.in(where, inverted ? 2 : 1) == at && fill && *fill <= kHidden)
        return take_mask(at, where, match_.in(where, 0), inverted, *fill);
    }
    return at;
  }

  ValueId take_mask(ValueId at, int node, ValueId mask, bool inverted, double fill = -INFINITY) {
    const Shape& scores = match_.shape(at);
    if (match_.shape(match_.out(node)) != scores || match_.shape(mask).size() > 4) return at;
    const Shape& shape = match_.shape(mask);
    if (shape.empty() || (shape.back() != scores.back())) return at;
    const bool boolean = match_.dtype(mask) == DType::boolean;
    if (!boolean && match_.dtype(mask) != DType::f32) return at;
    if (const Tensor* tensor = rewriter_.constant(mask)) {
      if (is_causal(*tensor, scores, boolean, inverted)) {
        causal_ = true;
        match_.take(node);
        return match_.out(node);
      }
    }
    // Filling with −1e9 instead of −∞ differs in rows that see nothing.
    if (mask_ != kAbsent || (boolean && (inverted || !std::isinf(fill)))) return at;
    mask_ = mask;
    match_.take(node);
    return match_.out(node);
  }

  /// True where key j is hidden from query i exactly where j > i, and every other one is left alone.
  static bool is_causal(const Tensor& mask, const Shape& scores, bool boolean, bool inverted) {
    const Shape& shape = mask.shape();
    if (shape.size() < 2 || shape[shape.size() - 2] != scores[2] || scores[2] < 2) return false;
    const int64_t N = scores[2], M = scores[3], elements = mask.elements();
    const auto hidden_at = [&](int64_t i) -> std::optional<bool> {
      if (boolean) return (mask.values<uint8_t>()[static_cast<size_t>(i)] != 0) == inverted;
      const float value = mask.values<float>()[static_cast<size_t>(i)];
      if (value == 0) return false;
      if (value <= kHidden) return true;
      return {};
    };
    for (int64_t i = 0; i < elements; ++i) {
      const std::optional<bool> hidden = hidden_at(i);
      if (!hidden || *hidden != (i % M > i / M % N)) return false;
    }
    return true;
  }

  /// The product of the weights and V.
  bool find_context() {
    const ValueId weights = match_.out(weights_);
    context_ = match_.read_by(weights, "MatMul");
    if (context_ < 0 || match_.inputs(context_) != 2 || match_.in(context_, 0) != weights) return false;
    if (match_.shape(match_.out(context_)).size() != 4) return false;
    match_.take(context_);
    last_ = context_;
    return true;
  }

  /// Transpose to [B, N, H, e] and Reshape to [B, N, H·e].
  void find_merge() {
    const int transpose = match_.read_by(match_.out(context_), "Transpose");
    if (transpose < 0 || permutation(transpose) != std::vector<size_t>{0, 2, 1, 3}) return;
    match_.take(transpose);
    last_ = transpose;
    y_layout_ = HeadLayout::interleaved;
    const int reshape = match_.read_by(match_.out(transpose), "Reshape");
    if (reshape < 0) return;
    const Shape &apart = match_.shape(match_.out(transpose)), &merged = match_.shape(match_.out(reshape));
    const Shape rows = {apart[0], apart[1], apart[2] * apart[3]}, one = {apart[1], apart[2] * apart[3]};
    if (merged != rows && !(apart[0] == 1 && merged == one)) return;
    match_.take(reshape);
    last_ = reshape;
  }

  std::vector<size_t> permutation(int node) const {
    const auto* offer = dynamic_cast<const OffersTransposition*>(rewriter_.node(node).layer.get());
    return offer ? offer->permutation(match_.shape(match_.in(node, 0)).size()) : std::vector<size_t>{};
  }

  /// Back from an operand of a product with these axes to where its rows come from. Keeps what it took of the way; what
  /// it finds must have heads apart or interleaved.
  std::optional<Source> walk(ValueId value, Axes axes) {
    if (match_.shape(value).size() != 4) return {};
    Source at{value, HeadLayout::apart, match_.shape(value)[position(axes, kHead)], 1, match_.taken()};
    std::optional<Source> found;
    while (true) {
      if (axes == kApart || axes == kInterleaved) {
        at.layout = axes == kApart ? HeadLayout::apart : HeadLayout::interleaved;
        at.taken = match_.taken();
        found = at;
      }
      if (rewriter_.sole_consumer(at.value) < 0) break;
      if (step_transpose(at, axes) || step_factor(at) || step_repeat(at, axes)) continue;
      if (step_merge(at, axes)) {
        at.taken = match_.taken();
        found = at;
      }
      break;
    }
    if (found) match_.give_back(found->taken);
    return found;
  }

  static size_t position(const Axes& axes, Axis axis) {
    return static_cast<size_t>(std::find(axes.begin(), axes.end(), axis) - axes.begin());
  }

  bool step_transpose(Source& at, Axes& axes) {
    const int node = match_.made_by(at.value, "Transpose");
    if (node < 0) return false;
    const std::vector<size_t> perm = permutation(node);
    if (perm.size() != 4) return false;
    Axes before{};
    for (size_t i = 0; i < 4; ++i) before[perm[i]] = axes[i];
    axes = before;
    match_.take(node);
    at.value = match_.in(node, 0);
    return true;
  }

  bool step_factor(Source& at) {
    const int node = rewriter_.producer(at.value);
    if (node < 0 || match_.inputs(node) != 2) return false;
    for (size_t i = 0; i < 2; ++i) {
      const ValueId data = match_.in(node, i);
      const std::optional<double> factor = rewriter_.value(data).constant ? std::nullopt : factor_of(node, data);
      if (!factor) continue;
      at.factor *= *factor;
      match_.take(node);
      at.value = data;
      return true;
    }
    return false;
  }

  /// Unsqueeze, Expand, Reshape behind the head axis: every key head serves several query heads.
  bool step_repeat(Source& at, const Axes& axes) {
    const int merge = match_.made_by(at.value, "Reshape");
    const int expand = merge < 0 ? -1 : match_.made_by(match_.in(merge, 0), "Expand");
    if (expand < 0 || match_.read_by(match_.out(expand), "Reshape") < 0) return false;
    const ValueId narrow = match_.in(expand, 0);
    int split = match_.made_by(narrow, "Unsqueeze");
    if (split < 0) split = match_.made_by(narrow, "Reshape");
    if (split < 0 || rewriter_.sole_consumer(narrow) < 0) return false;
    const ValueId source = match_.in(split, 0);
    const Shape &few = match_.shape(source), &many = match_.shape(at.value);
    if (few.size() != 4) return false;
    const size_t head = position(axes, kHead);
    Shape one = few, repeated = few;
    one.insert(one.begin() + static_cast<std::ptrdiff_t>(head) + 1, 1);
    if (few[head] <= 0 || many[head] % few[head] != 0) return false;
    repeated.insert(repeated.begin() + static_cast<std::ptrdiff_t>(head) + 1, many[head] / few[head]);
    Shape merged = few;
    merged[head] = many[head];
    if (match_.shape(narrow) != one || match_.shape(match_.out(expand)) != repeated || many != merged) return false;
    match_.take(merge);
    match_.take(expand);
    match_.take(split);
    at.value = source;
    at.heads = few[head];
    return true;
  }

  /// Reshape from [B, N, H·d] (or, of one batch, [N, H·d]) to [B, N, H, d].
  bool step_merge(Source& at, const Axes& axes) {
    const int node = match_.made_by(at.value, "Reshape");
    if (node < 0 || axes != kInterleaved) return false;
    const Shape &split = match_.shape(at.value), &whole = match_.shape(match_.in(node, 0));
    const Shape rows = {split[0], split[1], split[2] * split[3]}, one = {split[1], split[2] * split[3]};
    if (whole != rows && !(split[0] == 1 && whole == one)) return false;
    match_.take(node);
    at.value = match_.in(node, 0);
    at.layout = HeadLayout::interleaved;
    return true;
  }

  Rewriter& rewriter_;
  Match match_;
  int scores_, weights_ = -1, context_ = -1, last_ = -1;
  double scale_ = 1, softcap_ = 0;
  bool causal_ = false;
  ValueId mask_ = kAbsent;
  HeadLayout y_layout_ = HeadLayout::apart;
};

}  // namespace

/// MatMul of queries and keys, at which the pattern starts.
bool recognise_attention(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  const auto* product = dynamic_cast<const Linear*>(node.layer.get());
  if (node.op != "MatMul" || node.outputs.size() != 1 || !product ||
      product->tail().epilogue.activation != Activation::none)
    return false;
  return AttentionMatch(rewriter, index).run();
}

}  // namespace tally
