// The rewrite rules. Each looks at one node: at its only reader for what it could apply itself, at the node before it
// for what it could read through. None looks past a graph output or a value that is read twice.
#include "tally/layers/absorb.h"

#include <algorithm>

#include "tally/engine/rewrite.h"

namespace tally {

namespace {

template <class Interface>
const Interface* as(const TypedNode& node) {
  return dynamic_cast<const Interface*>(node.layer.get());
}

/// The node that alone reads the only output of node `index`, or null; `input`: as which operand.
struct Reader {
  int index = -1, input = -1;
};
Reader only_reader(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  if (node.outputs.size() != 1) return {};
  const int reader = rewriter.sole_consumer(node.outputs[0]);
  if (reader < 0 || rewriter.node(reader).outputs.size() != 1) return {};
  const std::vector<ValueId>& inputs = rewriter.node(reader).inputs;
  const auto at = std::find(inputs.begin(), inputs.end(), node.outputs[0]);
  return {reader, static_cast<int>(at - inputs.begin())};
}

/// The node that computes input 0 of node `index` for it alone, or −1.
int only_source(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  if (node.inputs.empty() || node.inputs[0] == kAbsent) return -1;
  const int source = rewriter.producer(node.inputs[0]);
  if (source < 0 || rewriter.sole_consumer(node.inputs[0]) != index) return -1;
  return rewriter.node(source).outputs.size() == 1 ? source : -1;
}

bool same_type(const TypedValue& a, const TypedValue& b) { return a.dtype == b.dtype && a.shape == b.shape; }

/// The reader's output is what the node would put out after absorbing it.
bool keeps_type(Rewriter& rewriter, int index, int reader) {
  return same_type(rewriter.value(rewriter.node(index).outputs[0]), rewriter.value(rewriter.node(reader).outputs[0]));
}

void put(std::vector<ValueId>& inputs, int at, ValueId id) {
  if (inputs.size() <= static_cast<size_t>(at)) inputs.resize(static_cast<size_t>(at) + 1, kAbsent);
  inputs[static_cast<size_t>(at)] = id;
}

}  // namespace

/// Identity and Dropout: their readers read what they read.
bool bypass_identity(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  const int view = node.layer->view_of();
  if (view < 0 || !node.layer->view_keeps_layout() || node.outputs.size() != 1) return false;
  // Straight from a graph input or constant to a graph output there is nobody to answer for the node.
  if (rewriter.is_output(node.outputs[0]) && rewriter.producer(node.inputs[static_cast<size_t>(view)]) < 0)
    return false;
  rewriter.bypass(index, view);
  return true;
}

/// Pad by nothing.
bool bypass_empty_padding(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  const auto* offer = as<OffersZeroPadding>(node);
  if (!offer || node.outputs.size() != 1 || !same_type(rewriter.value(node.inputs[0]), rewriter.value(node.outputs[0])))
    return false;
  const auto pads = offer->zero_padding(rewriter.graph().operands(node));
  if (!pads || std::any_of(pads->begin(), pads->end(), [](int64_t p) { return p != 0; })) return false;
  if (rewriter.is_output(node.outputs[0]) && rewriter.producer(node.inputs[0]) < 0) return false;
  rewriter.bypass(index, 0);
  return true;
}

/// Slice of everything, Expand and Tile that repeat nothing, Split in one part, Dropout whose mask nobody reads.
bool bypass_idle(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  const auto* layer = as<MayDoNothing>(node);
  const auto unread = [&](ValueId id) {
    return id == kAbsent || (rewriter.consumers(id).empty() && !rewriter.is_output(id));
  };
  if (!layer || node.outputs[0] == kAbsent || !std::all_of(node.outputs.begin() + 1, node.outputs.end(), unread) ||
      rewriter.value(node.inputs[0]).constant ||
      !same_type(rewriter.value(node.inputs[0]), rewriter.value(node.outputs[0])))
    return false;
  if (!layer->does_nothing(rewriter.graph().operands(node))) return false;
  if (rewriter.is_output(node.outputs[0]) && rewriter.producer(node.inputs[0]) < 0) return false;
  rewriter.bypass(index, 0);
  return true;
}

/// Expand → Add, Mul, Where … that broadcast what it read to the same results.
bool bypass_expansion(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  if (node.op != "Expand" || node.outputs.size() != 1 || rewriter.is_output(node.outputs[0])) return false;
  const ValueId narrow = node.inputs[0], wide = node.outputs[0];
  if (rewriter.value(narrow).constant || rewriter.consumers(wide).empty()) return false;
  for (int reader : rewriter.consumers(wide)) {
    TypedNode with = rewriter.node(reader);
    const auto* layer = as<BroadcastsOperands>(with);
    if (!layer || !layer->broadcasts()) return false;
    std::replace(with.inputs.begin(), with.inputs.end(), wide, narrow);
    try {
      const std::vector<TensorType> types = with.layer->infer(rewriter.graph().operands(with));
      if (types.size() != 1 || types[0].shape != rewriter.value(with.outputs[0]).shape) return false;
    } catch (const Error&) {  // PRelu's X, to which the slope must broadcast
      return false;
    }
  }
  rewriter.bypass(index, 0);
  return true;
}

/// Pad → Conv, AveragePool: the window pads itself.
bool absorb_padding(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  const auto* taker = as<TakesZeroPadding>(node);
  const int source = taker ? only_source(rewriter, index) : -1;
  const auto* offer = source < 0 ? nullptr : as<OffersZeroPadding>(rewriter.node(source));
  if (!offer) return false;
  const auto pads = offer->zero_padding(rewriter.graph().operands(rewriter.node(source)));
  if (!pads) return false;
  const ValueId unpadded = rewriter.node(source).inputs[0];
  auto layer = taker->with_zero_padding(rewriter.graph().operands(node), rewriter.value(unpadded).shape, *pads);
  if (!layer) return false;
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = unpadded;
  rewriter.absorb(index, source, std::move(layer), std::move(inputs), false);
  return true;
}

/// Transpose (N H W C → N C H W) → Conv: pixels are read as they lie.
bool absorb_transposition(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  const auto* taker = as<TakesTransposition>(node);
  const int source = taker ? only_source(rewriter, index) : -1;
  const auto* offer = source < 0 ? nullptr : as<OffersTransposition>(rewriter.node(source));
  if (!offer) return false;
  const std::vector<size_t> permutation = offer->permutation(rewriter.value(node.inputs[0]).shape.size());
  auto layer = taker->with_transposition(rewriter.graph().operands(node), permutation);
  if (!layer) return false;
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = rewriter.node(source).inputs[0];
  rewriter.absorb(index, source, std::move(layer), std::move(inputs), false);
  return true;
}

/// Flatten, Reshape → Gemm, MatMul: the matrix is read as it lay before.
bool absorb_view(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  const auto* taker = as<TakesView>(node);
  const int source = taker ? only_source(rewriter, index) : -1;
  if (source < 0 || rewriter.node(source).layer->view_of() != 0) return false;
  const ValueId viewed = rewriter.node(source).inputs[0];
  auto layer = taker->with_view(rewriter.graph().operands(node), rewriter.value(viewed).shape);
  if (!layer) return false;
  std::vector<ValueId> inputs = node.inputs;
  inputs[0] = viewed;
  rewriter.absorb(index, source, std::move(layer), std::move(inputs), false);
  return true;
}

namespace {

/// The node's operands with folded weights and bias.
std::vector<ValueId> with_weights(Rewriter& rewriter, const TypedNode& node, TakesChannelMap::Folded& folded) {
  std::vector<ValueId> inputs = node.inputs;
  const std::string name = rewriter.value(inputs[static_cast<size_t>(folded.weights_input)]).name;
  put(inputs, folded.weights_input, rewriter.add_constant(std::move(folded.weights), name + " folded"));
  put(inputs, folded.bias_input, rewriter.add_constant(std::move(folded.bias), name + " bias folded"));
  return inputs;
}

}  // namespace

/// Conv, Gemm, MatMul → BatchNormalization, Add, Mul … of constants: new weights and bias.
bool fold_channel_map(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  const auto* taker = as<TakesChannelMap>(node);
  const Reader reader = taker ? only_reader(rewriter, index) : Reader{};
  const auto* offer = reader.index < 0 ? nullptr : as<OffersChannelMap>(rewriter.node(reader.index));
  if (!offer || !keeps_type(rewriter, index, reader.index)) return false;
  const std::vector<Operand> operands = rewriter.graph().operands(node);
  const int64_t axis = taker->map_axis(operands);
  if (axis < 0) return false;  // a scalar
  const auto map = offer->channel_map(rewriter.graph().operands(rewriter.node(reader.index)), reader.input, axis);
  if (!map) return false;
  auto folded = taker->fold(operands, *map);
  if (!folded) return false;
  std::vector<ValueId> inputs = with_weights(rewriter, node, *folded);
  rewriter.absorb(index, reader.index, std::move(folded->layer), std::move(inputs), true);
  return true;
}

/// BatchNormalization, Add, Mul … of constants → Conv, Gemm, MatMul: new weights and bias.
bool fold_input_map(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  const auto* taker = as<TakesInputMap>(node);
  const int source = taker ? only_source(rewriter, index) : -1;
  const auto* offer = source < 0 ? nullptr : as<OffersChannelMap>(rewriter.node(source));
  if (!offer) return false;
  const std::vector<Operand> operands = rewriter.graph().operands(node);
  const int64_t axis = taker->input_map_axis(operands);
  if (axis < 0) return false;
  const TypedNode& mapping = rewriter.node(source);
  const std::vector<Operand> mapped = rewriter.graph().operands(mapping);
  const auto data =
      std::find_if(mapped.begin(), mapped.end(), [](const Operand& o) { return o.present && !o.constant; });
  if (data == mapped.end()) return false;
  const auto input = static_cast<size_t>(data - mapped.begin());
  if (!same_type(rewriter.value(mapping.inputs[input]), rewriter.value(node.inputs[0]))) return false;
  const auto map = offer->channel_map(mapped, static_cast<int>(input), axis);
  if (!map) return false;
  auto folded = taker->fold_input(operands, *map);
  if (!folded) return false;
  std::vector<ValueId> inputs = with_weights(rewriter, node, *folded);
  inputs[0] = mapping.inputs[input];
  rewriter.absorb(index, source, std::move(folded->layer), std::move(inputs), false);
  return true;
}

/// Conv, Gemm, MatMul → Add of a tensor of the same shape: the addend becomes an operand.
bool absorb_residual(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  const auto* taker = as<TakesResidual>(node);
  const Reader reader = taker ? only_reader(rewriter, index) : Reader{};
  const auto* offer = reader.index < 0 ? nullptr : as<OffersAddition>(rewriter.node(reader.index));
  if (!offer || !keeps_type(rewriter, index, reader.index)) return false;
  const TypedNode& addition = rewriter.node(reader.index);
  if (addition.inputs.size() != 2 || !offer->adds(rewriter.graph().operands(addition))) return false;
  const ValueId addend = addition.inputs[static_cast<size_t>(1 - reader.input)];
  if (rewriter.value(addend).constant || !same_type(rewriter.value(addend), rewriter.value(addition.outputs[0])))
    return false;
  auto layer = taker->with_residual(rewriter.graph().operands(node));
  if (!layer) return false;
  std::vector<ValueId> inputs = node.inputs;
  put(inputs, taker->residual_input(), addend);
  rewriter.absorb(index, reader.index, std::move(layer), std::move(inputs), true);
  return true;
}

/// Conv, Gemm, MatMul, Add … → Relu, Clip, Tanh, Sigmoid.
bool absorb_activation(Rewriter& rewriter, int index) {
  const TypedNode& node = rewriter.node(index);
  const auto* taker = as<TakesEpilogue>(node);
  const Reader reader = taker ? only_reader(rewriter, index) : Reader{};
  const auto* offer = reader.index < 0 || reader.input != 0 ? nullptr : as<OffersEpilogue>(rewriter.node(reader.index));
  if (!offer || !keeps_type(rewriter, index, reader.index)) return false;
  const auto epilogue = offer->epilogue(rewriter.graph().operands(rewriter.node(reader.index)));
  if (!epilogue) return false;
  auto layer = taker->with_epilogue(rewriter.graph().operands(node), *epilogue);
  if (!layer) return false;
  rewriter.absorb(index, reader.index, std::move(layer), std::vector<ValueId>(node.inputs), true);
  return true;
}

}  // namespace tally
