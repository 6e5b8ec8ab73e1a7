// onnx-tool: "MACs" that are instructions of any kind, by ONNX operator.
#include <map>

#include "tools/estimate/counting_rules.h"

namespace tally::tools {

namespace {

// onnx-tool 0.9, onnx_tool/node.py: a class an operator, with its profile(); operators without one count 0.
constexpr CountingTerm kBias{"bias", "one a biased output", false};
constexpr CountingTerm kElementwise{"elementwise", "elementwise operators at its price an element", false};
constexpr CountingTerm kNorm{"norm", "batch 31, instance 7, layer 7 an element and 29 a row; LRN 37 + size", false};
constexpr CountingTerm kPool{"pool", "pooling: its window an output", false};
constexpr CountingTerm kGlobalPool{"global_pool", "global average pooling: input + 4 an output", false};
constexpr CountingTerm kReduce{"reduce", "reductions: 1 an input (L2 norm 25)", false};
constexpr CountingTerm kResize{"resize", "4 (linear) or 8 (cubic) an output", false};
constexpr CountingTerm kQuantize{"quantize", "QuantizeLinear, DequantizeLinear: 2 an element", false};
constexpr CountingTerm kTransposed{"transposed_conv", "transposed convolution as output · out-channels · window", true};
constexpr CountingTerm kTime{"one_time_step", "LSTM, GRU: one time step, whatever the sequence", true};
constexpr CountingTerm kCellBias{"recurrent_bias", "LSTM, GRU: both bias vectors, once", false};
constexpr CountingTerm kElman{"rnn_as_0", "RNN is not registered: 0", true};
constexpr CountingTerm kUnknown{"unregistered_as_0", "operators that are not registered: 0", true};

/// Its price an output element: constants ADD 1, MUL 1, CMP 1, DIV 4, EXP = POW 32, LOG 43, SIN = COS 39, SQRT 24,
/// TANH 38 and ATAN 32, each of these two twice.
int64_t price(const std::string& op) {
  static const std::map<std::string, int64_t> prices{
      {"Add", 1},         {"Sub", 1},    {"Min", 1},       {"Max", 1},       {"Neg", 1},         {"Mul", 1},
      {"Abs", 1},         {"Ceil", 1},   {"Mod", 1},       {"Div", 4},       {"Exp", 32},        {"Pow", 32},
      {"Softmax", 36},    {"Log", 43},   {"Sqrt", 24},     {"Sin", 39},      {"Cos", 39},        {"Sigmoid", 32},
      {"Tanh", 76},       {"Atan", 64},  {"Sign", 1},      {"HardSwish", 5}, {"HardSigmoid", 4}, {"Relu", 1},
      {"PRelu", 2},       {"Clip", 2},   {"LeakyRelu", 2}, {"Less", 1},      {"Greater", 1},     {"Equal", 1},
      {"LessOrEqual", 1}, {"Not", 1},    {"And", 1},       {"Floor", 1},     {"Reciprocal", 4},  {"Hardmax", 1},
      {"CumSum", 1},      {"NonZero", 1}};
  const auto it = prices.find(op);
  return it == prices.end() ? 0 : it->second;
}

void add_norm(const CountedNode& n, TermSums& terms) {
  const int64_t elements = n.input_elements();
  if (n.kind == NodeKind::batch_norm) return terms.add(kNorm, times({31, elements}));
  if (n.kind == NodeKind::instance_norm) return terms.add(kNorm, times({7, elements}));
  if (n.kind != NodeKind::layer_norm) return;
  // Its "row" is as long as the axis itself, not as all axes from there on.
  const Shape shape = n.input_shape();
  const auto rank = static_cast<int64_t>(shape.size());
  int64_t axis = n.node == nullptr ? -1 : n.node->get_int("axis", -1);
  if (axis < 0) axis += rank;
  const int64_t width = axis >= 0 && axis < rank ? std::max<int64_t>(1, shape[static_cast<size_t>(axis)]) : 1;
  terms.add(kNorm, times({7, elements}) + times({29, elements / width}));
}

void add_window(const CountedNode& n, TermSums& terms) {
  const std::vector<int64_t> kernel =
      n.node == nullptr ? std::vector<int64_t>{1} : n.node->get_ints("kernel_shape", {1});
  // The third extent of a window over volumes is forgotten.
  const int64_t taps = kernel.empty() ? 1 : kernel.size() == 2 ? times({kernel[0], kernel[1]}) : kernel[0];
  terms.add(kPool, times({taps, n.output_elements()}));
}

void add_recurrent(const CountedNode& n, TermSums& terms) {
  if (n.row->op == "RNN") return terms.add(kElman, -n.macs());
  const RecurrentExtents e = n.recurrent();
  terms.add(kTime, times({e.B, e.D, e.gates, e.I + e.H, e.H}) - n.macs());
  if (n.has_bias) terms.add(kCellBias, times({e.B, e.D, 2, e.gates, e.H}));
}

void add_other(const CountedNode& n, TermSums& terms) {
  const std::string& op = n.row->op;
  terms.add(kUnknown, -n.macs());
  if (op == "LRN")
    return terms.add(kNorm, times({37 + (n.node == nullptr ? 0 : n.node->get_int("size", 0)), n.output_elements()}));
  if (op == "Sum")
    return terms.add(kElementwise, times({static_cast<int64_t>(n.row->operands.size()) - 1, n.output_elements()}));
  if (op == "ReduceMean" || op == "ReduceSum" || op == "ReduceMin" || op == "ReduceMax" || op == "ReduceProd")
    return terms.add(kReduce, n.input_elements());
  if (op == "ReduceL2") return terms.add(kReduce, times({25, n.input_elements()}));
  if (op == "QuantizeLinear" || op == "DequantizeLinear") return terms.add(kQuantize, times({2, n.output_elements()}));
  terms.add(kElementwise, times({price(op), n.output_elements()}));
}

}  // namespace

void count_as_onnx_tool(const CountedNode& n, TermSums& terms) {
  switch (n.kind) {
    case NodeKind::conv_transpose: {
      const Shape w = n.weight_shape();
      terms.add(kTransposed, times({n.output_elements(), extent_product(w, 1)}) - n.macs());
      [[fallthrough]];
    }
    case NodeKind::conv:
    case NodeKind::linear:
    case NodeKind::matrix_product:
      return terms.add(kBias, n.has_bias ? n.output_elements() : 0);
    case NodeKind::recurrent:
      return add_recurrent(n, terms);
    case NodeKind::batch_norm:
    case NodeKind::instance_norm:
    case NodeKind::layer_norm:
    case NodeKind::group_norm:
      return add_norm(n, terms);
    case NodeKind::max_pool:
    case NodeKind::average_pool:
      return add_window(n, terms);
    case NodeKind::global_average_pool:
      return terms.add(kGlobalPool, n.input_elements() + times({4, n.output_elements()}));
    case NodeKind::resize: {
      const std::string mode = n.node == nullptr ? "nearest" : n.node->get_string("mode", "nearest");
      return terms.add(kResize, times({mode == "linear" ? 4 : mode == "cubic" ? 8 : 0, n.output_elements()}));
    }
    default:
      return add_other(n, terms);
  }
}

}  // namespace tally::tools
