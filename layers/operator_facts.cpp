#include "tally/layers/operator_facts.h"

#include <algorithm>

#include "tally/engine/opsets.h"
#include "tally/engine/typed_graph.h"
#include "tally/layers/operator_example.h"
#include "tally/platforms/kernel_table.h"

namespace tally {

namespace {

constexpr DType kSwept[] = {DType::f32, DType::f16, DType::bf16, DType::f64, DType::i8,  DType::u8,     DType::i16,
                            DType::u16, DType::i32, DType::u32,  DType::i64, DType::u64, DType::boolean};

/// What runs the node of a typed example; nothing where nothing does.
std::map<Isa, std::set<std::string>> kernels_of(const TypedGraph& graph, const TypedNode& node,
                                                std::span<const Isa> isas) {
  std::map<Isa, std::set<std::string>> kernels;
  const std::vector<Operand> operands = graph.operands(node);
  const std::vector<TensorType> types = graph.output_types(node);
  for (const Isa isa : isas)
    for (const Candidate& candidate : node.layer->candidates({&kernel_table(isa, false)}, operands, types))
      kernels[isa].insert(candidate.kernel);
  return kernels;
}

/// Adds what the layer of a typed example says; false where it cannot run it. A graph without nodes was folded.
bool add_answers(const TypedGraph& graph, DType type, std::span<const Isa> isas, OperatorFacts& facts) {
  if (graph.nodes.empty()) {
    facts.runs = Runs::at_load;
    facts.coverage[Coverage::free];
    facts.kernels[type];
    return true;
  }
  const TypedNode& node = graph.nodes.back();
  if (node.layer->view_of() >= 0) {
    facts.runs = Runs::never;
    facts.kernels[type];
  } else {
    const auto kernels = kernels_of(graph, node, isas);
    if (kernels.empty()) return false;
    for (const auto& [isa, names] : kernels) facts.kernels[type][isa].insert(names.begin(), names.end());
  }
  const Cost cost = node.layer->cost(graph.operands(node), graph.output_types(node));
  std::set<std::string>& reasons = facts.coverage[cost.coverage];
  if (!cost.reason.empty()) reasons.insert(cost.reason);
  return true;
}

/// False where the layer does not take the example in this type.
bool try_example(const SupportedOperator& row, std::string_view example, DType type, std::span<const Isa> isas,
                 OperatorFacts& facts) {
  const Graph graph = example_graph(row.op, std::min(row.last_opset, kNewestOpset), example, type);
  try {
    return add_answers(type_graph(graph, registry(), Binding{}), type, isas, facts);
  } catch (const Error& error) {
    if (error.code != ErrorCode::model) throw;
    return false;
  }
}

OperatorFacts facts_of(const SupportedOperator& row, std::span<const Isa> isas) {
  OperatorFacts facts{row, Runs::steps, {}, {}};
  for (std::string_view example : operator_examples(row.op)) {
    bool taken = false;
    for (const DType type : types_to_try(example)) taken = try_example(row, example, type, isas, facts) || taken;
    if (taken && !has_own_examples(row.op)) break;
  }
  return facts;
}

}  // namespace

std::span<const DType> swept_types() { return kSwept; }

std::span<const DType> types_to_try(std::string_view example) {
  return swept_types().first(sweeps_types(example) ? std::size(kSwept) : 1);
}

std::vector<OperatorFacts> operator_facts(std::span<const Isa> isas) {
  std::vector<OperatorFacts> all;
  for (const SupportedOperator& row : supported_operators()) all.push_back(facts_of(row, isas));
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.row.op < b.row.op; });
  return all;
}

}  // namespace tally
