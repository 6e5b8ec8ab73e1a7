#include "tally/engine/estimate.h"

#include <algorithm>
#include <set>

#include "tally/engine/body.h"

namespace tally {

namespace {

int64_t bytes_of_value(const TypedValue& value) {
  return static_cast<int64_t>(bytes_of(value.dtype, static_cast<size_t>(element_count(value.shape))));
}

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
      if (value.constant)
        count_constant(row, value, role);
      else if (role != Role::free || !node.layer->needs_value(static_cast<int>(i))) {
        row.input_shapes.push_back(value.shape);
        if (row.cost.view || role == Role::state || bodies != nullptr) continue;
        if (read.insert(node.inputs[i]).second) row.bytes_read += bytes_of_value(value);
      }
    }
    for (ValueId id : node.outputs) {
      if (id == kAbsent) continue;
      const TypedValue& value = graph.values[static_cast<size_t>(id)];
      if (!value.unknown.empty()) continue;
      row.output_shapes.push_back(value.shape);
      row.output_elements += element_count(value.shape);
      if (!row.cost.view && bodies == nullptr) row.bytes_written += bytes_of_value(value);
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
    constexpr int64_t NodeEstimate::*kRepeated[] = {&NodeEstimate::bytes_read,
                                                    &NodeEstimate::bytes_weights,
                                                    &NodeEstimate::bytes_written,
                                                    &NodeEstimate::activation_elements,
                                                    &NodeEstimate::activation_elements_textbook};
    constexpr int64_t Cost::*kRepeatedCosts[] = {&Cost::macs,        &Cost::macs_nopad,  &Cost::bias_additions,
                                                 &Cost::comparisons, &Cost::elementwise, &Cost::special,
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

  void count_constant(NodeEstimate& row, const TypedValue& value, Role role) {
    if (role == Role::free || role == Role::activation || role == Role::state) return;
    const int64_t elements = element_count(value.shape);
    row.bytes_weights += bytes_of_value(value);
    if (role == Role::constant) {
      row.constants += elements;
      return;
    }
    const bool first = seen_.insert(value.source).second;
    if (first) stored_bytes_ += bytes_of_value(value);
    if (role == Role::buffer)
      row.buffers += first ? elements : 0;
    else
      (first ? row.params : row.params_shared) += elements;
  }

  std::set<std::string> seen_;
  int64_t stored_bytes_ = 0;  ///< of params and buffers
};

/// Bytes live at once in file order: inputs until their last use, graph outputs to the end; views alias; a node may
/// overwrite its first dying input of equal size, never a graph input. While a body runs, its peak comes on top; what
/// it captures is already counted.
int64_t peak_bytes(const TypedGraph& graph, size_t captured = 0) {
  const size_t n = graph.values.size();
  std::vector<ValueId> root(n);
  for (size_t i = 0; i < n; ++i) root[i] = static_cast<ValueId>(i);
  for (const TypedNode& node : graph.nodes)
    if (const int view = node.layer->view_of(); view >= 0)
      root[static_cast<size_t>(node.outputs[0])] = root[static_cast<size_t>(node.inputs[static_cast<size_t>(view)])];
  const int end = static_cast<int>(graph.nodes.size());
  std::vector<int> last(n, -1);
  for (int i = 0; i < end; ++i)
    for (ValueId id : graph.nodes[static_cast<size_t>(i)].inputs)
      if (id != kAbsent) last[static_cast<size_t>(root[static_cast<size_t>(id)])] = i;
  for (ValueId id : graph.outputs) last[static_cast<size_t>(root[static_cast<size_t>(id)])] = end;

  std::vector<bool> is_input(n, false);
  std::vector<int64_t> bytes(n, 0);
  int64_t live = 0;
  for (size_t i = 0; i + captured < graph.inputs.size(); ++i) {
    const auto v = static_cast<size_t>(graph.inputs[i]);
    if (graph.values[v].constant || last[v] < 0) continue;
    is_input[v] = true;
    bytes[v] = bytes_of_value(graph.values[v]);
    live += bytes[v];
  }
  int64_t peak = live;
  for (int i = 0; i < end; ++i) {
    const TypedNode& node = graph.nodes[static_cast<size_t>(i)];
    std::set<size_t> dying;
    for (ValueId id : node.inputs)
      if (id != kAbsent && bytes[static_cast<size_t>(root[static_cast<size_t>(id)])] > 0 &&
          last[static_cast<size_t>(root[static_cast<size_t>(id)])] == i)
        dying.insert(static_cast<size_t>(root[static_cast<size_t>(id)]));
    bool reused = node.layer->view_of() >= 0;
    for (ValueId id : node.outputs) {
      if (id == kAbsent || reused) continue;
      const auto out = static_cast<size_t>(id);
      bytes[out] = bytes_of_value(graph.values[out]);
      for (size_t k = 0; k < node.inputs.size() && !reused; ++k) {
        if (node.inputs[k] == kAbsent || !node.layer->in_place(static_cast<int>(k))) continue;
        const auto in = static_cast<size_t>(root[static_cast<size_t>(node.inputs[k])]);
        if (dying.contains(in) && !is_input[in] && bytes[in] == bytes[out]) {
          dying.erase(in);
          reused = true;
        }
      }
      if (!reused) live += bytes[out];
      peak = std::max(peak, live);
      if (last[out] < 0) live -= bytes[out];  // wanted by nobody, written all the same
    }
    if (const Bodies* bodies = node.layer->bodies())
      for (const Body& body : bodies->list) peak = std::max(peak, live + peak_bytes(*body.graph, body.captures.size()));
    for (size_t v : dying) live -= bytes[v];
  }
  return peak;
}

}  // namespace

Estimate estimate_graph(const TypedGraph& graph) {
  Estimate estimate;
  EstimateTotals& t = estimate.totals;
  Accountant accountant;
  for (const TypedNode& node : graph.nodes) {
    NodeEstimate row = accountant.row(graph, node);
    add(t.params, row.params);
    add(t.params_shared, row.params_shared);
    add(t.buffers, row.buffers);
    add(t.constants, row.constants);
    add(t.macs, row.cost.macs);
    add(t.macs_nopad, row.cost.macs_nopad);
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
  t.peak_activation_bytes = peak_bytes(graph);
  t.training_elements = 2 * (t.params + t.activation_elements_textbook + input_elements);
  t.intensity = t.bytes_compulsory > 0 ? static_cast<double>(t.operations) / static_cast<double>(t.bytes_compulsory) : 0;
  return estimate;
}

}  // namespace tally
