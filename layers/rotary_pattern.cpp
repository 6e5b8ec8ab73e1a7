// Rotary embeddings spelled out:
//   x·cos + turned(x)·sin, turned(x) = Concat(−x2, x1), cos and sin as wide as x (the halves of Hugging Face's models);
//   the same with neighbours, turned(x) = −x2 and x1 stacked (GPT-J);
//   Concat or stack of x1·cos − x2·sin and x1·sin + x2·cos, cos and sin a value a pair (Llama's complex numbers).
// x1 and x2 may be cut out of x by Slice, Split, Gather, Reshape and what else moves whole boxes of elements.
#include <algorithm>
#include <array>

#include "tally/layers/pattern.h"
#include "tally/layers/rotary.h"
#include "tally/layers/strided_read.h"

namespace tally {

namespace {

/// Layers that an operand is followed back through.
constexpr int kLongestWay = 8;

/// Two tensors of one shape as a concatenation holds them: `distance` elements of the first, as many of the second, and
/// so on.
struct Joined {
  ValueId first = kAbsent, second = kAbsent;
  int64_t distance = 0;
};

class RotaryMatch {
 public:
  RotaryMatch(Rewriter& rewriter, int anchor) : rewriter_(rewriter), match_(rewriter), anchor_(anchor) {}

  /// The anchor adds x·cos and turned(x)·sin.
  bool run_sum() {
    if (match_.inputs(anchor_) != 2) return false;
    frame_ = match_.shape(match_.out(anchor_));
    for (int choice = 0; choice < 8; ++choice) {
      match_.give_back(0);
      if (!find_sum(choice & 1, choice >> 1 & 1, choice >> 2)) continue;
      match_.take(anchor_);
      return replace(anchor_);
    }
    return false;
  }

  /// The anchor joins the two results of each pair.
  bool run_pairs() {
    const std::optional<Joined> results = joined_by(anchor_);
    if (!results) return false;
    const int last = last_of_pairs(results->distance);
    if (last < 0) return false;
    frame_ = match_.shape(match_.out(last));
    distance_ = results->distance;
    match_.take(anchor_);
    match_.take(last);
    const size_t before = match_.taken();
    for (int choice = 0; choice < 4; ++choice) {
      match_.give_back(before);
      if (find_products(*results, choice & 1, choice >> 1) && find_x()) return replace(last);
    }
    return false;
  }

 private:
  /// The operands of node `index`, where it concatenates two of one shape.
  std::optional<Joined> joined_by(int index) const {
    if (index < 0 || rewriter_.node(index).op != "Concat" || match_.inputs(index) != 2) return {};
    const Shape &part = match_.shape(match_.in(index, 0)), &whole = match_.shape(match_.out(index));
    if (match_.shape(match_.in(index, 1)) != part || match_.dtype(match_.out(index)) != DType::f32) return {};
    size_t axis = 0;
    while (axis < part.size() && part[axis] == whole[axis]) ++axis;
    if (axis == part.size()) return {};  // empty
    Joined joined{match_.in(index, 0), match_.in(index, 1), 1};
    for (size_t d = axis; d < part.size(); ++d) joined.distance *= part[d];
    return joined.distance > 0 ? std::optional(joined) : std::nullopt;
  }

  /// Back through views, which it takes.
  ValueId behind_views(ValueId id) {
    for (int steps = 0; steps < kLongestWay; ++steps) {
      const int node = rewriter_.producer(id);
      if (node < 0 || rewriter_.node(node).layer->view_of() != 0) break;
      match_.take(node);
      id = match_.in(node, 0);
    }
    return id;
  }

  /// True where `part` holds the pairs' elements `second` (or the first ones) of x, in order; takes what lies between.
  bool reads(ValueId part, ValueId x, bool second) {
    const Shape& shape = match_.shape(part);
    StridedRead read = StridedRead::of(shape);
    while (read.indices.size() > 1) read = joined(std::move(read), 0, 1);
    for (int steps = 0; part != x; ++steps) {
      const int node = rewriter_.producer(part);
      std::optional<StridedRead> before;
      if (node >= 0 && steps < kLongestWay) before = read_before(rewriter_, part, read);
      if (!before) return false;
      read = std::move(*before);
      match_.take(node);
      part = match_.in(node, 0);
    }
    const int64_t pairs = element_count(match_.shape(x)) / 2;
    if (read.indices.size() != 1 || read.offset != (second ? distance_ : 0) || pairs != element_count(shape))
      return false;
    Digits wanted;
    if (pairs > distance_) wanted.push_back({pairs / distance_, 2 * distance_});
    if (distance_ > 1) wanted.push_back({distance_, 1});
    return read.indices[0] == wanted;
  }

  // --------------------------------------------------------------------------------------------- x·cos + turned(x)·sin

