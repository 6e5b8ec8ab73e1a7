#include "tools/estimate/what_if.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "nlohmann/json.hpp"
#include "tally/engine/error.h"
#include "tools/estimate/counted_node.h"
#include "tools/estimate/storage.h"
#include "tools/input/decimal.h"

namespace tally::tools {

namespace {

using Names = std::set<std::string>;

bool has_weights(NodeKind kind) {
  return kind == NodeKind::conv || kind == NodeKind::conv_transpose || kind == NodeKind::linear ||
         kind == NodeKind::recurrent || kind == NodeKind::embedding;
}

/// ⌊value · a/b⌋ without the product of all.
int64_t scaled(int64_t value, int64_t a, int64_t b) { return b == 0 ? value : value / b * a + value % b * a / b; }

/// Which tensors lose channels.
struct Pruning {
  Names pruned;

  Pruning(const std::vector<CountedNode>& nodes, const Graph& graph) {
    Names final_tensors;  // reach a graph output without another layer with weights on the way
    for (const ValueInfo& output : graph.outputs) final_tensors.insert(output.name);
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
      if (has_weights(node->kind)) continue;
      for (const EstimatedOperand& output : node->row->outputs)
        if (final_tensors.contains(output.name))
          for (const EstimatedOperand& operand : node->row->operands) final_tensors.insert(operand.name);
    }
    for (const CountedNode& node : nodes) {
      const bool loses = has_weights(node.kind) ||
                         std::any_of(node.row->operands.begin(), node.row->operands.end(),
                                     [&](const EstimatedOperand& o) { return !o.constant && pruned.contains(o.name); });
      for (const EstimatedOperand& output : node.row->outputs)
        if (loses && !final_tensors.contains(output.name)) pruned.insert(output.name);
    }
  }
};

struct Costs {
  int64_t params = 0, macs = 0, stored = 0, stored_elements = 0, bytes = 0;
};

class Variant {
 public:
  Variant(const WhatIf& what, const Pruning& pruning) : what_(what), pruning_(pruning) {}

  void add(const CountedNode& node) {
    const bool in = std::any_of(node.row->operands.begin(), node.row->operands.end(), [&](const EstimatedOperand& o) {
      return !o.constant && pruning_.pruned.contains(o.name);
    });
    const bool out = std::any_of(node.row->outputs.begin(), node.row->outputs.end(),
                                 [&](const EstimatedOperand& o) { return pruning_.pruned.contains(o.name); });
    add_macs(node, in, out);
    int64_t tensors = 0;
    for (const EstimatedOperand& operand : node.row->operands) {
      tensors += operand.bytes;
      add_operand(node, operand, in, out);
    }
    for (const EstimatedOperand& output : node.row->outputs) {
      tensors += output.bytes;
      const int64_t elements = element_count(output.shape);
      const int64_t kept = out ? keep(elements) : elements;
      costs_.bytes += resized(scaled(output.bytes, kept, elements), output.dtype);
    }
    costs_.bytes += node.row->bytes_compulsory() - tensors;  // of bodies, which stay as they are
    if (factored_ && !node.row->outputs.empty()) {
      const DType dtype = node.row->outputs[0].dtype;
      costs_.bytes += 2 * resized(times({bits_of(dtype) / 8, positions_, factor_rank_}), dtype);
    }
  }

  VariantCost cost() const { return {what_.name, costs_.params, costs_.macs, costs_.stored, costs_.bytes}; }

 private:
  int64_t keep(int64_t channels) const {
    const auto out = static_cast<int64_t>(std::floor(what_.prune * static_cast<double>(channels)));
    return std::max<int64_t>(std::min<int64_t>(channels, 1), channels - out);
  }

  int64_t resized(int64_t bytes, DType dtype) const {
    const bool floating = dtype == DType::f32 || dtype == DType::f64 || dtype == DType::f16 || dtype == DType::bf16;
    return what_.width == 0 || !floating ? bytes : bytes / (bits_of(dtype) / 8) * what_.width;
  }

