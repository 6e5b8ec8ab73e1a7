// LRN spelled out, as PyTorch exports local_response_norm: x / (k + α·mean(x²))^β, the mean over neighbouring channels
// made by AveragePool of the squares [N, 1, C, …], zeros before the first channel and behind the last.
#include "tally/layers/absorb.h"
#include "tally/layers/pattern.h"
#include "tally/layers/pool.h"

namespace tally {

namespace {

class LrnMatch {
 public:
  LrnMatch(Rewriter& rewriter, int square) : rewriter_(rewriter), match_(rewriter), square_(square) {}

  bool run() {
    x_ = match_.in(square_, 0);
    const Shape& x = match_.shape(x_);
    if (match_.in(square_, 1) != x_ || match_.dtype(x_) != DType::f32 || x.size() < 3 || element_count(x) == 0)
      return false;
    match_.take(square_);
    const ValueId squares = past_views(match_.out(square_));
    const ValueId means = squares == kAbsent ? kAbsent : mean_of_channels(squares);
    if (means == kAbsent) return false;
    const ValueId same = past_views(means);
    if (match_.shape(same) != x) return false;
    const auto alpha = constant_operand(same, "Mul"), bias = constant_operand(last_out(same), "Add");
    const auto beta = constant_operand(last_out(same), "Pow");
    const ValueId root = last_out(same);
    const int quotient = beta ? match_.read_by(root, "Div") : -1;
    if (!alpha || !bias || quotient < 0 || match_.in(quotient, 0) != x_ || match_.in(quotient, 1) != root) return false;
    match_.take(quotient);
    if (!match_.closed(quotient)) return false;
    auto layer = layer_like(rewriter_, quotient, "LRN", 13,
                            {{"size", size_},
                             {"alpha", static_cast<float>(*alpha)},
                             {"beta", static_cast<float>(*beta)},
                             {"bias", static_cast<float>(*bias)}},
                            {x_});
    if (!layer || !match_.gives_output(*layer, {x_}, quotient)) return false;
    match_.replace(quotient, "LRN", std::move(layer), {x_});
    return true;
  }

 private:
  /// On through views, which it takes.
  ValueId past_views(ValueId id) {
    while (true) {
      const int node = rewriter_.sole_consumer(id);
      if (node < 0 || rewriter_.node(node).layer->view_of() != 0) return id;
      match_.take(node);
      id = match_.out(node);
    }
  }

  /// The constant that the only reader of `id`, an `op`, applies to it; the reader is taken.
  std::optional<double> constant_operand(ValueId id, const char* op) {
    const int node = id == kAbsent ? -1 : match_.read_by(id, op);
    const ValueId constant = node < 0 ? kAbsent : match_.other(node, id);
    const std::optional<double> value = constant == kAbsent ? std::nullopt : match_.scalar(constant);
    if (!value || (std::string_view(op) == "Pow" && match_.in(node, 0) != id)) return {};
    match_.take(node);
    last_ = node;
    return value;
  }
  ValueId last_out(ValueId otherwise) const { return last_ < 0 ? otherwise : match_.out(last_); }

  /// The zeros that Pads put around `image`, one after the other (exporters of AveragePool write an empty one of their
  /// own); its result in place of `image`.
  std::optional<std::vector<int64_t>> zeros_around(ValueId& image) {
    std::vector<int64_t> all(2 * match_.shape(image).size(), 0);
    while (true) {
      const int pad = match_.read_by(image, "Pad");
      if (pad < 0) return all;
      const auto* offer = dynamic_cast<const OffersZeroPadding*>(rewriter_.node(pad).layer.get());
      const auto pads = offer ? offer->zero_padding(rewriter_.graph().operands(rewriter_.node(pad))) : std::nullopt;
      if (!pads || pads->size() != all.size()) return {};
      for (size_t i = 0; i < all.size(); ++i) all[i] += (*pads)[i];
      match_.take(pad);
      image = match_.out(pad);
    }
  }

  /// Pad → AveragePool along the channels of [N, 1, C, …] alone; its result, or kAbsent.
  ValueId mean_of_channels(ValueId squares) {
    const Shape x = match_.shape(x_), image = match_.shape(squares);
    if (image.size() < 4 || image[0] != x[0] || image[1] != 1 || image[2] != x[1]) return kAbsent;
    const std::optional<std::vector<int64_t>> pads = zeros_around(squares);
    const int pool = pads ? match_.read_by(squares, "AveragePool") : -1;
    const auto* layer = pool < 0 ? nullptr : dynamic_cast<const Pool*>(rewriter_.node(pool).layer.get());
    if (!layer) return kAbsent;
    const PoolTask task = layer->task_of(rewriter_.graph().operands(rewriter_.node(pool)));
    if (task.kind != PoolKind::average) return kAbsent;
    for (size_t i = 0; i < task.shape.axes.size(); ++i) {
      const WindowAxis& axis = task.shape.axes[i];
      if (axis.stride != 1 || axis.dilation != 1 || axis.pad_begin != 0 || axis.pad_end != 0) return kAbsent;
      if (i > 0 && axis.kernel != 1) return kAbsent;
    }
    size_ = task.shape.axes[0].kernel;
    for (size_t i = 0; i < pads->size(); ++i) {
      const int64_t wanted = i == 2 ? (size_ - 1) / 2 : i == image.size() + 2 ? size_ / 2 : 0;
      if ((*pads)[i] != wanted) return kAbsent;
    }
    match_.take(pool);
    return match_.out(pool);
  }

  Rewriter& rewriter_;
  Match match_;
  int square_, last_ = -1;
  ValueId x_ = kAbsent;
  int64_t size_ = 0;
};

}  // namespace

/// The square at which the pattern starts.
bool recognise_lrn(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  return node.op == "Mul" && node.outputs.size() == 1 && node.inputs.size() == 2 && LrnMatch(rewriter, index).run();
}

}  // namespace tally
