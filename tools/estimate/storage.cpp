#include "tools/estimate/storage.h"

#include <set>

#include "nlohmann/json.hpp"
#include "tools/estimate/counted_node.h"
#include "tools/output/formatted.h"
#include "tools/output/numbers.h"

namespace tally::tools {

StoredValues stored_values(const Estimate& estimate) {
  StoredValues stored;
  std::set<std::string> constants;
  for (const NodeEstimate& row : estimate.layers)
    for (const EstimatedOperand& operand : row.operands) {
      const bool counted = operand.role == Role::weight || operand.role == Role::buffer;
      if (!operand.constant || (!counted && operand.role != Role::constant)) continue;
      if (counted ? operand.shared : !constants.insert(operand.name).second) continue;
      const int64_t elements = element_count(operand.shape);
      stored.elements += elements;
      stored.bytes += bytes_of(operand.dtype, elements);
    }
  return stored;
}

TrainingSpace training_space(const Estimate& estimate) {
  const EstimateTotals& t = estimate.totals;
  return {t.params, t.activation_elements_textbook,
          t.training_elements / 2 - t.params - t.activation_elements_textbook};
}

nlohmann::ordered_json storage_json(const Estimate& estimate) {
  const StoredValues stored = stored_values(estimate);
  nlohmann::ordered_json json{{"elements", stored.elements}, {"stored", stored.bytes}};
  for (const StorageFormat& format : kStorageFormats) json[format.name] = times({stored.elements, format.bytes});
  return json;
}

ReportPart training_part(const Estimate& estimate) {
  const TrainingSpace space = training_space(estimate);
  Table table;
  table.columns = {{"part", "part"},
                   {"elements", "elements", Unit::figure},
                   {"bytes_fp32", "bytes in fp32", Unit::figure},
                   {"meaning", "what it is", Unit::text, "", 24}};
  const auto line = [&](std::string part, int64_t elements, std::string meaning) {
    table.rows.push_back({std::move(part), elements, times({4, elements}), std::move(meaning)});
  };
  line("params", times({2, space.params}), "values and gradients");
  line("activations", times({2, space.activations}), "outputs of Conv, Gemm, MatMul, pooling, recurrent layers");
  line("inputs", times({2, space.inputs}), "of the graph, and their gradients");
  line("training_elements", space.elements(), "the sum");
  for (const Optimizer& optimizer : kOptimizers)
    line(formatted("with {}", optimizer.name), space.elements() + times({optimizer.states, space.params}),
         formatted("a parameter keeps {}", optimizer.meaning));
  return {"Training", std::move(table)};
}

nlohmann::ordered_json training_json(const Estimate& estimate) {
  const TrainingSpace space = training_space(estimate);
  nlohmann::ordered_json json;
  for (const auto& [name, elements] : {std::pair{"params", space.params}, std::pair{"activations", space.activations},
                                       std::pair{"inputs", space.inputs}}) {
    json["values"][name] = elements;
    json["gradients"][name] = elements;
  }
  json["training_elements"] = space.elements();
  for (const Optimizer& optimizer : kOptimizers) {
    const int64_t states = times({optimizer.states, space.params});
    json["optimizers"][optimizer.name] = {{"state_elements", states},
                                          {"elements", space.elements() + states},
                                          {"bytes_fp32", times({4, space.elements() + states})}};
  }
  return json;
}

}  // namespace tally::tools
