// ptflops, torchinfo and FlopCo: counts by module, from its weights and the shape of what it gives.
#include <set>

#include "tools/estimate/counting_rules.h"

namespace tally::tools {

namespace {

// ptflops 0.7, ptflops/pytorch_ops.py and ptflops/pytorch_engine.py (the "pytorch" backend).
constexpr CountingTerm kBias{"bias", "one a biased output", false};
constexpr CountingTerm kNorm{"norm", "2 an element with scale (layer normalization 1)", false};
constexpr CountingTerm kPool{"pool", "pooling: its input's elements", false};
constexpr CountingTerm kActivation{"activation", "activations and softmax: 1 an element", false};
constexpr CountingTerm kTwice{"module_and_function", "the same again: a module and the function that it calls", true};
constexpr CountingTerm kResize{"upsample", "1 an output of the first image", false};
constexpr CountingTerm kCell{"recurrent_extras", "recurrent cells: sums, biases, gate products", false};
constexpr CountingTerm kTransposed{"transposed_conv", "transposed convolution at output, not input, positions", true};
constexpr CountingTerm kProduct{"functions_as_0", "einsum and scaled_dot_product_attention: 0", true};
constexpr CountingTerm kBroadcast{"broadcast", "matmul multiplies the first operand's elements only", true};
constexpr CountingTerm kZero{"no_hook_as_0", "operators without a hook: 0", true};

// torchinfo 1.8.0, torchinfo/layer_info.py (calculate_macs) and model_statistics.py (leaf layers, total_mult_adds).
constexpr CountingTerm kInfoBias{"bias", "biases count as weights do", false};
constexpr CountingTerm kInfoNorm{"norm", "normalization: its parameters, once an image", false};
constexpr CountingTerm kInfoSlope{"prelu", "PReLU: its slopes, once an image", false};
constexpr CountingTerm kInfoRows{"sequence_as_1", "linear layers over sequences: one position of them", true};
constexpr CountingTerm kInfoTable{"embedding", "the whole embedding table, once a sequence", true};
constexpr CountingTerm kInfoTransposed{"transposed_conv", "transposed convolution at output, not input, positions",
                                       true};
constexpr CountingTerm kInfoFunction{"functions_as_0", "matmul, einsum, attention have no weights: 0", true};

// FlopCo 0.1.2, flopco/compute_layer_flops.py and flopco/flopco.py (Conv2d and Linear unless told otherwise).
constexpr CountingTerm kCoGroups{"grouped_conv", "grouped convolution: one input channel a group", true};
constexpr CountingTerm kCoBatch{"batch_as_1", "one image, one position, whatever the batch", true};
constexpr CountingTerm kCoZero{"not_counted", "only Conv2d and Linear are counted", false};

int64_t first_extent(const Shape& shape) { return shape.empty() ? 1 : shape[0]; }

/// MACs as if every output position of a transposed convolution were computed like an input position.
int64_t transposed_at_outputs(const CountedNode& n) {
  const Shape w = n.weight_shape(), y = n.output_shape();
  if (w.size() < 3 || y.size() < 3) return n.macs();
  return times({extent_product(w), y[0], extent_product(y, 2)});
}

/// What ptflops adds for each time step, sequence and direction of a cell.
int64_t ptflops_cell_extras(const CountedNode& n, const RecurrentExtents& e) {
  const int64_t own = n.row->op == "LSTM" ? 10 : n.row->op == "GRU" ? 7 : 1;
  return times({own + (n.has_bias ? 2 * e.gates : 0), e.H});
}

/// Activations of ptflops: a hook on the module and a patch of the function count it once each.
void add_ptflops_activation(const CountedNode& n, TermSums& terms) {
  static const std::set<std::string> module_only{"LeakyRelu", "Clip"};
  static const std::set<std::string> both{"Relu", "PRelu", "Elu", "Gelu"};
  static const std::set<std::string> function_only{"Softmax", "Swish"};
  const std::string& op = n.row->op;
  if (module_only.contains(op) || both.contains(op) || function_only.contains(op))
    terms.add(kActivation, n.input_elements());
  if (both.contains(op)) terms.add(kTwice, n.input_elements());
}

}  // namespace

void count_as_ptflops(const CountedNode& n, TermSums& terms) {
  const int64_t elements = n.input_elements();
  switch (n.kind) {
    case NodeKind::conv_transpose:
      terms.add(kTransposed, transposed_at_outputs(n) - n.macs());
      [[fallthrough]];
    case NodeKind::conv:
    case NodeKind::linear:
      return terms.add(kBias, n.has_bias ? n.output_elements() : 0);
    case NodeKind::linear_bias:
      return terms.add(kBias, n.output_elements());
    case NodeKind::matrix_product: {
      if (n.row->op == "Einsum" || n.row->operands.size() < 2) return terms.add(kProduct, -n.macs());
      const Shape second = n.row->operands[1].shape;
      return terms.add(kBroadcast, times({elements, second.empty() ? 1 : second.back()}) - n.macs());
    }
    case NodeKind::attention:
      return terms.add(kProduct, -n.macs());
    case NodeKind::batch_norm:
    case NodeKind::group_norm:
    case NodeKind::instance_norm:
      return terms.add(kNorm, times({2, elements}));
    case NodeKind::layer_norm:
      return terms.add(kNorm, elements);
    case NodeKind::max_pool:
    case NodeKind::average_pool:
    case NodeKind::global_average_pool:
    case NodeKind::global_max_pool:
      terms.add(kPool, elements);
      return terms.add(kTwice, elements);
    case NodeKind::resize:
      return terms.add(kResize, extent_product(n.output_shape(), 1));
    case NodeKind::recurrent: {
      const RecurrentExtents e = n.recurrent();
      return terms.add(kCell, times({e.T, e.B, e.D, ptflops_cell_extras(n, e)}));
    }
    default:
      add_ptflops_activation(n, terms);
      return terms.add(kZero, -n.macs());
  }
}

void count_as_torchinfo(const CountedNode& n, TermSums& terms) {
  const Shape y = n.output_shape();
  switch (n.kind) {
    case NodeKind::conv_transpose:
      terms.add(kInfoTransposed, transposed_at_outputs(n) - n.macs());
      [[fallthrough]];
    case NodeKind::conv:
      return terms.add(kInfoBias, n.has_bias ? n.output_elements() : 0);
    case NodeKind::linear:
      // What has no weights of its own here stands for a bias in the matrix product's row of output_size[0].
      terms.add(kInfoRows, times({first_extent(y), extent_product(n.weight_shape())}) - n.macs());
      return terms.add(kInfoBias, n.has_bias ? times({first_extent(y), y.empty() ? 1 : y.back()}) : 0);
    case NodeKind::linear_bias:
      return terms.add(kInfoBias, times({first_extent(y), extent_product(n.weight_shape())}));
    case NodeKind::batch_norm:
    case NodeKind::layer_norm:
    case NodeKind::group_norm:
    case NodeKind::instance_norm:
      return terms.add(kInfoNorm, times({first_extent(y), n.weights()}));
    case NodeKind::embedding:
      return terms.add(kInfoTable, times({first_extent(y), n.weights()}));
    case NodeKind::recurrent: {
      const RecurrentExtents e = n.recurrent();
      return terms.add(kInfoBias, n.has_bias ? times({e.T, e.B, e.D, 2, e.gates, e.H}) : 0);
    }
    default:
      if (n.row->op == "PRelu") terms.add(kInfoSlope, times({first_extent(y), n.weights()}));
      return terms.add(kInfoFunction, -n.macs());
  }
}

void count_as_flopco(const CountedNode& n, TermSums& terms) {
  const Shape w = n.weight_shape(), y = n.output_shape(), x = n.input_shape();
  if (n.kind == NodeKind::conv && w.size() == 4 && y.size() == 4) {
    const bool grouped = x.size() == 4 && w[1] != x[1];
    const int64_t whole = extent_product(w), counted = grouped && w[1] > 0 ? whole / w[1] : whole;
    const int64_t positions = times({y[2], y[3]});
    terms.add(kCoGroups, times({y[0], positions, counted - whole}));
    return terms.add(kCoBatch, times({y[0] - 1, positions, -counted}));
  }
  if (n.kind == NodeKind::linear) return terms.add(kCoBatch, extent_product(w) - n.macs());
  terms.add(kCoZero, -n.macs());
}

}  // namespace tally::tools