  bool find_sum(size_t direct, size_t data, size_t turned) {
    const int a = match_.made_by(match_.in(anchor_, direct), "Mul");
    const int b = match_.made_by(match_.in(anchor_, 1 - direct), "Mul");
    if (a < 0 || b < 0 || match_.inputs(a) != 2 || match_.inputs(b) != 2) return false;
    x_ = match_.in(a, data);
    cos_ = match_.in(a, 1 - data);
    sin_ = match_.in(b, 1 - turned);
    match_.take(a);
    match_.take(b);
    const int join = rewriter_.producer(behind_views(match_.in(b, turned)));
    const std::optional<Joined> parts = joined_by(join);
    if (!parts || match_.shape(x_) != frame_ || match_.shape(match_.in(b, turned)) != frame_) return false;
    match_.take(join);
    distance_ = parts->distance;
    const int minus = match_.made_by(behind_views(parts->first), "Neg");
    if (minus < 0) return false;
    match_.take(minus);
    wide_ = true;
    return reads(match_.in(minus, 0), x_, true) && reads(parts->second, x_, false);
  }

  // -------------------------------------------------------------------------- x1·cos − x2·sin beside x1·sin + x2·cos

  /// The node after which pairs lie in rows: the concatenation of halves, or the view that makes rows of a stack.
  int last_of_pairs(int64_t distance) const {
    const Shape& whole = match_.shape(match_.out(anchor_));
    if (distance > 1) return whole.back() == 2 * distance ? anchor_ : -1;
    const int view = rewriter_.sole_consumer(match_.out(anchor_));
    if (view < 0 || rewriter_.node(view).layer->view_of() != 0) return -1;
    return match_.shape(match_.out(view)).size() < whole.size() ? view : -1;
  }

  /// Operands of the difference: x1 is operand `i` of its product, x2 operand `j`.
  bool find_products(const Joined& results, size_t i, size_t j) {
    const int difference = match_.made_by(behind_views(results.first), "Sub");
    const int sum = match_.made_by(behind_views(results.second), "Add");
    if (difference < 0 || sum < 0 || match_.inputs(sum) != 2) return false;
    std::array<int, 4> products{};
    for (size_t k = 0; k < 4; ++k) {
      products[k] = match_.made_by(match_.in(k < 2 ? difference : sum, k % 2), "Mul");
      if (products[k] < 0 || match_.inputs(products[k]) != 2) return false;
      match_.take(products[k]);
    }
    match_.take(difference);
    match_.take(sum);
    one_ = match_.in(products[0], i);
    cos_ = match_.in(products[0], 1 - i);
    two_ = match_.in(products[1], j);
    sin_ = match_.in(products[1], 1 - j);
    const Shape& pairs = match_.shape(one_);
    for (int product : products)
      if (match_.shape(match_.out(product)) != pairs) return false;
    trailing_ = pairs.size() == frame_.size() + 1 && pairs.back() == 1;
    Shape rows(pairs.begin(), pairs.end() - static_cast<std::ptrdiff_t>(trailing_));
    if (rows.empty()) return false;
    rows.back() *= 2;
    if (match_.shape(two_) != pairs || rows != frame_) return false;
    const auto multiplies = [&](int product, ValueId a, ValueId b) { return match_.other(product, a) == b; };
    return (multiplies(products[2], one_, sin_) && multiplies(products[3], two_, cos_)) ||
           (multiplies(products[3], one_, sin_) && multiplies(products[2], two_, cos_));
  }

  /// The tensor of rows that both parts were cut out of.
  bool find_x() {
    const size_t before = match_.taken();
    x_ = one_;
    for (int steps = 0; steps < kLongestWay; ++steps) {
      const int node = rewriter_.producer(x_);
      if (node < 0 || match_.inputs(node) == 0) return false;
      x_ = match_.in(node, 0);
      match_.give_back(before);
      if (x_ != kAbsent && match_.shape(x_) == frame_ && reads(one_, x_, false) && reads(two_, x_, true)) return true;
    }
    return false;
  }

  bool replace(int last) {
    if (match_.dtype(x_) != DType::f32 || rewriter_.value(x_).constant || element_count(frame_) == 0) return false;
    if (distance_ > 1 && frame_.back() != 2 * distance_) return false;
    if (!match_.closed(last)) return false;
    RotarySpec spec;
    spec.recognised = true;
    spec.interleaved = distance_ == 1;
    spec.wide = wide_;
    spec.trailing = trailing_;
    Node node;
    node.name = rewriter_.node(last).name;
    node.op = "RotaryEmbedding";
    auto layer = std::make_shared<RotaryEmbedding>(node, std::move(spec));
    const std::vector<ValueId> inputs = {x_, cos_, sin_};
    if (!match_.gives_output(*layer, inputs, last)) return false;
    match_.replace(last, "RotaryEmbedding", std::move(layer), inputs);
    return true;
  }

  Rewriter& rewriter_;
  Match match_;
  int anchor_;
  Shape frame_;  ///< of x and the result
  int64_t distance_ = 0;
  ValueId x_ = kAbsent, one_ = kAbsent, two_ = kAbsent, cos_ = kAbsent, sin_ = kAbsent;
  bool wide_ = false;
  int64_t trailing_ = 0;
};

}  // namespace

/// The last node of a rotary embedding, or the one that stacks its results.
bool recognise_rotary(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  if (node.outputs.size() != 1 || node.outputs[0] == kAbsent) return false;
  if (node.op == "Add") return RotaryMatch(rewriter, index).run_sum();
  return node.op == "Concat" && RotaryMatch(rewriter, index).run_pairs();
}

}  // namespace tally
