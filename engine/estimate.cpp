#include "tally/engine/estimate.h"

#include <set>

#include "tally/engine/body.h"
#include "tally/engine/peak_bytes.h"

namespace tally {

namespace {

int64_t bytes_of_value(const TypedValue& value) { return bytes_of(value.dtype, element_count(value.shape)); }

void add(int64_t& sum, int64_t term) {
  if (__builtin_add_overflow(sum, term, &sum)) fail("estimate", "a total", "must fit 63 bits", ErrorCode::limit);
}

void add_times(int64_t& sum, int64_t term, int64_t times) {
  if (__builtin_mul_overflow(term, times, &term)) fail("estimate", "a total", "must fit 63 bits", ErrorCode::limit);
  add(sum, term);
}

/// Follows which tensors have been counted, so that a weight used twice is one parameter.
class Accountant {
 public:
  NodeEstimate row(const TypedGraph& graph, const TypedNode& node) {
    NodeEstimate row;
    row.name = node.name;
    row.op = node.op;
    row.scope = node.scope;
    const std::vector<Operand> operands = graph.operands(node);
    const std::vector<TensorType> types = graph.output_types(node);
    const Bodies* bodies = node.layer->bodies();
    row.cost = node.layer->cost(operands, types);
    std::set<ValueId> read;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kAbsent) continue;
      const TypedValue& value = graph.values[static_cast<size_t>(node.inputs[i])];
      const Role role = node.layer->role(static_cast<int>(i), operands);
      const int64_t used = node.layer->bytes_used(static_cast<int>(i), operands, types);
      const int64_t bytes = used < 0 ? bytes_of_value(value) : used;
      row.operands.push_back({value.name, value.dtype, value.shape, role, value.constant.has_value(), false, 0});
      if (value.constant)
        count_constant(row, value, role, bytes);
      else if (role != Role::free || !node.layer->needs_value(static_cast<int>(i))) {
        row.input_shapes.push_back(value.shape);
        if (row.cost.view || role == Role::state || bodies != nullptr) continue;
        if (!read.insert(node.inputs[i]).second) continue;
        row.operands.back().bytes = bytes;
        row.bytes_read += bytes;
      }
    }
    for (ValueId id : node.outputs) {
      if (id == kAbsent) continue;
      const TypedValue& value = graph.values[static_cast<size_t>(id)];
      if (!value.unknown.empty()) continue;
      row.output_shapes.push_back(value.shape);
      row.output_elements += element_count(value.shape);
      const int64_t written = row.cost.view || bodies != nullptr ? 0 : bytes_of_value(value);
      row.outputs.push_back({value.name, value.dtype, value.shape, Role::activation, false, false, written});
      row.bytes_written += written;
    }
    if (bodies != nullptr) {
      add_bodies(row, *bodies);
    } else {
      row.activation_elements = row.cost.view ? 0 : row.output_elements;
      row.activation_elements_textbook = row.cost.textbook ? row.output_elements : 0;
    }
    return row;
  }

  int64_t stored_bytes() const { return stored_bytes_; }

 private:
  void add_bodies(NodeEstimate& row, const Bodies& bodies) {
    constexpr int64_t NodeEstimate::*kRepeated[] = {&NodeEstimate::bytes_read, &NodeEstimate::bytes_weights,
                                                    &NodeEstimate::bytes_written, &NodeEstimate::activation_elements,
                                                    &NodeEstimate::activation_elements_textbook};
    constexpr int64_t Cost::*kRepeatedCosts[] = {&Cost::macs,           &Cost::macs_nopad,  &Cost::bias_additions,
                                                 &Cost::comparisons,    &Cost::elementwise, &Cost::special,
                                                 &Cost::pool_operations};
    bool first = true;
    for (const Body& body : bodies.list) {
      for (const TypedNode& node : body.graph->nodes) {
        const NodeEstimate inner = this->row(*body.graph, node);
        for (const auto figure : kRepeated) add_times(row.*figure, inner.*figure, body.runs);
        for (const auto figure : kRepeatedCosts) add_times(row.cost.*figure, inner.cost.*figure, body.runs);
        add(row.params, inner.params);
        add(row.buffers, inner.buffers);
        if (first || !bodies.one_a_trip) {
          add(row.params_shared, inner.params_shared);
          add(row.constants, inner.constants);
        }
        if (inner.cost.coverage == Coverage::unknown || inner.cost.coverage == Coverage::approximate) {
          if (row.cost.coverage == Coverage::unknown) continue;
          row.cost.coverage = inner.cost.coverage;
          row.cost.reason = inner.op + " '" + inner.name + "' in its body: " + inner.cost.reason;
        }
      }
      first = false;
    }
  }

