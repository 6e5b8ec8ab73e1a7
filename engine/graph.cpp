#include "tally/engine/graph.h"

#include <algorithm>
#include <functional>
#include <queue>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "tally/engine/error.h"

namespace tally {
namespace {

const char* kind_of(const Attribute& value) {
  static constexpr const char* kKinds[] = {"a float", "an integer",       "a string",           "a tensor",
                                           "a graph", "a list of floats", "a list of integers", "a list of strings"};
  static_assert(std::size(kKinds) == std::variant_size_v<Attribute>);
  return kKinds[value.index()];
}

/// The attribute as a T, or null where it is absent.
template <class T>
const T* find_as(const Node& node, const std::string& key, const char* required) {
  const auto found = node.attributes.find(key);
  if (found == node.attributes.end()) return nullptr;
  const T* value = std::get_if<T>(&found->second);
  if (!value)
    fail(node.label(), "attribute " + key + " is " + kind_of(found->second), "must be " + std::string(required));
  return value;
}

/// Calls f for each body (of If, Loop, Scan) among the attributes.
template <class F>
void for_each_body(const Node& node, F f) {
  for (const auto& [key, value] : node.attributes)
    if (const auto* body = std::get_if<std::shared_ptr<const Graph>>(&value); body && *body) f(**body);
}

/// Names read by a node: its inputs, and what its bodies take from outside themselves.
std::vector<std::string> names_read(const Node& node) {
  std::vector<std::string> names;
  for (const std::string& name : node.inputs)
    if (!name.empty()) names.push_back(name);
  for_each_body(node, [&](const Graph& body) {
    for (std::string& name : captured_names(body)) names.push_back(std::move(name));
  });
  return names;
}

/// Orders the nodes of one graph. Node indices are into the order of the file.
class NodeSorter {
 public:
  NodeSorter(Graph& graph, bool captures_allowed) : graph_(graph), captures_allowed_(captures_allowed) {}

  void run() {
    define_names();
    link_nodes();
    check_outputs();
    reorder(order());
  }

 private:
  static constexpr int kNotANode = -1;  ///< producer of inputs and initialisers

  void define(const std::string& name, int producer, const std::string& who) {
    if (!producer_.emplace(name, producer).second)
      fail(who, "'" + name + "' is produced again", "must have one producer");
  }

  void define_names() {
    for (const ValueInfo& input : graph_.inputs) define(input.name, kNotANode, "graph input");
    for (const auto& [name, tensor] : graph_.initializers) define(name, kNotANode, "initializer");
    for (size_t i = 0; i < graph_.nodes.size(); ++i)
      for (const std::string& name : graph_.nodes[i].outputs)
        if (!name.empty()) define(name, static_cast<int>(i), graph_.nodes[i].label());
  }

  void link_nodes() {
    consumers_.resize(graph_.nodes.size());
    waiting_for_.assign(graph_.nodes.size(), 0);
    for (size_t i = 0; i < graph_.nodes.size(); ++i)
      for (const std::string& name : names_read(graph_.nodes[i])) {
        const auto found = producer_.find(name);
        if (found == producer_.end()) {
          if (!captures_allowed_)
            fail(graph_.nodes[i].label(), "input '" + name + "' has no producer",
                 "must come from a node, an initializer or a graph input");
        } else if (found->second != kNotANode) {
          consumers_[static_cast<size_t>(found->second)].push_back(static_cast<int>(i));
          ++waiting_for_[i];
        }
      }
  }

  void check_outputs() const {
    for (const ValueInfo& output : graph_.outputs)
      if (!producer_.contains(output.name) && !(captures_allowed_ && !output.name.empty()))
        fail("graph output", "'" + output.name + "' has no producer",
             "must come from a node, an initializer or a graph input");
  }

  /// Kahn's algorithm. Of the nodes that are ready the first in the file goes first: a sorted file keeps its order.
  std::vector<int> order() {
    std::priority_queue<int, std::vector<int>, std::greater<>> ready;
    for (size_t i = 0; i < waiting_for_.size(); ++i)
      if (waiting_for_[i] == 0) ready.push(static_cast<int>(i));
    std::vector<int> order;
    order.reserve(graph_.nodes.size());
    while (!ready.empty()) {
      const int node = ready.top();
      ready.pop();
      order.push_back(node);
      for (int consumer : consumers_[static_cast<size_t>(node)])
        if (--waiting_for_[static_cast<size_t>(consumer)] == 0) ready.push(consumer);
    }
    if (order.size() != graph_.nodes.size()) fail_on_cycle();
    return order;
  }

