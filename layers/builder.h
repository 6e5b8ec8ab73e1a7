#pragma once
// Layers without ONNX: a graph written in C++, the same that the reader makes of a file of the newest opset.
//   tally::Builder b;
//   auto x = b.input({1, 40});
//   auto h = b.relu(b.linear(x, b.constant({8, 40}, weights), b.constant({8}, bias)));
//   b.output(h);
//   tally::Context context(b.build());
//   tally::RunRecord record = context.make_record(true, false);
//   context.run_recorded(record);   // record.tallies: what the kernels did
// A first-order recursive filter y_t = b·x_t + a·y_(t−1), two MACs a step, is a linear cell of one unit:
//   auto y = b.rnn(x, b.constant({1, 1, 1}, {0.125f}), b.constant({1, 1, 1}, {0.875f}), {}, {.activations =
//   {"Affine"}});
#include <map>
#include <string>
#include <vector>

#include "tally/engine/graph.h"
#include "tally/layers/model.h"

namespace tally {

/// A tensor of a graph being built; as it is made here: an optional operand that is absent.
struct BuiltValue {
  int id = -1;
  uint64_t builder = 0;
};

class Builder {
 public:
  using Value = BuiltValue;
  using Ints = std::vector<int64_t>;

  /// A window's attributes, one value a spatial axis (pads: all begins, then all ends); empty: ONNX's defaults.
  struct ConvOptions {
    Ints strides = {}, pads = {}, dilations = {};
    int64_t group = 1;
    std::string auto_pad = {};
  };
  struct PoolOptions {
    Ints strides = {}, pads = {}, dilations = {};
    bool ceil_mode = false;
    bool count_include_pad = false;  ///< average only
    std::string auto_pad = {};
  };
  struct GemmOptions {
    float alpha = 1, beta = 1;
    bool trans_a = false, trans_b = false;
  };

  /// Attributes and optional operands of a recurrent layer; an absent value: none.
  struct RecurrentOptions {
    std::string direction = "forward";          ///< reverse, bidirectional
    std::vector<std::string> activations = {};  ///< empty: sigmoid for gates, tanh else
    std::vector<float> alpha = {}, beta = {};   ///< of the activations that take them
    float clip = 0;                             ///< 0: none
    bool input_forget = false, linear_before_reset = false;
    bool batch_first = false;  ///< x [B, T, I]
    Value sequence_lens = {}, initial_h = {}, initial_c = {}, peepholes = {};
  };
  /// Attributes and optional operands of attention.
  struct AttentionOptions {
    int64_t q_heads = 0, kv_heads = 0;  ///< of operands [B, T, heads·d]; 0: operands [B, heads, T, d]
    bool causal = false;
    float scale = 0;                       ///< of the scores; 0: 1/√d
    float softcap = 0;                     ///< 0: none
    Value mask = {};                       ///< added to the scores, or bool; broadcasts to [B, q_heads, N, M]
    Value past_key = {}, past_value = {};  ///< [B, kv_heads, P, d]
  };
  /// y stands for it; the keys and values, past and new, [B, kv_heads, M, d]. What is not used is not computed.
  struct Attended {
    Value y, present_key, present_value;
    operator Value() const { return y; }  // NOLINT(google-explicit-constructor): a layer's value is its first output
  };
  /// Outputs of a recurrent layer, D directions: y [T, D, B, H] stands for it; y_h and (LSTM) y_c [D, B, H] after the
  /// last step. What is not used is not computed.
  struct Recurrence {
    Value y, y_h, y_c;
    operator Value() const { return y; }  // NOLINT(google-explicit-constructor): a layer's value is its first output
  };

  Builder();

  /// Names a value, and the node whose first output it is, in place of `conv_0` and the like. Returns it.
  Value named(Value value, std::string name);

  Value input(const Shape& shape, DType dtype = DType::f32);
  Value constant(Tensor tensor);
  /// float32 of `shape`; throws Error(usage) where the number of values differs.
  Value constant(const Shape& shape, const std::vector<float>& values);
  Value constant(const Ints& values);  ///< int64, rank 1

  /// Any operator: `inputs` in ONNX's order. Returns `output_count` values.
  std::vector<Value> node(const std::string& op, const std::vector<Value>& inputs,
                          std::map<std::string, Attribute> attributes = {}, size_t output_count = 1);

  /// Y [N, M, (oH,) oW] = bias[M] + window(X [N, C, (H,) W]) · W [M, C/group, (kH,) kW].
  Value conv(Value x, Value w, Value bias, const ConvOptions& options);
  Value conv(Value x, Value w, Value bias = {}) {
    return conv(std::move(x), std::move(w), std::move(bias), ConvOptions{});
  }
  /// Y [N, out] = X [N, in] · W [out, in]ᵀ + bias [out].
  Value linear(Value x, Value w, Value bias = {});
  /// Y = alpha · A' · B' + beta · C.
  Value gemm(Value a, Value b, Value c, const GemmOptions& options);
  /// numpy.matmul.
  Value matmul(Value a, Value b);

