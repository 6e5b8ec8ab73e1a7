// Activations spelled out as a gate times what it opens to:
//   Swish      x · sigmoid(a·x)
//   HardSwish  x · max(0, min(1, x/6 + 1/2)), also as x · max(0, min(6, x + 3)) / 6
//   Mish       x · tanh(softplus(x))
#include "tally/layers/absorb.h"
#include "tally/layers/pattern.h"
#include "tally/layers/pointwise.h"

namespace tally {

namespace {

using Attributes = std::map<std::string, Attribute>;

/// From the gate on, all of whose nodes are taken: the product with `x`, and then by `factor` in either order, becomes
/// `op`.
bool replace_product(Rewriter& rewriter, Match& match, int gate, ValueId x, double factor, const char* op, int opset,
                     Attributes attributes) {
  if (match.dtype(x) != DType::f32) return false;
  int last = gate;
  bool opened = false, scaled = factor == 1;
  while (!(opened && scaled)) {
    const ValueId y = match.out(last);
    const int reader = rewriter.sole_consumer(y);
    if (reader < 0 || rewriter.node(reader).outputs.size() != 1 || match.inputs(reader) != 2) return false;
    const bool divides = rewriter.node(reader).op == "Div" && match.in(reader, 0) == y;
    const ValueId other = match.other(reader, y);
    if (other == kAbsent || (!divides && rewriter.node(reader).op != "Mul")) return false;
    if (!divides && !opened && other == x) {
      opened = true;
    } else if (!scaled && match.is(other, divides ? 1 / factor : factor)) {
      scaled = true;
    } else {
      return false;
    }
    match.take(reader);
    last = reader;
  }
  if (!match.closed(last)) return false;
  auto layer = layer_like(rewriter, last, op, opset, std::move(attributes), {x});
  if (!layer || !match.gives_output(*layer, {x}, last)) return false;
  match.replace(last, op, std::move(layer), {x});
  return true;
}

/// Sigmoid of x, or of x times a constant.
bool swish(Rewriter& rewriter, int sigmoid) {
  Match match(rewriter);
  match.take(sigmoid);
  const ValueId at = match.in(sigmoid, 0);
  if (replace_product(rewriter, match, sigmoid, at, 1, "Swish", 24, {})) return true;
  const int mul = match.made_by(at, "Mul");
  if (mul < 0 || match.inputs(mul) != 2) return false;
  for (size_t i = 0; i < 2; ++i) {
    const std::optional<double> slope = match.scalar(match.in(mul, 1 - i));
    if (!slope) continue;
    Match scaled(rewriter);
    scaled.take(mul);
    scaled.take(sigmoid);
    return replace_product(rewriter, scaled, sigmoid, match.in(mul, i), 1, "Swish", 24,
                           {{"alpha", static_cast<float>(*slope)}});
  }
  return false;
}

bool hard_swish_by_gate(Rewriter& rewriter, int gate) {
  const auto* layer = dynamic_cast<const Pointwise*>(rewriter.node(gate).layer.get());
  if (!layer || std::abs(layer->parameters().alpha - 1.0 / 6) > 1e-6 || layer->parameters().beta != 0.5) return false;
  Match match(rewriter);
  match.take(gate);
  return replace_product(rewriter, match, gate, match.in(gate, 0), 1, "HardSwish", 14, {});
}

/// x + 3, then between 0 and 6.
bool hard_swish_by_clip(Rewriter& rewriter, int add) {
  Match match(rewriter);
  if (match.inputs(add) != 2) return false;
  const bool first = match.is(match.in(add, 1), 3);
  if (!first && !match.is(match.in(add, 0), 3)) return false;
  const int clip = match.read_by(match.out(add), "Clip");
  const auto* offer = clip < 0 ? nullptr : dynamic_cast<const OffersEpilogue*>(rewriter.node(clip).layer.get());
  const auto limits = offer ? offer->epilogue(rewriter.graph().operands(rewriter.node(clip))) : std::nullopt;
  if (!limits || limits->activation != Activation::clamp || limits->lo != 0 || limits->hi != 6) return false;
  match.take(add);
  match.take(clip);
  return replace_product(rewriter, match, clip, match.in(add, first ? 0 : 1), 1.0 / 6, "HardSwish", 14, {});
}

bool mish(Rewriter& rewriter, int tanh) {
  Match match(rewriter);
  const int softplus = match.made_by(match.in(tanh, 0), "Softplus");
  if (softplus < 0) return false;
  match.take(softplus);
  match.take(tanh);
  return replace_product(rewriter, match, tanh, match.in(softplus, 0), 1, "Mish", 18, {});
}

}  // namespace

/// Sigmoid, HardSigmoid, Tanh of Softplus, or the sum before a Clip, in front of what it opens.
bool recognise_gate(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  if (node.outputs.size() != 1 || node.inputs.empty() || node.inputs[0] == kAbsent) return false;
  if (node.op == "Sigmoid") return swish(rewriter, index);
  if (node.op == "HardSigmoid") return hard_swish_by_gate(rewriter, index);
  if (node.op == "Add") return hard_swish_by_clip(rewriter, index);
  return node.op == "Tanh" && mish(rewriter, index);
}

}  // namespace tally
