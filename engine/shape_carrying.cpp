// Which values a plan is made of, besides shapes.
#include "tally/engine/typed_graph.h"

namespace tally {

namespace {

/// Goes through the nodes from the last to the first. `make`: the layer of a node, or null where that does not matter.
template <class Make>
std::set<std::string> needed_by(const Graph& graph, Make make) {
  std::set<std::string> needed;
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    bool all = false;
    for (const std::string& output : node.outputs) all = all || (!output.empty() && needed.contains(output));
    const std::unique_ptr<Layer> layer = make(node);
    if (layer == nullptr) continue;
    // A value that planning needs: everything it is computed from is needed too, but for operands of which only the
    // extents count (Shape).
    const bool computed = all && !layer->follows_from_types();
    const std::vector<std::string> operands = operand_names(node);
    for (size_t k = 0; k < operands.size(); ++k)
      if (!operands[k].empty() && (computed || layer->needs_value(static_cast<int>(k)))) needed.insert(operands[k]);
  }
  return needed;
}

}  // namespace

std::set<std::string> names_needed(const Graph& graph, const Registry& registry) {
  std::set<std::string> needed = needed_by(graph, [&](const Node& node) -> std::unique_ptr<Layer> {
    try {
      return registry.make(node);
    } catch (const Error&) {
      return nullptr;  // perhaps of a branch that is never taken
    }
  });
  for (const Node& node : graph.nodes)
    for (const std::string& output : node.outputs) needed.erase(output);
  return needed;
}

std::vector<std::string> shape_carrying_inputs(const Graph& graph, const Registry& registry, bool allow_unknown) {
  const std::set<std::string> needed = needed_by(graph, [&](const Node& node) -> std::unique_ptr<Layer> {
    if (allow_unknown && !registry.knows(node)) return nullptr;
    return registry.make(node);
  });
  std::vector<std::string> names;
  for (const ValueInfo& input : graph.inputs)
    if (needed.contains(input.name)) names.push_back(input.name);
  return names;
}

}  // namespace tally
