#include "tally/engine/onnx/read_graph.h"

#include "tally/engine/onnx/format.h"
#include "tally/engine/onnx/opset.h"
#include "tally/engine/onnx/scope_name.h"

namespace tally::onnx {
namespace {

/// What a name costs beyond the file: itself, in the graph and in the tables that sort it.
constexpr size_t kNameBytes = 4 * sizeof(std::string) + 8 * sizeof(void*);

void charge_name(Budget& budget, const std::string& name) { budget.charge(kNameBytes + 2 * name.size()); }

}  // namespace

std::string canonical_domain(std::string domain) { return domain == "ai.onnx" ? "" : std::move(domain); }

std::string Naming::value_name(const std::string& name) const {
  if (!in_function || name.empty()) return name;
  const auto found = actual.find(name);
  return found != actual.end() ? found->second : value_prefix + name;
}

/// A node whose attributes are still undecoded: errors in them can name it.
struct GraphReader::RawNode {
  Node node;
  std::string overload;
  std::vector<data_view> attributes;
  std::map<std::string, std::string> metadata;
};

namespace {

void read_metadata(FieldReader m, std::map<std::string, std::string>& metadata, Budget& budget) {
  std::string key, value;
  while (m.next()) switch (m.tag_and_type()) {
      case bytes(entry_field::key):
        key = to_text(m.get_view());
        break;
      case bytes(entry_field::value):
        value = to_text(m.get_view());
        break;
      default:
        skip_unknown(m, known({entry_field::key, entry_field::value}), "StringStringEntryProto");
    }
  budget.charge(2 * kNameBytes + key.size() + value.size());
  metadata[key] = value;
}

}  // namespace

GraphReader::RawNode GraphReader::read_node_fields(data_view message, const Naming& naming) {
  constexpr uint64_t kKnown =
      known({node_field::input, node_field::output, node_field::name, node_field::op_type, node_field::attribute,
             node_field::domain, node_field::overload, node_field::metadata});
  RawNode raw;
  Node& node = raw.node;
  const auto add_name = [&](FieldReader& m, std::vector<std::string>& names) {
    names.push_back(naming.value_name(to_text(m.get_view())));
    charge_name(reading_.budget, names.back());
  };
  FieldReader m(message);
  while (m.next()) switch (m.tag_and_type()) {
      case bytes(node_field::input):
        add_name(m, node.inputs);
        break;
      case bytes(node_field::output):
        add_name(m, node.outputs);
        break;
      case bytes(node_field::name):
        node.name = to_text(m.get_view());
        break;
      case bytes(node_field::op_type):
        node.op = to_text(m.get_view());
        break;
      case bytes(node_field::domain):
        node.domain = canonical_domain(to_text(m.get_view()));
        break;
      case bytes(node_field::overload):
        raw.overload = to_text(m.get_view());
        break;
      case bytes(node_field::attribute):
        raw.attributes.push_back(m.get_view());
        break;
      case bytes(node_field::metadata):
        read_metadata(m.get_message(), raw.metadata, reading_.budget);
        break;
      default:
        skip_unknown(m, kKnown, "NodeProto");
    }
  node.scope = scope_of(node.name, raw.metadata);
  if (naming.in_function) {
    if (!node.name.empty()) node.name = naming.node_prefix + node.name;
    if (node.scope.empty()) node.scope = naming.scope;
  }
  for (const std::string& output : node.outputs)
    if (node.name.empty()) node.name = output;
  reading_.budget.charge(sizeof(Node) + raw.attributes.size() * sizeof(data_view) + 2 * node.name.size() +
                         node.op.size() + node.domain.size() + node.scope.size());
  return raw;
}

void GraphReader::read_node(data_view message, const Naming& naming, int depth, Graph& graph) {
  // A node is known by its name; before that is read, by its place.
  std::string label = text("node ", graph.nodes.size());
  at([&] { return label; },
     [&] {
       RawNode raw = read_node_fields(message, naming);
       Node& node = raw.node;
       if (node.op.empty())
         fail("", "a node without op_type" + (node.name.empty() ? "" : " ('" + node.name + "')"), "must have one");
       if (node.name.empty()) node.name = text("#", graph.nodes.size());
       label = node.label();
       for (data_view attribute : raw.attributes) read_attribute(attribute, naming, depth, node.attributes);
       const auto function = functions_.find(function_key(node.domain, node.op, raw.overload));
       if (function != functions_.end()) return inline_call(function->second, node, depth + 1, graph);
       const auto opset = naming.opsets->find(node.domain);
       node.opset = opset == naming.opsets->end() ? 0 : opset->second;
       if (node.domain.empty()) check_operator_version(node.op, node.opset);
       if (node.domain.empty() && node.op == "Constant") return add_constant(node, graph);
       graph.nodes.push_back(std::move(node));
     });
}

void GraphReader::add_initializer(std::string name, Tensor tensor, Graph& graph) {
  charge_name(reading_.budget, name);
  if (name.empty()) fail("initializer", "''", "must have a name");
  const std::string who = "initializer '" + name + "'";
  if (!graph.initializers.emplace(std::move(name), std::move(tensor)).second)
    fail(who, "a second tensor", "must be given once");
}

/// A Constant node is the initialiser of its output's name.
void GraphReader::add_constant(const Node& node, Graph& graph) {
  if (node.outputs.size() != 1) fail("", text(node.outputs.size(), " outputs"), "must be 1");
  if (node.attributes.size() != 1) fail("", text(node.attributes.size(), " attributes"), "must be one value");
  if (node.outputs[0].empty()) return;
  const auto& [key, value] = *node.attributes.begin();
  Tensor tensor;
  if (key == "value") {
    tensor = *node.get_tensor(key);
  } else if (key == "sparse_value") {
    tensor = *node.get_tensor(key);
  } else if (key == "value_float") {
    tensor = Tensor::scalar(node.get_float(key, 0));
  } else if (key == "value_int") {
    tensor = Tensor::of_int64({node.get_int(key, 0)}).reshaped({});
  } else if (key == "value_floats") {
    const std::vector<float> values = node.get_floats(key);
    tensor = Tensor::of<float>(DType::f32, {static_cast<int64_t>(values.size())}, values);
  } else if (key == "value_ints") {
    tensor = Tensor::of_int64(node.get_ints(key));
  } else {
    fail("", "attribute " + key, "must be a numeric value");
  }
  add_initializer(node.outputs[0], std::move(tensor), graph);
}

void GraphReader::read_graph(data_view message, const Naming& naming, int depth, Graph& graph) {
  constexpr uint64_t kKnown = known({graph_field::node, graph_field::name, graph_field::initializer, graph_field::input,
                                     graph_field::output, graph_field::sparse_initializer});
  if (depth > kMaxDepth)
    fail("", text("graphs nested ", depth, " deep"), text("must be at most ", kMaxDepth), ErrorCode::limit);
  std::vector<ValueInfo> inputs;
  const auto add_value = [&](FieldReader& m, std::vector<ValueInfo>& values) {
    ValueInfo info = read_value_info(m.get_view(), reading_.budget);
    info.name = naming.value_name(info.name);
    charge_name(reading_.budget, info.name);
    values.push_back(std::move(info));
  };
  const auto add_tensor = [&](NamedTensor named) {
    add_initializer(naming.value_name(named.name), std::move(named.tensor), graph);
  };
  FieldReader m(message);
  while (m.next()) switch (m.tag_and_type()) {
      case bytes(graph_field::node):
        read_node(m.get_view(), naming, depth, graph);
        break;
      case bytes(graph_field::name):
        graph.name = to_text(m.get_view());
        break;
      case bytes(graph_field::initializer):
        add_tensor(decode_tensor(m.get_view(), reading_));
        break;
      case bytes(graph_field::sparse_initializer):
        add_tensor(decode_sparse_tensor(m.get_view(), reading_));
        break;
      case bytes(graph_field::input):
        add_value(m, inputs);
        break;
      case bytes(graph_field::output):
        add_value(m, graph.outputs);
        break;
      default:
        skip_unknown(m, kKnown, "GraphProto");
    }
  // Files of IR version 3 list initialisers among the inputs; there they are defaults, which nobody overrides here.
  for (ValueInfo& input : inputs)
    if (!graph.initializers.contains(input.name)) graph.inputs.push_back(std::move(input));
  if (depth == 0) {
    graph.sort_and_check();
  } else {
    graph.sort_and_check_body();
  }
}

}  // namespace tally::onnx
