#include "tally/layers/einsum_stages.h"

#include <algorithm>

namespace tally {

namespace {

/// Which values a product takes.
struct Pair {
  int a, b;
};

/// Finds the order of products.
class Order {
 public:
  Order(const EinsumShape& shape, const std::vector<LabelSet>& operands) : shape_(shape), operands_(operands) {}

  std::vector<Pair> find() {
    const size_t n = operands_.size();
    if (n > kOrderedOperands) {
      for (size_t i = 1; i < n; ++i) pairs_.push_back({i == 1 ? 0 : static_cast<int>(n + i - 2), static_cast<int>(i)});
      return pairs_;
    }
    const unsigned all = (1u << n) - 1;
    best_.assign(all + 1, {});
    for (unsigned set = 1; set <= all; ++set)
      if ((set & (set - 1)) != 0) split(set);
    add(all);
    return pairs_;
  }

 private:
  struct Best {
    double work = 0;
    unsigned first = 0;  ///< operands of the first factor
  };

  /// What is left of a product of these operands: labels that the output or others have.
  LabelSet kept(unsigned set) const {
    LabelSet inside = 0, outside = shape_.output.set();
    for (size_t i = 0; i < operands_.size(); ++i) (set >> i & 1 ? inside : outside) |= operands_[i];
    return inside & outside;
  }
  double extent(LabelSet labels) const {
    double product = 1;
    for_labels(labels, [&](int label) { product *= static_cast<double>(shape_.extents[static_cast<size_t>(label)]); });
    return product;
  }
  void split(unsigned set) {
    Best best;
    // The first factor holds the first operand, so that no split is tried twice.
    const unsigned lowest = set & ~(set - 1);
    for (unsigned first = (set - 1) & set; first != 0; first = (first - 1) & set) {
      if (!(first & lowest)) continue;
      const unsigned second = set & ~first;
      const double work = best_[first].work + best_[second].work + extent(kept(first) | kept(second));
      if (best.first == 0 || work < best.work) best = {work, first};
    }
    best_[set] = best;
  }
  int add(unsigned set) {
    if ((set & (set - 1)) == 0) {
      int i = 0;
      while (!(set >> i & 1)) ++i;
      return i;
    }
    const int a = add(best_[set].first), b = add(set & ~best_[set].first);
    pairs_.push_back({a, b});
    return static_cast<int>(operands_.size() + pairs_.size()) - 1;
  }

  const EinsumShape& shape_;
  const std::vector<LabelSet>& operands_;
  std::vector<Best> best_;
  std::vector<Pair> pairs_;
};

class Stages {
 public:
  explicit Stages(const EinsumShape& shape) : shape_(shape), values_(shape.operands) {}

  std::vector<EinsumStage> make(bool convert) {
    const int n = static_cast<int>(values_.size());
    if (n == 1) {
      add({0, -1, 0, values_[0], {}, {}}, shape_.output);
      return std::move(stages_);
    }
    std::vector<int> factors;
    std::vector<LabelSet> sets;
    for (int i = 0; i < n; ++i) {
      const std::vector<int> kept = chosen(values_[static_cast<size_t>(i)].labels, wanted_beside(i));
      const bool all = kept.size() == values_[static_cast<size_t>(i)].labels.size();
      factors.push_back(all && !convert ? i : add({i, -1, 0, at(i), {}, {}}, shape_.dense(kept)));
      sets.push_back(at(factors.back()).set());
    }
    const std::vector<Pair> pairs = Order(shape_, sets).find();
    for (size_t k = 0; k < pairs.size(); ++k) {
      const int a = factors[static_cast<size_t>(pairs[k].a)], b = factors[static_cast<size_t>(pairs[k].b)];
      const bool last = k + 1 == pairs.size();
      factors.push_back(add({a, b, 0, at(a), at(b), {}}, last && !convert ? shape_.output : between(pairs, k, sets)));
      sets.push_back(at(factors.back()).set());
    }
    if (convert) add({factors.back(), -1, 0, at(factors.back()), {}, {}}, shape_.output);
    return std::move(stages_);
  }

 private:
  const LabelledAxes& at(int value) const { return values_[static_cast<size_t>(value)]; }

  /// Labels of the output and of the operands but `i`.
  LabelSet wanted_beside(int i) const {
    LabelSet set = shape_.output.set();
    for (size_t k = 0; k < shape_.operands.size(); ++k)
      if (static_cast<int>(k) != i) set |= shape_.operands[k].set();
    return set;
  }

  /// A dense result of product k: what the output or a factor of a later product has. Common labels first, then those
  /// of a, then those of b: as a matrix product leaves them.
  LabelledAxes between(const std::vector<Pair>& pairs, size_t k, const std::vector<LabelSet>& sets) const {
    LabelSet wanted = shape_.output.set();
    for (size_t later = k + 1; later < pairs.size(); ++later)
      for (const int value : {pairs[later].a, pairs[later].b})
        if (static_cast<size_t>(value) < sets.size()) wanted |= sets[static_cast<size_t>(value)];
    const LabelSet a = sets[static_cast<size_t>(pairs[k].a)], b = sets[static_cast<size_t>(pairs[k].b)];
    const LabelSet parts[] = {a & b & wanted, a & ~b & wanted, b & ~a & wanted};
    std::vector<int> labels;
    for (const LabelSet part : parts) for_labels(part, [&](int label) { labels.push_back(label); });
    return shape_.dense(labels);
  }

  int add(EinsumStage stage, LabelledAxes y) {
    stage.y = static_cast<int>(values_.size());
    stage.y_axes = y;
    values_.push_back(std::move(y));
    stages_.push_back(std::move(stage));
    return stages_.back().y;
  }

  const EinsumShape& shape_;
  std::vector<LabelledAxes> values_;
  std::vector<EinsumStage> stages_;
};

}  // namespace

std::vector<EinsumStage> einsum_stages(const EinsumShape& shape, bool convert) { return Stages(shape).make(convert); }

EinsumLoops einsum_loops(const EinsumShape& shape, const EinsumStage& stage) {
  EinsumLoops loops;
  const auto add = [&](std::vector<EinsumLoop>& list, int64_t& count, int label) {
    const int64_t size = shape.extents[static_cast<size_t>(label)];
    list.push_back({size, stage.a_axes.stride(label), stage.b_axes.stride(label), stage.y_axes.stride(label)});
    count *= size;
  };
  for (int label : stage.y_axes.labels) add(loops.outer, loops.outputs, label);
  for_labels(stage.summed(), [&](int label) { add(loops.inner, loops.terms, label); });
  // The innermost loop walks b, or else a, with the smallest steps.
  std::stable_sort(loops.inner.begin(), loops.inner.end(),
                   [](const EinsumLoop& p, const EinsumLoop& q) { return p.b + p.a > q.b + q.a; });
  return loops;
}

int64_t einsum_work(const EinsumShape& shape, const EinsumStage& stage, const std::string& who) {
  Shape extents;
  for_labels(stage.labels(), [&](int label) { extents.push_back(shape.extents[static_cast<size_t>(label)]); });
  return element_count(extents, who);
}

}  // namespace tally