  /// Each node that still waits, waits for another such node: walking upwards from any of them ends on the cycle.
  [[noreturn]] void fail_on_cycle() const {
    std::vector<int> waits_for(graph_.nodes.size(), kNotANode);
    std::vector<std::string> waits_at(graph_.nodes.size());
    int node = kNotANode;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (waiting_for_[i] == 0) continue;
      node = static_cast<int>(i);
      for (const std::string& name : names_read(graph_.nodes[i])) {
        const auto found = producer_.find(name);
        if (found == producer_.end() || found->second == kNotANode) continue;
        if (waiting_for_[static_cast<size_t>(found->second)] == 0) continue;
        waits_for[i] = found->second;
        waits_at[i] = name;
        break;
      }
    }
    for (size_t i = 0; i < graph_.nodes.size(); ++i) node = waits_for[static_cast<size_t>(node)];
    fail(graph_.nodes[static_cast<size_t>(node)].label(),
         "input '" + waits_at[static_cast<size_t>(node)] + "' depends on this node's own output",
         "must not: nodes may form no cycle");
  }

  void reorder(const std::vector<int>& order) {
    if (std::is_sorted(order.begin(), order.end())) return;
    std::vector<Node> sorted;
    sorted.reserve(order.size());
    for (int node : order) sorted.push_back(std::move(graph_.nodes[static_cast<size_t>(node)]));
    graph_.nodes = std::move(sorted);
  }

  Graph& graph_;
  bool captures_allowed_;
  std::unordered_map<std::string, int> producer_;
  std::vector<std::vector<int>> consumers_;
  std::vector<int> waiting_for_;  ///< inputs not yet produced
};

}  // namespace

int64_t Node::get_int(const std::string& key, int64_t fallback) const {
  const auto* value = find_as<int64_t>(*this, key, "an integer");
  return value ? *value : fallback;
}

float Node::get_float(const std::string& key, float fallback) const {
  const auto* value = find_as<float>(*this, key, "a float");
  return value ? *value : fallback;
}

std::string Node::get_string(const std::string& key, const std::string& fallback) const {
  const auto* value = find_as<std::string>(*this, key, "a string");
  return value ? *value : fallback;
}

std::vector<int64_t> Node::get_ints(const std::string& key, std::vector<int64_t> fallback) const {
  const auto* value = find_as<std::vector<int64_t>>(*this, key, "a list of integers");
  return value ? *value : std::move(fallback);
}

std::vector<float> Node::get_floats(const std::string& key, std::vector<float> fallback) const {
  const auto* value = find_as<std::vector<float>>(*this, key, "a list of floats");
  return value ? *value : std::move(fallback);
}

const Tensor* Node::get_tensor(const std::string& key) const { return find_as<Tensor>(*this, key, "a tensor"); }

std::shared_ptr<const Graph> Node::get_graph(const std::string& key) const {
  const auto* value = find_as<std::shared_ptr<const Graph>>(*this, key, "a graph");
  return value ? *value : nullptr;
}

std::vector<std::string> captured_names(const Graph& body) {
  std::unordered_set<std::string> defined;
  for (const ValueInfo& input : body.inputs) defined.insert(input.name);
  for (const auto& [name, tensor] : body.initializers) defined.insert(name);
  for (const Node& node : body.nodes) defined.insert(node.outputs.begin(), node.outputs.end());
  std::vector<std::string> captured;
  const auto read = [&](const std::string& name) {
    if (!name.empty() && defined.insert(name).second) captured.push_back(name);
  };
  for (const Node& node : body.nodes)
    for (const std::string& name : names_read(node)) read(name);
  for (const ValueInfo& output : body.outputs) read(output.name);
  return captured;
}

std::vector<std::string> operand_names(const Node& node) {
  std::vector<std::string> names = node.inputs;
  std::unordered_set<std::string> captured;
  for_each_body(node, [&](const Graph& body) {
    for (std::string& name : captured_names(body))
      if (captured.insert(name).second) names.push_back(std::move(name));
  });
  return names;
}

int64_t nodes_within(const Graph& graph) {
  auto count = static_cast<int64_t>(graph.nodes.size());
  for (const Node& node : graph.nodes) count += nodes_within_bodies(node);
  return count;
}

int64_t nodes_within_bodies(const Node& node) {
  int64_t count = 0;
  for_each_body(node, [&](const Graph& body) { count += nodes_within(body); });
  return count;
}

void Graph::sort_and_check() { NodeSorter(*this, false).run(); }

void Graph::sort_and_check_body() { NodeSorter(*this, true).run(); }

}  // namespace tally
