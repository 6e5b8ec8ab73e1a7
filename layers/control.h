#pragma once
// What If, Loop and Scan have in common: bodies, and that their cost is what the bodies cost.
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tally/engine/body.h"
#include "tally/engine/estimate.h"

namespace tally {

class ControlLayer : public Layer {
 public:
  explicit ControlLayer(const Node& node);

  std::vector<TensorType> infer(Operands) const override { return types_; }
  bool needs_value(int input) const override { return needed_[static_cast<size_t>(input)]; }
  Cost cost(Operands, std::span<const TensorType>) const override { return cost_; }
  const Bodies* bodies() const override { return bodies_.list.empty() ? nullptr : &bodies_; }

 protected:
  std::shared_ptr<const Graph> required_body(const Node& node, const char* key) const;
  /// Names that a body does not compute and whose values its planning needs.
  static std::set<std::string> names_needed(const Graph& body);
  void require_value(size_t operand) { needed_[operand] = true; }
  /// Asks for the values of what the bodies capture under these names.
  void require_value_of_captures(const std::set<std::string>& names);

  /// Sets cost_: the formulas of `trips` runs of a body called `body` that costs `once`. The estimate adds the figures.
  void set_cost(const EstimateTotals& once, const std::string& body, int64_t trips);

  Bodies bodies_;                  ///< of the layer that with_bodies makes
  std::vector<TensorType> types_;  ///< of its outputs
  Cost cost_;

 private:
  size_t inputs_;
  std::vector<std::string> operands_;
  std::vector<bool> needed_;
};

/// The value of a one-element operand, where planning knows it; nothing where it is absent too.
std::optional<bool> known_condition(const Operand& operand);
std::optional<int64_t> known_integer(const Operand& operand);

/// Throws Error(model) naming `who` unless the operand is absent or one element of that type.
void require_one(const Operand& operand, DType type, const std::string& who, const char* what);

}  // namespace tally
