#include "tests/fuzz/graph_mutation.h"

#include <algorithm>
#include <set>

#include "tests/fuzz/attribute_mutation.h"

namespace tally::test {

namespace {

const char* const kOperators[] = {
#define TALLY_LAYER(op, first, last, maker) #op,
#define TALLY_RULE(rule)
#include "tally/layers/list.inc"
#undef TALLY_LAYER
#undef TALLY_RULE
};

std::string fresh_name(const std::string& stem, Dice& dice) {
  return stem + "_" + std::to_string(dice.below(1'000'000'000));
}

/// All names that a node at the end of the graph could read.
std::vector<std::string> names_of(const Graph& graph) {
  std::vector<std::string> names;
  for (const ValueInfo& input : graph.inputs) names.push_back(input.name);
  for (const auto& [name, tensor] : graph.initializers) names.push_back(name);
  for (const Node& node : graph.nodes)
    for (const std::string& output : node.outputs)
      if (!output.empty()) names.push_back(output);
  return names;
}

std::string any_name(const Graph& graph, Dice& dice) {
  const std::vector<std::string> names = names_of(graph);
  return names.empty() ? std::string("nothing") : names[dice.below(names.size())];
}

std::string new_initializer(Graph& graph, Tensor tensor, Dice& dice) {
  std::string name = fresh_name("k", dice);
  graph.initializers[name] = std::move(tensor);
  return name;
}

void mutate_info(ValueInfo& info, Dice& dice) {
  switch (dice.below(8)) {
    case 0:
      info.dtype = dice.one_in(10) ? DType::undefined : random_dtype(dice);
      return;
    case 1:
      info.shape = std::nullopt;
      return;
    default:
      break;
  }
  if (!info.shape) info.shape.emplace();
  std::vector<Dim>& shape = *info.shape;
  const size_t at = dice.below(shape.size());
  switch (dice.below(6)) {
    case 0:
      shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(at), Dim{dice.extent() & INT64_MAX, ""});
      break;
    case 1:
      if (!shape.empty()) shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(at));
      break;
    case 2:
      if (!shape.empty()) shape[at] = Dim{-1, dice.one_in(2) ? "N" : ""};
      break;
    default:
      if (!shape.empty()) shape[at] = Dim{dice.extent() & INT64_MAX, ""};
      break;
  }
}

void mutate_inputs(Graph& graph, Node& node, Dice& dice) {
  const size_t at = dice.below(node.inputs.size());
  switch (dice.below(7)) {
    case 0:
      node.inputs.push_back(any_name(graph, dice));
      break;
    case 1:
      if (!node.inputs.empty()) node.inputs.pop_back();
      break;
    case 2:
      if (!node.inputs.empty()) node.inputs[at].clear();
      break;
    case 3:
      if (!node.inputs.empty()) node.inputs[at] = new_initializer(graph, random_tensor(dice), dice);
      break;
    case 4:
      if (!node.inputs.empty()) std::swap(node.inputs[at], node.inputs[dice.below(node.inputs.size())]);
      break;
    default:
      if (!node.inputs.empty()) node.inputs[at] = any_name(graph, dice);
      break;
  }
}

void mutate_outputs(Graph& graph, Node& node, Dice& dice) {
  switch (dice.below(4)) {
    case 0:
      node.outputs.push_back(fresh_name("t", dice));
      if (dice.one_in(2)) graph.outputs.push_back({node.outputs.back(), DType::undefined, {}});
      break;
    case 1:
      if (!node.outputs.empty()) node.outputs.pop_back();
      break;
    case 2:
      if (!node.outputs.empty()) dice.of(node.outputs).clear();
      break;
    default:
      graph.outputs.push_back({any_name(graph, dice), DType::undefined, {}});
      break;
  }
}

/// Appends a node like one seen elsewhere; its first input is a value of this graph, its output perhaps the graph's.
void insert_node(Graph& graph, const Specimens& specimens, Dice& dice) {
  const Specimen* specimen = specimens.any(dice);
  if (specimen == nullptr) return;
  Node node = specimen->node;
  node.name = fresh_name(node.op, dice);
  for (std::string& input : node.inputs) {
    if (input.empty()) continue;
    const auto own = specimen->initializers.find(input);
    input = own != specimen->initializers.end() ? new_initializer(graph, own->second, dice) : any_name(graph, dice);
  }
  for (std::string& output : node.outputs)
    if (!output.empty()) output = fresh_name("t", dice);
  if (!node.outputs.empty() && !node.outputs[0].empty()) {
    if (graph.outputs.empty() || dice.one_in(2))
      graph.outputs.push_back({node.outputs[0], DType::undefined, {}});
    else  // between a value and one that reads it
      for (Node& reader : graph.nodes)
        for (std::string& input : reader.inputs)
          if (!node.inputs.empty() && input == node.inputs[0] && dice.one_in(2)) input = node.outputs[0];
  }
  graph.nodes.push_back(std::move(node));
}

/// Drops a node; who read its first output reads its first input.
void bypass_node(Graph& graph, size_t index) {
  const Node node = graph.nodes[index];
  graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(index));
  if (node.inputs.empty() || node.outputs.empty()) return;
  for (Node& reader : graph.nodes)
    std::replace(reader.inputs.begin(), reader.inputs.end(), node.outputs[0], node.inputs[0]);
  for (ValueInfo& output : graph.outputs)
    if (output.name == node.outputs[0]) output.name = node.inputs[0];
}

void become_specimen(Node& node, const Specimens& specimens, Dice& dice) {
  node.op = dice.of(kOperators);
  if (const Specimen* specimen = specimens.of_operator(node.op, dice); specimen != nullptr && dice.one_in(2))
    node.attributes = specimen->node.attributes;
}

void mutate_initializers(Graph& graph, Dice& dice) {
  if (graph.initializers.empty()) return;
  auto& [name, tensor] = dice.of(graph.initializers);
  if (dice.one_in(8)) {  // becomes an input
    std::vector<Dim> shape;
    for (const int64_t extent : tensor.shape()) shape.push_back({extent, ""});
    graph.inputs.push_back({name, tensor.dtype(), std::move(shape)});
    graph.initializers.erase(graph.inputs.back().name);
  } else {
    mutate_tensor(tensor, dice);
  }
}

void mutate_graph_inputs(Graph& graph, Dice& dice) {
  if (graph.inputs.empty()) return;
  const size_t at = dice.below(graph.inputs.size());
  if (!dice.one_in(6)) return mutate_info(graph.inputs[at], dice);
  graph.initializers[graph.inputs[at].name] = random_tensor(dice);  // becomes a constant
  graph.inputs.erase(graph.inputs.begin() + static_cast<std::ptrdiff_t>(at));
}

void mutate_body(Node& node, const Specimens& specimens, Dice& dice, int depth);

void mutate_once(Graph& graph, const Specimens& specimens, Dice& dice, int depth) {
  const size_t choice = dice.below(16);
  if (choice == 0 || graph.nodes.empty()) return insert_node(graph, specimens, dice);
  if (choice == 1) return mutate_initializers(graph, dice);
  if (choice == 2 || choice == 3) return mutate_graph_inputs(graph, dice);
  const size_t index = dice.below(graph.nodes.size());
  Node& node = graph.nodes[index];
  switch (choice) {
    case 4:
      return bypass_node(graph, index);
    case 5:
      return insert_node(graph, specimens, dice);
    case 6:
      return become_specimen(node, specimens, dice);
    case 7:
      return mutate_outputs(graph, node, dice);
    case 8:
    case 9:
      return mutate_inputs(graph, node, dice);
    case 10:
      if (!node.inputs.empty() && graph.initializers.contains(dice.of(node.inputs))) mutate_initializers(graph, dice);
      return mutate_attributes(node.attributes, dice);
    case 11:
      if (depth == 0 && dice.one_in(3)) graph.opsets[""] = static_cast<int>(6 + dice.below(19));
      return mutate_body(node, specimens, dice, depth);
    default:
      return mutate_attributes(node.attributes, dice);
  }
}

void mutate_body(Node& node, const Specimens& specimens, Dice& dice, int depth) {
  for (auto& [key, value] : node.attributes) {
    auto* body = std::get_if<std::shared_ptr<const Graph>>(&value);
    if (body == nullptr || *body == nullptr || depth > 3 || dice.one_in(3)) continue;
    auto changed = std::make_shared<Graph>(**body);
    mutate_once(*changed, specimens, dice, depth + 1);
    *body = std::move(changed);
  }
}

}  // namespace

