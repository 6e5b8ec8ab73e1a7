#include "tally/engine/model.h"

#include <algorithm>
#include <limits>
#include <list>
#include <set>

#include "tally/engine/isa_choice.h"

namespace tally {

namespace {

/// Dimensions that the given shapes fix: an input declared [N, 3, H] given as 2×3×8 binds N and H.
void bind_dims(const Graph& graph, const std::map<std::string, Shape>& shapes, std::map<std::string, int64_t>& dims) {
  for (const ValueInfo& input : graph.inputs) {
    const auto it = shapes.find(input.name);
    if (it == shapes.end() || !input.shape || input.shape->size() != it->second.size()) continue;
    for (size_t d = 0; d < it->second.size(); ++d) {
      const std::string& name = (*input.shape)[d].name;
      if (name.empty()) continue;
      const auto [bound, is_new] = dims.try_emplace(name, it->second[d]);
      if (!is_new && bound->second != it->second[d])
        fail("input '" + input.name + "'", text("dimension '", name, "'=", it->second[d]),
             text("must be ", bound->second, " as elsewhere"));
    }
  }
}

/// Plans that a model keeps for inputs of shapes that it has seen; a text model fed in lengths as they come would keep
/// one a length.
constexpr size_t kMostPlans = 8;

struct KeyedPlan {
  std::string key;
  std::weak_ptr<const Plan> plan;    ///< contexts hold the plans that they run
  std::shared_ptr<const Plan> kept;  ///< null: only as long as they do
};

}  // namespace

struct CompiledModel::Impl {
  Graph graph;
  Registry registry;
  LoadOptions options;
  Isa isa = Isa::scalar;
  std::vector<std::string> carrying;
  std::mutex mutex;
  std::list<KeyedPlan> plans;  ///< the latest used first

  /// The plan of these inputs where there still is one; it then counts as the latest used.
  std::shared_ptr<const Plan> find_plan(const std::string& key) {
    const auto it = std::find_if(plans.begin(), plans.end(), [&](const KeyedPlan& keyed) { return keyed.key == key; });
    std::shared_ptr<const Plan> plan = it == plans.end() ? nullptr : it->plan.lock();
    if (!plan) return nullptr;
    it->kept = plan;
    plans.splice(plans.begin(), plans, it);
    let_go();
    return plan;
  }

  void add_plan(std::string key, std::shared_ptr<const Plan> plan) {
    plans.push_front({std::move(key), plan, plan});
    let_go();
  }

  /// Keeps what was used last: kMostPlans, and no more weights than max_memory.
  void let_go() {
    size_t bytes = 0, count = 0;
    for (KeyedPlan& keyed : plans) {
      if (!keyed.kept) continue;
      bytes += keyed.kept->weights_bytes;
      if (++count > 1 && (count > kMostPlans || bytes > options.max_memory)) keyed.kept.reset();
    }
    plans.remove_if([](const KeyedPlan& keyed) { return keyed.plan.expired(); });
  }

  Binding binding(const std::map<std::string, Shape>& shapes, const std::map<std::string, Tensor>& values) const {
    Binding b;
    b.dims = options.dims;
    bind_dims(graph, shapes, b.dims);
    b.shapes = shapes;
    b.values = values;
    b.max_tensor_bytes = static_cast<int64_t>(options.max_memory);
    b.max_trips = options.max_macs;
    b.folding = std::make_shared<FoldingBudget>();
    b.folding->max_bytes = options.max_memory;
    b.folding->max_work = options.max_macs;
    b.allow_unknown = options.allow_unknown;
    return b;
  }

  void check_dim(const std::string& name) const {
    std::set<std::string> names;
    for (const ValueInfo& input : graph.inputs)
      if (input.shape)
        for (const Dim& d : *input.shape)
          if (!d.name.empty()) names.insert(d.name);
    if (names.contains(name)) return;
    std::string list;
    for (const std::string& known : names) list += (list.empty() ? ": " : ", ") + known;
    fail("dimension", "'" + name + "'",
         "must be a symbolic dimension of an input" + (list.empty() ? ", which this model has none of" : list),
         ErrorCode::usage);
  }

