#include "tally/engine/layout.h"

#include <algorithm>
#include <array>
#include <limits>

#include "tally/engine/placement.h"
#include "tally/engine/reorder.h"

namespace tally {

namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr int kLayouts = 2;

class Chooser {
 public:
  Chooser(const TypedGraph& graph, const KernelTable& kernels) : graph_(graph), geometry_(kernels.geometry) {
    const PlanContext context{&kernels};
    for (const TypedNode& node : graph.nodes) candidates_.push_back(list_candidates(context, node));
    index_values();
  }

  std::vector<Candidate> run() {
    forward();
    choose_backward();
    for (int sweep = 0; sweep < 8 && improve(); ++sweep) {}
    std::vector<Candidate> chosen;
    for (size_t i = 0; i < candidates_.size(); ++i)
      chosen.push_back(candidates_[i].empty() ? Candidate{} : candidates_[i][static_cast<size_t>(choice_[i])]);
    return chosen;
  }

 private:
  struct Use {
    int node;  ///< -1: a graph output, which is plain
    int input;
  };

  bool reorderable(ValueId id) const {
    const TypedValue& value = graph_.values[static_cast<size_t>(id)];
    return may_be_channels_last(value.dtype, value.shape);
  }

  std::vector<Candidate> list_candidates(const PlanContext& context, const TypedNode& node) const {
    if (node.dead) return {};
    const std::vector<Operand> operands = graph_.operands(node);
    const std::vector<TensorType> types = graph_.output_types(node);
    if (node.layer->view_of() < 0) {
      std::vector<Candidate> list = node.layer->candidates(context, operands, types);
      if (list.empty()) fail(node.layer->label(), "no kernel", "must exist for these operands", ErrorCode::internal);
      return list;
    }
    const auto plain = std::vector<Layout>(node.inputs.size(), Layout::plain);
    std::vector<Candidate> list{{"view", plain, std::vector<Layout>(node.outputs.size(), Layout::plain), 0, 0}};
    if (node.layer->view_keeps_layout() && reorderable(node.inputs[static_cast<size_t>(node.layer->view_of())])) {
      Candidate same = list[0];
      same.inputs[static_cast<size_t>(node.layer->view_of())] = Layout::channels_last;
      same.outputs[0] = Layout::channels_last;
      list.push_back(same);
    }
    return list;
  }

  void index_values() {
    producer_.assign(graph_.values.size(), {-1, -1});
    uses_.assign(graph_.values.size(), {});
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const TypedNode& node = graph_.nodes[i];
      if (node.dead) continue;
      for (size_t k = 0; k < node.outputs.size(); ++k)
        if (node.outputs[k] != kAbsent)
          producer_[static_cast<size_t>(node.outputs[k])] = {static_cast<int>(i), static_cast<int>(k)};
      for (size_t k = 0; k < node.inputs.size(); ++k)
        if (is_data(node.inputs[k]))
          uses_[static_cast<size_t>(node.inputs[k])].push_back({static_cast<int>(i), static_cast<int>(k)});
    }
    for (ValueId id : graph_.outputs) uses_[static_cast<size_t>(id)].push_back({-1, 0});
  }

  bool is_data(ValueId id) const { return id != kAbsent && !graph_.values[static_cast<size_t>(id)].constant; }

  double reorder(ValueId id, Layout from, Layout to) const {
    const Shape& shape = graph_.values[static_cast<size_t>(id)].shape;
    if (lies_alike(shape, from, to, geometry_.channel_pad)) return 0;
    return reorderable(id) ? reorder_cycles(shape, geometry_) : kNever;
  }

