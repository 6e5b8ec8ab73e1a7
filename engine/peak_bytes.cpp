#include "tally/engine/peak_bytes.h"

#include <algorithm>
#include <set>

#include "tally/engine/body.h"

namespace tally {

namespace {

class PeakBytes {
 public:
  explicit PeakBytes(const TypedGraph& graph)
      : graph_(graph), root_(graph.values.size()), last_(graph.values.size(), -1), bytes_(graph.values.size(), 0) {
    for (size_t v = 0; v < root_.size(); ++v) root_[v] = v;
    find_last_uses();
  }

  /// `captured`: inputs at the end that are counted elsewhere.
  LiveBytes run(size_t captured) {
    for (size_t i = 0; i + captured < graph_.inputs.size(); ++i) {
      const auto v = static_cast<size_t>(graph_.inputs[i]);
      if (graph_.values[v].constant || last_[v] < 0) continue;
      inputs_.insert(v);
      come_alive(v);
    }
    LiveBytes result{live_, {}};
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      result.at_node.push_back(step(static_cast<int>(i)));
      result.peak = std::max(result.peak, result.at_node.back());
    }
    return result;
  }

 private:
  size_t root(ValueId id) const { return root_[static_cast<size_t>(id)]; }

  void find_last_uses() {
    const int end = static_cast<int>(graph_.nodes.size());
    for (int i = 0; i < end; ++i) {
      const TypedNode& node = graph_.nodes[static_cast<size_t>(i)];
      if (const int view = node.layer->view_of(); view >= 0)
        root_[static_cast<size_t>(node.outputs[0])] = root(node.inputs[static_cast<size_t>(view)]);
      for (ValueId id : node.inputs)
        if (id != kAbsent) last_[root(id)] = i;
    }
    for (ValueId id : graph_.outputs) last_[root(id)] = end;
  }

  int64_t size(size_t v) const {
    const TypedValue& value = graph_.values[v];
    return bytes_of(value.dtype, element_count(value.shape));
  }

  void come_alive(size_t v) {
    bytes_[v] = size(v);
    live_ += bytes_[v];
  }

  /// What lives while node i runs.
  int64_t step(int i) {
    const TypedNode& node = graph_.nodes[static_cast<size_t>(i)];
    std::set<size_t> dying;
    for (ValueId id : node.inputs)
      if (id != kAbsent && bytes_[root(id)] > 0 && last_[root(id)] == i) dying.insert(root(id));
    if (node.layer->view_of() < 0)
      for (ValueId id : node.outputs)
        if (id != kAbsent) add_output(node, static_cast<size_t>(id), dying);
    int64_t peak = live_;
    if (const Bodies* bodies = node.layer->bodies())
      for (const Body& body : bodies->list)
        peak = std::max(peak, live_ + PeakBytes(*body.graph).run(body.captures.size()).peak);
    for (ValueId id : node.outputs)  // wanted by nobody, written all the same
      if (id != kAbsent && node.layer->view_of() < 0 && last_[static_cast<size_t>(id)] < 0)
        live_ -= bytes_[static_cast<size_t>(id)];
    for (size_t v : dying) live_ -= bytes_[v];
    return peak;
  }

  /// In the place of an input that dies here, or beside what lives.
  void add_output(const TypedNode& node, size_t out, std::set<size_t>& dying) {
    bytes_[out] = size(out);
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      if (node.inputs[k] == kAbsent || !node.layer->in_place(static_cast<int>(k))) continue;
      const size_t in = root(node.inputs[k]);
      if (bytes_[in] != bytes_[out] || inputs_.contains(in) || dying.erase(in) == 0) continue;
      return;
    }
    live_ += bytes_[out];
  }

  const TypedGraph& graph_;
  std::vector<size_t> root_;    ///< by value: whose bytes it shares
  std::vector<int> last_;       ///< by root: the node that reads it last; -1: none
  std::vector<int64_t> bytes_;  ///< by root, of what has come alive
  std::set<size_t> inputs_;
  int64_t live_ = 0;
};

}  // namespace

LiveBytes live_activation_bytes(const TypedGraph& graph) { return PeakBytes(graph).run(0); }

}  // namespace tally
