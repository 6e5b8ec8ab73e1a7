// Rewrite rules that make transpositions melt away: two in a row become one or none; elementwise layers between two
// work before them, where the data lie the other way; one that moves no element becomes a view. Exporters that keep
// images as N H W C, or sequences as N T C, put a pair around every convolution.
#include <algorithm>
#include <cstring>

#include "tally/engine/opsets.h"
#include "tally/layers/absorb.h"
#include "tally/layers/pattern.h"
#include "tally/layers/permutation.h"

namespace tally {

namespace {

/// The permutation of a transposition; nothing for any other node.
std::optional<Permutation> permutation_of(Rewriter& rewriter, int index) {
  if (index < 0) return {};
  const TypedNode& node = rewriter.node(index);
  const auto* offer = dynamic_cast<const OffersTransposition*>(node.layer.get());
  if (!offer || node.outputs.size() != 1 || rewriter.value(node.inputs[0]).constant) return {};
  return offer->permutation(rewriter.value(node.inputs[0]).shape.size());
}

std::shared_ptr<const Layer> transposition(Rewriter& rewriter, int like, const Permutation& permutation, ValueId x) {
  const std::vector<int64_t> axes(permutation.begin(), permutation.end());
  return layer_like(rewriter, like, "Transpose", kLastOpset, {{"perm", axes}}, {x});
}

/// A constant as it lies before the transposition, brought to as many axes as that has.
Tensor before(const Tensor& constant, const Permutation& permutation) {
  const size_t rank = permutation.size();
  Shape shape(rank - constant.shape().size(), 1);
  shape.insert(shape.end(), constant.shape().begin(), constant.shape().end());
  if (constant.elements() <= 1) return constant.reshaped(extents_before(shape, permutation));
  const Shape strides = row_major_strides(shape);
  Tensor result(constant.dtype(), extents_before(shape, permutation));
  Shape stride_before(rank);
  for (size_t d = 0; d < rank; ++d) stride_before[permutation[d]] = strides[d];
  const auto size = static_cast<size_t>(bits_of(constant.dtype()) / 8);
  const auto* from = static_cast<const std::byte*>(constant.data());
  auto* to = static_cast<std::byte*>(result.mutable_data());
  std::vector<int64_t> at(rank, 0);
  for (int64_t i = 0, offset = 0; i < result.elements(); ++i, to += size) {
    std::memcpy(to, from + static_cast<size_t>(offset) * size, size);
    for (size_t d = rank; d-- > 0;) {
      offset += stride_before[d];
      if (++at[d] < result.shape()[d]) break;
      offset -= at[d] * stride_before[d];
      at[d] = 0;
    }
  }
  return result;
}

/// An elementwise node whose operands are transposed alike or constant.
struct Passage {
  std::shared_ptr<const Layer> layer;
  Permutation permutation;
  std::vector<int> transpositions;  ///< by operand; −1: a constant
  std::vector<Tensor> constants;  ///< by operand, as they lie before the transposition; axes and pads stay as they are
  int last = -1;                  ///< of the transpositions, the one that stands last
};

/// Which operands are transposed, and whether alike.
std::optional<Passage> transposed_operands(Rewriter& rewriter, const TypedNode& node) {
  const size_t rank = rewriter.value(node.outputs[0]).shape.size();
  Passage passage;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    passage.transpositions.push_back(-1);
    passage.constants.emplace_back();
    if (id == kAbsent || node.layer->needs_value(static_cast<int>(i))) continue;
    if (const Tensor* constant = rewriter.constant(id)) {
      if (constant->shape().size() > rank || bits_of(constant->dtype()) % 8 != 0) return {};
      continue;
    }
    const int source = rewriter.producer(id);
    const std::optional<Permutation> permutation = permutation_of(rewriter, source);
    if (!permutation || permutation->size() != rank) return {};
    if (passage.last >= 0 && *permutation != passage.permutation) return {};
    passage.permutation = *permutation;
    passage.transpositions.back() = source;
    passage.last = std::max(passage.last, source);
  }
  if (passage.last < 0) return {};
  return passage;
}

/// Bytes that transpositions move of which this node is the only reader, each once.
int64_t bytes_saved(Rewriter& rewriter, const TypedNode& node, int index, const Passage& passage) {
  int64_t bytes = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (passage.transpositions[i] < 0 || rewriter.sole_consumer(node.inputs[i]) != index) continue;
    const TypedValue& value = rewriter.value(node.inputs[i]);
    bytes += bytes_of(value.dtype, element_count(value.shape));
  }
  return bytes;
}