  /// best_[v][l]: least planned cycles, up to a constant, of having value v in layout l.
  void forward() {
    best_.assign(graph_.values.size(), {0, kNever});
    for (size_t v = 0; v < best_.size(); ++v)
      best_[v][1] = reorder(static_cast<ValueId>(v), Layout::plain, Layout::channels_last);
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const TypedNode& node = graph_.nodes[i];
      if (node.dead) continue;
      for (size_t k = 0; k < node.outputs.size(); ++k) {
        if (node.outputs[k] == kAbsent) continue;
        std::array<double, kLayouts> cost{kNever, kNever};
        for (const Candidate& c : candidates_[i]) {
          double& slot = cost[static_cast<size_t>(c.outputs[k])];
          slot = std::min(slot, cost_with_inputs(node, c));
        }
        const ValueId id = node.outputs[k];
        const double plain = std::min(cost[0], cost[1] + reorder(id, Layout::channels_last, Layout::plain));
        const double last = std::min(cost[1], cost[0] + reorder(id, Layout::plain, Layout::channels_last));
        const double least = std::min(plain, last);
        best_[static_cast<size_t>(id)] = {plain - least, last - least};
      }
    }
  }

  double cost_with_inputs(const TypedNode& node, const Candidate& c) const {
    double cycles = c.cycles;
    for (size_t k = 0; k < node.inputs.size(); ++k)
      if (is_data(node.inputs[k]))
        cycles += best_[static_cast<size_t>(node.inputs[k])][static_cast<size_t>(c.inputs[k])];
    return cycles;
  }

  void choose_backward() {
    choice_.assign(graph_.nodes.size(), 0);
    for (size_t i = graph_.nodes.size(); i-- > 0;) {
      const TypedNode& node = graph_.nodes[i];
      if (node.dead) continue;
      double least = kNever;
      for (size_t c = 0; c < candidates_[i].size(); ++c) {
        double cycles = cost_with_inputs(node, candidates_[i][c]) + reorders_behind(i, candidates_[i][c]);
        if (cycles < least) {
          least = cycles;
          choice_[i] = static_cast<int>(c);
        }
      }
    }
  }

  /// Reorders that the readers of a node's outputs need, each layout once a value.
  double reorders_behind(size_t i, const Candidate& c) const {
    double cycles = 0;
    const TypedNode& node = graph_.nodes[i];
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      const ValueId id = node.outputs[k];
      if (id == kAbsent) continue;
      bool paid[kLayouts] = {};
      for (const Use& use : uses_[static_cast<size_t>(id)]) {
        const Layout wanted = layout_wanted(use);
        bool& done = paid[static_cast<size_t>(wanted)];
        if (!done) cycles += reorder(id, c.outputs[k], wanted);
        done = true;
      }
    }
    return cycles;
  }

  Layout layout_wanted(const Use& use) const {
    if (use.node < 0) return Layout::plain;
    const auto n = static_cast<size_t>(use.node);
    return candidates_[n][static_cast<size_t>(choice_[n])].inputs[static_cast<size_t>(use.input)];
  }

  Layout layout_made(ValueId id) const {
    const auto [node, output] = producer_[static_cast<size_t>(id)];
    if (node < 0) return Layout::plain;
    const auto n = static_cast<size_t>(node);
    return candidates_[n][static_cast<size_t>(choice_[n])].outputs[static_cast<size_t>(output)];
  }

  double reorders_before(size_t i, const Candidate& c) const {
    double cycles = 0;
    const TypedNode& node = graph_.nodes[i];
    for (size_t k = 0; k < node.inputs.size(); ++k)
      if (is_data(node.inputs[k])) cycles += reorder(node.inputs[k], layout_made(node.inputs[k]), c.inputs[k]);
    return cycles;
  }

  bool improve() {
    bool changed = false;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (graph_.nodes[i].dead) continue;
      double least = kNever;
      int chosen = choice_[i];
      for (size_t c = 0; c < candidates_[i].size(); ++c) {
        const Candidate& candidate = candidates_[i][c];
        const double cycles = candidate.cycles + reorders_before(i, candidate) + reorders_behind(i, candidate);
        const bool keep = static_cast<int>(c) == choice_[i] && cycles <= least;
        if (cycles < least || keep) {
          least = cycles;
          chosen = static_cast<int>(c);
        }
      }
      changed = changed || chosen != choice_[i];
      choice_[i] = chosen;
    }
    return changed;
  }

  const TypedGraph& graph_;
  const Geometry& geometry_;
  std::vector<std::vector<Candidate>> candidates_;
  std::vector<std::pair<int, int>> producer_;
  std::vector<std::vector<Use>> uses_;
  std::vector<std::array<double, kLayouts>> best_;
  std::vector<int> choice_;
};

}  // namespace

double reorder_cycles(const Shape& shape, const Geometry& geometry) {
  return 60 + transposed_element_cycles(geometry) * static_cast<double>(element_count(shape));  // 60 for the step
}

std::vector<Candidate> choose_candidates(const TypedGraph& graph, const KernelTable& kernels) {
  return Chooser(graph, kernels).run();
}

}  // namespace tally