  void check_macs(const Estimate& estimate) const {
    const EstimateTotals& t = estimate.totals;
    const std::pair<int64_t, const char*> bounded[] = {{t.macs, "MACs"},
                                                       {t.operations - t.flops, "operations beside MACs"},
                                                       {t.comparisons, "comparisons"},
                                                       {t.output_elements, "output elements"}};
    for (const auto& [value, what] : bounded)
      if (value > options.max_macs)
        fail("model", text(value, " ", what, " an inference"),
             text("must be at most ", options.max_macs, " (--max-macs)"), ErrorCode::limit);
  }
};

CompiledModel::CompiledModel(Graph graph, const Registry& registry, LoadOptions options)
    : impl_(std::make_shared<Impl>()) {
  if (options.threads < 1) fail("threads", text(options.threads), "must be at least 1", ErrorCode::usage);
  impl_->graph = std::move(graph);
  impl_->registry = registry;
  impl_->isa = choose_isa(options.isa);
  impl_->options = std::move(options);
  // On 32-bit targets: what is within the limit and one buffer more, within it too, must not wrap around.
  impl_->options.max_memory = std::min(impl_->options.max_memory, std::numeric_limits<size_t>::max() / 2);
  for (const auto& [name, dim] : impl_->options.dims) impl_->check_dim(name);
  impl_->carrying = shape_carrying_inputs(impl_->graph, registry, impl_->options.allow_unknown);
}

const Graph& CompiledModel::graph() const { return impl_->graph; }
const LoadOptions& CompiledModel::options() const { return impl_->options; }
Isa CompiledModel::isa() const { return impl_->isa; }
const std::vector<std::string>& CompiledModel::shape_carrying() const { return impl_->carrying; }

bool CompiledModel::fully_declared() const {
  if (!impl_->carrying.empty()) return false;
  for (const ValueInfo& input : impl_->graph.inputs) {
    if (!input.shape) return false;
    for (const Dim& dim : *input.shape)
      if (dim.value < 0 && (dim.name.empty() || !impl_->options.dims.contains(dim.name))) return false;
  }
  return true;
}

std::shared_ptr<const Plan> CompiledModel::plan(const std::map<std::string, Shape>& shapes,
                                                const std::map<std::string, Tensor>& values, bool* made) const {
  std::string key;
  for (const auto& [name, shape] : shapes) key += name + '\0' + to_string(shape) + '\0';
  for (const auto& [name, tensor] : values) {
    key += name + '\0' + to_string(tensor.shape()) + '\0';
    key.append(static_cast<const char*>(tensor.data()), tensor.bytes());
  }
  const std::lock_guard lock(impl_->mutex);
  if (made) *made = false;
  if (auto kept = impl_->find_plan(key)) return kept;
  if (made) *made = true;
  const Binding binding = impl_->binding(shapes, values);
  // Costs first, from shapes alone: a model over the limits is refused before any weight is packed.
  Binding light = impl_->binding(shapes, values);
  light.evaluate_weights = false;
  impl_->check_macs(estimate_graph(type_graph(impl_->graph, impl_->registry, light)));
  PlanOptions plan_options{impl_->isa,
                           impl_->options.threads,
                           impl_->options.max_memory,
                           impl_->options.rewrite,
                           impl_->options.stream,
                           impl_->options.max_macs};
  auto plan = make_plan(type_graph(impl_->graph, impl_->registry, binding), impl_->registry.rules, plan_options);
  impl_->add_plan(std::move(key), plan);
  return plan;
}

Estimate CompiledModel::estimate(const std::map<std::string, Shape>& shapes,
                                 const std::map<std::string, Tensor>& values) const {
  Binding binding = impl_->binding(shapes, values);
  binding.evaluate_weights = false;
  return estimate_graph(type_graph(impl_->graph, impl_->registry, binding));
}

std::vector<FusedRow> CompiledModel::fused(const std::map<std::string, Shape>& shapes,
                                           const std::map<std::string, Tensor>& values) const {
  Binding binding = impl_->binding(shapes, values);
  binding.evaluate_weights = false;
  return fused_rows(type_graph(impl_->graph, impl_->registry, binding), impl_->registry.rules);
}

}  // namespace tally