  /// Recurrent layers, gates in ONNX's order: x [T, B, I] (or, for a graph input, [T, I]: one sequence), w [D, G·H, I],
  /// r [D, G·H, H], bias [D, 2·G·H] or absent; G = 1, 4 (i o f c), 3 (z r h).
  Recurrence rnn(Value x, Value w, Value r, Value bias, const RecurrentOptions& options);
  Recurrence rnn(Value x, Value w, Value r, Value bias = {}) { return rnn(x, w, r, bias, RecurrentOptions{}); }
  Recurrence lstm(Value x, Value w, Value r, Value bias, const RecurrentOptions& options);
  Recurrence lstm(Value x, Value w, Value r, Value bias = {}) { return lstm(x, w, r, bias, RecurrentOptions{}); }
  Recurrence gru(Value x, Value w, Value r, Value bias, const RecurrentOptions& options);
  Recurrence gru(Value x, Value w, Value r, Value bias = {}) { return gru(x, w, r, bias, RecurrentOptions{}); }

  /// softmax(scale·Q·Kᵀ + mask)·V by heads: q [B, N, q_heads·d], k and v [B, M, kv_heads·d], or heads apart.
  Attended attention(Value q, Value k, Value v, const AttentionOptions& options);
  /// Rows of `table` [rows, d] by int64 or int32 indices of any shape.
  Value embedding(Value table, Value indices);
  /// Over the axes from `axis` on: (x − mean) / √(var + epsilon) · scale + bias; and without mean and bias.
  Value layer_norm(Value x, Value scale, Value bias = {}, int64_t axis = -1, float epsilon = 1e-5f);
  Value rms_norm(Value x, Value scale, int64_t axis = -1, float epsilon = 1e-5f);
  Value gelu(Value x, bool by_tanh = false);
  Value swish(Value x);

  /// Over windows of `kernel` elements, one value a spatial axis.
  Value max_pool(Value x, const Ints& kernel, const PoolOptions& options);
  Value max_pool(Value x, const Ints& kernel) { return max_pool(std::move(x), kernel, PoolOptions{}); }
  Value average_pool(Value x, const Ints& kernel, const PoolOptions& options);
  Value average_pool(Value x, const Ints& kernel) { return average_pool(std::move(x), kernel, PoolOptions{}); }
  /// [N, C, …] → [N, C, 1, …].
  Value global_max_pool(Value x);
  Value global_average_pool(Value x);

  /// (x − mean) / √(var + epsilon) · scale + bias, all [C].
  Value batch_norm(Value x, Value scale, Value bias, Value mean, Value var, float epsilon = 1e-5f);
  Value relu(Value x);
  Value clip(Value x, float min, float max);
  Value tanh(Value x);
  Value sigmoid(Value x);
  Value exp(Value x);
  Value softmax(Value x, int64_t axis = -1);

  /// With multidirectional broadcasting.
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b);
  Value sum(const std::vector<Value>& values);

  /// `pads`: all begins, then all ends; negative ones remove. mode: constant (of `value`), reflect, edge, wrap.
  Value pad(Value x, const Ints& pads, float value = 0, const std::string& mode = "constant");
  Value flatten(Value x, int64_t axis = 1);
  Value reshape(Value x, const Ints& shape);  ///< 0: as in x; one −1: what is left
  Value transpose(Value x, const Ints& perm);
  Value concat(const std::vector<Value>& values, int64_t axis);
  Value squeeze(Value x, const Ints& axes);
  Value unsqueeze(Value x, const Ints& axes);
  Value identity(Value x);
  Value dropout(Value x);

  /// Adds a graph output.
  void output(const Value& value);

  /// The graph with these outputs, or with those of output(). Throws Error(usage) on values of another builder,
  /// Error(model) where a name is given twice.
  Graph graph(const std::vector<Value>& outputs = {}) const;
  /// The model of the graph with the outputs of output().
  Model build(LoadOptions options = {}) const { return Model(graph(), std::move(options)); }

 private:
  struct Pending {
    Node node;  ///< without the names of its operands
    std::vector<Value> inputs, outputs;
    bool outputs_optional = false;  ///< those that nobody uses are left out
  };

  Value add_value(const std::string& kind);
  const std::string& name_of_value(const Value& value) const;
  Value one(const std::string& op, const std::vector<Value>& inputs, std::map<std::string, Attribute> attributes = {});
  Recurrence recurrent(const char* op, Value x, Value w, Value r, Value bias, const RecurrentOptions& options);
  Value pool(const char* op, Value x, const Ints& kernel, const PoolOptions& options,
             std::map<std::string, Attribute> attributes);

  uint64_t serial_;
  std::vector<std::string> names_;   ///< by value
  std::map<std::string, int> used_;  ///< names given by kind
  std::vector<std::pair<Value, ValueInfo>> inputs_;
  std::vector<std::pair<Value, Tensor>> constants_;
  std::vector<Pending> nodes_;
  std::vector<Value> outputs_;
};

}  // namespace tally
