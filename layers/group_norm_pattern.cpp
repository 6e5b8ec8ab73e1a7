// GroupNormalization, spelled out as exporters do before opset 18: the groups as channels of an InstanceNormalization
// without parameters, then a scale and a bias a channel.
#include "tally/layers/pattern.h"
#include "tally/layers/row_norm.h"

namespace tally {

namespace {

class GroupNormMatch {
 public:
  GroupNormMatch(Rewriter& rewriter, int norm) : rewriter_(rewriter), match_(rewriter), norm_(norm) {}

  bool run() {
    if (match_.inputs(norm_) != 3 || rewriter_.node(norm_).outputs.size() != 1) return false;
    const ValueId grouped = match_.in(norm_, 0);
    const int split = view_before(grouped), join = rewriter_.sole_consumer(match_.out(norm_));
    if (split < 0 || join < 0 || rewriter_.node(join).layer->view_of() != 0) return false;
    const ValueId x = match_.in(split, 0);
    const Shape &shape = match_.shape(x), &groups = match_.shape(grouped);
    if (match_.dtype(x) != DType::f32 || shape.size() < 3 || groups.size() < 3 || groups[0] != shape[0] ||
        groups[1] < 1 || shape[1] % groups[1] != 0 || match_.shape(match_.out(join)) != shape)
      return false;
    if (!all(match_.in(norm_, 1), 1) || !all(match_.in(norm_, 2), 0)) return false;
    for (int node : {split, norm_, join}) match_.take(node);
    int last = join;
    const std::optional<Tensor> scale = parameter(last, "Mul", shape), bias = parameter(last, "Add", shape);
    if (!scale || !bias || !match_.closed(last)) return false;
    return replace(last, x, groups[1], *scale, *bias);
  }

 private:
  int view_before(ValueId id) const {
    const int node = rewriter_.producer(id);
    if (node < 0 || rewriter_.node(node).layer->view_of() != 0 || rewriter_.sole_consumer(id) != norm_) return -1;
    return node;
  }

  /// A constant of which every element is `value`.
  bool all(ValueId id, float value) const {
    const Tensor* tensor = rewriter_.constant(id);
    if (!tensor || tensor->dtype() != DType::f32) return false;
    for (float element : tensor->values<float>())
      if (element != value) return false;
    return true;
  }

  /// A constant of one element a channel that `op` joins to the output of node `last`, which moves on to it.
  std::optional<Tensor> parameter(int& last, const char* op, const Shape& x) {
    const ValueId y = match_.out(last);
    const int node = match_.read_by(y, op);
    const ValueId id = node < 0 ? kAbsent : match_.other(node, y);
    const Tensor* tensor = id == kAbsent ? nullptr : rewriter_.constant(id);
    if (!tensor || tensor->dtype() != DType::f32 || match_.shape(match_.out(node)) != x) return {};
    Shape wanted(x.size() - 1, 1), shape = tensor->shape();
    wanted[0] = x[1];
    while (shape.size() > wanted.size() && shape.front() == 1) shape.erase(shape.begin());
    if (shape != wanted) return {};
    match_.take(node);
    last = node;
    return tensor->reshaped({x[1]});
  }

  bool replace(int last, ValueId x, int64_t groups, const Tensor& scale, const Tensor& bias) {
    const auto* norm = dynamic_cast<const RowNormalization*>(rewriter_.node(norm_).layer.get());
    if (!norm) return false;
    const std::string name = rewriter_.node(last).name;
    std::vector<ValueId> inputs = {x, rewriter_.add_constant(scale, name + " scale"),
                                   rewriter_.add_constant(bias, name + " bias")};
    auto layer = layer_like(rewriter_, last, "GroupNormalization", 21,
                            {{"num_groups", groups}, {"epsilon", norm->epsilon()}}, inputs);
    if (!layer || !match_.gives_output(*layer, inputs, last)) return false;
    match_.replace(last, "GroupNormalization", std::move(layer), std::move(inputs));
    return true;
  }

  Rewriter& rewriter_;
  Match match_;
  int norm_;
};

}  // namespace

/// InstanceNormalization of groups.
bool recognise_group_norm(Rewriter& rewriter, int index) {
  return rewriter.node(index).op == "InstanceNormalization" && GroupNormMatch(rewriter, index).run();
}

}  // namespace tally
