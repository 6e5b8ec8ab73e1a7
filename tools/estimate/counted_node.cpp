#include "tools/estimate/counted_node.h"

#include <algorithm>
#include <set>

#include "tally/engine/error.h"

namespace tally::tools {

namespace {

const EstimatedOperand* first_weight(const NodeEstimate& row) {
  const auto it = std::find_if(row.operands.begin(), row.operands.end(),
                               [](const EstimatedOperand& o) { return o.constant && o.role == Role::weight; });
  return it == row.operands.end() ? nullptr : &*it;
}

bool is_vector(const Shape& shape) {
  return std::count_if(shape.begin(), shape.end(), [](int64_t n) { return n != 1; }) <= 1;
}

/// `linear_outputs`: what linear layers without a bias have written so far.
NodeKind kind_of(const NodeEstimate& row, const std::set<std::string>& linear_outputs) {
  static const std::map<std::string, NodeKind> kinds{{"Conv", NodeKind::conv},
                                                     {"ConvInteger", NodeKind::conv},
                                                     {"QLinearConv", NodeKind::conv},
                                                     {"ConvTranspose", NodeKind::conv_transpose},
                                                     {"Einsum", NodeKind::matrix_product},
                                                     {"Attention", NodeKind::attention},
                                                     {"RNN", NodeKind::recurrent},
                                                     {"LSTM", NodeKind::recurrent},
                                                     {"GRU", NodeKind::recurrent},
                                                     {"BatchNormalization", NodeKind::batch_norm},
                                                     {"LayerNormalization", NodeKind::layer_norm},
                                                     {"GroupNormalization", NodeKind::group_norm},
                                                     {"InstanceNormalization", NodeKind::instance_norm},
                                                     {"MaxPool", NodeKind::max_pool},
                                                     {"AveragePool", NodeKind::average_pool},
                                                     {"GlobalAveragePool", NodeKind::global_average_pool},
                                                     {"GlobalMaxPool", NodeKind::global_max_pool},
                                                     {"Softmax", NodeKind::softmax},
                                                     {"Resize", NodeKind::resize},
                                                     {"Upsample", NodeKind::resize}};
  if (const auto it = kinds.find(row.op); it != kinds.end()) return it->second;
  const EstimatedOperand* weight = first_weight(row);
  if (row.op == "Gemm" || row.op == "MatMul" || row.op == "MatMulInteger" || row.op == "QLinearMatMul")
    return weight != nullptr ? NodeKind::linear : NodeKind::matrix_product;
  if (row.op == "Gather" && weight != nullptr) return NodeKind::embedding;
  if (row.op == "Add" && weight != nullptr && is_vector(weight->shape))
    for (const EstimatedOperand& operand : row.operands)
      if (linear_outputs.contains(operand.name)) return NodeKind::linear_bias;
  return NodeKind::other;
}

int64_t first_elements(const std::vector<EstimatedOperand>& tensors) {
  for (const EstimatedOperand& tensor : tensors)
    if (!tensor.constant) return element_count(tensor.shape);
  return 1;
}

}  // namespace

int64_t times(std::initializer_list<int64_t> factors) {
  int64_t product = 1;
  for (int64_t factor : factors)
    if (__builtin_mul_overflow(product, factor, &product))
      fail("estimate", "another tool's count", "must fit 63 bits", ErrorCode::limit);
  return product;
}

int64_t extent_product(const Shape& shape, size_t first) {
  int64_t product = 1;
  for (size_t d = first; d < shape.size(); ++d) product = times({product, shape[d]});
  return product;
}

int64_t CountedNode::input_elements() const { return first_elements(row->operands); }
int64_t CountedNode::output_elements() const { return first_elements(row->outputs); }

Shape CountedNode::input_shape() const {
  for (const EstimatedOperand& operand : row->operands)
    if (!operand.constant) return operand.shape;
  return {};
}

Shape CountedNode::output_shape() const { return row->outputs.empty() ? Shape() : row->outputs[0].shape; }

Shape CountedNode::weight_shape() const {
  const EstimatedOperand* weight = first_weight(*row);
  return weight == nullptr ? Shape() : weight->shape;
}

int64_t CountedNode::weights() const {
  int64_t sum = 0;
  for (const EstimatedOperand& operand : row->operands)
    if (operand.constant && operand.role == Role::weight) sum += element_count(operand.shape);
  return sum;
}

RecurrentExtents CountedNode::recurrent() const {
  RecurrentExtents e;
  const Shape x = input_shape();
  const Shape w = row->operands.size() > 1 ? row->operands[1].shape : Shape();
  if (kind != NodeKind::recurrent || x.size() != 3 || w.size() != 3) return e;
  e.gates = row->op == "LSTM" ? 4 : row->op == "GRU" ? 3 : 1;
  const bool batch_first = node != nullptr && node->get_int("layout", 0) == 1;
  e.T = x[batch_first ? 1 : 0];
  e.B = x[batch_first ? 0 : 1];
  e.I = x[2];
  e.D = w[0];
  e.H = w[1] / e.gates;
  return e;
}

std::vector<CountedNode> counted_nodes(const Estimate& estimate, const Graph& graph) {
  std::map<std::string, const Node*> by_output;
  for (const Node& node : graph.nodes)
    for (const std::string& output : node.outputs) by_output.emplace(output, &node);
  std::set<std::string> linear_outputs;
  std::vector<CountedNode> nodes;
  for (const NodeEstimate& row : estimate.layers) {
    CountedNode counted;
    counted.row = &row;
    if (!row.outputs.empty())
      if (const auto it = by_output.find(row.outputs[0].name); it != by_output.end() && it->second->op == row.op)
        counted.node = it->second;
    counted.kind = kind_of(row, linear_outputs);
    counted.has_bias = row.cost.bias_additions > 0;
    if (counted.kind == NodeKind::linear && !counted.has_bias)
      for (const EstimatedOperand& output : row.outputs) linear_outputs.insert(output.name);
    nodes.push_back(counted);
  }
  return nodes;
}

}  // namespace tally::tools