  void count_constant(NodeEstimate& row, const TypedValue& value, Role role, int64_t bytes) {
    if (role == Role::free || role == Role::activation || role == Role::state) return;
    const int64_t elements = element_count(value.shape);
    row.bytes_weights += bytes;
    row.operands.back().bytes = bytes;
    if (role == Role::constant) {
      row.constants += elements;
      return;
    }
    const bool first = seen_.insert(value.source).second;
    row.operands.back().shared = !first;
    if (first) stored_bytes_ += bytes_of_value(value);
    if (role == Role::buffer)
      row.buffers += first ? elements : 0;
    else
      (first ? row.params : row.params_shared) += elements;
  }

  std::set<std::string> seen_;
  int64_t stored_bytes_ = 0;  ///< of params and buffers
};

}  // namespace

Estimate estimate_graph(const TypedGraph& graph) {
  Estimate estimate;
  EstimateTotals& t = estimate.totals;
  Accountant accountant;
  const LiveBytes live = live_activation_bytes(graph);
  for (const TypedNode& node : graph.nodes) {
    NodeEstimate row = accountant.row(graph, node);
    row.live_bytes = live.at_node[estimate.layers.size()];
    add(t.params, row.params);
    add(t.params_shared, row.params_shared);
    add(t.buffers, row.buffers);
    add(t.constants, row.constants);
    add(t.macs, row.cost.macs);
    add(t.macs_nopad, row.cost.macs_nopad);
    add(t.macs_causal, row.cost.macs - row.cost.macs_masked);
    add(t.flops, row.flops());
    add(t.ops_sequential, row.ops_sequential());
    add(t.ops_fused, row.ops_fused());
    add(t.comparisons, row.cost.comparisons);
    add(t.elementwise, row.cost.elementwise);
    add(t.special, row.cost.special);
    add(t.operations, row.operations());
    add(t.bytes_read, row.bytes_read);
    add(t.bytes_weights, row.bytes_weights);
    add(t.bytes_written, row.bytes_written);
    add(t.output_elements, row.output_elements);
    add(t.activation_elements, row.activation_elements);
    add(t.activation_elements_textbook, row.activation_elements_textbook);
    estimate.layers.push_back(std::move(row));
  }
  t.bytes_compulsory = t.bytes_read + t.bytes_weights + t.bytes_written;
  t.bytes_io = accountant.stored_bytes();
  int64_t input_elements = 0;
  for (ValueId id : graph.inputs) {
    const TypedValue& value = graph.values[static_cast<size_t>(id)];
    add(t.bytes_io, bytes_of_value(value));
    add(input_elements, element_count(value.shape));
  }
  for (ValueId id : graph.outputs) add(t.bytes_io, bytes_of_value(graph.values[static_cast<size_t>(id)]));
  t.peak_activation_bytes = live.peak;
  t.training_elements = 2 * (t.params + t.activation_elements_textbook + input_elements);
  t.intensity =
      t.bytes_compulsory > 0 ? static_cast<double>(t.operations) / static_cast<double>(t.bytes_compulsory) : 0;
  return estimate;
}

}  // namespace tally
