#pragma once
// Random recurrent nodes with the answers that they must give.
#include <random>

#include "layer_run.h"
#include "tests/reference/recurrent_layer_reference.h"

namespace tally::test {

/// What a random node may have, and how it is fed.
struct RecurrentOptions {
  CellKind kind = CellKind::lstm;
  int64_t T = 5, B = 3, I = 4, H = 6;
  std::string direction = "forward";
  bool batch_first = false, bias = true, initial = false, peepholes = false;
  bool input_forget = false, linear_before_reset = false;
  float clip = 0;  ///< 0: none
  std::vector<std::string> activations = {};
  std::vector<float> alpha = {}, beta = {};
  std::vector<int64_t> lengths = {};
  bool feed_lengths = false, feed_initial = false;
  std::vector<int> wanted = {0, 1, 2};
  DType dtype = DType::f32;
  uint32_t seed = 1;
};

inline const char* name_of(CellKind kind) {
  return kind == CellKind::elman ? "RNN" : kind == CellKind::lstm ? "LSTM" : "GRU";
}

inline Tensor tensor_of(DType dtype, const Shape& shape, const std::vector<double>& values) {
  Tensor t(dtype, shape);
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::f64)
      t.mutable_values<double>()[i] = values[i];
    else if (dtype == DType::f16)
      t.mutable_values<Half>()[i] = to_half(static_cast<float>(values[i]));
    else if (dtype == DType::bf16)
      t.mutable_values<BFloat16>()[i] = to_bfloat16(static_cast<float>(values[i]));
    else
      t.mutable_values<float>()[i] = static_cast<float>(values[i]);
  }
  return t;
}

/// A node with its operands and the truth. The rows of R sum to at most 1/2, so that errors die out over time.
struct RecurrentCase {
  GraphMaker made;
  reference::RecurrentProblem problem;
  RecurrentOptions options;

  reference::RecurrentAnswer answer() const { return reference::recurrent(problem); }
};

inline std::map<std::string, Attribute> attributes_of(const RecurrentOptions& o) {
  std::map<std::string, Attribute> a{{"direction", o.direction}, {"hidden_size", o.H}};
  if (o.batch_first) a["layout"] = int64_t{1};
  if (o.input_forget) a["input_forget"] = int64_t{1};
  if (o.linear_before_reset) a["linear_before_reset"] = int64_t{1};
  if (o.clip > 0) a["clip"] = o.clip;
  if (!o.activations.empty()) a["activations"] = o.activations;
  if (!o.alpha.empty()) a["activation_alpha"] = o.alpha;
  if (!o.beta.empty()) a["activation_beta"] = o.beta;
  return a;
}

inline RecurrentCase make_recurrent(const RecurrentOptions& o) {
  RecurrentCase c;
  c.options = o;
  Node node;
  node.name = node.op = name_of(o.kind);
  node.opset = 22;
  node.attributes = attributes_of(o);
  const bool lstm = o.kind == CellKind::lstm;
  reference::RecurrentProblem& q = c.problem;
  q.attributes = read_recurrent(node, o.kind);
  const int64_t D = q.attributes.directions(), rows = gates_of(o.kind) * o.H;
  q.shape = {o.kind, o.T, o.B, o.I, o.H, D, o.batch_first};
  const Shape state = o.batch_first ? Shape{o.B, D, o.H} : Shape{D, o.B, o.H};
  // Values exact in every element type.
  uint32_t seed = o.seed * 100;
  const auto values = [&](const Shape& shape, double scale) {
    std::vector<double> v = random_values(element_count(shape), ++seed);
    for (double& value : v) value = to_float(to_bfloat16(static_cast<float>(value * scale)));
    return v;
  };
  node.inputs.resize(lstm ? 8 : 6);
  const auto put = [&](int i, const char* name, const Shape& shape, const std::vector<double>& v, bool fed) {
    node.inputs[static_cast<size_t>(i)] = name;
    if (fed)
      c.made.input(name, tensor_of(o.dtype, shape, v));
    else
      c.made.constant(name, tensor_of(o.dtype, shape, v));
  };
  const Shape x = o.batch_first ? Shape{o.B, o.T, o.I} : Shape{o.T, o.B, o.I};
  put(Recurrent::kX, "x", x, q.x = values(x, 1), true);
  put(Recurrent::kW, "w", {D, rows, o.I}, q.w = values({D, rows, o.I}, 1), false);
  put(Recurrent::kR, "r", {D, rows, o.H}, q.r = values({D, rows, o.H}, 0.5 / static_cast<double>(o.H)), false);
  if (o.bias) put(Recurrent::kB, "b", {D, 2 * rows}, q.b = values({D, 2 * rows}, 0.5), false);
  if (o.initial) put(Recurrent::kInitialH, "h0", state, q.h0 = values(state, 1), o.feed_initial);
  if (o.initial && lstm) put(Recurrent::kInitialC, "c0", state, q.c0 = values(state, 1), o.feed_initial);
  if (o.peepholes && lstm) put(Recurrent::kP, "p", {D, 3 * o.H}, q.p = values({D, 3 * o.H}, 0.5), false);
  q.lengths = o.lengths;
  if (!o.lengths.empty()) {
    std::vector<int32_t> lengths(o.lengths.begin(), o.lengths.end());
    const Tensor tensor = Tensor::of<int32_t>(DType::i32, {o.B}, lengths);
    node.inputs[Recurrent::kSequenceLens] = "lengths";
    if (o.feed_lengths)
      c.made.input("lengths", tensor);
    else
      c.made.constant("lengths", tensor);
  }
  while (node.inputs.back().empty()) node.inputs.pop_back();
  node.outputs.assign(lstm ? 3 : 2, "");
  for (int i : o.wanted) {
    if (i >= static_cast<int>(node.outputs.size())) continue;
    const std::string name = i == 0 ? "Y" : i == 1 ? "Y_h" : "Y_c";
    node.outputs[static_cast<size_t>(i)] = name;
    c.made.output(name);
  }
  c.made.graph.nodes.push_back(node);
  return c;
}

}  // namespace tally::test
