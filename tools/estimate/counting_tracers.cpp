// fvcore and thop: a count of multiply-accumulates with a few other operators thrown in.
#include "tools/estimate/counting_rules.h"

namespace tally::tools {

namespace {

// fvcore 0.1.5, fvcore/nn/flop_count.py (_DEFAULT_SUPPORTED_OPS) and fvcore/nn/jit_handles.py.
constexpr CountingTerm kBatchNorm{"batch_norm", "batch normalization: 2 an element (eval mode)", false};
constexpr CountingTerm kNorm{"norm", "layer, group, instance normalization: 5 an element", false};
constexpr CountingTerm kAdaptivePool{"adaptive_pool", "adaptive average pooling: its input's elements", false};
constexpr CountingTerm kUpsample{"upsample", "resizing: 1 (nearest) or 4 (linear) an output", false};
constexpr CountingTerm kSampled{"grid_sample", "grid sampling: 4 an output", false};
constexpr CountingTerm kRecurrent{"recurrent_as_0", "no handle for lstm, gru, rnn: counted 0, with a warning", true};
constexpr CountingTerm kAttention{"attention_as_0", "no handle for scaled_dot_product_attention: 0", true};
constexpr CountingTerm kBroadcast{"broadcast", "matmul multiplies the first operand's elements only", true};
constexpr CountingTerm kUnknown{"no_handle_as_0", "operators without a handle: 0", true};

// thop 0.1.1 (post2209072238), thop/profile.py, thop/vision/basic_hooks.py and calc_func.py, thop/rnn_hooks.py.
constexpr CountingTerm kThopNorm{"norm", "normalization with scale: 4 an element", false};
constexpr CountingTerm kThopPool{"average_pool", "1 an output; adaptive: window + 1 an output", false};
constexpr CountingTerm kThopSoftmax{"softmax", "softmax modules: 3·width − 1 a row", false};
constexpr CountingTerm kThopSlope{"prelu", "PReLU: 1 an element", false};
constexpr CountingTerm kThopResize{"upsample", "1 (nearest), 5, 11 (linear), 259 (cubic) an output", false};
constexpr CountingTerm kThopCell{"recurrent_extras", "recurrent cells: sums, biases, gate products", false};
constexpr CountingTerm kThopTransposed{"transposed_conv", "transposed convolution at output, not input, positions",
                                       true};
constexpr CountingTerm kThopFunction{"functions_as_0", "matmul, einsum, attention outside modules: 0", true};
constexpr CountingTerm kThopUnknown{"no_hook_as_0", "operators without a hook: 0", true};

/// "nearest", "linear", "cubic".
std::string resize_mode(const CountedNode& n) {
  return n.node == nullptr ? std::string("nearest") : n.node->get_string("mode", "nearest");
}

/// Rows and width of a Softmax over its axis: elements = rows · width.
int64_t softmax_width(const CountedNode& n) {
  const Shape shape = n.output_shape();
  const auto rank = static_cast<int64_t>(shape.size());
  const int64_t opset = n.node == nullptr ? 13 : n.node->opset;
  int64_t axis = n.node == nullptr ? -1 : n.node->get_int("axis", opset < 13 ? 1 : -1);
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return 1;
  return shape[static_cast<size_t>(axis)];
}

/// What thop adds for each time step, sequence and direction of a cell.
int64_t thop_cell_extras(const CountedNode& n, const RecurrentExtents& e) {
  const int64_t biased = n.has_bias ? 3 : 1;  // sums, and two biases
  if (n.row->op == "LSTM") return times({4 * biased + 4, e.H});
  if (n.row->op == "GRU") return times({3 * biased + 4, e.H});
  return times({biased, e.H});
}

}  // namespace

void count_as_fvcore(const CountedNode& n, TermSums& terms) {
  const size_t rank = n.input_shape().size();
  switch (n.kind) {
    case NodeKind::conv:
    case NodeKind::conv_transpose:
    case NodeKind::linear:
      return;
    case NodeKind::matrix_product: {
      if (n.row->op == "Einsum" || n.row->operands.size() < 2) return;
      const Shape second = n.row->operands[1].shape;
      const int64_t counted = times({n.input_elements(), second.empty() ? 1 : second.back()});
      return terms.add(kBroadcast, counted - n.macs());
    }
    case NodeKind::batch_norm:
      return terms.add(kBatchNorm, times({2, n.input_elements()}));
    case NodeKind::layer_norm:
    case NodeKind::group_norm:
    case NodeKind::instance_norm:
      return terms.add(kNorm, times({5, n.input_elements()}));
    case NodeKind::global_average_pool:
      return terms.add(kAdaptivePool, rank == 4 ? n.input_elements() : 0);  // adaptive_avg_pool2d alone has a handle
    case NodeKind::resize: {
      const std::string mode = resize_mode(n);
      const int64_t each = rank != 4 ? 0 : mode == "nearest" ? 1 : mode == "linear" ? 4 : 0;
      return terms.add(kUpsample, times({each, n.output_elements()}));
    }
    case NodeKind::recurrent:
      return terms.add(kRecurrent, -n.macs());
    case NodeKind::attention:
      return terms.add(kAttention, -n.macs());
    default:
      if (n.row->op == "GridSample") terms.add(kSampled, times({4, n.output_elements()}));
      return terms.add(kUnknown, -n.macs());
  }
}

void count_as_thop(const CountedNode& n, TermSums& terms) {
  const int64_t elements = n.input_elements();
  switch (n.kind) {
    case NodeKind::conv:
    case NodeKind::linear:
      return;
    case NodeKind::conv_transpose: {
      const Shape w = n.weight_shape(), x = n.input_shape(), y = n.output_shape();
      if (w.size() < 3 || x.size() < 3 || y.size() < 3 || w[1] == 0) return;
      const int64_t G = std::max<int64_t>(1, y[1] / w[1]);
      return terms.add(kThopTransposed, times({extent_product(y), x[1] / G, extent_product(w, 2)}) - n.macs());
    }
    case NodeKind::batch_norm:
    case NodeKind::layer_norm:
    case NodeKind::instance_norm:
      return terms.add(kThopNorm, times({4, elements}));
    case NodeKind::average_pool:
      return terms.add(kThopPool, n.output_elements());
    case NodeKind::global_average_pool:
      return terms.add(kThopPool, elements + n.output_elements());
    case NodeKind::softmax: {
      const int64_t width = std::max<int64_t>(1, softmax_width(n));
      return terms.add(kThopSoftmax, times({elements / width, 3 * width - 1}));
    }
    case NodeKind::resize: {
      const std::string mode = resize_mode(n);
      const size_t rank = n.input_shape().size();
      const int64_t linear = rank == 3 ? 5 : rank == 4 ? 11 : 0;
      const int64_t each = mode == "nearest" ? 1 : mode == "linear" ? linear : 259;
      return terms.add(kThopResize, times({each, n.output_elements()}));
    }
    case NodeKind::recurrent: {
      const RecurrentExtents e = n.recurrent();
      return terms.add(kThopCell, times({e.T, e.B, e.D, thop_cell_extras(n, e)}));
    }
    case NodeKind::matrix_product:
    case NodeKind::attention:
      return terms.add(kThopFunction, -n.macs());
    default:
      if (n.row->op == "PRelu") terms.add(kThopSlope, elements);
      return terms.add(kThopUnknown, -n.macs());
  }
}

}  // namespace tally::tools
