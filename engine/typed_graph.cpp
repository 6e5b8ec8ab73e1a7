#include "tally/engine/typed_graph.h"

#include <limits>
#include <set>

#include "tally/engine/evaluate.h"

namespace tally {

namespace {

/// Constants larger than this keep type and shape only when weights are not evaluated: enough for any shape arithmetic.
constexpr int64_t kShapeElements = 4096;

/// Stands for a node whose operator, or whose operands' types, are not known: estimates show it without figures, plans
/// refuse it.
class UnknownLayer final : public Layer {
 public:
  UnknownLayer(const Node& node, std::string reason) : Layer(node), reason_(std::move(reason)) {}
  std::vector<TensorType> infer(Operands) const override { return {}; }
  Cost cost(Operands, std::span<const TensorType>) const override {
    Cost cost;
    cost.coverage = Coverage::unknown;
    cost.reason = reason_;
    return cost;
  }
  std::vector<Candidate> candidates(const PlanContext&, Operands, std::span<const TensorType>) const override { refuse(); }
  void prepare(const Candidate&, Preparation&) const override { refuse(); }

 private:
  [[noreturn]] void refuse() const { fail(label(), reason_, "must be known to be planned"); }
  std::string reason_;
};

class Typer {
 public:
  Typer(const Graph& graph, const Registry& registry, const Binding& binding)
      : graph_(graph), registry_(registry), binding_(binding), budget_(*binding.folding) {}

  TypedGraph run() {
    for (const ValueInfo& input : graph_.inputs) add_input(input);
    for (const Node& node : graph_.nodes) add_node(node);
    for (const ValueInfo& output : graph_.outputs) {
      out_.outputs.push_back(id_of(output.name, "graph output"));
      out_.output_names.push_back(output.name);
    }
    remove_dead();
    for (size_t i = 0; i < out_.nodes.size(); ++i) out_.nodes[i].origins = {static_cast<int>(i)};
    out_.folded_bytes = budget_.bytes;
    return std::move(out_);
  }

 private:
  ValueId add_value(TypedValue value) {
    const auto id = static_cast<ValueId>(out_.values.size());
    if (!ids_.emplace(value.name, id).second) fail("graph", "value '" + value.name + "'", "must be produced once");
    out_.values.push_back(std::move(value));
    return id;
  }

  /// A value by name; an initialiser becomes a value when it is first used.
  ValueId id_of(const std::string& name, const std::string& user) {
    if (const auto it = ids_.find(name); it != ids_.end()) return it->second;
    const auto it = graph_.initializers.find(name);
    if (it == graph_.initializers.end()) fail(user, "input '" + name + "'", "must be produced by a node, an initializer or a graph input");
    return add_value({name, it->second.dtype(), it->second.shape(), it->second, name});
  }

  void add_input(const ValueInfo& input) {
    TypedValue value{input.name, input.dtype, {}, {}, {}};
    const std::string who = "input '" + input.name + "'";
    if (const auto bound = binding_.values.find(input.name); bound != binding_.values.end()) {
      const Tensor& tensor = bound->second;
      if (tensor.dtype() != input.dtype)
        fail(who, text("dtype ", name_of(tensor.dtype())), text("must be ", name_of(input.dtype)));
      check_declared(who, input, tensor.shape());
      value.shape = tensor.shape();
      value.constant = tensor;
      value.source = input.name;
      out_.inputs.push_back(add_value(std::move(value)));
      return;
    }
    if (const auto bound = binding_.shapes.find(input.name); bound != binding_.shapes.end()) {
      check_declared(who, input, bound->second);
      value.shape = bound->second;
    } else {
      if (!input.shape) fail(who, "unknown rank", "must be given a shape", ErrorCode::usage);
      for (const Dim& dim : *input.shape) value.shape.push_back(resolve(who, dim));
    }
    check_size(who, {value.dtype, value.shape});
    out_.inputs.push_back(add_value(std::move(value)));
  }

  int64_t resolve(const std::string& who, const Dim& dim) const {
    if (dim.value >= 0) return dim.value;
    const auto bound = binding_.dims.find(dim.name);
    if (bound == binding_.dims.end() || dim.name.empty())
      fail(who, "dimension " + (dim.name.empty() ? std::string("?") : "'" + dim.name + "'"),
           "must be bound (--dim NAME=N, or an input that fixes it)", ErrorCode::usage);
    if (bound->second < 0) fail(who, text("dimension '", dim.name, "'=", bound->second), "must be >= 0", ErrorCode::usage);
    return bound->second;
  }

  void check_declared(const std::string& who, const ValueInfo& input, const Shape& shape) const {
    if (!input.shape) return;
    if (input.shape->size() != shape.size())
      fail(who, "shape " + to_string(shape), text("must have rank ", input.shape->size()));
    for (size_t i = 0; i < shape.size(); ++i)
      if (const int64_t declared = (*input.shape)[i].value; declared >= 0 && declared != shape[i])
        fail(who, "shape " + to_string(shape), text("must have extent ", declared, " in dimension ", i));
  }