void Specimens::learn(const Graph& graph) {
  constexpr size_t kMost = 8, kMostBytes = 1024;
  for (const Node& node : graph.nodes) {
    std::vector<Specimen>& list = by_operator_[node.op];
    Specimen specimen{node, {}};
    bool small = true;
    for (const std::string& input : node.inputs)
      if (const auto it = graph.initializers.find(input); it != graph.initializers.end()) {
        small = small && it->second.has_data() && it->second.bytes() <= kMostBytes;
        specimen.initializers.insert(*it);
      }
    for (const auto& [key, value] : node.attributes)
      if (const auto* tensor = std::get_if<Tensor>(&value)) small = small && tensor->bytes() <= kMostBytes;
    if (!small) continue;
    if (list.size() < kMost)
      list.push_back(std::move(specimen));
    else
      list[learnt_++ % kMost] = std::move(specimen);
  }
}

const Specimen* Specimens::any(Dice& dice) const {
  if (by_operator_.empty()) return nullptr;
  const auto& [op, list] = dice.of(by_operator_);
  return list.empty() ? nullptr : &dice.of(list);
}

const Specimen* Specimens::of_operator(const std::string& op, Dice& dice) const {
  const auto it = by_operator_.find(op);
  return it == by_operator_.end() || it->second.empty() ? nullptr : &dice.of(it->second);
}

void mutate_graph(Graph& graph, const Specimens& specimens, Dice& dice) {
  for (size_t edits = 1 + dice.below(4); edits > 0; --edits) mutate_once(graph, specimens, dice, 0);
}

void splice_graph(Graph& graph, const Graph& other, Dice& dice) {
  std::map<std::string, std::string> renamed;
  const std::vector<std::string> names = names_of(graph);
  for (const ValueInfo& input : other.inputs) {
    if (names.empty() || dice.one_in(4)) {
      renamed[input.name] = fresh_name("x", dice);
      graph.inputs.push_back({renamed[input.name], input.dtype, input.shape});
    } else {
      renamed[input.name] = names[dice.below(names.size())];
    }
  }
  for (const auto& [name, tensor] : other.initializers) renamed[name] = new_initializer(graph, tensor, dice);
  for (const Node& node : other.nodes)
    for (const std::string& output : node.outputs)
      if (!output.empty()) renamed[output] = fresh_name("t", dice);
  for (Node node : other.nodes) {
    for (std::vector<std::string>* list : {&node.inputs, &node.outputs})
      for (std::string& name : *list)
        if (const auto it = renamed.find(name); it != renamed.end()) name = it->second;
    node.name = fresh_name(node.op, dice);
    graph.nodes.push_back(std::move(node));
  }
  for (const ValueInfo& output : other.outputs)
    graph.outputs.push_back({renamed.contains(output.name) ? renamed[output.name] : output.name, output.dtype, {}});
}

}  // namespace tally::test
