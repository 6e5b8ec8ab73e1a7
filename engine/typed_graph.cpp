#include "tally/engine/typed_graph.h"

#include <algorithm>
#include <limits>

#include "tally/engine/body.h"
#include "tally/engine/folding.h"

namespace tally {

namespace {

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
  std::vector<Candidate> candidates(const PlanContext&, Operands, std::span<const TensorType>) const override {
    refuse();
  }
  void prepare(const Candidate&, Preparation&) const override { refuse(); }

 private:
  [[noreturn]] void refuse() const { fail(label(), reason_, "must be known to be planned"); }
  std::string reason_;
};

/// Thrown while a body is typed whose results depend on an unknown operator; ends where its node is typed.
struct UnknownBody {
  std::string reason;
};

/// Names as the nodes of one graph see them.
struct Scope {
  const Graph* graph;
  std::string prefix;  ///< that makes its names unique in the model
  std::string path;    ///< scope of nodes that state none
  std::map<std::string, ValueId> ids = {};
};

std::string attribute_of(const Node& node, const Graph& body) {
  for (const auto& [key, value] : node.attributes) {
    const auto* graph = std::get_if<std::shared_ptr<const Graph>>(&value);
    if (graph != nullptr && graph->get() == &body) return key;
  }
  return "";
}

Scope scope_of(const Node& node, const Graph& body, const Scope& around) {
  const auto named = std::find_if(node.outputs.begin(), node.outputs.end(), [](const auto& o) { return !o.empty(); });
  const std::string& unique = named == node.outputs.end() ? node.name : *named;
  return {&body, around.prefix + unique + "/" + attribute_of(node, body) + "/",
          (node.scope.empty() ? around.path : node.scope) + "/" + node.name};
}

/// Types a graph, or a body within one: its `outer` then knows the names that the body does not define.
class Typer {
 public:
  Typer(const Graph& graph, const Registry& registry, const Binding& binding)
      : registry_(registry),
        binding_(binding),
        budget_(*binding.folding),
        scopes_{{&graph, "", ""}},
        typed_nodes_(&typed_nodes_here_) {}
  Typer(const Node& node, const Graph& body, Typer& outer, std::vector<std::string> operands)
      : registry_(outer.registry_),
        binding_(outer.binding_),
        budget_(outer.budget_),
        scopes_{scope_of(node, body, outer.scopes_.back())},
        outer_(&outer),
        outer_operands_(std::move(operands)),
        typed_nodes_(outer.typed_nodes_) {}

  TypedGraph run() {
    for (const ValueInfo& input : graph().inputs) add_input(input);
    return run_nodes();
  }

  Body run_body(std::span<const BodyInput> inputs, const std::string& who) {
    if (inputs.size() != graph().inputs.size())
      fail(who, text("a body of ", graph().inputs.size(), " inputs"), text("must have ", inputs.size()));
    for (size_t i = 0; i < inputs.size(); ++i) add_body_input(graph().inputs[i], inputs[i], who);
    Body body{std::make_shared<TypedGraph>(run_nodes()), {}, 1};
    for (ValueId id : body.graph->outputs)
      if (const TypedValue& value = body.graph->values[static_cast<size_t>(id)]; !value.unknown.empty())
        throw UnknownBody{value.unknown};
    body.captures = std::move(captures_);
    return body;
  }

 private:
  const Graph& graph() const { return *scopes_.front().graph; }

  TypedGraph run_nodes() {
    for (const Node& node : graph().nodes) add_node(node);
    for (const ValueInfo& output : graph().outputs) {
      out_.outputs.push_back(id_of(output.name, "graph output"));
      out_.output_names.push_back(output.name);
    }
    out_.inputs.insert(out_.inputs.end(), captured_.begin(), captured_.end());
    remove_dead();
    for (size_t i = 0; i < out_.nodes.size(); ++i) out_.nodes[i].origins = {static_cast<int>(i)};
    out_.folded_bytes = budget_.bytes;
    return std::move(out_);
  }

  void define(Scope& scope, const std::string& name, ValueId id) {
    if (!scope.ids.emplace(name, id).second) fail("graph", "value '" + name + "'", "must be produced once");
  }

  ValueId add_value_to(Scope& scope, TypedValue value) {
    const auto id = static_cast<ValueId>(out_.values.size());
    define(scope, value.name, id);
    out_.values.push_back(std::move(value));
    return id;
  }
  ValueId add_value(TypedValue value) { return add_value_to(scopes_.back(), std::move(value)); }

