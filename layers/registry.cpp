#include "tally/layers/registry.h"

#include <algorithm>
#include <string_view>

namespace tally {

class Rewriter;

#define TALLY_LAYER(op, first, last, maker) std::unique_ptr<Layer> maker(const Node& node);
#define TALLY_RULE(stage, rule) bool rule(Rewriter& rewriter, int index);
#include "tally/layers/list.inc"
#undef TALLY_LAYER
#undef TALLY_RULE

namespace {

struct Row {
  std::string_view op;
  int first_opset, last_opset;
  std::unique_ptr<Layer> (*make)(const Node& node);
};

constexpr Row kRows[] = {
#define TALLY_LAYER(op, first, last, maker) {#op, first, last, maker},
#define TALLY_RULE(stage, rule)
#include "tally/layers/list.inc"
#undef TALLY_LAYER
#undef TALLY_RULE
};

// The null entry keeps the array from being empty; it is no part of the span.
constexpr RewriteRule kRules[] = {
#define TALLY_LAYER(op, first, last, maker)
#define TALLY_RULE(stage, rule) {rule, stage},
#include "tally/layers/list.inc"
#undef TALLY_LAYER
#undef TALLY_RULE
    {}};

bool is_onnx_domain(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

const Row* find_row(const Node& node) {
  if (!is_onnx_domain(node.domain)) return nullptr;
  const Row* row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.op == node.op; });
  return row == std::end(kRows) ? nullptr : row;
}

bool in_range(const Row& row, int opset) { return opset >= row.first_opset && opset <= row.last_opset; }

bool knows(const Node& node) {
  const Row* row = find_row(node);
  return row && in_range(*row, node.opset);
}

std::unique_ptr<Layer> make(const Node& node) {
  const Row* row = find_row(node);
  if (!row) {
    const std::string domain = is_onnx_domain(node.domain) ? "ai.onnx" : node.domain;
    fail(node.label(), text("operator ", node.op, " of domain '", domain, "' at opset ", node.opset, " is not known"),
         "must be a supported operator");
  }
  if (!in_range(*row, node.opset))
    fail(node.label(), text("opset ", node.opset), text("must be ", row->first_opset, " to ", row->last_opset));
  return row->make(node);
}

}  // namespace

const Registry& registry() {
  static const Registry all{.make = make, .rules = {kRules, std::size(kRules) - 1}, .knows = knows};
  return all;
}

}  // namespace tally
