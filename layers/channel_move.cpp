// Channels in another order: the shuffle of ShuffleNet (Zhang et al. 2017), exported as Reshape [N, g, C/g, …],
// Transpose of groups and channels, Reshape [N, C, …]; and slices of its result, which read past it. As one layer it
// runs in either layout, where a Transpose of five dimensions would take N C H W alone and a reorder before and behind.
#include <algorithm>

#include "tally/layers/copy_layer.h"
#include "tally/layers/pattern.h"
#include "tally/layers/stream_axes.h"
#include "tally/layers/strided_read.h"

namespace tally {

namespace {

/// Channel c of the output, its index in digits, is channel offset + Σ digit · stride of X [N, C, …].
class ChannelMove final : public CopyLayer {
 public:
  ChannelMove(const Node& node, Digits digits, int64_t offset)
      : CopyLayer(node), digits_(std::move(digits)), offset_(offset) {}

  std::vector<TensorType> infer(Operands in) const override {
    require_inputs(label(), in, 1, 1);
    Shape y = in[0].shape;
    if (y.size() < 3) fail(label(), text("X of rank ", y.size()), "must be at least 3");
    int64_t last = offset_;
    for (const Digit& digit : digits_) last += (digit.extent - 1) * digit.stride;
    if (last >= y[1]) fail(label(), text("C=", y[1]), text("must be more than ", last));
    y[1] = 1;
    for (const Digit& digit : digits_) y[1] *= digit.extent;
    return {{in[0].dtype, y}};
  }

  StreamStep stream(Operands in, std::span<const int> time_axes) const override {
    return stream_through(in, time_axes, 1, [](int axis) { return axis == 1 ? -1 : axis; });
  }

 protected:
  bool moves_channels_last() const override { return true; }

  std::vector<Move> moves(Operands, const Placement& x, std::span<const Placement> y) const override {
    const Shape from = placed_strides(x), to = placed_strides(y[0]);
    Move move{0, 0, {{x.type.shape[0], from[0], to[0]}}, offset_ * from[1], 0};
    int64_t below = y[0].type.shape[1];  // channels of the output that a step of the digit passes
    for (const Digit& digit : digits_) {
      below /= digit.extent;
      move.loops.push_back({digit.extent, digit.stride * from[1], below * to[1]});
    }
    for (size_t d = 2; d < from.size(); ++d) move.loops.push_back({x.type.shape[d], from[d], to[d]});
    return {move};
  }

 private:
  Digits digits_;
  int64_t offset_;
};

/// The channel move that a read of a tensor [N, C, …] by the indices of another is; null where it is none.
std::shared_ptr<const Layer> channel_move(Rewriter& rewriter, int node, const StridedRead& read, const Shape& x) {
  const StridedRead whole = StridedRead::of(x);
  if (x.size() < 3 || read.indices.size() != x.size() || element_count(x) == 0) return nullptr;
  for (size_t d = 0; d < x.size(); ++d)
    if (d != 1 && read.indices[d] != whole.indices[d]) return nullptr;
  const int64_t pixels = row_major_strides(x)[1];
  Digits digits;
  for (const Digit& digit : read.indices[1]) {
    if (digit.stride % pixels != 0) return nullptr;
    digits.push_back({digit.extent, digit.stride / pixels});
  }
  if (read.offset % pixels != 0 || read.offset / pixels >= x[1]) return nullptr;
  Node named;
  named.name = rewriter.node(node).name;
  named.op = "Transpose";
  return std::make_shared<ChannelMove>(named, std::move(digits), read.offset / pixels);
}

bool is_channel_move(const TypedNode& node) { return dynamic_cast<const ChannelMove*>(node.layer.get()) != nullptr; }

/// Reshape → Transpose → Reshape.
bool join_shuffle(Rewriter& rewriter, int index) {
  Match match(rewriter);
  StridedRead read = StridedRead::of(match.shape(match.out(index)));
  ValueId at = match.out(index);
  for (const bool view : {true, false, true}) {
    const int node = rewriter.producer(at);
    if (node < 0 || (rewriter.node(node).layer->view_of() == 0) != view) return false;
    if (!view && rewriter.node(node).op != "Transpose") return false;
    std::optional<StridedRead> before = read_before(rewriter, at, read);
    if (!before) return false;
    read = std::move(*before);
    match.take(node);
    at = match.in(node, 0);
  }
  if (rewriter.value(at).constant || !match.closed(index)) return false;
  auto layer = channel_move(rewriter, index, read, match.shape(at));
  if (!layer || !match.gives_output(*layer, {at}, index)) return false;
  match.replace(index, "Transpose", std::move(layer), {at});
  return true;
}

/// Channels cut out of shuffled ones, of which nobody reads more than parts.
bool read_past_shuffle(Rewriter& rewriter, int index) {
  const ValueId shuffled = rewriter.node(index).inputs[0], out = rewriter.node(index).outputs[0];
  const int source = rewriter.producer(shuffled);
  if (source < 0 || !is_channel_move(rewriter.node(source)) || rewriter.is_output(shuffled)) return false;
  for (int reader : rewriter.consumers(shuffled))
    if (rewriter.node(reader).op != "Slice") return false;
  const std::optional<StridedRead> cut = read_before(rewriter, out, StridedRead::of(rewriter.value(out).shape));
  const std::optional<StridedRead> read = cut ? read_before(rewriter, shuffled, *cut) : std::nullopt;
  const ValueId x = rewriter.node(source).inputs[0];
  if (!read) return false;
  TypedNode reader = rewriter.node(index);
  reader.layer = channel_move(rewriter, index, *read, rewriter.value(x).shape);
  if (!reader.layer) return false;
  reader.inputs = {x};
  reader.op = "Transpose";
  rewriter.replace(index, std::move(reader));
  if (rewriter.consumers(shuffled).empty()) rewriter.remove(source, index);
  return true;
}

}  // namespace

/// The Reshape that ends a shuffle of channels, or a Slice of what one makes.
bool recognise_channel_move(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  if (node.outputs.size() != 1 || node.outputs[0] == kAbsent || node.inputs.empty()) return false;
  const TypedValue& out = rewriter.value(node.outputs[0]);
  if (out.dtype != DType::f32 || out.shape.size() < 3) return false;
  if (node.layer->view_of() == 0) return join_shuffle(rewriter, index);
  return node.op == "Slice" && read_past_shuffle(rewriter, index);
}

}  // namespace tally