  /// MACs of the node, pruned on the sides that are, then factored; leaves what its weights become.
  void add_macs(const CountedNode& n, bool in, bool out) {
    factored_ = false;
    int64_t macs = n.macs();
    weights_ = extent_product(n.weight_shape());
    int64_t reduced = 0, given = 0;  // C·Πk or K, and M or N, once pruned
    if (n.kind == NodeKind::conv || n.kind == NodeKind::conv_transpose || n.kind == NodeKind::linear) {
      const Shape x = n.input_shape(), y = n.output_shape();
      const bool linear = n.kind == NodeKind::linear;
      const int64_t C = linear ? (x.empty() ? 1 : x.back()) : (x.size() > 1 ? x[1] : 1);
      const int64_t M = linear ? (y.empty() ? 1 : y.back()) : (y.size() > 1 ? y[1] : 1);
      const Shape w = n.weight_shape();
      const bool depthwise = n.kind == NodeKind::conv && w.size() > 2 && w[1] == 1 && C > 1;
      const int64_t kept_in = in ? keep(C) : C, kept_out = out ? keep(M) : M;
      macs = scaled(macs, kept_out, M);
      weights_ = scaled(weights_, kept_out, M);
      if (!depthwise) macs = scaled(macs, kept_in, C), weights_ = scaled(weights_, kept_in, C);
      given = kept_out;
      reduced = given > 0 ? weights_ / given : 0;
      if (n.kind == NodeKind::conv && w.size() > 2 && w[1] != C) reduced = 0;  // grouped: not factored
      if (n.kind == NodeKind::conv_transpose) reduced = 0;
    } else if (n.kind == NodeKind::recurrent) {
      const RecurrentExtents e = n.recurrent();
      const int64_t I = in ? keep(e.I) : e.I, H = out ? keep(e.H) : e.H;
      macs = times({e.T, e.B, e.D, e.gates, I + H, H});
    } else if (in && macs > 0) {
      macs = keep(macs);
    }
    if (what_.rank > 0 && reduced > 0 && macs > 0) macs = factored_macs(macs, reduced, given);
    costs_.macs += macs;
  }

  /// MACs of two factors [given, R] and [R, reduced] in the place of one matrix, where they have fewer weights.
  int64_t factored_macs(int64_t macs, int64_t reduced, int64_t given) {
    const double full = static_cast<double>(std::min(reduced, given));
    const int64_t R = std::max<int64_t>(1, static_cast<int64_t>(std::floor(what_.rank * full)));
    const int64_t factors = times({R, reduced + given}), matrix = times({reduced, given});
    if (factors >= matrix) return macs;
    factored_ = true;
    factor_rank_ = R;
    positions_ = macs / matrix;
    weights_ = factors;
    return times({positions_, factors});
  }

  /// Elements of a constant once pruned (and, of the weight of a Linear or Conv, factored).
  int64_t constant_elements(const CountedNode& n, const EstimatedOperand& operand, bool in, bool out) const {
    const int64_t elements = element_count(operand.shape);
    if (n.kind == NodeKind::conv || n.kind == NodeKind::conv_transpose || n.kind == NodeKind::linear)
      return operand.shape.size() > 1 ? weights_ : out ? keep(elements) : elements;
    if (n.kind == NodeKind::recurrent && operand.shape.size() < 3) return out ? keep(elements) : elements;
    if (n.kind == NodeKind::recurrent) {
      const RecurrentExtents e = n.recurrent();
      const int64_t H = out ? keep(e.H) : e.H, inner = operand.shape[2];
      const bool recurrent_weight = &operand != &n.row->operands[1];
      return times({e.D, e.gates, H, recurrent_weight ? H : in ? keep(inner) : inner});
    }
    return in || out ? keep(elements) : elements;
  }

  void add_operand(const CountedNode& n, const EstimatedOperand& operand, bool in, bool out) {
    const int64_t elements = element_count(operand.shape);
    if (!operand.constant) {
      const int64_t kept = pruning_.pruned.contains(operand.name) ? keep(elements) : elements;
      costs_.bytes += resized(scaled(operand.bytes, kept, elements), operand.dtype);
      return;
    }
    const bool counted = operand.role == Role::weight || operand.role == Role::buffer;
    if (!counted && operand.role != Role::constant) return;
    const int64_t kept = constant_elements(n, operand, in, out);
    costs_.bytes += resized(scaled(operand.bytes, kept, elements), operand.dtype);
    if (counted ? operand.shared : !constants_.insert(operand.name).second) return;
    const auto stored = bytes_of(operand.dtype, elements);
    costs_.stored += resized(scaled(stored, kept, elements), operand.dtype);
    if (operand.role == Role::weight) costs_.params += kept;
  }