  /// A value by name, of the innermost graph that has one; an initialiser becomes a value when it is first used.
  ValueId id_of(const std::string& name, const std::string& user) {
    for (size_t s = scopes_.size(); s-- > 0;) {
      Scope& scope = scopes_[s];
      if (const auto it = scope.ids.find(name); it != scope.ids.end()) return it->second;
      if (const auto it = scope.graph->initializers.find(name); it != scope.graph->initializers.end())
        return add_value_to(scope, {name, it->second.dtype(), it->second.shape(), it->second, scope.prefix + name});
    }
    if (outer_ == nullptr)
      fail(user, "input '" + name + "'", "must be produced by a node, an initializer or a graph input");
    return capture(name, user);
  }

  /// A value of the graphs around: constant here too, or else one more input.
  ValueId capture(const std::string& name, const std::string& user) {
    const ValueId outside = outer_->id_of(name, user);
    TypedValue value = outer_->out_.values[static_cast<size_t>(outside)];
    value.name = name;
    const bool constant = value.constant.has_value();
    const ValueId id = add_value_to(scopes_.front(), std::move(value));
    if (constant) return id;
    const auto operand = std::find(outer_operands_.begin(), outer_operands_.end(), name);
    if (operand == outer_operands_.end())
      fail(user, "input '" + name + "'", "must be an operand of the node around it", ErrorCode::internal);
    captures_.push_back(static_cast<int>(operand - outer_operands_.begin()));
    captured_.push_back(id);
    return id;
  }

  void add_body_input(const ValueInfo& declared, const BodyInput& input, const std::string& node) {
    const std::string who = node + " input '" + declared.name + "' of its body";
    if (declared.dtype != DType::undefined && declared.dtype != input.type.dtype)
      fail(who, text("dtype ", name_of(declared.dtype)), text("must be ", name_of(input.type.dtype)));
    check_declared(who, declared, input.type.shape);
    TypedValue value{declared.name, input.type.dtype, input.type.shape, {}, {}};
    if (input.value != nullptr) {
      value.constant = *input.value;
      value.source = scopes_.front().prefix + declared.name;
    }
    out_.inputs.push_back(add_value(std::move(value)));
  }