  void check_size(const std::string& who, const TensorType& type) const {
    const auto bytes = static_cast<int64_t>(bytes_of(type.dtype, static_cast<size_t>(element_count(type.shape, who))));
    if (bytes > binding_.max_tensor_bytes)
      fail(who, text("a tensor of ", bytes, " bytes"), text("must be at most ", binding_.max_tensor_bytes, " (--max-memory)"),
           ErrorCode::limit);
  }

  /// Why a node's cost cannot be known; empty: it can.
  std::string unknown_reason(const Node& node, const TypedNode& typed) const {
    if (!registry_.knows(node)) return "operator " + node.op + " is not known";
    for (ValueId id : typed.inputs)
      if (id != kAbsent && !out_.values[static_cast<size_t>(id)].unknown.empty())
        return "the shape of its input '" + out_.values[static_cast<size_t>(id)].name + "' is not known";
    return "";
  }

  void add_unknown_node(const Node& node, TypedNode typed, const std::string& reason) {
    typed.layer = std::make_shared<UnknownLayer>(node, reason);
    for (const std::string& name : node.outputs)
      typed.outputs.push_back(name.empty() ? kAbsent : add_value({name, DType::undefined, {}, {}, {}, reason}));
    out_.nodes.push_back(std::move(typed));
  }

  void add_node(const Node& node) {
    TypedNode typed;
    typed.name = node.name;
    typed.op = node.op;
    typed.scope = node.scope;
    for (const std::string& name : node.inputs) typed.inputs.push_back(name.empty() ? kAbsent : id_of(name, node.label()));
    if (binding_.allow_unknown)
      if (const std::string reason = unknown_reason(node, typed); !reason.empty())
        return add_unknown_node(node, std::move(typed), reason);
    typed.layer = registry_.make(node);
    const std::vector<Operand> operands = out_.operands(typed);
    if (!operands.empty() && !operands[0].present) fail(node.label(), "an absent first input", "must be given");
    for (size_t i = 0; i < operands.size(); ++i)
      if (typed.layer->needs_value(static_cast<int>(i)) && operands[i].present &&
          (operands[i].constant == nullptr || !operands[i].constant->has_data()))
        fail(node.label(), "input '" + operands[i].name + "'", "must be constant or bound before planning");
    const std::vector<TensorType> types = infer(node, *typed.layer, operands);
    size_t wanted_outputs = node.outputs.size();  // without the trailing ones that nobody wants
    while (wanted_outputs > 0 && node.outputs[wanted_outputs - 1].empty()) --wanted_outputs;
    if (types.size() < wanted_outputs)
      fail(node.label(), text(wanted_outputs, " outputs"), text("must have at most ", types.size()));
    for (const TensorType& type : types) check_size(node.label(), type);
    std::vector<Tensor> folded = fold(typed, operands, types);
    bool wanted = false;
    for (size_t i = 0; i < wanted_outputs; ++i) {
      if (node.outputs[i].empty()) {
        typed.outputs.push_back(kAbsent);
        continue;
      }
      TypedValue value{node.outputs[i], types[i].dtype, types[i].shape, {}, {}};
      if (!folded.empty()) {
        value.constant = folded[i];
        const bool same = typed.layer->keeps_identity() && !typed.inputs.empty() && typed.inputs[0] != kAbsent;
        value.source = same ? out_.values[static_cast<size_t>(typed.inputs[0])].source : node.outputs[i];
      }
      typed.outputs.push_back(add_value(std::move(value)));
      wanted = true;
    }
    if (folded.empty() && wanted) out_.nodes.push_back(std::move(typed));
  }

  /// The layer's shape rule; an error that names no node (an operand of the wrong type) gets this one's name.
  static std::vector<TensorType> infer(const Node& node, const Layer& layer, const std::vector<Operand>& operands) {
    try {
      return layer.infer(operands);
    } catch (const Error& error) {
      if (!error.node.empty()) throw;
      throw Error(error.code, node.label(), error.found, error.required);
    }
  }

  /// Values of a node that depends on no input, or nothing.
  std::vector<Tensor> fold(const TypedNode& node, const std::vector<Operand>& operands,
                           const std::vector<TensorType>& types) const {
    if (std::vector<Tensor> values = node.layer->values_from_types(operands, types); !values.empty()) return values;
    if (operands.empty()) return {};
    bool known = true, small = true;
    for (const Operand& operand : operands) {
      if (!operand.present) continue;
      if (operand.constant == nullptr) return {};
      known = known && operand.constant->has_data();
      small = small && operand.constant->elements() <= kShapeElements;
    }
    for (const TensorType& type : types) small = small && element_count(type.shape) <= kShapeElements;
    if (known && (binding_.evaluate_weights || small)) return computed(node, operands, types);
    std::vector<Tensor> values;
    for (const TensorType& type : types) values.push_back(Tensor::without_data(type.dtype, type.shape));
    return values;
  }

