// Attention spelled out: MatMul(Q, Kᵀ) → scale → mask → Softmax → MatMul(V), with heads split, moved and merged by
// Reshape and Transpose (or kept with the batch in one dimension), queries, keys and values cut out of one product,
// keys and values repeated for the query heads that share them, and causal masks kept as constants. The whole becomes
// one layer that reads its operands as they lie and never writes the scores.
#include <algorithm>
#include <array>
#include <cmath>

#include "tally/layers/absorb.h"
#include "tally/layers/attention_heads.h"
#include "tally/layers/pattern.h"

namespace tally {

namespace {

/// Where a causal mask puts values from here down, they leave no weight in float32 beside any score that is not about
/// as low itself. Exporters write −10⁴, −10⁹, the lowest float or −∞.
constexpr double kHidden = -9.99e3;

/// Layers that an operand is followed back through.
constexpr size_t kLongestWay = 16;

/// A tensor that the elements of an operand, or of the result, can be addressed in.
struct Stop {
  ValueId value = kAbsent;
  StridedRead read;
  double factor = 1;
  int node = -1;  ///< whose other side it is
};

class AttentionMatch {
 public:
  AttentionMatch(Rewriter& rewriter, int scores) : rewriter_(rewriter), match_(rewriter), scores_(scores) {}

  bool run() {
    if (!find_weights() || !find_context()) return false;
    q_way_ = way_back(match_.in(scores_, 0), false);
    k_way_ = way_back(match_.in(scores_, 1), true);
    v_way_ = way_back(match_.in(context_, 1), false);
    y_way_ = way_on();
    if (!choose()) return false;
    for (size_t i = 1; i <= best_.y.stop; ++i) match_.take(y_way_[i].node);
    const int last = y_way_[best_.y.stop].node;
    if (!match_.closed(last)) return false;
    AttentionSpec spec = chosen_spec(match_.shape(match_.out(last)).size());
    Node node;
    node.name = rewriter_.node(last).name;
    node.op = "Attention";
    std::vector<ValueId> inputs = {q_way_[best_.q.stop].value, k_way_[best_.k.stop].value, v_way_[best_.v.stop].value};
    if (mask_ != kAbsent) inputs.push_back(mask_);
    auto layer = std::make_shared<Attention>(node, std::move(spec));
    if (!match_.gives_output(*layer, inputs, last)) return false;  // extents that broadcast otherwise
    match_.replace(last, "Attention", std::move(layer), std::move(inputs));
    for (const auto& [way, end] :
         {std::pair(&q_way_, best_.q.stop), std::pair(&k_way_, best_.k.stop), std::pair(&v_way_, best_.v.stop)})
      drop_unread(*way, end, last);
    return true;
  }

 private:
  /// From the product of Q and Kᵀ on: scale, softcap and mask up to Softmax.
  bool find_weights() {
    if (match_.inputs(scores_) != 2) return false;
    const ValueId first = match_.out(scores_);
    const Shape& shape = match_.shape(first);
    if (match_.dtype(first) != DType::f32 || (shape.size() != 3 && shape.size() != 4) || element_count(shape) == 0)
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
    if (index < 0 || rewriter_.node(index).outputs.size() != 1 || !match_.bare(index)) return {};
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
    if (match_.shape(match_.out(node)) != scores || match_.shape(mask).size() > scores.size()) return at;
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
    const int64_t N = scores[scores.size() - 2], M = scores.back(), elements = mask.elements();
    if (shape.size() < 2 || shape[shape.size() - 2] != N || N < 2) return false;
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
    const Shape &scores = match_.shape(match_.out(scores_)), &y = match_.shape(match_.out(context_));
    const size_t rank = scores.size();
    heads_ = rank == 4 ? scores[0] * scores[1] : scores[0];
    N_ = scores[rank - 2];
    M_ = scores[rank - 1];
    // Nothing broadcasts, so that every operand has an index of its own for every head.
    for (ValueId id : {match_.in(scores_, 0), match_.in(scores_, 1), match_.in(context_, 1), match_.out(context_)}) {
      const Shape& shape = match_.shape(id);
      if (shape.size() != rank || !std::equal(shape.begin(), shape.end() - 2, scores.begin())) return false;
    }
    d_ = match_.shape(match_.in(scores_, 0)).back();
    e_ = y.back();
    match_.take(context_);
    return true;
  }