  const WhatIf& what_;
  const Pruning& pruning_;
  Costs costs_;
  Names constants_;
  bool factored_ = false;
  int64_t weights_ = 0, positions_ = 0, factor_rank_ = 0;
};

[[noreturn]] void refuse(const std::string& item, const std::string& required) {
  fail("--what-if", "'" + item + "'", required, ErrorCode::usage);
}

double parse_share(const std::string& item, const std::string& text) {
  const std::optional<double> share = decimal_in(text);
  if (!share || !(*share > 0 && *share < 1)) refuse(item, "must be a share between 0 and 1");
  return *share;
}

WhatIf parse_change(const std::string& item) {
  const size_t equals = std::min(item.find('='), item.size());
  const std::string key = item.substr(0, equals), value = equals < item.size() ? item.substr(equals + 1) : "";
  WhatIf what;
  what.name = item;
  if (key == "dtype") {
    for (const StorageFormat& format : kStorageFormats)
      if (value == format.name) what.width = format.bytes;
    if (what.width == 0) refuse(item, "must be dtype=fp32, fp16 or int8");
  } else if (key == "prune") {
    what.prune = parse_share(item, value);
  } else if (key == "rank") {
    what.rank = parse_share(item, value);
  } else {
    refuse(item, "must be dtype=…, prune=… or rank=…");
  }
  return what;
}

}  // namespace

std::vector<WhatIf> parse_what_if(const std::string& text) {
  std::vector<WhatIf> list;
  WhatIf all;
  all.name = text;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    list.push_back(parse_change(text.substr(at, end - at)));
    const WhatIf& what = list.back();
    if ((what.width > 0 && all.width > 0) || (what.prune > 0 && all.prune > 0) || (what.rank > 0 && all.rank > 0))
      refuse(what.name, "must be given once");
    all.width += what.width;
    all.prune += what.prune;
    all.rank += what.rank;
    at = end + 1;
  }
  if (list.size() > 1) list.push_back(all);
  return list;
}

std::vector<VariantCost> variant_costs(const Estimate& estimate, const Graph& graph, const std::vector<WhatIf>& list) {
  const std::vector<CountedNode> nodes = counted_nodes(estimate, graph);
  const Pruning pruning(nodes, graph);
  std::vector<VariantCost> costs{{"as it is", estimate.totals.params, estimate.totals.macs,
                                  stored_values(estimate).bytes, estimate.totals.bytes_compulsory}};
  for (const WhatIf& what : list) {
    Variant variant(what, pruning);
    for (const CountedNode& node : nodes) variant.add(node);
    costs.push_back(variant.cost());
  }
  return costs;
}

ReportPart what_if_part(const std::vector<VariantCost>& costs) {
  Table table;
  table.columns = {{"variant", "variant", Unit::text, "", 20},
                   {"params", "params", Unit::count},
                   {"macs", "MACs", Unit::count},
                   {"macs_share", "share", Unit::share},
                   {"model_bytes", "model", Unit::bytes},
                   {"bytes_compulsory", "compulsory", Unit::bytes},
                   {"macs_per_byte", "MAC/B", Unit::number}};
  const VariantCost& original = costs.front();
  for (const VariantCost& cost : costs)
    table.rows.push_back({cost.name, cost.params, cost.macs,
                          original.macs > 0 ? static_cast<double>(cost.macs) / static_cast<double>(original.macs) : 0.0,
                          cost.model_bytes, cost.bytes_compulsory,
                          cost.bytes_compulsory > 0
                              ? static_cast<double>(cost.macs) / static_cast<double>(cost.bytes_compulsory)
                              : 0.0});
  return {"What if", std::move(table)};
}

nlohmann::ordered_json what_if_json(const std::vector<VariantCost>& costs) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const VariantCost& cost : costs)
    list.push_back({{"variant", cost.name},
                    {"params", cost.params},
                    {"macs", cost.macs},
                    {"model_bytes", cost.model_bytes},
                    {"bytes_compulsory", cost.bytes_compulsory},
                    {"coverage", &cost == &costs.front() ? "exact" : "approximate"}});
  return list;
}

}  // namespace tally::tools