  /// A folded node's values; a limit that computing them meets is the node's.
  std::vector<Tensor> computed(const TypedNode& node, const std::vector<Operand>& operands,
                               const std::vector<TensorType>& types) const {
    const size_t before = budget_.bytes;
    charge(node, operands, types);
    try {
      return evaluate(node, operands, types, before, budget_.max_bytes);
    } catch (const Error& error) {
      if (error.code != ErrorCode::limit) throw;
      throw Error(error.code, node.layer->label(), error.found, error.required);
    }
  }

  /// Takes what a folded node costs from the budget. Views share their operand's bytes.
  void charge(const TypedNode& node, const std::vector<Operand>& operands, const std::vector<TensorType>& types) const {
    if (node.layer->view_of() >= 0) return;
    const Cost cost = node.layer->cost(operands, types);
    int64_t work = budget_.work;
    size_t bytes = budget_.bytes;
    for (int64_t part : {cost.macs, cost.elementwise, cost.special, cost.pool_operations, cost.comparisons})
      if (__builtin_add_overflow(work, part, &work)) work = std::numeric_limits<int64_t>::max();
    for (const TensorType& type : types) {
      const int64_t elements = element_count(type.shape);
      if (__builtin_add_overflow(work, elements, &work)) work = std::numeric_limits<int64_t>::max();
      bytes += bytes_of(type.dtype, static_cast<size_t>(elements));
    }
    if (work > budget_.max_work)
      fail(node.layer->label(), text(work, " operations and elements of constants up to here"),
           text("must be at most ", budget_.max_work, " (--max-macs)"), ErrorCode::limit);
    if (bytes > budget_.max_bytes)
      fail(node.layer->label(), text(bytes, " bytes of computed constants up to here"),
           text("must be at most ", budget_.max_bytes, " (--max-memory)"), ErrorCode::limit);
    budget_.work = work;
    budget_.bytes = bytes;
  }

  void remove_dead() {
    std::vector<bool> needed(out_.values.size(), false);
    for (ValueId id : out_.outputs) needed[static_cast<size_t>(id)] = true;
    std::vector<TypedNode> live;
    for (size_t i = out_.nodes.size(); i-- > 0;) {
      TypedNode& node = out_.nodes[i];
      bool used = false;
      for (ValueId& id : node.outputs) {
        if (id != kAbsent && needed[static_cast<size_t>(id)]) used = true;
      }
      if (!used) continue;
      for (ValueId id : node.inputs)
        if (id != kAbsent) needed[static_cast<size_t>(id)] = true;
      live.push_back(std::move(node));
    }
    out_.nodes.assign(std::make_move_iterator(live.rbegin()), std::make_move_iterator(live.rend()));
  }

  const Graph& graph_;
  const Registry& registry_;
  const Binding& binding_;
  FoldingBudget& budget_;
  TypedGraph out_;
  std::map<std::string, ValueId> ids_;
};

}  // namespace

std::vector<Operand> TypedGraph::operands(const TypedNode& node) const {
  std::vector<Operand> list;
  for (ValueId id : node.inputs) {
    if (id == kAbsent) {
      list.push_back({DType::undefined, {}, nullptr, "", false});
      continue;
    }
    const TypedValue& value = values[static_cast<size_t>(id)];
    list.push_back({value.dtype, value.shape, value.constant ? &*value.constant : nullptr, value.name, true});
  }
  return list;
}

std::vector<TensorType> TypedGraph::output_types(const TypedNode& node) const {
  std::vector<TensorType> list;
  for (ValueId id : node.outputs) {
    if (id == kAbsent) {
      list.push_back({});
      continue;
    }
    const TypedValue& value = values[static_cast<size_t>(id)];
    list.push_back({value.dtype, value.shape});
  }
  return list;
}

std::vector<std::string> shape_carrying_inputs(const Graph& graph, const Registry& registry, bool allow_unknown) {
  std::set<std::string> needed;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    bool all = false;
    for (const std::string& output : node.outputs) all = all || needed.contains(output);
    if (allow_unknown && !registry.knows(node)) continue;
    const std::unique_ptr<Layer> layer = registry.make(node);
    // A value that planning needs: everything it is computed from is needed too, but for operands of which only the
    // extents count (Shape).
    const bool computed = all && !layer->follows_from_types();
    for (size_t k = 0; k < node.inputs.size(); ++k)
      if (!node.inputs[k].empty() && (computed || layer->needs_value(static_cast<int>(k))))
        needed.insert(node.inputs[k]);
  }
  std::vector<std::string> names;
  for (const ValueInfo& input : graph.inputs)
    if (needed.contains(input.name)) names.push_back(input.name);
  return names;
}

TypedGraph type_graph(const Graph& graph, const Registry& registry, const Binding& binding) {
  return Typer(graph, registry, binding).run();
}

}  // namespace tally