  /// Batch and head, row, element.
  StridedRead dense(ValueId value, bool turned) const {
    const Shape& shape = match_.shape(value);
    StridedRead read = StridedRead::of(shape);
    if (shape.size() == 4) read = joined(std::move(read), 0, 1);
    if (turned) std::swap(read.indices[1], read.indices[2]);
    return read;
  }

  /// Back from an operand of a product to where its elements come from.
  std::vector<Stop> way_back(ValueId value, bool turned) {
    std::vector<Stop> way = {{value, dense(value, turned), 1, -1}};
    while (way.size() < kLongestWay) {
      const Stop& at = way.back();
      const int node = rewriter_.producer(at.value);
      if (node < 0) break;
      if (const std::optional<Stop> before = before_factor(node, at)) {
        way.push_back(*before);
        continue;
      }
      std::optional<StridedRead> read = read_before(rewriter_, at.value, at.read);
      if (!read) break;
      way.push_back({match_.in(node, 0), std::move(*read), at.factor, node});
    }
    return way;
  }

  std::optional<Stop> before_factor(int node, const Stop& at) const {
    if (match_.inputs(node) != 2) return {};
    for (size_t i = 0; i < 2; ++i) {
      const ValueId data = match_.in(node, i);
      const std::optional<double> factor = rewriter_.value(data).constant ? std::nullopt : factor_of(node, data);
      if (factor) return Stop{data, at.read, at.factor * *factor, node};
    }
    return {};
  }

  /// On from the context to where heads are merged.
  std::vector<Stop> way_on() {
    std::vector<Stop> way = {{match_.out(context_), dense(match_.out(context_), false), 1, context_}};
    while (way.size() < kLongestWay) {
      const int node = rewriter_.sole_consumer(way.back().value);
      if (node < 0 || rewriter_.node(node).outputs.size() != 1 || match_.in(node, 0) != way.back().value) break;
      const std::string& op = rewriter_.node(node).op;
      if (op != "Transpose" && rewriter_.node(node).layer->view_of() != 0) break;
      std::optional<StridedRead> read = read_after(rewriter_, node, way.back().read);
      if (!read) break;
      way.push_back({match_.out(node), std::move(*read), 1, node});
    }
    return way;
  }

  // ------------------------------------------------------------------------------------------------------------ choice

  struct Chosen {
    size_t stop = 0;
    HeadView view;
  };
  struct Choice {
    int64_t H = 0, G = 0;
    Chosen q, k, v, y;
    size_t steps() const { return q.stop + k.stop + v.stop + y.stop; }
  };

  /// The furthest stop of a way at which the heads can be read.
  std::optional<Chosen> furthest(const std::vector<Stop>& way, const HeadExtents& x) const {
    for (size_t i = way.size(); i-- > 0;)
      if (const auto view = head_view(match_.shape(way[i].value), way[i].read, x)) return Chosen{i, *view};
    return {};
  }

  /// The result is dense, so that a rank of 2 says all.
  std::optional<Chosen> furthest_result(const HeadExtents& x) const {
    for (size_t i = y_way_.size(); i-- > 0;) {
      Shape shape = match_.shape(y_way_[i].value);
      if (shape.size() == 2 && x.B * x.N == shape[0]) {
        for (const Shape& rows : {Shape{x.B, x.N, shape[1]}, Shape{x.N, x.B, shape[1]}})
          if (const auto view = head_view(rows, y_way_[i].read, x); view && view->layout != HeadLayout::merged)
            return Chosen{i, *view};
        continue;
      }
      if (const auto view = head_view(shape, y_way_[i].read, x)) return Chosen{i, *view};
    }
    return {};
  }

