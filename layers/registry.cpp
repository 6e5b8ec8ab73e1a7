#include "tally/layers/registry.h"

#include <algorithm>
#include <string_view>

// cmake/operators.cmake: all rows, or those that TALLY_OPERATORS chose.
#if defined(TALLY_CHOSEN_LAYERS)
#define TALLY_LAYERS "tally/chosen_layers.inc"
#else
#define TALLY_LAYERS "tally/layers/list.inc"
#endif

namespace tally {

class Rewriter;

#define TALLY_LAYER(op, first, last, maker) std::unique_ptr<Layer> maker(const Node& node);
#define TALLY_RULE(stage, rule) bool rule(Rewriter& rewriter, int index);
#include TALLY_LAYERS
#undef TALLY_LAYER
#undef TALLY_RULE

namespace {

constexpr SupportedOperator kSupported[] = {
#define TALLY_LAYER(op, first, last, maker) {#op, first, last},
#define TALLY_RULE(stage, rule)
#include TALLY_LAYERS
#undef TALLY_LAYER
#undef TALLY_RULE
};

/// The maker of each.
constexpr std::unique_ptr<Layer> (*kMakers[])(const Node& node) = {
#define TALLY_LAYER(op, first, last, maker) maker,
#define TALLY_RULE(stage, rule)
#include TALLY_LAYERS
#undef TALLY_LAYER
#undef TALLY_RULE
};

constexpr ExcludedOperator kExcluded[] = {
#define TALLY_OUT_OF_SCOPE(op, reason) {#op, reason},
#include "tally/layers/out_of_scope.inc"
#undef TALLY_OUT_OF_SCOPE
};

// The null entry keeps the array from being empty; it is no part of the span.
constexpr RewriteRule kRules[] = {
#define TALLY_LAYER(op, first, last, maker)
#define TALLY_RULE(stage, rule) {rule, stage},
#include TALLY_LAYERS
#undef TALLY_LAYER
#undef TALLY_RULE
    {}};

bool is_onnx_domain(std::string_view domain) { return domain.empty() || domain == "ai.onnx"; }

const SupportedOperator* find_row(const Node& node) {
  if (!is_onnx_domain(node.domain)) return nullptr;
  const auto* row =
      std::find_if(std::begin(kSupported), std::end(kSupported), [&](const auto& r) { return r.op == node.op; });
  return row == std::end(kSupported) ? nullptr : row;
}

bool in_range(const SupportedOperator& row, int opset) { return opset >= row.first_opset && opset <= row.last_opset; }

bool knows(const Node& node) {
  const SupportedOperator* row = find_row(node);
  return row && in_range(*row, node.opset);
}

std::unique_ptr<Layer> make(const Node& node) {
  const SupportedOperator* row = find_row(node);
  if (!row) {
    const std::string domain = is_onnx_domain(node.domain) ? "ai.onnx" : node.domain;
    if (const std::string_view reason = out_of_scope(node.domain, node.op); !reason.empty())
      fail(node.label(), "an operator of " + domain,
           text("must be for inference on tensors (out of scope: ", reason, ")"));
    fail(node.label(), text("operator ", node.op, " of domain '", domain, "' at opset ", node.opset, " is not known"),
         "must be a supported operator");
  }
  if (!in_range(*row, node.opset))
    fail(node.label(), text("opset ", node.opset), text("must be ", row->first_opset, " to ", row->last_opset));
  return kMakers[row - kSupported](node);
}

}  // namespace

const Registry& registry() {
  static const Registry all{.make = make, .rules = {kRules, std::size(kRules) - 1}, .knows = knows};
  return all;
}

std::span<const SupportedOperator> supported_operators() { return kSupported; }
std::span<const ExcludedOperator> excluded_operators() { return kExcluded; }

std::string_view out_of_scope(std::string_view domain, std::string_view op) {
  if (domain.ends_with(".training")) return "training";
  if (!is_onnx_domain(domain)) return "";
  const auto* row = std::find_if(std::begin(kExcluded), std::end(kExcluded), [&](const auto& r) { return r.op == op; });
  return row == std::end(kExcluded) ? "" : row->reason;
}

}  // namespace tally
