#include "tally/layers/control.h"

#include "tally/layers/formula.h"
#include "tally/layers/registry.h"

namespace tally {

ControlLayer::ControlLayer(const Node& node)
    : Layer(node), inputs_(node.inputs.size()), operands_(operand_names(node)), needed_(operands_.size(), false) {}

std::shared_ptr<const Graph> ControlLayer::required_body(const Node& node, const char* key) const {
  std::shared_ptr<const Graph> body = node.get_graph(key);
  if (body == nullptr) fail(label(), text("no ", key), "must have one");
  return body;
}

std::set<std::string> ControlLayer::names_needed(const Graph& body) { return tally::names_needed(body, registry()); }

void ControlLayer::require_value_of_captures(const std::set<std::string>& names) {
  for (size_t i = inputs_; i < operands_.size(); ++i)
    if (names.contains(operands_[i])) needed_[i] = true;
}

void ControlLayer::set_cost(const EstimateTotals& once, const std::string& body, int64_t trips) {
  cost_ = {};
  cost_.source = "ONNX " + op() + ": what its body costs, times its trips; of two branches the costlier";
  const auto add = [&](const char* quantity, int64_t value) {
    if (value == 0) return;
    const std::string symbol = quantity + (" of " + body);
    cost_.formulas.push_back(product(label(), quantity, {{"trips", trips}, {symbol.c_str(), value}}));
  };
  add("macs", once.macs);
  add("comparisons", once.comparisons);
  add("elementwise", once.elementwise);
  add("special", once.special);
}

void require_one(const Operand& operand, DType type, const std::string& who, const char* what) {
  if (!operand.present) return;
  if (operand.dtype != type)
    fail(who, text(what, " of type ", name_of(operand.dtype)), text("must be ", name_of(type)));
  if (element_count(operand.shape, who) != 1)
    fail(who, text(what, " of shape ", to_string(operand.shape)), "must be one element");
}

std::optional<bool> known_condition(const Operand& operand) {
  if (const std::optional<int64_t> value = known_integer(operand)) return *value != 0;
  return std::nullopt;
}

std::optional<int64_t> known_integer(const Operand& operand) {
  if (!operand.present || operand.constant == nullptr || !operand.constant->has_data()) return std::nullopt;
  return operand.constant->to_int64().at(0);
}

}  // namespace tally