  std::optional<Choice> choice(int64_t H, int64_t shared) const {
    const int64_t B = heads_ / H;
    const auto q = furthest(q_way_, {B, H, N_, d_, 1}), k = furthest(k_way_, {B, H, M_, d_, shared}),
               v = furthest(v_way_, {B, H, M_, e_, shared}), y = furthest_result({B, H, N_, e_, 1});
    if (!q || !k || !v || !y || v_way_[v->stop].factor != 1) return {};
    return Choice{H, H / shared, *q, *k, *v, *y};
  }

  /// How many heads a batch has, where the graph keeps both in one dimension, and how many of them share keys.
  bool choose() {
    const Shape& scores = match_.shape(match_.out(scores_));
    std::vector<int64_t> heads = {heads_};
    if (scores.size() == 4) {
      heads = {scores[1]};
    } else {
      for (const std::vector<Stop>* way : {&q_way_, &k_way_, &v_way_, &y_way_})
        for (const Stop& stop : *way)
          if (!stop.read.indices[0].empty()) heads.push_back(stop.read.indices[0].back().extent);
      heads.push_back(1);
    }
    std::optional<Choice> best;
    for (int64_t H : heads) {
      if (heads_ % H != 0) continue;
      std::vector<int64_t> sharing = {1};
      for (const Stop& stop : k_way_)
        for (const Digit& digit : stop.read.indices[0])
          if (digit.stride == 0 && H % digit.extent == 0) sharing.push_back(digit.extent);
      for (int64_t shared : sharing)
        if (const auto found = choice(H, shared); found && (!best || found->steps() > best->steps())) best = found;
    }
    if (best) best_ = *best;
    return best.has_value();
  }

  AttentionSpec chosen_spec(size_t y_rank) const {
    AttentionSpec spec;
    spec.q_heads = best_.H;
    spec.kv_heads = best_.G;
    spec.scale = scale_ * q_way_[best_.q.stop].factor * k_way_[best_.k.stop].factor;
    spec.softcap = softcap_;
    spec.causal = causal_;
    spec.q = best_.q.view;
    spec.k = best_.k.view;
    spec.v = best_.v.view;
    spec.y = best_.y.view.layout;
    spec.y_rank = static_cast<int>(y_rank);
    spec.merged_mask = match_.shape(match_.out(scores_)).size() == 3;
    spec.estimate_source = "attention recognised in the graph";
    return spec;
  }

  /// The layers read past, those that nobody else reads.
  void drop_unread(const std::vector<Stop>& way, size_t end, int heir) {
    for (size_t i = 1; i <= end; ++i) {
      const int node = way[i].node;
      if (rewriter_.node(node).dead) continue;
      for (ValueId id : rewriter_.node(node).outputs)
        if (id != kAbsent && (rewriter_.is_output(id) || !rewriter_.consumers(id).empty())) return;
      rewriter_.remove(node, heir);
    }
  }

  Rewriter& rewriter_;
  Match match_;
  int scores_, weights_ = -1, context_ = -1;
  int64_t heads_ = 0, N_ = 0, M_ = 0, d_ = 0, e_ = 0;  ///< heads_: of all batches
  std::vector<Stop> q_way_, k_way_, v_way_, y_way_;
  Choice best_;
  double scale_ = 1, softcap_ = 0;
  bool causal_ = false;
  ValueId mask_ = kAbsent;
};

}  // namespace

/// MatMul of queries and keys, at which the pattern starts.
bool recognise_attention(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  return node.op == "MatMul" && node.outputs.size() == 1 && AttentionMatch(rewriter, index).run();
}

}  // namespace tally