  void add_input(const ValueInfo& input) {
    TypedValue value{input.name, input.dtype, {}, {}, {}};
    const std::string who = "input '" + input.name + "'";
    if (input.dtype == DType::string) fail(who, "strings", "must be numbers or booleans (out of scope: strings)");
    if (bits_of(input.dtype) == 0)
      fail(who, text("elements of type ", name_of(input.dtype)), "must be numbers or booleans");
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
    if (bound->second < 0)
      fail(who, text("dimension '", dim.name, "'=", bound->second), "must be >= 0", ErrorCode::usage);
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
    // In 64 bits, whatever an address has: on 32-bit targets what is too large must not wrap around.
    const int64_t elements = element_count(type.shape, who), bits = bits_of(type.dtype);
    int64_t bytes = 0;
    if (bits == 4)
      bytes = elements / 2 + elements % 2;
    else if (__builtin_mul_overflow(elements, bits / 8, &bytes))
      bytes = std::numeric_limits<int64_t>::max();
    if (bytes > binding_.max_tensor_bytes)
      fail(who, text("a tensor of ", bytes, " bytes"),
           text("must be at most ", binding_.max_tensor_bytes, " (--max-memory)"), ErrorCode::limit);
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
    if (typed.scope.empty()) typed.scope = scopes_.back().path;
    count_typed(node);
    const std::vector<std::string> names = operand_names(node);
    for (const std::string& name : names) typed.inputs.push_back(name.empty() ? kAbsent : id_of(name, node.label()));
    if (binding_.allow_unknown)
      if (const std::string reason = unknown_reason(node, typed); !reason.empty())
        return add_unknown_node(node, std::move(typed), reason);
    typed.layer = registry_.make(node);
    const std::vector<Operand> operands = out_.operands(typed);
    if (const Graph* branch = typed.layer->taken_branch(operands)) return inline_branch(node, *branch);
    if ((operands.empty() || !operands[0].present) && !typed.layer->first_input_optional())
      fail(node.label(), operands.empty() ? "no inputs" : "an absent first input", "must be given");
    for (size_t i = 0; i < operands.size(); ++i)
      if (typed.layer->needs_value(static_cast<int>(i)) && operands[i].present &&
          (operands[i].constant == nullptr || !operands[i].constant->has_data())) {
        if (binding_.allow_unknown)
          return add_unknown_node(node, std::move(typed),
                                  "what its input '" + operands[i].name + "' holds is not known");
        fail(node.label(), "input '" + operands[i].name + "'", "must be constant or bound before planning");
      }
    try {
      type_bodies(node, typed, operands, names);
    } catch (const UnknownBody& unknown) {
      return add_unknown_node(node, std::move(typed), unknown.reason);
    }
    const std::vector<TensorType> types = infer(node, *typed.layer, operands);
    size_t wanted_outputs = node.outputs.size();  // without the trailing ones that nobody wants
    while (wanted_outputs > 0 && node.outputs[wanted_outputs - 1].empty()) --wanted_outputs;
    if (types.size() < wanted_outputs)
      fail(node.label(), text(wanted_outputs, " outputs"), text("must have at most ", types.size()));
    for (const TensorType& type : types) check_size(node.label(), type);
    std::vector<Tensor> folded = fold(typed, operands, types, binding_);
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
        value.source =
            same ? out_.values[static_cast<size_t>(typed.inputs[0])].source : scopes_.back().prefix + node.outputs[i];
      }
      typed.outputs.push_back(add_value(std::move(value)));
      wanted = true;
    }
    if (folded.empty() && wanted) out_.nodes.push_back(std::move(typed));
  }

  void count_typed(const Node& node) {
    *typed_nodes_ += outer_ == nullptr && scopes_.size() == 1 ? 0 : 1;
    *typed_nodes_ += nodes_within_bodies(node);
    if (*typed_nodes_ > kMaxTypedNodes)
      fail(node.label(), text("bodies of more than ", kMaxTypedNodes, " nodes, those of each trip counted"),
           "must be fewer", ErrorCode::limit);
  }

  /// The branch's nodes take the place of the node.
  void inline_branch(const Node& node, const Graph& branch) {
    if (branch.outputs.size() < node.outputs.size())
      fail(node.label(), text("a branch of ", branch.outputs.size(), " outputs"),
           text("must have ", node.outputs.size()));
    scopes_.push_back(scope_of(node, branch, scopes_.back()));
    for (const Node& inner : branch.nodes) add_node(inner);
    std::vector<ValueId> outputs;
    for (const ValueInfo& output : branch.outputs) outputs.push_back(id_of(output.name, node.label()));
    scopes_.pop_back();
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (!node.outputs[i].empty()) define(scopes_.back(), node.outputs[i], outputs[i]);
  }

  class NodeBodies final : public BodyTyper {
   public:
    NodeBodies(Typer& typer, const Node& node, const std::vector<std::string>& operands)
        : typer_(typer), node_(node), operands_(operands) {}
    Body type(const Graph& body, std::span<const BodyInput> inputs) override {
      *typer_.typed_nodes_ += 1;
      return Typer(node_, body, typer_, operands_).run_body(inputs, node_.label());
    }
    int64_t max_trips() const override { return typer_.binding_.max_trips; }

   private:
    Typer& typer_;
    const Node& node_;
    const std::vector<std::string>& operands_;
  };

  void type_bodies(const Node& node, TypedNode& typed, const std::vector<Operand>& operands,
                   const std::vector<std::string>& names) {
    NodeBodies typer(*this, node, names);
    std::shared_ptr<const Layer> layer = typed.layer->with_bodies(operands, typer);
    if (layer == nullptr) return;
    typed.layer = std::move(layer);
    if (const int64_t trips = trips_of(*typed.layer->bodies()); trips > binding_.max_trips)
      fail(node.label(), text(trips, " trips"), text("must be at most ", binding_.max_trips, " (--max-macs)"),
           ErrorCode::limit);
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

  const Registry& registry_;
  const Binding& binding_;
  FoldingBudget& budget_;
  TypedGraph out_;
  std::vector<Scope> scopes_;  ///< the graph, and the branches that now stand in it
  // Of a body.
  Typer* outer_ = nullptr;
  std::vector<std::string> outer_operands_;  ///< of the node whose body it is
  std::vector<int> captures_;
  std::vector<ValueId> captured_;
  int64_t typed_nodes_here_ = 0;
  int64_t* typed_nodes_;  ///< of the outermost graph
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

TypedGraph type_graph(const Graph& graph, const Registry& registry, const Binding& binding) {
  return Typer(graph, registry, binding).run();
}

}  // namespace tally