/// How the node works before the transpositions; nothing where it cannot or would move more for it.
std::optional<Passage> find_passage(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  const auto* passer = dynamic_cast<const PassesTransposition*>(node.layer.get());
  if (!passer || node.outputs.size() != 1) return {};
  std::optional<Passage> passage = transposed_operands(rewriter, node);
  if (!passage) return {};
  const TypedValue& out = rewriter.value(node.outputs[0]);
  // The last one's place is where the node will stand, so that one has to go. Padding may move a little more.
  const int64_t bytes = bytes_of(out.dtype, element_count(out.shape));
  if (rewriter.sole_consumer(rewriter.node(passage->last).outputs[0]) != index ||
      bytes / 3 * 2 > bytes_saved(rewriter, node, index, *passage))
    return {};
  std::vector<Operand> operands = rewriter.graph().operands(node);
  passage->layer = passer->before_transposition(operands, passage->permutation);
  if (!passage->layer) return {};
  for (size_t i = 0; i < operands.size(); ++i) {
    if (node.inputs[i] == kAbsent || node.layer->needs_value(static_cast<int>(i))) continue;
    if (passage->transpositions[i] < 0) {
      passage->constants[i] = before(*operands[i].constant, passage->permutation);
      operands[i].constant = &passage->constants[i];
      operands[i].shape = passage->constants[i].shape();
    } else {
      operands[i].shape = extents_before(operands[i].shape, passage->permutation);
    }
  }
  try {
    const std::vector<TensorType> types = passage->layer->infer(operands);
    if (types.size() != 1 || types[0].dtype != out.dtype ||
        types[0].shape != extents_before(out.shape, passage->permutation))
      return {};
  } catch (const Error&) {
    return {};
  }
  return passage;
}

}  // namespace

/// Transpose → Transpose: one, or none where the second undoes the first.
bool join_transpositions(Rewriter& rewriter, int index) {
  const std::optional<Permutation> second = permutation_of(rewriter, index);
  if (!second) return false;
  const int source = rewriter.producer(rewriter.node(index).inputs[0]);
  const std::optional<Permutation> first = permutation_of(rewriter, source);
  if (!first) return false;
  const Permutation both = composed(*second, *first);
  const ValueId origin = rewriter.node(source).inputs[0];
  const bool undone = std::is_sorted(both.begin(), both.end());
  // Straight from a graph input to a graph output there is nobody to answer for the nodes.
  if (undone && rewriter.is_output(rewriter.node(index).outputs[0]) && rewriter.producer(origin) < 0) return false;
  TypedNode joined = rewriter.node(index);
  joined.inputs[0] = origin;
  if (!undone) joined.layer = transposition(rewriter, index, both, origin);
  rewriter.replace(index, std::move(joined));
  const ValueId between = rewriter.node(source).outputs[0];
  if (rewriter.consumers(between).empty() && !rewriter.is_output(between)) rewriter.remove(source, index);
  if (undone) rewriter.bypass(index, 0);
  return true;
}

/// Transpose → elementwise: elementwise → Transpose.
bool pass_transposition(Rewriter& rewriter, int index) {
  std::optional<Passage> passage = find_passage(rewriter, index);
  if (!passage) return false;
  const TypedNode node = rewriter.node(index);
  const TypedValue out = rewriter.value(node.outputs[0]);
  TypedNode earlier = node, later = rewriter.node(passage->last);
  earlier.layer = passage->layer;
  std::vector<int> spared;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const int source = passage->transpositions[i];
    if (source >= 0) {
      earlier.inputs[i] = rewriter.node(source).inputs[0];
      if (source != passage->last && rewriter.sole_consumer(node.inputs[i]) == index) spared.push_back(source);
    } else if (node.inputs[i] != kAbsent && !node.layer->needs_value(static_cast<int>(i))) {
      earlier.inputs[i] =
          rewriter.add_constant(std::move(passage->constants[i]), rewriter.value(node.inputs[i]).name + " transposed");
    }
  }
  earlier.outputs[0] = rewriter.add_value(out.name + " before transposition", out.dtype,
                                          extents_before(out.shape, passage->permutation));
  later.layer = transposition(rewriter, passage->last, passage->permutation, earlier.outputs[0]);
  later.inputs[0] = earlier.outputs[0];
  later.outputs[0] = node.outputs[0];
  rewriter.replace(passage->last, std::move(earlier));
  rewriter.replace(index, std::move(later));
  for (int source : spared) rewriter.remove(source, passage->last);
  return true;
}

/// Transpose, read by several → reduction: it reads past it.
bool read_past_transposition(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  const auto* taker = dynamic_cast<const TakesTransposition*>(node.layer.get());
  if (!taker || !taker->always_gains() || rewriter.sole_consumer(node.inputs[0]) == index) return false;
  const int source = rewriter.producer(node.inputs[0]);
  const std::optional<Permutation> permutation = permutation_of(rewriter, source);
  if (!permutation) return false;
  TypedNode reader = node;
  reader.layer = taker->with_transposition(rewriter.graph().operands(node), *permutation);
  if (!reader.layer) return false;
  reader.inputs[0] = rewriter.node(source).inputs[0];
  rewriter.replace(index, std::move(reader));
  return true;
}

/// A transposition that only moves axes of extent 1 moves no element.
bool view_transposition(Rewriter& rewriter, int index) {
  const std::optional<Permutation> permutation = permutation_of(rewriter, index);
  if (!permutation || rewriter.node(index).layer->view_of() >= 0) return false;
  const Shape& shape = rewriter.value(rewriter.node(index).inputs[0]).shape;
  Permutation moved;
  for (size_t axis : *permutation)
    if (shape[axis] != 1) moved.push_back(axis);
  if (!std::is_sorted(moved.begin(), moved.end())) return false;
  TypedNode view = rewriter.node(index);
  view.layer = dynamic_cast<const OffersTransposition*>(view.layer.get())->as_view();
  rewriter.replace(index, std::move(view));
  return true;
}

}  // namespace tally
