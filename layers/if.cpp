// If: the results of one of two graphs, by a condition. A condition known at planning leaves the graph of its branch in
// the node's stead; else both are planned, and a run takes one.
#include <tuple>

#include "tally/engine/estimate.h"
#include "tally/layers/body_plan.h"
#include "tally/layers/control.h"
#include "tally/layers/host_step.h"
#include "tally/layers/placement.h"

namespace tally {

namespace {

/// Runs the first body where the condition holds, else the second.
class BranchStep final : public Step {
 public:
  BufferId condition = -1;
  std::vector<PlacedBody> branches;

  std::unique_ptr<BoundStep> bind(const BufferTable& buffers) const override {
    return std::make_unique<Bound>(*this, buffers);
  }
  std::vector<BufferId> buffers() const override {
    std::vector<BufferId> ids{condition};
    for (const PlacedBody& branch : branches) branch.list_buffers(ids);
    return ids;
  }

 private:
  struct Bound : BoundStep {
    Bound(const BranchStep& step, const BufferTable& buffers)
        : condition(buffers.address[static_cast<size_t>(step.condition)]),
          then_branch(step.branches[0], buffers),
          else_branch(step.branches[1], buffers) {}
    void run(const RunEnv& env, int64_t, int64_t) const noexcept override {
      if (env.tally != nullptr) env.tally->bytes_loaded += 1;
      (*condition != std::byte{0} ? then_branch : else_branch).run(env);
    }
    const std::byte* condition;
    BoundBody then_branch, else_branch;
  };
};

class If final : public ControlLayer {
 public:
  explicit If(const Node& node) : ControlLayer(node) {
    if (node.inputs.size() != 1) fail(label(), text(node.inputs.size(), " inputs"), "must be 1");
    for (const char* key : {"then_branch", "else_branch"}) {
      branches_.push_back(required_body(node, key));
      const Graph& branch = *branches_.back();
      if (!branch.inputs.empty()) fail(label(), text(key, " with ", branch.inputs.size(), " inputs"), "must have none");
      if (branch.outputs.size() < node.outputs.size())
        fail(label(), text(key, " with ", branch.outputs.size(), " outputs"), text("must have ", node.outputs.size()));
      require_value_of_captures(names_needed(branch));
    }
    output_count_ = node.outputs.size();
  }

  const Graph* taken_branch(Operands in) const override {
    require_one(in[0], DType::boolean, label(), "condition");
    const std::optional<bool> condition = known_condition(in[0]);
    if (!condition) return nullptr;
    return branches_[*condition ? 0 : 1].get();
  }

  std::shared_ptr<const Layer> with_bodies(Operands, BodyTyper& typer) const override {
    auto bound = std::make_shared<If>(*this);
    for (const auto& branch : branches_) bound->bodies_.list.push_back(typer.type(*branch, {}));
    Body &first = bound->bodies_.list[0], &second = bound->bodies_.list[1];
    for (size_t k = 0; k < output_count_; ++k) {
      const Operand a = first.output(k), b = second.output(k);
      if (a.dtype != b.dtype || a.shape != b.shape)
        fail(label(),
             text("output ", k, " is ", name_of(a.dtype), " ", to_string(a.shape), " or ", name_of(b.dtype), " ",
                  to_string(b.shape)),
             "must be the same in both branches where the condition is not known at planning");
      bound->types_.push_back({a.dtype, a.shape});
    }
    const EstimateTotals costs[] = {estimate_graph(*first.graph).totals, estimate_graph(*second.graph).totals};
    const auto rank = [](const EstimateTotals& t) { return std::tuple(t.macs, t.operations, t.bytes_compulsory); };
    const bool is_second = rank(costs[1]) > rank(costs[0]);
    (is_second ? first : second).runs = 0;
    bound->bodies_.varies = "branch";
    bound->set_cost(costs[is_second ? 1 : 0], is_second ? "else_branch" : "then_branch", 1);
    return bound;
  }

  std::vector<Candidate> candidates(const PlanContext&, Operands in, std::span<const TensorType> out) const override {
    return {uniform_candidate("branch", in.size(), out.size(), Layout::plain, Layout::plain, rough_cycles(bodies_))};
  }

  // As planned, the costliest branch runs. Its figures are those of its own plan, and one byte more for the condition.
  void prepare(const Candidate&, Preparation& p) const override {
    auto step = std::make_unique<BranchStep>();
    step->condition = p.input(0).buffer;
    step->branches = place_bodies(p, bodies_);
    for (PlacedBody& branch : step->branches)
      for (size_t k = 0; k < branch.plan->outputs.size(); ++k) {
        const BufferId target = k < p.outputs().size() ? p.output(static_cast<int>(k)).buffer : -1;
        branch.place_output(k, {target >= 0 ? target : p.add_scratch(bytes_of_output(*branch.plan, k)), 0});
      }
    const size_t costliest = bodies_.list[0].runs > 0 ? 0 : 1;
    const Plan& plan = *step->branches[costliest].plan;
    Gap gap = gap_of(plan);
    gap.bytes_loaded["control"] += 1;
    step->planned = planned_of(plan);
    step->planned += host_planned(1, 0, 0);
    step->cycles = cycles_of(plan);
    p.explain(std::move(gap), bodies_.varies);
    p.add_step(std::move(step));
  }

 private:
  std::vector<std::shared_ptr<const Graph>> branches_;
  size_t output_count_ = 0;
};

}  // namespace

std::unique_ptr<Layer> make_if(const Node& node) { return std::make_unique<If>(node); }

}  // namespace tally
